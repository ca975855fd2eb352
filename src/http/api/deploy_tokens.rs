//! `/groups/:id/deploy_tokens` and `/projects/:id/deploy_tokens`: credentials for machines, made by
//! owners of the group or maintainers of the project (spec gitlab §9); `/deploy_tokens`: those of
//! all of them, for administrators.
//!
//! The secret is told once, when the token is made; only its hash is kept.

use serde_json::{Value, json};
use warp::reply::Response;

use super::pages::Page;
use super::project_gate::Matter;
use super::{ApiError, Asked, created, no_content, render};
use crate::access::tokens::DeploySecret;
use crate::http::failure::Failure;
use crate::http::route::GovernedAt;
use crate::http::{Server, reply};
use crate::model::{DeployScope, DeployToken, DeployTokenId, GroupId, Timestamp};
use crate::store::deploy_tokens::NewDeployToken;
use crate::store::{self, View};

/// Rows that are read at a time.
const BATCH: usize = 1000;

/// A token in a list.
type Line = (DeployTokenId, DeployToken);

impl Server {
    pub(super) fn api_deploy_tokens(
        &self,
        asked: &Asked,
        at: &GovernedAt,
    ) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let group = self.governed_for(&view, asked, at, Matter::Admin)?;
        if !asked.reads() {
            return self.add_deploy_token(asked, group);
        }
        let mut tokens = Vec::new();
        add_of(&view, group, &mut tokens)?;
        self.list_deploy_tokens(asked, tokens)
    }

    pub(super) fn api_all_deploy_tokens(&self, asked: &Asked) -> Result<Response, Failure> {
        if !self.access.trusts(&asked.caller) {
            return Err(ApiError::forbidden().into());
        }
        let view = self.api_view()?;
        let mut tokens = Vec::new();
        let mut after = None;
        loop {
            let page = view.all_deploy_tokens(after, BATCH)?;
            tokens.extend(page.tokens);
            after = page.next;
            if after.is_none() {
                return self.list_deploy_tokens(asked, tokens);
            }
        }
    }

    pub(super) fn api_deploy_token(
        &self,
        asked: &Asked,
        at: &GovernedAt,
        id: Option<DeployTokenId>,
    ) -> Result<Response, Failure> {
        let id = id.ok_or_else(|| super::params::invalid("token_id"))?;
        let view = self.api_view()?;
        let group = self.governed_for(&view, asked, at, Matter::Admin)?;
        let unknown = || ApiError::not_found("DeployToken");
        let token = view.deploy_token(id)?.filter(|token| token.group == group);
        let token = token.ok_or_else(unknown)?;
        if asked.reads() {
            return Ok(reply::json(&line(id, &token, self.api_now())));
        }
        asked.check_unmodified(token.created)?;
        let revoked = self.tree.store().revoke_deploy_token(group, id).wait();
        revoked.map_err(|error| match error {
            store::Error::GroupUnknown(_) | store::Error::NotFound(_) => unknown().into(),
            error => Failure::from(error),
        })?;
        Ok(no_content())
    }

    fn list_deploy_tokens(
        &self,
        asked: &Asked,
        mut tokens: Vec<Line>,
    ) -> Result<Response, Failure> {
        let page = Page::read(&asked.params)?;
        let now = self.api_now();
        if let Some(is_active) = asked.params.flag("active")? {
            tokens.retain(|(_, token)| token.is_valid_at(now) == is_active);
        }
        let total = tokens.len();
        let lines = page.of(tokens).into_iter().map(|(id, token)| line(id, &token, now));
        Ok(page.answer(asked, &lines.collect::<Vec<_>>(), total))
    }

    fn add_deploy_token(&self, asked: &Asked, group: GroupId) -> Result<Response, Failure> {
        let params = &asked.params;
        params.require(&["name", "scopes"])?;
        let secret = DeploySecret::generate();
        let new = NewDeployToken {
            group,
            name: params.text("name")?.unwrap_or_default(),
            username: params.given("username")?,
            scopes: scopes(&params.list("scopes")?)?,
            expires: params.end("expires_at", self.api_now())?,
            hash: secret.hash(),
            by: asked.by(),
        };
        let (id, _) = self.tree.store().add_deploy_token(new).wait()?;
        let made = self.api_view()?.deploy_token(id)?;
        let made = made.ok_or_else(|| ApiError::not_found("Group"))?;
        let mut line = line(id, &made, self.api_now());
        line["token"] = secret.of(id).to_string().into();
        Ok(created(&line))
    }
}

fn scopes(texts: &[String]) -> Result<Vec<DeployScope>, ApiError> {
    let scopes = texts.iter().map(|text| DeployScope::parse(text));
    let scopes = scopes.collect::<Result<Vec<_>, _>>();
    let scopes = scopes.map_err(|why| ApiError::bad_request(&why))?;
    if scopes.is_empty() { Err(super::params::invalid("scopes")) } else { Ok(scopes) }
}

fn add_of(view: &View, group: GroupId, tokens: &mut Vec<Line>) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let found = view.deploy_tokens(group, after, BATCH)?;
        let is_last = found.len() < BATCH;
        after = found.last().map(|(id, _)| *id);
        tokens.extend(found);
        if is_last {
            return Ok(());
        }
    }
}

fn line(id: DeployTokenId, token: &DeployToken, now: Timestamp) -> Value {
    json!({
        "id": id.0,
        "name": token.name,
        "username": token.username,
        "expires_at": token.expires.map(render::moment),
        "scopes": token.scopes,
        "revoked": false,
        "expired": !token.is_valid_at(now),
    })
}
