//! Who may use whom: every module stands on a floor and uses those below it only.

use crate::code::{code, without_tests};
use crate::{Complaint, Source};

/// Every top module with its floor.
const FLOORS: &[(&str, u8)] = &[
    ("model", 0),
    ("db", 1),
    ("blobs", 1),
    ("clock", 1),
    ("stop", 1),
    ("store", 2),
    ("access", SERVICES),
    ("tree", SERVICES),
    ("registry", SERVICES),
    ("proxy", SERVICES),
    ("packages", SERVICES),
    ("cleanup", SERVICES),
    ("publish", SERVICES),
    ("sweeper", 4),
    ("http", 5),
    ("config", ROOF),
    ("app", ROOF),
    ("cli", ROOF),
    ("main", ROOF),
    ("lib", ROOF),
];

/// Services do not call each other: what two of them share belongs on a floor below.
const SERVICES: u8 = 3;
const ROOF: u8 = 6;

/// Rows and files do not know each other, though they stand on one floor.
const STRANGERS: [&str; 2] = ["db", "blobs"];

/// What `source` uses and may not.
pub fn check(source: &Source) -> Vec<Complaint> {
    let Some(inside) = source.path.strip_prefix("src/") else { return Vec::new() };
    let parts: Vec<_> = inside.trim_end_matches(".rs").split('/').collect();
    let user = parts[0];
    let mut complaints = Vec::new();
    if floor(user).is_none() {
        complaints.push(source.complain(1, no_floor(user)));
    }
    let depth = if ["lib", "main"].contains(&user) { 0 } else { parts.len() };
    for (line, used) in uses(&source.text, depth) {
        if let Err(what) = may_use(user, &used) {
            complaints.push(source.complain(line, what));
        }
    }
    complaints
}

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

fn no_floor(module: &str) -> String {
    format!("`{module}` stands on no floor: give it one in tests/tidy/floors.rs")
}

fn may_use(user: &str, other: &str) -> Result<(), String> {
    let own = floor(user).unwrap_or(ROOF);
    let its = floor(other).ok_or_else(|| no_floor(other))?;
    if user == other || its < own {
        Ok(())
    } else if its > own {
        Err(format!("`{user}` (floor {own}) uses `{other}` (floor {its})"))
    } else if own == SERVICES {
        Err(format!("the services `{user}` and `{other}` may not call each other"))
    } else if STRANGERS.contains(&user) && STRANGERS.contains(&other) {
        Err(format!("`{user}` and `{other}` may not know each other"))
    } else {
        Ok(())
    }
}

/// The top modules that a file names, with the lines; `depth` is the number of modules that
/// the file is deep, so that many `super::` lead to the top.
fn uses(text: &str, depth: usize) -> Vec<(usize, String)> {
    let code = code(text);
    let mut found = after(&code, "crate::");
    if depth > 0 {
        found.extend(after(&without_tests(&code), &"super::".repeat(depth)));
    }
    found.sort();
    found
}

/// The first names of the paths that follow `prefix`.
fn after(code: &str, prefix: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let part_of_a_path = code[..at].ends_with(|c: char| c == ':' || is_name(c));
        let rest = &code[at + prefix.len()..];
        if part_of_a_path || rest.starts_with("super::") {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        found.extend(firsts(rest).into_iter().map(|name| (line, name)));
    }
    found
}

/// The name at the start of `rest`, or those at the start of each path in its braces.
fn firsts(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else { return name(rest).into_iter().collect() };
    let mut names = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.extend(name(group[start..at].trim_start()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

fn name(text: &str) -> Option<String> {
    let text = text.strip_prefix("r#").unwrap_or(text);
    let name: String = text.chars().take_while(|c| is_name(*c)).collect();
    (!name.is_empty()).then_some(name)
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
fn complaints(path: &str, text: &str) -> Vec<String> {
    let source = Source { path: path.to_owned(), text: text.to_owned() };
    check(&source).iter().map(ToString::to_string).collect()
}

#[test]
fn what_stands_below_may_be_used() {
    for (path, text) in [
        ("src/store/tags.rs", "use crate::{db::{Read, Write}, model::TagName};"),
        ("src/store/tags.rs", "use super::branches;\nuse super::{jobs, formats};"),
        ("src/db/codec.rs", "use super::table;\nuse crate::db::schema;"),
        ("src/db.rs", "use crate::stop::Stop;"),
        ("src/model/time.rs", "//! [`crate::clock`] reads it.\nlet a = \"crate::http\";"),
        ("src/clock.rs", "#[cfg(test)]\nmod tests {\n use super::Manual;\n}"),
        ("src/app.rs", "use crate::config; use crate::http;"),
        ("src/main.rs", "use larder::cli;"),
        ("src/http/tree.rs", "use ::http::Uri; use http::Method; macro_crate::x();"),
        ("tests/it/main.rs", "use crate::anything;"),
    ] {
        assert_eq!(complaints(path, text), Vec::<String>::new(), "{path}");
    }
}

#[test]
fn what_stands_above_or_beside_may_not() {
    for (path, text, what) in [
        ("src/model/tag.rs", "\nuse crate::db::Table;", "2: `model` (floor 0) uses `db` (floor 1)"),
        ("src/db.rs", "fn f(x: crate::store::X) {}", "1: `db` (floor 1) uses `store` (floor 2)"),
        ("src/db/table.rs", "use super::super::http;", "1: `db` (floor 1) uses `http` (floor 5)"),
        ("src/db.rs", "use super::store;", "1: `db` (floor 1) uses `store` (floor 2)"),
        ("src/db.rs", "use crate::blobs;", "1: `db` and `blobs` may not know each other"),
        ("src/blobs/a.rs", "use crate::db;", "1: `blobs` and `db` may not know each other"),
        (
            "src/tree.rs",
            "use crate::{\n  model::{A, B},\n  proxy::C,\n};",
            "1: the services `tree` and `proxy` may not call each other",
        ),
        ("src/store/a/b.rs", "super::super::super::sweeper::x()", "1: `store` (floor 2) uses `sw"),
        ("src/store.rs", "use crate::Error;", "1: `Error` stands on no floor"),
        ("src/attic.rs", "", "1: `attic` stands on no floor"),
        ("src/http.rs", "crate::config::X", "1: `http` (floor 5) uses `config` (floor 6)"),
    ] {
        let said = complaints(path, text);
        assert_eq!(said.len(), 1, "{path}: {said:?}");
        assert!(said[0].starts_with(&format!("{path}:{what}")), "{said:?}");
    }
}
