//! `larder acl check`: asks the same guard and the same rules as the server does.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::json;

use super::args::AclCheck;
use super::{load, start_quiet_log};
use crate::access::{Access, Decision};
use crate::config::Form;
use crate::http::guard::Demand;
use crate::http::route::route;
use crate::model::{Caller, Right};

/// Exit code of a refusal.
const REFUSED: u8 = 1;
const ALIAS: &str = "this is an alias: what counts is the tag that it stands for, the newest one \
                     that this user may read; ask about that one";

/// Tells what is decided and why. `Err` is a sentence for people.
pub(super) fn check(check: &AclCheck) -> Result<ExitCode, String> {
    let loaded = load(&check.place.0)?;
    start_quiet_log(&loaded);
    let folder = check.acls_dir.as_ref().or(loaded.settings.access.acls_dir.as_ref());
    let access = match folder {
        Some(folder) => Access::with_rules(folder).map_err(|error| error.to_string())?,
        None => Access::built_in(),
    };
    let path = check.path.split('?').next().unwrap_or_default();
    let demand = Demand::of(&check.method, path, &route(&check.method, path));
    let decision = decide(&access, &check.caller(), demand);
    let answer = match check.answer.form() {
        Form::Json => json!(decision).to_string(),
        Form::Text => text(&decision),
    };
    // Nobody may be reading any more; the exit code tells as well.
    let _ = writeln!(io::stdout(), "{answer}");
    Ok(if decision.allowed { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

/// All that a request needs, as one decision.
fn decide(access: &Access, caller: &Caller, demand: Demand) -> Decision {
    let is_alias = matches!(demand, Demand::Behind { .. });
    let (right, paths) = match demand {
        Demand::Nothing => return always("everybody may ask for this"),
        Demand::Rights(right, paths) => (right, paths),
        Demand::Behind { path } => (Right::Read, vec![path]),
    };
    let mut all = Decision { allowed: true, reasons: Vec::new(), warnings: Vec::new() };
    for path in paths {
        let decision = access.explain(caller, right, &path);
        all.allowed &= decision.allowed;
        let verdict = if decision.allowed { "granted" } else { "refused" };
        all.reasons.push(format!("{right} at {path} is {verdict}:"));
        all.reasons.extend(decision.reasons.into_iter().map(|reason| format!("  {reason}")));
        all.warnings.extend(decision.warnings);
    }
    if is_alias {
        all.warnings.push(ALIAS.to_owned());
    }
    all
}

fn always(reason: &str) -> Decision {
    Decision { allowed: true, reasons: vec![reason.to_owned()], warnings: Vec::new() }
}

fn text(decision: &Decision) -> String {
    let verdict = if decision.allowed { "allowed" } else { "refused" };
    let reasons = decision.reasons.iter().map(|reason| format!("\n  {reason}"));
    let warnings = decision.warnings.iter().map(|warning| format!("\nwarning: {warning}"));
    std::iter::once(verdict.to_owned()).chain(reasons).chain(warnings).collect()
}
