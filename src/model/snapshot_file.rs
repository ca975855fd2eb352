//! [`SnapshotFile`]: the time-stamped name of a file of a Maven snapshot, in its parts (spec
//! gitlab §6.4).
//!
//! Deliberately absent: the grammar of other names, and which build is served.

/// `app-1.0-20181107.152550-1-sources.jar`, in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotFile<'n> {
    /// What is before the time: `app-1.0`.
    pub base: &'n str,
    /// When it was built.
    pub build: Build<'n>,
    /// Classifier and extension, with what divides them: `-sources.jar`.
    pub rest: &'n str,
}

/// A build of a snapshot. Builds sort by their time, and those of one second by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Build<'n> {
    /// `20181107.152550`, in UTC.
    pub stamp: &'n str,
    /// How many builds it is said to be, from 1.
    pub number: u64,
}

/// Digits of the day, and of the time.
const STAMP: (usize, usize) = (8, 6);

impl<'n> SnapshotFile<'n> {
    /// Takes a name apart; `None` for one without a time stamp. The first one counts.
    #[must_use]
    pub fn parse(name: &'n str) -> Option<Self> {
        name.match_indices('-').find_map(|(at, _)| {
            let (base, rest) = (name.get(..at)?, name.get(at + 1..)?);
            let (build, rest) = build(rest)?;
            (!base.is_empty()).then_some(Self { base, build, rest })
        })
    }
}

/// A build at the beginning of `text`, and what is behind it.
fn build(text: &str) -> Option<(Build<'_>, &str)> {
    let length = STAMP.0 + 1 + STAMP.1;
    let (stamp, rest) = text.split_at_checked(length)?;
    let (day, time) = stamp.split_once('.')?;
    let are_digits = [day, time].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    if day.len() != STAMP.0 || !are_digits {
        return None;
    }
    let rest = rest.strip_prefix('-')?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (number, rest) = rest.split_at(end);
    let ends = rest.is_empty() || rest.starts_with(['-', '.']);
    let number = number.parse().ok().filter(|_| ends)?;
    Some((Build { stamp, number }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_stamped_name_has_three_parts() {
        for (name, base, stamp, number, rest) in [
            ("app-1.0-20181107.152550-1.jar", "app-1.0", "20181107.152550", 1, ".jar"),
            (
                "app-1.0-20181107.152550-12-sources.jar",
                "app-1.0",
                "20181107.152550",
                12,
                "-sources.jar",
            ),
            (
                "a-b-1.0-rc1-20181107.152550-3.tar.gz",
                "a-b-1.0-rc1",
                "20181107.152550",
                3,
                ".tar.gz",
            ),
            ("app-20181107-20181107.152550-1.pom", "app-20181107", "20181107.152550", 1, ".pom"),
            ("app-20181107.152550-1", "app", "20181107.152550", 1, ""),
        ] {
            let build = Build { stamp, number };
            assert_eq!(
                SnapshotFile::parse(name),
                Some(SnapshotFile { base, build, rest }),
                "{name}"
            );
        }
    }

    #[test]
    fn other_names_have_none() {
        for name in [
            "app-1.0-SNAPSHOT.jar",
            "app-1.0.jar",
            "-20181107.152550-1.jar",
            "app-20181107.152550.jar",
            "app-20181107.152550-.jar",
            "app-20181107.152550-1x.jar",
            "app-2018110.7152550-1.jar",
            "app-2018110é.152550-1.jar",
            "app-20181107.152550-99999999999999999999.jar",
            "",
        ] {
            assert_eq!(SnapshotFile::parse(name), None, "{name}");
        }
    }

    #[test]
    fn builds_sort_by_time_and_then_by_number() {
        let build = |name| SnapshotFile::parse(name).unwrap().build;
        let sorted =
            ["a-20181107.152550-9.jar", "a-20181107.152550-10.jar", "a-20181107.152551-1.jar"];
        assert!(sorted.map(build).is_sorted());
    }
}
