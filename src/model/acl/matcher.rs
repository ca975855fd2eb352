//! [`Matcher`]: lines that are ready to be asked about paths.
//!
//! What a path must begin with is compared first, which settles most lines; the regular
//! expressions are for the others. (One automaton for all lines was tried: it is slow on paths
//! that it has not seen.)

use std::sync::Arc;

use regex::bytes::Regex;

use super::{BadLine, Pattern, Rights, Rule};
use crate::model::Right;

const OWN_PAGES: &str = "/-/";

/// Lines that are ready to be asked.
#[derive(Clone, Debug)]
pub struct Matcher {
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    rule: Arc<Rule>,
    /// What a path that it speaks of begins with.
    beginning: String,
    /// Beside its patterns.
    expressions: Vec<Regex>,
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
    /// [`BadLine`] when a line becomes too large.
    pub fn new(rules: Vec<Arc<Rule>>, login: Option<&str>) -> Result<Self, BadLine> {
        let lines = rules.into_iter().map(|rule| Line::new(rule, login));
        Ok(Self { lines: lines.collect::<Result<_, _>>()? })
    }

    /// What all its lines together grant at `path`.
    #[must_use]
    pub fn rights(&self, path: &str) -> Rights {
        let grants = |line: &&Line| line.outcome(path) == Outcome::Grants;
        let granted = self.lines.iter().filter(grants);
        granted.fold(Rights::NONE, |rights, line| rights.and(line.rule.rights))
    }

    /// Whether a line grants `right` at paths that all begin with `below`.
    #[must_use]
    pub fn speak_of(&self, right: Right, below: &str) -> bool {
        let speaks = |line: &Line| line.rule.rights.has(right) && line.beginning.starts_with(below);
        self.lines.iter().any(speaks)
    }

    /// What each line says of `path`.
    pub fn findings(&self, path: &str) -> impl Iterator<Item = Finding> {
        let finding =
            |line: &Line| Finding { rule: Arc::clone(&line.rule), outcome: line.outcome(path) };
        self.lines.iter().map(finding)
    }
}

impl Line {
    fn new(rule: Arc<Rule>, login: Option<&str>) -> Result<Self, BadLine> {
        let compile = |pattern: &Pattern| Regex::new(&pattern.expression(login));
        let expressions = rule.patterns.iter().map(compile).collect::<Result<_, _>>();
        let bad = |error: regex::Error| BadLine { line: rule.line, why: error.to_string() };
        let expressions = expressions.map_err(bad)?;
        let names_own_pages = rule.names_own_pages();
        // Each beginning must be the path's, so the longest one tells most.
        let beginnings = rule.patterns.iter().map(Pattern::beginning);
        let beginning = beginnings.max_by_key(|text| text.len()).unwrap_or_default().to_owned();
        Ok(Self { rule, beginning, expressions, names_own_pages })
    }

    fn outcome(&self, path: &str) -> Outcome {
        if !path.starts_with(&self.beginning) {
            return Outcome::Silent;
        }
        let patterns = || self.rule.patterns.iter().zip(&self.expressions);
        let matches = |expression: &Regex| expression.is_match(path.as_bytes());
        let mut positive = patterns().filter(|(pattern, _)| !pattern.excludes());
        if !positive.all(|(_, expression)| matches(expression)) {
            return Outcome::Silent;
        }
        let mut excluding = patterns().filter(|(pattern, _)| pattern.excludes());
        match excluding.find(|(_, expression)| matches(expression)) {
            Some((pattern, _)) => Outcome::Excluded(pattern.text().to_owned()),
            None if path.starts_with(OWN_PAGES) && !self.names_own_pages => Outcome::OwnPage,
            None => Outcome::Grants,
        }
    }
}
