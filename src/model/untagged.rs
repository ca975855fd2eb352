//! [`UntaggedRules`]: how long repositories of the registry keep manifests that nothing names.
//!
//! Pure: a list of patterns over names, of which the first one that matches counts. What no
//! pattern matches stays.

use std::time::Duration;

use regex::{Regex, escape};

use super::ImageName;

/// A pattern over names of repositories.
#[derive(Clone, Debug)]
pub struct ImagePattern {
    text: String,
    expression: Regex,
}

impl ImagePattern {
    /// Reads a name with `*` (within a part) and `**` (across parts).
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_letter = |c: char| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '/' | '.' | '_' | '-' | '*')
        };
        if text.is_empty() {
            return Err("a pattern is empty".to_owned());
        }
        if let Some(bad) = text.chars().find(|c| !is_letter(*c)) {
            return Err(format!("{bad:?} is in no name of a repository: {text:?}"));
        }
        let across: Vec<_> = text.split("**").map(within_parts).collect();
        let expression = Regex::new(&format!("^{}$", across.join(".*")));
        let expression = expression.map_err(|error| format!("{text:?} is too long: {error}"))?;
        Ok(Self { text: text.to_owned(), expression })
    }

    /// Whether a repository has such a name.
    #[must_use]
    pub fn matches(&self, name: &ImageName) -> bool {
        self.expression.is_match(name.as_str())
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn within_parts(text: &str) -> String {
    text.split('*').map(escape).collect::<Vec<_>>().join("[^/]*")
}

/// How long untagged manifests stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Until somebody removes them.
    Keep,
    /// This long after they were pushed, named by a request or pulled.
    For(Duration),
}

/// Rules for repositories, the first match counts.
#[derive(Clone, Debug, Default)]
pub struct UntaggedRules(pub Vec<(ImagePattern, Lifetime)>);

impl UntaggedRules {
    /// How long a repository keeps untagged manifests; `None`: for ever.
    #[must_use]
    pub fn lifetime(&self, name: &ImageName) -> Option<Duration> {
        let found = self.0.iter().find(|(pattern, _)| pattern.matches(name));
        match found {
            Some((_, Lifetime::For(time))) => Some(*time),
            Some((_, Lifetime::Keep)) | None => None,
        }
    }

    /// The same with no lifetime that is shorter than `shortest`.
    #[must_use]
    pub fn at_least(mut self, shortest: Duration) -> Self {
        for (_, lifetime) in &mut self.0 {
            if let Lifetime::For(time) = lifetime {
                *time = shortest.max(*time);
            }
        }
        self
    }

    /// Whether no repository loses anything.
    #[must_use]
    pub fn keep_all(&self) -> bool {
        self.0.iter().all(|(_, lifetime)| *lifetime == Lifetime::Keep)
    }
}

impl PartialEq for UntaggedRules {
    fn eq(&self, other: &Self) -> bool {
        let lines = |rules: &Self| -> Vec<_> {
            rules.0.iter().map(|(pattern, time)| (pattern.text.clone(), *time)).collect()
        };
        lines(self) == lines(other)
    }
}

impl Eq for UntaggedRules {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_within_a_part_or_across_parts() {
        for (pattern, name, matches) in [
            ("a/b", "a/b", true),
            ("a/b", "a/bc", false),
            ("a.b", "aab", false),
            ("a/*", "a/b", true),
            ("a/*", "a/b/c", false),
            ("a/**", "a/b/c", true),
            ("**", "x/y/z", true),
            ("**/c", "a/b/c", true),
            ("u/*/tmp-*", "u/eve/tmp-1", true),
            ("u/*/tmp-*", "u/eve/x/tmp-1", false),
        ] {
            let found = ImagePattern::parse(pattern).unwrap();
            assert_eq!(
                found.matches(&ImageName::parse(name).unwrap()),
                matches,
                "{pattern} {name}"
            );
        }
        for bad in ["", "A", "a b", "a?", "é"] {
            assert!(ImagePattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let day = Duration::from_secs(86_400);
        let rules = [("main/*", Lifetime::Keep), ("**", Lifetime::For(day))];
        let rules = rules.map(|(text, time)| (ImagePattern::parse(text).unwrap(), time));
        let rules = UntaggedRules(rules.into());
        let lifetime = |name| rules.lifetime(&ImageName::parse(name).unwrap());
        assert_eq!((lifetime("main/x"), lifetime("other")), (None, Some(day)));
        assert_eq!(UntaggedRules::default().lifetime(&ImageName::parse("x").unwrap()), None);
        assert!(UntaggedRules::default().keep_all() && !rules.keep_all());
    }
}
