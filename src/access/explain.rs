//! [`Decision`]: why somebody may do something or not, in words, from the very lines that decide.

use super::{Access, Current, built_in};
use crate::model::acl::{Finding, Outcome, Pattern, Rule};
use crate::model::{Caller, Rank, Right};

/// What is decided, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Decision {
    /// Whether it may be done.
    pub allowed: bool,
    /// The lines that decide, with file and number, or the rule in words.
    pub reasons: Vec<String>,
    /// What to look at in those lines.
    pub warnings: Vec<String>,
}

impl Decision {
    fn of(allowed: bool, reason: &str) -> Self {
        Self { allowed, reasons: vec![reason.to_owned()], warnings: Vec::new() }
    }
}

impl Access {
    /// Decides as [`Self::allows`] does, and tells why.
    #[must_use]
    pub fn explain(&self, caller: &Caller, right: Right, path: &str) -> Decision {
        let current = self.current();
        let rules = match (&*current, caller) {
            (Current::Open, _) => return Decision::of(true, "there are no rules"),
            (_, Caller::Deploy(_)) => {
                return Decision::of(false, "a deploy token is worth something in its group alone");
            }
            (_, Caller::Anonymous) if right != Right::Read => {
                let reason =
                    "whoever is not logged in never changes anything, whatever a file says";
                return Decision::of(false, reason);
            }
            (_, Caller::User(user)) if user.rank == Rank::Admin => {
                return Decision::of(true, "administrators have every right");
            }
            (Current::BuiltIn, caller) => {
                let why = built_in::why(caller, right, path);
                return Decision::of(why.is_some(), why.unwrap_or("no built-in rule allows it"));
            }
            (Current::Files(rules), _) => rules,
        };
        let (mut speaking, mut near) = (Vec::new(), Vec::new());
        let mut warnings = Vec::new();
        for part in &rules.lens(caller).parts {
            for Finding { rule, outcome } in part.lines.findings(path) {
                let at = format!("{}, line {}: {}", part.file.display(), rule.line, rule.text);
                match verdict(&outcome, &rule, right) {
                    Verdict::Grants => {
                        warnings.extend(warnings_of(&at, &rule));
                        speaking.push(at);
                    }
                    Verdict::Near(why) => near.push(format!("{at} ({why})")),
                    Verdict::Silent => {}
                }
            }
        }
        if speaking.is_empty() {
            near.insert(0, format!("no line grants {right}"));
            return Decision { allowed: false, reasons: near, warnings };
        }
        Decision { allowed: true, reasons: speaking, warnings }
    }
}

/// What a line has to say of a right.
enum Verdict {
    /// It grants it.
    Grants,
    /// It speaks of the path, but does not grant it, for this reason.
    Near(String),
    /// Nothing.
    Silent,
}

fn verdict(outcome: &Outcome, rule: &Rule, right: Right) -> Verdict {
    match (outcome, rule.rights.has(right)) {
        (Outcome::Grants, true) => Verdict::Grants,
        (Outcome::Grants, false) => Verdict::Near(format!("it grants {} only", rule.rights)),
        (Outcome::Excluded(by), true) => Verdict::Near(format!("but for {by}")),
        (Outcome::OwnPage, true) => {
            Verdict::Near("a line that opens /-/ has to name it".to_owned())
        }
        (Outcome::Silent | Outcome::Excluded(_) | Outcome::OwnPage, _) => Verdict::Silent,
    }
}

/// Patterns of a line that may hold for more than was meant.
fn warnings_of(at: &str, rule: &Rule) -> Vec<String> {
    let open = rule.patterns.iter().filter(|pattern| !pattern.excludes());
    let open = open.filter(|pattern| pattern.is_open_ended()).map(Pattern::text);
    open.map(|text| {
        format!("{at}: {text} holds for everything that begins so; end it with $ unless meant")
    })
    .collect()
}
