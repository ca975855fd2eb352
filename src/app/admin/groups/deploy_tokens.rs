//! `deploy-token`: credentials of a group or a project for machines.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::access::tokens::DeploySecret;
use crate::app::Error;
use crate::app::admin::governed::{BATCH, governed_of};
use crate::app::admin::people::Expiry;
use crate::app::admin::text::{moment, table};
use crate::app::admin::{Answer, Desk, Verdict};
use crate::model::{DeployScope, DeployToken, DeployTokenId, GroupId, Timestamp};
use crate::store::View;
use crate::store::deploy_tokens::NewDeployToken;

/// What to do about deploy tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeployTokens {
    /// Make one.
    Create {
        /// The full path of its group.
        group: String,
        /// What people call it.
        name: String,
        /// The login that goes with it; `None`: one is made of its number.
        username: Option<String>,
        /// What it may be used for.
        scopes: Vec<DeployScope>,
        /// Until when.
        expires: Option<Expiry>,
    },
    /// Show them, not their secrets.
    List {
        /// The full path of a group; `None`: those of all.
        group: Option<String>,
    },
    /// Take one back.
    Revoke {
        /// Which.
        id: DeployTokenId,
    },
}

impl Desk<'_> {
    pub(in crate::app::admin) fn deploy_tokens(
        &self,
        command: DeployTokens,
    ) -> Result<Answer, Error> {
        let store = self.house.store();
        match command {
            DeployTokens::Create { group, name, username, scopes, expires } => {
                let (group, _) = governed_of(&store.view()?, &group)?;
                let expires = expires.map(|expires| expires.at(store.clock().now()));
                let secret = DeploySecret::generate();
                let (hash, by) = (secret.hash(), String::new());
                let new = NewDeployToken { group, name, username, scopes, expires, hash, by };
                let (id, username) = store.add_deploy_token(new).wait()?;
                let token = secret.of(id).to_string();
                Answer::new(Verdict::Fine, &Created { id, username, token, expires })
            }
            DeployTokens::List { group } => self.list_deploy_tokens(group.as_deref()),
            DeployTokens::Revoke { id } => {
                let token = store.view()?.deploy_token(id)?;
                let group = token.ok_or(Error::DeployTokenUnknown(id.0))?.group;
                store.revoke_deploy_token(group, id).wait()?;
                let text = format!("Deploy token {} is worth nothing any more.", id.0);
                let value = serde_json::json!({ "revoked": id });
                Ok(Answer { verdict: Verdict::Fine, text, value })
            }
        }
    }

    fn list_deploy_tokens(&self, group: Option<&str>) -> Result<Answer, Error> {
        let store = self.house.store();
        self.house.uses().flush(store)?;
        let view = store.view()?;
        let mut tokens = Vec::new();
        let Some(group) = group else { return self.list_all_deploy_tokens(&view) };
        add_of(&view, governed_of(&view, group)?.0, &mut tokens)?;
        Answer::new(Verdict::Fine, &List { tokens, now: store.clock().now() })
    }

    fn list_all_deploy_tokens(&self, view: &View) -> Result<Answer, Error> {
        let mut tokens = Vec::new();
        let mut after = None;
        loop {
            let page = view.all_deploy_tokens(after, BATCH)?;
            for (id, token) in page.tokens {
                let path = view.governed_path(token.group)?;
                let path = path.map(|path| path.to_string()).unwrap_or_default();
                tokens.push(Line::new(id, path, token));
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let now = self.house.store().clock().now();
        Answer::new(Verdict::Fine, &List { tokens, now })
    }
}

fn add_of(view: &View, group: GroupId, tokens: &mut Vec<Line>) -> Result<(), Error> {
    let Some(path) = view.governed_path(group)? else { return Ok(()) };
    let mut after = None;
    loop {
        let found = view.deploy_tokens(group, after, BATCH)?;
        let is_last = found.len() < BATCH;
        after = found.last().map(|(id, _)| *id);
        let lines = found.into_iter();
        tokens.extend(lines.map(|(id, token)| Line::new(id, path.to_string(), token)));
        if is_last {
            return Ok(());
        }
    }
}

#[derive(Serialize)]
struct Created {
    id: DeployTokenId,
    username: String,
    token: String,
    expires: Option<Timestamp>,
}

/// Login and token, for scripts.
impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.username, self.token)
    }
}

#[derive(Serialize)]
struct Line {
    id: DeployTokenId,
    group: String,
    name: String,
    username: String,
    scopes: Vec<DeployScope>,
    created: Timestamp,
    expires: Option<Timestamp>,
    last_used: Option<Timestamp>,
}

impl Line {
    fn new(id: DeployTokenId, group: String, token: DeployToken) -> Self {
        let DeployToken { name, username, scopes, created, expires, last_used, .. } = token;
        Self { id, group, name, username, scopes, created, expires, last_used }
    }

    fn cells(&self, now: Timestamp) -> [String; 7] {
        let used = self.last_used.map(|used| format!("used {}", moment(used, now)));
        let ends = self.expires.map(|ends| {
            let word = if ends > now { "ends" } else { "ended" };
            format!("{word} {}", moment(ends, now))
        });
        let scopes: Vec<_> = self.scopes.iter().map(|scope| scope.as_str()).collect();
        [
            self.id.0.to_string(),
            self.group.clone(),
            self.username.clone(),
            self.name.clone(),
            scopes.join(" "),
            used.unwrap_or_else(|| "never used".to_owned()),
            ends.unwrap_or_else(|| "no end".to_owned()),
        ]
    }
}

#[derive(Serialize)]
struct List {
    tokens: Vec<Line>,
    #[serde(skip)]
    now: Timestamp,
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tokens.is_empty() {
            return f.write_str("There are no deploy tokens.");
        }
        let lines = self.tokens.iter().map(|token| token.cells(self.now)).collect();
        f.write_str(table(lines).trim_end())
    }
}
