//! [`Matcher`]: lines as one automaton, which tells of all patterns at once whether they match.

use std::sync::Arc;

use regex::bytes::{RegexSet, RegexSetBuilder, SetMatches};

use super::{BadLine, Rights, Rule};

/// What the automaton of one group may take, in bytes; some ten thousand lines.
const SIZE_MAX: usize = 64 << 20;
/// What it may remember while it works, in bytes.
const MEMORY_MAX: usize = 8 << 20;
const OWN_PAGES: &str = "/-/";

/// Lines that are ready to be asked.
#[derive(Clone, Debug)]
pub struct Matcher {
    set: RegexSet,
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    rule: Arc<Rule>,
    /// Where its patterns begin in the set.
    first: usize,
    names_own_pages: bool,
}

/// What a line says of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It grants its rights.
    Grants,
    /// It would, but for this pattern.
    Excluded(String),
    /// It does not speak of this path.
    Silent,
    /// It speaks of all paths, but `/-/` must be named.
    OwnPage,
}

/// A line and what it says of a path.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The line.
    pub rule: Arc<Rule>,
    /// What it says.
    pub outcome: Outcome,
}

impl Matcher {
    /// Makes lines ready for a login, `None` being nobody.
    ///
    /// # Errors
    /// [`BadLine`] when there are too many of them.
    pub fn new(rules: Vec<Arc<Rule>>, login: Option<&str>) -> Result<Self, BadLine> {
        let last = rules.last().map_or(0, |rule| rule.line);
        let mut expressions = Vec::new();
        let mut lines = Vec::new();
        for rule in rules {
            let (first, names_own_pages) = (expressions.len(), rule.names_own_pages());
            expressions.extend(rule.patterns.iter().map(|pattern| pattern.expression(login)));
            lines.push(Line { rule, first, names_own_pages });
        }
        let set = RegexSetBuilder::new(expressions)
            .size_limit(SIZE_MAX)
            .dfa_size_limit(MEMORY_MAX)
            .build()
            .map_err(|error| BadLine {
                line: last,
                why: format!("all lines up to here: {error}"),
            })?;
        Ok(Self { set, lines })
    }

    /// What all its lines together grant at `path`.
    #[must_use]
    pub fn rights(&self, path: &str) -> Rights {
        if self.lines.is_empty() {
            return Rights::NONE;
        }
        let matches = self.set.matches(path.as_bytes());
        let grants = |line: &&Line| line.outcome(path, &matches) == Outcome::Grants;
        let granted = self.lines.iter().filter(grants);
        granted.fold(Rights::NONE, |rights, line| rights.and(line.rule.rights))
    }

    /// What each line says of `path`.
    pub fn findings(&self, path: &str) -> impl Iterator<Item = Finding> {
        let matches = self.set.matches(path.as_bytes());
        self.lines.iter().map(move |line| Finding {
            rule: Arc::clone(&line.rule),
            outcome: line.outcome(path, &matches),
        })
    }
}

impl Line {
    fn outcome(&self, path: &str, matches: &SetMatches) -> Outcome {
        let mut excluded = None;
        for (number, pattern) in (self.first..).zip(&self.rule.patterns) {
            match (pattern.excludes(), matches.matched(number)) {
                (false, false) => return Outcome::Silent,
                (true, true) => excluded = Some(pattern),
                _ => {}
            }
        }
        match excluded {
            Some(pattern) => Outcome::Excluded(pattern.text().to_owned()),
            None if path.starts_with(OWN_PAGES) && !self.names_own_pages => Outcome::OwnPage,
            None => Outcome::Grants,
        }
    }
}
