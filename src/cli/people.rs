//! `larder user` and `larder token`: passwords are read and hashed here, so that no other process
//! and no log sees them; the rest is done like every administration command.

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;

use super::admin;
use super::args::people::{PasswordFrom, TokenCommand, UserCommand};
use crate::access::password;
use crate::app::admin::Command;
use crate::app::admin::people::{Hash, People};
use crate::model::{TokenId, UserName};

/// Longest line that standard input may have for a password, in bytes.
const LINE_MAX: u64 = 4096;

/// A password and whether somebody has to be told it.
struct Password {
    text: String,
    origin: Origin,
}

#[derive(PartialEq, Eq)]
enum Origin {
    Given,
    MadeUp,
}

pub(super) fn user(command: UserCommand) -> Result<ExitCode, String> {
    match command {
        UserCommand::Add(add) => {
            let rank = add.rank();
            let password = Password::get(add.password, &add.login)?;
            let (hash, login) = (password.hash()?, add.login.clone());
            let command = People::AddUser { login, hash, groups: add.groups, rank };
            admin::run_then(&add.common, Command::People(command), |answer| {
                password.tell(&add.login, answer);
            })
        }
        UserCommand::Passwd(passwd) => {
            let password = Password::get(passwd.password, &passwd.login)?;
            let command =
                People::SetPassword { login: passwd.login.clone(), hash: password.hash()? };
            admin::run_then(&passwd.common, Command::People(command), |answer| {
                password.tell(&passwd.login, answer);
            })
        }
        UserCommand::Del(del) => {
            admin::run(&del.common, Command::People(People::DeleteUser { login: del.login }))
        }
        UserCommand::List(list) => admin::run(&list.common, Command::People(People::ListUsers)),
    }
}

pub(super) fn token(command: TokenCommand) -> Result<ExitCode, String> {
    let (common, command) = match command {
        TokenCommand::Create(create) => {
            let (user, name, expires) = (create.user, create.name, create.expires);
            let (scopes, groups) = (create.scopes, create.groups);
            (create.common, People::CreateToken { user, name, scopes, groups, expires })
        }
        TokenCommand::List(list) => {
            let user = list.user.map(|user| user.to_string());
            (list.common, People::ListTokens { user })
        }
        TokenCommand::Revoke(revoke) => {
            (revoke.common, People::RevokeToken { id: TokenId(revoke.id) })
        }
    };
    admin::run(&common, Command::People(command))
}

impl Password {
    fn get(from: PasswordFrom, login: &UserName) -> Result<Self, String> {
        let text = if from.is_stdin() {
            first_line(std::io::stdin().lock())?
        } else if std::io::stdin().is_terminal() {
            ask(login)?
        } else {
            return Ok(Self { text: password::generate(), origin: Origin::MadeUp });
        };
        Ok(Self { text, origin: Origin::Given })
    }

    fn hash(&self) -> Result<Hash, String> {
        password::hash(&self.text).map(Hash).map_err(|error| error.to_string())
    }

    /// Adds what was made up to the answer.
    fn tell(&self, login: &UserName, answer: &mut crate::app::admin::Answer) {
        if self.origin == Origin::MadeUp {
            answer.text = format!("{}\nThe password of {login} is {}", answer.text, self.text);
            answer.value["password"] = self.text.clone().into();
        }
    }
}

fn first_line(input: impl BufRead) -> Result<String, String> {
    let mut line = String::new();
    let read = input.take(LINE_MAX).read_line(&mut line);
    read.map_err(|error| format!("the password cannot be read: {error}"))?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

fn ask(login: &UserName) -> Result<String, String> {
    let prompt = |what: &str| {
        rpassword::prompt_password(what).map_err(|error| format!("no password: {error}"))
    };
    let first = prompt(&format!("New password of {login}: "))?;
    let second = prompt("Once more: ")?;
    if first == second { Ok(first) } else { Err("the two passwords differ, try again".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_a_line_without_its_end() {
        for (input, line) in
            [("secret\n", "secret"), ("secret\r\nmore", "secret"), (" a b ", " a b "), ("", "")]
        {
            assert_eq!(first_line(input.as_bytes()).unwrap(), line);
        }
    }
}
