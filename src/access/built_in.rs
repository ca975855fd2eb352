//! The rules that hold when there is no folder with files.

use crate::model::{Caller, Right};

/// What is open to everybody.
const OPEN: [&str; 2] = ["/", "/cli"];
/// The part of the server that everybody who is logged in may read.
const SHARED: [&str; 4] = ["/branches/", "/products/", "/static/", "/v2/"];
/// The repositories of the registry that are users' own.
const USERS_IMAGES: &str = "/v2/u/";

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
    let is_own = |root: &str| {
        let below = path.strip_prefix(root).and_then(|path| path.strip_prefix(login));
        below.is_some_and(|below| below.starts_with('/'))
    };
    if is_own("/~") || is_own(USERS_IMAGES) {
        return Some(
            "built-in rule: users have every right below their own /~login/ and /v2/u/login/",
        );
    }
    let shared = right == Right::Read
        && SHARED.iter().any(|root| path.starts_with(root))
        && !path.starts_with(USERS_IMAGES);
    shared.then_some("built-in rule: users read everything that is not somebody else's own")
}
