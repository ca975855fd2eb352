//! Height, width, headers, and words that have no place here.

use crate::code::{code, without_tests};
use crate::{Complaint, Source};

/// Files stay below this many lines, tests included.
const LINES: usize = 500;
/// The widest line, in characters.
const COLUMNS: usize = 100;

/// A word, where it may stand, and why not elsewhere.
struct Word {
    text: &'static str,
    scope: Scope,
    allowed: fn(&Source) -> bool,
    why: &'static str,
}

#[derive(PartialEq, Eq)]
enum Scope {
    /// The whole text.
    Text,
    /// Code, that of tests too.
    Code,
    /// Code that is not for tests only.
    Product,
}

const WORDS: &[Word] = &[
    Word {
        text: "bincode",
        scope: Scope::Text,
        allowed: |source| source.path == "src/db/codec.rs" || source.is_tidy(),
        why: "only src/db/codec.rs names it, so that it can be replaced",
    },
    Word { text: "TODO", scope: Scope::Text, allowed: Source::is_tidy, why: LATER },
    Word { text: "FIXME", scope: Scope::Text, allowed: Source::is_tidy, why: LATER },
    Word { text: "todo!", scope: Scope::Code, allowed: |_| false, why: LATER },
    Word { text: "unimplemented!", scope: Scope::Code, allowed: |_| false, why: LATER },
    Word {
        text: "dbg!",
        scope: Scope::Code,
        allowed: |_| false,
        why: "a line of the log tells it to an operator too",
    },
    Word {
        text: "process::exit",
        scope: Scope::Product,
        allowed: |source| source.path == "src/main.rs",
        why: "only src/main.rs ends the process; return an error",
    },
    Word {
        text: ".unwrap()",
        scope: Scope::Product,
        allowed: |_| false,
        why: "return an error, or use `expect` below a comment that proves it",
    },
];

const LATER: &str = "do it now, or write an issue";

/// What is wrong with `source`, line by line.
pub fn check(source: &Source) -> Vec<Complaint> {
    let mut complaints = shape(source);
    let code = code(&source.text);
    let product = if source.is_test() { String::new() } else { without_tests(&code) };
    for word in WORDS.iter().filter(|word| !(word.allowed)(source)) {
        let text = match word.scope {
            Scope::Text => &source.text,
            Scope::Code => &code,
            Scope::Product => &product,
        };
        let lines = text.lines().enumerate().filter(|(_, line)| has_word(line, word.text));
        complaints.extend(
            lines.map(|(at, _)| source.complain(at + 1, format!("`{}`: {}", word.text, word.why))),
        );
    }
    complaints.extend(unproven(source, &product));
    complaints
}

fn shape(source: &Source) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    if source.path.ends_with("/mod.rs") {
        complaints.push(source.complain(1, "a module is `foo.rs` with `foo/`, never `mod.rs`"));
    }
    if !source.text.starts_with("//!") {
        complaints.push(source.complain(1, "the file does not open with a `//!` header"));
    }
    let height = source.text.lines().count();
    if height >= LINES {
        complaints
            .push(source.complain(height, format!("{height} lines; below {LINES} they stay")));
    }
    for (at, line) in source.text.lines().enumerate() {
        let width = line.chars().count();
        if width > COLUMNS {
            complaints.push(source.complain(at + 1, format!("{width} columns; {COLUMNS} at most")));
        }
    }
    complaints
}

/// Each `expect` of `product` without a comment on its line or up to three lines above.
fn unproven(source: &Source, product: &str) -> Vec<Complaint> {
    let lines: Vec<_> = source.text.lines().map(str::trim_start).collect();
    let proven = |at: usize| {
        let above = &lines[at.saturating_sub(3)..at];
        lines[at].contains("// ") || above.iter().any(|line| line.starts_with("// "))
    };
    let uses = product.lines().enumerate().filter(|(_, line)| line.contains(".expect("));
    let bare = uses.filter(|(at, _)| !proven(*at));
    bare.map(|(at, _)| source.complain(at + 1, "`expect` without a comment that proves it"))
        .collect()
}

/// Whether `word` stands in `line` and is not the end or the start of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = word.starts_with(is_name) && line[..at].ends_with(is_name);
        let after = word.ends_with(is_name) && line[at + word.len()..].starts_with(is_name);
        !before && !after
    })
}

#[cfg(test)]
fn complaints(path: &str, text: &str) -> Vec<String> {
    let source = Source { path: path.to_owned(), text: text.to_owned() };
    check(&source).iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_fine() {
    let tests = "//! A\n#[cfg(test)]\nmod tests {\n  fn f() { a.unwrap(); b.expect(\"c\"); }\n}\n";
    let wide = format!("//! {}", "ä".repeat(96));
    for (path, text) in [
        ("src/a.rs", tests),
        ("src/a/tests.rs", "//! A\nfn f() { a.unwrap() }"),
        ("tests/it/a.rs", "//! A\nfn f() { a.unwrap(); std::process::exit(1) }"),
        ("src/main.rs", "//! A\nstd::process::exit(2);"),
        ("src/db/codec.rs", "//! bincode"),
        ("src/a.rs", "//! A\n// `dbg!` is not code here\nlet a = \"todo!\"; mastodons!();"),
        (
            "src/a.rs",
            "//! A\n// The list has one item.\nlet a = list\n  .pop()\n  .expect(\"one\");",
        ),
        ("src/a.rs", wide.as_str()),
    ] {
        assert_eq!(complaints(path, text), Vec::<String>::new(), "{path}\n{text}");
    }
}

#[test]
fn what_is_not() {
    let high = format!("//! A\n{}", "\n".repeat(LINES - 1));
    let wide = format!("//! A\n//{}", "ä".repeat(99));
    for (path, text, line) in [
        ("src/a/mod.rs", "//! A", "1: a module is"),
        ("src/a.rs", "fn f() {}", "1: the file does not open"),
        ("src/a.rs", "", "1: the file does not open"),
        ("src/a.rs", high.as_str(), "500: 500 lines"),
        ("benches/a.rs", wide.as_str(), "2: 101 columns"),
        ("src/db/table.rs", "//! A\n// unlike bincode", "2: `bincode`: only src/db/codec.rs"),
        ("src/a.rs", "//! A\n\n// TODO later", "3: `TODO`"),
        ("tests/a.rs", "//! FIXME", "1: `FIXME`"),
        ("tests/a.rs", "//! A\nfn f() { todo!() }", "2: `todo!`"),
        ("src/a.rs", "//! A\nfn f() { unimplemented!() }", "2: `unimplemented!`"),
        ("src/a.rs", "//! A\n#[cfg(test)]\nmod t { dbg!(1) }", "3: `dbg!`"),
        ("src/cli.rs", "//! A\nstd::process::exit(1);", "2: `process::exit`"),
        ("src/a.rs", "//! A\n#[cfg(test)]\nmod tests;\nlet a = b.unwrap();", "4: `.unwrap()`"),
        ("src/a.rs", "//! A\n\nlet a = b\n  .expect(\"c\");", "4: `expect` without"),
    ] {
        let said = complaints(path, text);
        assert_eq!(said.len(), 1, "{path}: {said:?}");
        assert!(said[0].starts_with(&format!("{path}:{line}")), "{said:?}");
    }
}
