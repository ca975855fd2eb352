//! A program that runs in an image with nothing else in it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::{Outcome, needs};

/// What the program says.
pub const GREETING: &str = "hello from inside\n";

/// It greets, or with an argument makes a file of that name: what a `RUN` of a build can do.
const SOURCE: &str = r#"
#include <stdio.h>
int main(int count, char **words) {
    if (count < 2) return puts("hello from inside") < 0;
    FILE *file = fopen(words[1], "w");
    return !file || fputs("made\n", file) < 0 || fclose(file);
}
"#;

/// The program for this machine, which needs no library; `None` where no compiler is.
pub fn hello() -> Option<Vec<u8>> {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    let compiler = needs("cc")?;
    Some(PROGRAM.get_or_init(|| compile(compiler)).clone())
}

fn compile(compiler: PathBuf) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("hello");
    let mut command = Command::new(compiler);
    command.args(["-static", "-O1", "-s", "-x", "c", "-", "-o"]).arg(&program);
    Outcome::with_input(&mut command, SOURCE).succeeds();
    std::fs::read(program).unwrap()
}
