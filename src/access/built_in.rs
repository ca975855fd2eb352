//! The rules that hold when there is no folder with files.

use crate::model::{Caller, Right};

/// What is open to everybody.
const OPEN: [&str; 2] = ["/", "/cli"];
/// The part of the server that everybody who is logged in may read.
const SHARED: [&str; 4] = ["/branches/", "/products/", "/static/", "/v2/"];
/// Where users have everything of their own, if their login follows.
const OWN: [&str; 2] = ["/~", "/v2/u/"];

/// Whether the built-in rules allow it.
pub(super) fn allows(caller: &Caller, right: Right, path: &str) -> bool {
    why(caller, right, path).is_some()
}

/// The rule that allows it, as a sentence.
pub(super) fn why(caller: &Caller, right: Right, path: &str) -> Option<&'static str> {
    if right == Right::Read && (OPEN.contains(&path) || path.starts_with("/static/")) {
        return Some("built-in rule: everybody reads /, /cli and /static/");
    }
    let login = caller.login()?.as_str();
    let below = |root| path.strip_prefix(root).and_then(|path| path.strip_prefix(login));
    if OWN.iter().any(|root| below(root).is_some_and(|below| below.starts_with('/'))) {
        return Some(
            "built-in rule: users have every right below their own /~login/ and /v2/u/login/",
        );
    }
    let is_shared = SHARED.iter().any(|root| path.starts_with(root));
    let is_own = OWN.iter().any(|root| path.starts_with(root));
    let shared = right == Right::Read && is_shared && !is_own;
    shared.then_some("built-in rule: users read everything that is not somebody else's own")
}
