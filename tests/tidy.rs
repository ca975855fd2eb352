//! The house rules that a compiler does not know, as a test: who may use whom, how high a file
//! is, and words that have no place here. What is broken is told with its file and line.
//!
//! The rules are functions from text to complaints, so that each is also shown to fail.
//! Deliberately absent: what rustfmt and clippy already hold.

use std::fmt;
use std::path::{Path, PathBuf};

#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/rules.rs"]
mod rules;

/// A file of the project: its path from the top, with slashes, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Whether all of the file is test code.
    fn is_test(&self) -> bool {
        !self.path.starts_with("src/")
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
    }

    /// Whether the file belongs to this test and so names what it forbids.
    fn is_tidy(&self) -> bool {
        self.path.starts_with("tests/tidy")
    }

    fn complain(&self, line: usize, what: impl Into<String>) -> Complaint {
        Complaint { path: self.path.clone(), line, what: what.into() }
    }
}

/// A rule that is broken, and where. Lines count from 1.
#[derive(Debug, PartialEq, Eq)]
struct Complaint {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

#[test]
fn the_house_is_tidy() {
    let sources = sources();
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"), "nothing was read");
    let complaints: Vec<_> = sources
        .iter()
        .flat_map(|source| floors::check(source).into_iter().chain(rules::check(source)))
        .map(|complaint| complaint.to_string())
        .collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Every Rust file of the project, sorted by path.
fn sources() -> Vec<Source> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches", "examples"] {
        walk(&top.join(folder), &mut files);
    }
    files.sort();
    files.iter().map(|file| read(top, file)).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn read(top: &Path, file: &Path) -> Source {
    let path = file.strip_prefix(top).unwrap().to_str().unwrap().replace('\\', "/");
    Source { path, text: std::fs::read_to_string(file).unwrap() }
}
