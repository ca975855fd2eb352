//! `larder user` and `larder token` as values.

use std::time::Duration;

use clap::{Args as Group, Subcommand};

use super::Common;
use crate::access::authfile::is_group;
use crate::app::admin::people::Expiry;
use crate::config::duration;
use crate::model::{Rank, Timestamp, TokenScope, UserName};

/// `larder user`
#[derive(Debug, Group)]
pub struct User {
    /// What to do.
    #[command(subcommand)]
    pub command: UserCommand,
}

/// What to do about local accounts.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make an account.
    Add(AddUser),
    /// Give an account another password.
    Passwd(Passwd),
    /// Delete an account and its tokens.
    Del(DeleteUser),
    /// Show the accounts.
    List(ListUsers),
}

/// `larder user add`
#[derive(Debug, Group)]
#[command(after_help = PASSWORDS)]
pub struct AddUser {
    /// The login; upper case is lowered.
    #[arg(value_name = "LOGIN", value_parser = login)]
    pub login: UserName,
    /// A group that the account is in; may be given several times.
    #[arg(
        long = "group",
        value_name = "GROUP",
        value_parser = group,
        required_unless_present = "admin"
    )]
    pub groups: Vec<String>,
    /// An administrator: every right on every front.
    #[arg(long)]
    admin: bool,
    /// Where the password comes from.
    #[command(flatten)]
    pub password: PasswordFrom,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

impl AddUser {
    /// The rank.
    #[must_use]
    pub fn rank(&self) -> Rank {
        if self.admin { Rank::Admin } else { Rank::Ordinary }
    }
}

const PASSWORDS: &str = "\
The password is asked for at a terminal. Without one it is made up and printed, unless
--password-stdin says that it is the first line of standard input.

Examples:
  larder user add alice --group developers --data /srv/larder
  larder user add root2 --admin --data /srv/larder
  pass show larder/ci | larder user passwd ci --password-stdin --data /srv/larder";

/// `larder user passwd`
#[derive(Debug, Group)]
#[command(after_help = PASSWORDS)]
pub struct Passwd {
    /// The login.
    #[arg(value_name = "LOGIN", value_parser = login)]
    pub login: UserName,
    /// Where the password comes from.
    #[command(flatten)]
    pub password: PasswordFrom,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// `larder user del`
#[derive(Debug, Group)]
pub struct DeleteUser {
    /// The login.
    #[arg(value_name = "LOGIN", value_parser = login)]
    pub login: UserName,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// `larder user list`
#[derive(Debug, Group)]
pub struct ListUsers {
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// Where a password comes from.
#[derive(Clone, Copy, Debug, Group)]
pub struct PasswordFrom {
    /// Read the password from the first line of standard input.
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordFrom {
    /// Whether standard input has it.
    #[must_use]
    pub fn is_stdin(self) -> bool {
        self.password_stdin
    }
}

/// `larder token`
#[derive(Debug, Group)]
pub struct Token {
    /// What to do.
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// What to do about access tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it, this once.
    Create(CreateToken),
    /// Show the tokens, not their secrets.
    List(ListTokens),
    /// Make a token worthless, at once.
    Revoke(RevokeToken),
}

/// `larder token create`
#[derive(Debug, Group)]
#[command(after_help = CREATE)]
pub struct CreateToken {
    /// Whom it stands for.
    #[arg(long, value_name = "LOGIN", value_parser = login)]
    pub user: UserName,
    /// What it is for, to tell it from others.
    #[arg(long)]
    pub name: String,
    /// What it may be used for, api (everything), `read_api` (reading), `read_registry` (pulling
    /// images) or `write_registry` (pushing them too); may be given several times, never more than
    /// its user may do.
    #[arg(long = "scope", value_name = "SCOPE", value_parser = TokenScope::parse, required = true)]
    pub scopes: Vec<TokenScope>,
    /// A group of a user whom another back end knows; those of a local account are its own.
    #[arg(long = "group", value_name = "GROUP", value_parser = group)]
    pub groups: Vec<String>,
    /// When it ends: a time from now such as 90d, or the day (UTC) before which it is good, such
    /// as 2030-12-31. Never, if not given.
    #[arg(long, value_name = "WHEN", value_parser = expiry)]
    pub expires: Option<Expiry>,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

const CREATE: &str = "\
The token alone is printed on standard output, and nowhere ever again. It is used as the password
of HTTP Basic (with any login), as `Authorization: Bearer TOKEN` or as `PRIVATE-TOKEN: TOKEN`.

Example:
  larder token create --user ci --name nightly --scope api --expires 90d --data /srv/larder";

/// `larder token list`
#[derive(Debug, Group)]
pub struct ListTokens {
    /// Only those of this user.
    #[arg(long, value_name = "LOGIN", value_parser = login)]
    pub user: Option<UserName>,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// `larder token revoke`
#[derive(Debug, Group)]
pub struct RevokeToken {
    /// The number that `larder token list` shows, also the first one of the token itself.
    #[arg(value_name = "ID")]
    pub id: u64,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn login(text: &str) -> Result<UserName, String> {
    UserName::parse(text).map_err(|error| error.to_string()).and_then(|login| {
        // What Basic authentication cannot carry would be of no use.
        if text.contains(':') { Err("a login has no colon".to_owned()) } else { Ok(login) }
    })
}

fn group(text: &str) -> Result<String, String> {
    let refused = || format!("{text:?} is not the name of a group: letters, digits, - and _");
    is_group(text).then(|| text.to_owned()).ok_or_else(refused)
}

pub(super) fn expiry(text: &str) -> Result<Expiry, String> {
    if let Ok(date) = text.parse::<jiff::civil::Date>() {
        let start = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|error| error.to_string())?;
        let micros = u64::try_from(start.timestamp().as_microsecond());
        return micros.map(|at| Expiry::At(Timestamp(at))).map_err(|_| "too long ago".to_owned());
    }
    match duration(text) {
        Ok(time) if time > Duration::ZERO => Ok(Expiry::After(time)),
        _ => Err("it is neither a time such as 90d nor a day such as 2030-12-31".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_end_after_a_time_or_on_a_day() {
        assert_eq!(expiry("90d"), Ok(Expiry::After(Duration::from_secs(90 * 86_400))));
        assert_eq!(expiry("2030-12-31"), Ok(Expiry::At(Timestamp(1_924_905_600_000_000))));
        for bad in ["", "0", "soon", "2030-13-01", "1969-12-31", "-1d"] {
            assert!(expiry(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn logins_and_groups_are_checked_at_the_door() {
        assert_eq!(login("Alice").unwrap().as_str(), "alice");
        assert!(login("a:b").is_err() && login("../x").is_err() && login("").is_err());
        assert!(group("équipe-1_a").is_ok() && group("a b").is_err() && group("").is_err());
    }
}
