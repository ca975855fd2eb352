//! [`CommandLine`]: a program that an operator lets run, with its arguments.
//!
//! Deliberately absent: a shell, and with it quotes, variables and pipes; a script has them.

use std::fmt;

/// A program and its arguments, separated by blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    words: Vec<String>,
}

impl CommandLine {
    /// What [`CommandLine::parse`] takes.
    pub const ALLOWED: &str = "a program by its name or its absolute path, and its arguments, \
                               separated by blanks (without quotes: a script can have them)";

    /// Reads a program and its arguments.
    pub fn parse(given: &str) -> Result<Self, String> {
        let words: Vec<_> = given.split_whitespace().map(str::to_owned).collect();
        let Some(program) = words.first() else { return Err("it is empty".to_owned()) };
        if program.contains('/') && !program.starts_with('/') {
            return Err("the program's path is not absolute".to_owned());
        }
        if given.contains('\0') {
            return Err("it contains NUL".to_owned());
        }
        Ok(Self { words })
    }

    /// What is run: a name that is looked for in `PATH`, or an absolute path.
    #[must_use]
    pub fn program(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// What is told to it.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_separated_by_blanks() {
        let command = CommandLine::parse("  /usr/bin/env  sh -c\ttrue ").unwrap();
        assert_eq!(command.program(), "/usr/bin/env");
        assert_eq!(command.arguments(), ["sh", "-c", "true"]);
        assert_eq!(command.to_string(), "/usr/bin/env sh -c true");
        assert!(CommandLine::parse("sign").unwrap().arguments().is_empty());
        for bad in ["", " \t", "bin/sign", "./sign", "a\0b"] {
            assert!(CommandLine::parse(bad).is_err(), "{bad:?}");
        }
    }
}
