//! [`Acl`]: the rights of one group, as the lines of its file say (spec dlrepo §15).
//!
//! ```text
//! # rights, then patterns that must all match; text after # is dropped
//! r    /branches/**
//! rw   /branches/main/** !/branches/main/*/secret/**
//! rwu  ~/~$user(/.*)?$
//! ```
//!
//! Defends I9: the path that is matched is the canonical one, percent-decoded and without query,
//! so no spelling of a URL evades a line.
//! A line that grants nothing by its form (too few words, bad letters) is passed over with a
//! warning, as dlrepo does; a pattern that cannot be read makes the file wrong.
//! Deliberately absent: where files lie, who is in which group, caches.

mod matcher;
mod pattern;
mod rights;
#[cfg(test)]
mod tests;

pub use matcher::{Finding, Matcher, Outcome};
pub use pattern::Pattern;
pub use rights::Rights;

use std::sync::Arc;

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadLine {
    /// Its number; the first is 1.
    pub line: usize,
    /// What is wrong, as a sentence.
    pub why: String,
}

/// One line that grants something.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its number; the first is 1.
    pub line: usize,
    /// The line without its comment.
    pub text: String,
    /// What it grants.
    pub rights: Rights,
    /// Where.
    pub patterns: Vec<Pattern>,
}

impl Rule {
    /// Whether it speaks of `$user`, so that it says something else to each.
    #[must_use]
    pub fn is_personal(&self) -> bool {
        self.patterns.iter().any(Pattern::is_personal)
    }

    /// Whether it is meant for the server's own pages: all it names lies below `/-/`. What is
    /// granted everywhere is not granted there.
    #[must_use]
    fn names_own_pages(&self) -> bool {
        let mut positive = self.patterns.iter().filter(|pattern| !pattern.excludes()).peekable();
        positive.peek().is_some() && positive.all(Pattern::names_own_pages)
    }
}

/// The rights of one group.
#[derive(Clone, Debug)]
pub struct Acl {
    /// The lines that count.
    pub rules: Vec<Arc<Rule>>,
    /// The lines that were passed over, with the reasons.
    pub ignored: Vec<BadLine>,
}

impl Acl {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// The first pattern that cannot be read.
    pub fn parse(text: &str) -> Result<Self, BadLine> {
        let mut acl = Self { rules: Vec::new(), ignored: Vec::new() };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, text) in (1..).zip(text.lines()) {
            let bad = |why| BadLine { line: number, why };
            let text = text.split('#').next().unwrap_or_default().trim();
            let mut words = text.split_whitespace();
            let Some(token) = words.next() else { continue };
            let words: Vec<_> = words.collect();
            match Rights::parse(token) {
                Err(why) => acl.ignored.push(bad(why)),
                Ok(_) if words.is_empty() => {
                    acl.ignored.push(bad("it has rights but no pattern".to_owned()));
                }
                Ok(rights) => {
                    let patterns: Result<_, _> = words.into_iter().map(Pattern::parse).collect();
                    let patterns = patterns.map_err(bad)?;
                    let text = text.to_owned();
                    acl.rules.push(Arc::new(Rule { line: number, text, rights, patterns }));
                }
            }
        }
        Ok(acl)
    }
}
