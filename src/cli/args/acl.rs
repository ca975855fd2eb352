//! `larder acl`: the command lines about rules.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand};
use http::Method;

use super::{Answer, Place};
use crate::model::{Caller, Rank, User, UserName};

/// `larder acl`
#[derive(Debug, Group)]
pub struct Acl {
    /// What about the rules.
    #[command(subcommand)]
    pub command: AclCommand,
}

/// What about the rules.
#[derive(Debug, Subcommand)]
pub enum AclCommand {
    /// Tell whether somebody may do something, and which line says so.
    Check(AclCheck),
}

/// `larder acl check`
#[derive(Debug, Group)]
#[command(after_help = CHECK)]
pub struct AclCheck {
    /// Login, or `-` for nobody logged in.
    #[arg(value_name = "USER", value_parser = login)]
    pub user: Login,
    /// Method of the request, such as GET.
    #[arg(value_parser = method)]
    pub method: Method,
    /// Path of the request as it stands in the URL.
    pub path: String,
    /// Groups of the user, with commas between them.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub groups: Vec<String>,
    /// Folder with the rules, instead of the one of the settings.
    #[arg(long, value_name = "DIR")]
    pub acls_dir: Option<PathBuf>,
    /// Which repository's settings.
    #[command(flatten)]
    pub place: Place,
    /// How to answer.
    #[command(flatten)]
    pub answer: Answer,
}

const CHECK: &str = "\
Reads the files as they are now; a running server has those of its start or of the last SIGHUP.
Without a folder it tells of the built-in rules for whoever is logged in. Administrators may do
everything and are not asked about here. Exit code 0 when it is allowed, 1 when it is not, 2 when
there is no answer.

Examples:
  larder acl check alice GET /branches/main/ --groups dev,qa --acls-dir /etc/larder/acls
  larder acl check - GET /branches/";

/// Who is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// Nobody logged in.
    Nobody,
    /// Somebody.
    User(UserName),
}

impl AclCheck {
    /// Who is asked about, with the groups.
    #[must_use]
    pub fn caller(&self) -> Caller {
        match &self.user {
            Login::Nobody => Caller::Anonymous,
            Login::User(login) => Caller::User(User {
                login: login.clone(),
                groups: self.groups.clone(),
                rank: Rank::Ordinary,
            }),
        }
    }
}

fn login(text: &str) -> Result<Login, String> {
    if text == "-" {
        return Ok(Login::Nobody);
    }
    UserName::parse(text).map(Login::User).map_err(|error| error.to_string())
}

fn method(text: &str) -> Result<Method, String> {
    let method = text.to_ascii_uppercase().parse();
    method.map_err(|_| "write a method, such as GET, PUT, PATCH, POST or DELETE".to_owned())
}
