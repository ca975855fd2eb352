//! How the rules for untagged manifests are written: `pattern=lifetime,…`.
//!
//! Deliberately absent: what a pattern matches (`model::untagged`).

use super::text;
use crate::model::UntaggedRules;
use crate::model::untagged::{ImagePattern, Lifetime};

/// What [`parse`] takes.
pub const ALLOWED: &str = "patterns over names of repositories with their times, joined by \
                           commas, such as u/**=1d,main/*=keep,**=30d: * is any letters but /, \
                           ** any letters";

const KEEP: &str = "keep";

/// Reads rules.
pub fn parse(given: &str) -> Result<UntaggedRules, String> {
    let rules = given.split(',').map(str::trim).filter(|rule| !rule.is_empty());
    Ok(UntaggedRules(rules.map(parse_rule).collect::<Result<_, _>>()?))
}

fn parse_rule(rule: &str) -> Result<(ImagePattern, Lifetime), String> {
    let parts = rule.split_once('=');
    let (pattern, time) = parts.ok_or_else(|| format!("{rule:?} has no `=` before its time"))?;
    let pattern = ImagePattern::parse(pattern.trim())?;
    let lifetime = match time.trim() {
        KEEP => Lifetime::Keep,
        time => Lifetime::For(text::duration(time).map_err(|why| {
            format!("{time:?} in {rule:?} is neither a time nor `{KEEP}`: {why}")
        })?),
    };
    Ok((pattern, lifetime))
}

/// The rules as they are read; `None`: there are none.
pub fn print(rules: &UntaggedRules) -> Option<String> {
    let print = |(pattern, lifetime): &(ImagePattern, Lifetime)| {
        let time = match lifetime {
            Lifetime::Keep => KEEP.to_owned(),
            Lifetime::For(time) => text::print_duration(*time),
        };
        format!("{}={time}", pattern.as_str())
    };
    let lines: Vec<_> = rules.0.iter().map(print).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_printed_as_they_are_read() {
        let rules = parse(" u/**=1d, main/*=keep ,**=720h,").unwrap();
        assert_eq!(print(&rules).unwrap(), "u/**=1d,main/*=keep,**=30d");
        assert_eq!(parse(&print(&rules).unwrap()).unwrap(), rules);
        assert_eq!(print(&parse("").unwrap()), None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (bad, why) in [
            ("main", "no `=`"),
            ("=1d", "a pattern is empty"),
            ("A=1d", "'A' is in no name"),
            ("a=soon", "neither a time nor `keep`"),
        ] {
            let told = parse(bad).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
