//! [`plan`]: what a branch's policy would remove, as a pure value with reasons (I6; spec dlrepo
//! §14). The dry run, the preview and the real run are this function on the same facts.

use serde::Serialize;

use super::{BranchId, BranchPath, CleanupPolicy, Tag, TagName, Usage};

/// What the policy of one branch would remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchPlan {
    /// Where the branch is.
    pub branch: BranchPath,
    /// The branch: another one may have its name later.
    pub id: BranchId,
    /// The generation of the branch that this plan was made for. Applying it to another one is
    /// refused, and the branch is planned again.
    pub generation: u64,
    /// The tags to remove, in the order of their names.
    pub doomed: Vec<Doomed>,
}

/// One tag that a policy would remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doomed {
    /// Its name.
    pub tag: TagName,
    /// Files and logical bytes below it.
    pub usage: Usage,
    /// The rule that it falls under.
    pub rule: Rule,
}

/// Which tags a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleKind {
    /// `max_daily_tags`.
    MaxDailyTags,
    /// `max_released_tags`.
    MaxReleasedTags,
}

/// Why a tag goes: its place among its kind, newest first, and how many of them stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The rule.
    pub kind: RuleKind,
    /// How many of the newest tags of the kind stay.
    pub keep: u64,
    /// The tag's place among the unlocked tags of the kind; the newest is number 1.
    pub place: u64,
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, kind) = match self.kind {
            RuleKind::MaxDailyTags => ("max_daily_tags", "unreleased"),
            RuleKind::MaxReleasedTags => ("max_released_tags", "released"),
        };
        let Self { keep, place, .. } = self;
        write!(f, "{name} = {keep}: number {place} of the {kind} tags, newest first")
    }
}

/// The tags that `policy` would remove. Locked tags neither count nor go; released and
/// unreleased ones are counted apart; the newest by creation stay, ties broken by id; a limit of
/// 0 keeps all.
#[must_use]
pub fn plan(policy: CleanupPolicy, tags: &[(TagName, Tag)]) -> Vec<Doomed> {
    let mut doomed = beyond(tags, false, RuleKind::MaxDailyTags, policy.max_daily_tags);
    doomed.extend(beyond(tags, true, RuleKind::MaxReleasedTags, policy.max_released_tags));
    doomed.sort_by(|a, b| a.tag.cmp(&b.tag));
    doomed
}

fn beyond(tags: &[(TagName, Tag)], released: bool, kind: RuleKind, keep: u64) -> Vec<Doomed> {
    if keep == 0 {
        return Vec::new();
    }
    let mut candidates: Vec<_> =
        tags.iter().filter(|(_, tag)| !tag.locked && tag.released == released).collect();
    candidates.sort_by_key(|(_, tag)| std::cmp::Reverse((tag.created, tag.id)));
    (1u64..)
        .zip(candidates)
        .filter(|(place, _)| *place > keep)
        .map(|(place, (name, tag))| Doomed {
            tag: name.clone(),
            usage: tag.usage,
            rule: Rule { kind, keep, place },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{TagId, Timestamp};

    /// `spec` is one word per tag in order of id: its creation, then flags `r` and `l`.
    fn tags(spec: &str) -> Vec<(TagName, Tag)> {
        (0u64..)
            .zip(spec.split_whitespace())
            .map(|(id, word)| {
                let created = word.trim_end_matches(['r', 'l']).parse().unwrap();
                let tag = Tag {
                    id: TagId(id),
                    created: Timestamp(created),
                    released: word.contains('r'),
                    locked: word.contains('l'),
                    stable: false,
                    description: None,
                    publish_status: None,
                    usage: Usage::of(id),
                };
                (TagName::parse(&format!("t{id}")).unwrap(), tag)
            })
            .collect()
    }

    fn doomed(daily: u64, released: u64, spec: &str) -> Vec<String> {
        let policy = CleanupPolicy { max_daily_tags: daily, max_released_tags: released };
        plan(policy, &tags(spec)).into_iter().map(|doomed| doomed.tag.to_string()).collect()
    }

    #[test]
    fn the_newest_stay_and_each_kind_counts_for_itself() {
        assert_eq!(doomed(0, 0, "1 2 3 4r 5r"), [""; 0]);
        assert_eq!(doomed(2, 0, "1 2 3 4r 5r"), ["t0"]);
        assert_eq!(doomed(1, 1, "1 2 3 4r 5r"), ["t0", "t1", "t3"]);
        assert_eq!(doomed(9, 9, "1 2 3 4r 5r"), [""; 0]);
        assert_eq!(doomed(1, 0, "30 10 20"), ["t1", "t2"]);
    }

    #[test]
    fn locked_tags_neither_count_nor_go() {
        assert_eq!(doomed(1, 0, "1 2 3l 4l"), ["t0"]);
        assert_eq!(doomed(1, 1, "1rl 2rl 3r"), [""; 0]);
    }

    #[test]
    fn equal_times_are_ordered_by_id() {
        assert_eq!(doomed(1, 0, "7 7 7"), ["t0", "t1"]);
    }

    #[test]
    fn a_reason_is_a_sentence_with_numbers() {
        let policy = CleanupPolicy { max_daily_tags: 1, max_released_tags: 0 };
        let plan = plan(policy, &tags("1 2"));
        assert_eq!(
            plan[0].rule.to_string(),
            "max_daily_tags = 1: number 2 of the unreleased tags, newest first"
        );
    }
}
