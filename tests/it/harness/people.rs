//! People on a server that was started with [`TestServer::with_people`].

use std::fs;

use super::client::Request;
use super::{Outcome, TestServer, larder};

/// The password that [`TestServer::has_user`] gives.
pub fn password_of(login: &str) -> String {
    format!("{login}'s password")
}

impl TestServer {
    /// The password that the first start made; `None` where nobody logs in, and when the
    /// administrator has another one by now.
    pub fn first_password(&self) -> Option<String> {
        let text = fs::read_to_string(self.data().join("admin-password")).ok()?;
        Some(text.trim_end().to_owned())
    }

    /// The request as the first administrator's, where people log in.
    pub fn as_admin(&self, request: Request) -> Request {
        match self.first_password() {
            Some(password) => request.by("admin", &password),
            None => request,
        }
    }

    /// Makes an account in these groups.
    #[track_caller]
    pub fn has_user(&self, login: &str, groups: &[&str]) {
        let groups: Vec<_> = groups.iter().map(|group| format!("--group={group}")).collect();
        let groups: Vec<_> = groups.iter().map(String::as_str).collect();
        let add = [&["user", "add", login, "--password-stdin"], &groups[..]].concat();
        self.command_with(&add, &password_of(login)).succeeds();
    }

    /// Makes a token and gives its text.
    #[track_caller]
    pub fn token_of(&self, user: &str, scope: &str) -> String {
        let create = ["token", "create", "--user", user, "--name", "test", "--scope", scope];
        self.command(&create).succeeds().out.trim_end().to_owned()
    }

    /// A command of `larder` on this server's data, which reads `input`.
    pub fn command_with(&self, arguments: &[&str], input: &str) -> Outcome {
        let data = self.data();
        let data = data.to_str().expect("UTF-8");
        Outcome::with_input(larder(arguments).args(["--data", data]), input)
    }
}
