//! `/~user/`: what a user's repository holds and may hold, and the way into it (spec dlrepo §4,
//! §13); and `/`, which lists them. Pages for people, whatever `Accept` says; machines read the
//! lists below.

use std::fmt::Write;
use std::sync::Arc;

use warp::reply::Response;

use super::failure::Failure;
use super::own::{self, escape, html};
use super::route::{Route, Spelling, encode};
use super::{Request, Server, blocking, reply};
use crate::model::human::human;
use crate::model::{Caller, Repo, Repository, UserName};
use crate::store;

const PAGE: &str = include_str!("user_home.html");

/// Repositories that are read at a time.
const REPOSITORIES_PAGE: usize = 1000;

impl Server {
    /// `GET /`: also while the database does not answer, then without users.
    pub(super) async fn home(self: &Arc<Self>, request: Request) -> Result<Response, Failure> {
        let server = Arc::clone(self);
        blocking(move || {
            let users = server.users(&request.caller).unwrap_or_else(|error| {
                log::warn!("the users' repositories cannot be listed: {error}");
                String::new()
            });
            Ok(own::home(&server.address(&request.headers), &users))
        })
        .await
    }

    /// The users' repositories that the caller may look at.
    fn users(&self, caller: &Caller) -> Result<String, store::Error> {
        let view = self.tree.store().view()?;
        let mut links = String::new();
        let mut last = None;
        loop {
            let page = view.repositories(last.as_ref(), REPOSITORIES_PAGE)?;
            let Some((user, _)) = page.last() else { break };
            last = Some(user.clone());
            let repos = page.into_iter().map(|(user, _)| Repo::User(user).to_string());
            for repo in repos.filter(|repo| self.may_read(caller, &format!("{repo}/"))) {
                // Writing into a string cannot fail.
                let _ = writeln!(
                    links,
                    "<a href=\"{}/\">{}</a>",
                    encode(&repo),
                    escape(repo.trim_start_matches('/'))
                );
            }
        }
        if links.is_empty() {
            return Ok(links);
        }
        Ok(format!("<h2>Users</h2>\n<p>{links}</p>\n"))
    }

    /// `GET /~user` and `GET /~user/`; 404 when nothing was ever written there.
    pub(super) async fn user_home(
        self: &Arc<Self>,
        request: Request,
        user: UserName,
        spelling: Spelling,
    ) -> Result<Response, Failure> {
        let server = Arc::clone(self);
        blocking(move || {
            let store = server.tree.store();
            let repository = store.view()?.repository(&user)?;
            if spelling == Spelling::Variant {
                return Ok(reply::found(&Route::UserHome(user).canonical_path()));
            }
            let limit = repository.quota.limit(store.rules().user_quota);
            let links = server.links(&request.caller, &user);
            let page = PAGE
                .replace("ROWS", &rows(&repository, limit))
                .replace("LINKS", &links)
                .replace("USER", &escape(user.as_str()));
            Ok(html(page))
        })
        .await
    }

    /// The trees of a user's repository that the caller may look at.
    fn links(&self, caller: &Caller, user: &UserName) -> String {
        let repo = Repo::User(user.clone());
        let trees = [("branches", "Branches"), ("products", "Products")];
        let readable = trees.iter().filter(|(tree, _)| {
            let path = format!("{repo}/{tree}/");
            self.may_read(caller, &path)
        });
        readable.fold(String::new(), |mut links, (tree, name)| {
            let user = encode(user.as_str());
            // Writing into a string cannot fail.
            let _ = writeln!(links, "<p><a href=\"/~{user}/{tree}/\">{name}</a></p>");
            links
        })
    }
}

/// Usage, quota and what is left, with the exact bytes for whoever asks by pointing there.
fn rows(repository: &Repository, limit: Option<u64>) -> String {
    let used = repository.usage.bytes;
    let size = |bytes: u64| format!("<td title=\"{bytes} bytes\">{}</td>", human(bytes));
    let none = || "<td>no limit</td>".to_owned();
    let available = limit.map(|limit| limit.saturating_sub(used));
    [
        ("Disk usage", size(used)),
        ("Quota", limit.map_or_else(none, size)),
        ("Available", available.map_or_else(none, size)),
    ]
    .iter()
    .fold(String::new(), |rows, (name, cell)| rows + &format!("<tr><th>{name}</th>{cell}</tr>\n"))
}
