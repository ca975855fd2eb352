//! [`Decision`]: why somebody may do something or not, in words, from the very lines that decide.

use super::{Access, Current, built_in};
use crate::model::acl::{Finding, Outcome, Pattern};
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
            (_, Caller::Anonymous) if right != Right::Read => {
                let reason = "whoever is not logged in never changes anything, whatever a file says";
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
        let mut decision = Decision { allowed: false, reasons: Vec::new(), warnings: Vec::new() };
        let mut near = Vec::new();
        for part in &rules.lens(caller).parts {
            for finding in part.lines.findings(path) {
                let Finding { rule, outcome } = finding;
                let at = format!("{}, line {}: {}", part.file.display(), rule.line, rule.text);
                match (outcome, rule.rights.has(right)) {
                    (Outcome::Grants, true) => {
                        let open_ended = rule.patterns.iter().filter(|p| !p.excludes());
                        let open_ended = open_ended.filter(|p| p.is_open_ended());
                        decision.warnings.extend(open_ended.map(|pattern| warn(&at, pattern)));
                        decision.reasons.push(at);
                    }
                    (Outcome::Grants, false) => {
                        near.push(format!("{at} (it grants {} only)", rule.rights));
                    }
                    (Outcome::Excluded(by), true) => near.push(format!("{at} (but for {by})")),
                    (Outcome::OwnPage, true) => {
                        near.push(format!("{at} (a line that opens /-/ has to name it)"));
                    }
                    (Outcome::Silent | Outcome::Excluded(_) | Outcome::OwnPage, _) => {}
                }
            }
        }
        decision.allowed = !decision.reasons.is_empty();
        if !decision.allowed {
            decision.reasons.push(format!("no line grants {right}"));
            decision.reasons.extend(near);
        }
        decision
    }
}

fn warn(at: &str, pattern: &Pattern) -> String {
    let text = pattern.text();
    format!("{at}: {text} holds for everything that begins so; write $ at its end unless meant")
}
