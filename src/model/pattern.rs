//! [`NamePattern`]: names that have something in common, as a regular expression.

use std::fmt;

use regex::Regex;

/// A regular expression that must match at the start of a name; its end is open (spec dlrepo
/// §8, where it is Python's `re.match`).
#[derive(Clone, Debug)]
pub struct NamePattern(Regex);

impl NamePattern {
    /// What [`NamePattern::parse`] takes.
    pub const ALLOWED: &str =
        "a regular expression without look-around and back-references, such as ^debug$";

    /// Reads a regular expression.
    pub fn parse(given: &str) -> Result<Self, String> {
        Regex::new(given).map(Self).map_err(|error| last_line(&error.to_string()))
    }

    /// Whether `name` starts with a match.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        // The leftmost match is found: if one starts at 0, it is this one.
        self.0.find(name).is_some_and(|found| found.start() == 0)
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl PartialEq for NamePattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for NamePattern {}

/// The parser's drawing of the place is of no use within a sentence; its verdict is.
fn last_line(message: &str) -> String {
    message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_at_the_start() {
        for (pattern, name, matches) in [
            ("debug", "debug", true),
            ("debug", "debug-symbols", true),
            ("debug", "no-debug", false),
            ("^debug$", "debug-symbols", false),
            ("a|ab", "ab", true),
            ("b|a", "ab", true),
            (".*-dbg", "rpm-dbg", true),
            ("(?i)DEBUG", "debug", true),
            ("(?x) debug # symbols", "debug", true),
            ("", "anything", true),
        ] {
            assert_eq!(NamePattern::parse(pattern).unwrap().matches(name), matches, "{pattern}");
        }
        assert!(NamePattern::parse("(").unwrap_err().contains("unclosed group"));
        assert!(NamePattern::parse("(?!x)").unwrap_err().contains("look-around"));
    }
}
