//! `/~user/`: what a user's repository holds and may hold, and the way into it (spec dlrepo §4,
//! §13). A page for people, whatever `Accept` says; machines read the lists below it.

use std::fmt::Write;
use std::sync::Arc;

use warp::reply::Response;

use super::failure::Failure;
use super::own::{escape, html};
use super::route::{Route, Spelling, encode};
use super::{Request, Server, blocking, reply};
use crate::model::human::human;
use crate::model::{Caller, Repo, Repository, UserName};

const PAGE: &str = include_str!("user_home.html");

impl Server {
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
