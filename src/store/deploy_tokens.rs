//! Deploy tokens: credentials of a group or a project for machines, made, used, revoked (spec
//! gitlab §9).
//!
//! One is worth something only while names lead to what it is of, and each use looks its row up: a
//! revoked one is worth nothing from the commit on. When it was used last comes in batches, never
//! with a use. Ids are never given twice.
//! Deliberately absent: secrets; only their hashes come in.

use super::governed::{is_live, known};
use super::tokens::BATCH_MAX;
use super::tx::promised;
use super::{Error, Store, Tx, View};
use crate::db::schema::{DEPLOY_TOKENS, DEPLOY_TOKENS_OF, Meta};
use crate::db::{Pending, Span};
use crate::model::deploy_token::DEPLOY_TOKEN_NAME_LENGTH_MAX;
use crate::model::{DeployScope, DeployToken, DeployTokenId, GroupId, Timestamp};

/// A deploy token that is to be made.
#[derive(Clone, Debug)]
pub struct NewDeployToken {
    /// The group that it is for, with all below, or the project, by its number.
    pub group: GroupId,
    /// What people call it.
    pub name: String,
    /// The login that goes with it; `None`: `gitlab+deploy-token-` and its id.
    pub username: Option<String>,
    /// What it may be used for.
    pub scopes: Vec<DeployScope>,
    /// From when on it is worth nothing.
    pub expires: Option<Timestamp>,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// The login of whoever makes it.
    pub by: String,
}

/// A part of a list of deploy tokens.
#[derive(Clone, Debug)]
pub struct DeployTokenPage {
    /// Those that are there; there may be none although more follow.
    pub tokens: Vec<(DeployTokenId, DeployToken)>,
    /// Where to go on; `None`: nothing follows.
    pub next: Option<DeployTokenId>,
}

impl Store {
    /// Makes a deploy token; tells its id and its login.
    ///
    /// # Errors
    /// [`Error::GroupUnknown`], [`Error::DeployTokenText`], [`Error::Db`].
    pub fn add_deploy_token(&self, new: NewDeployToken) -> Pending<(DeployTokenId, String), Error> {
        self.change(move |tx| tx.add_deploy_token(&new))
    }

    /// Revokes a token of this group.
    ///
    /// # Errors
    /// [`Error::GroupUnknown`], [`Error::NotFound`], [`Error::Db`].
    pub fn revoke_deploy_token(&self, group: GroupId, id: DeployTokenId) -> Pending<(), Error> {
        self.change(move |tx| {
            known(tx.txn, group)?;
            if !DEPLOY_TOKENS_OF.has(tx.txn, &(group, id))? {
                return Err(Error::NotFound(format!("deploy token {} of this group", id.0)));
            }
            DEPLOY_TOKENS_OF.remove(tx.txn, &(group, id))?;
            DEPLOY_TOKENS.remove(tx.txn, &id)?;
            Ok(())
        })
    }

    /// Notes when tokens were used last, at most [`BATCH_MAX`] of them.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn note_deploy_token_uses(
        &self,
        uses: Vec<(DeployTokenId, Timestamp)>,
    ) -> Pending<(), Error> {
        self.change(move |tx| {
            for (id, at) in uses.iter().take(BATCH_MAX) {
                if let Some(token) = DEPLOY_TOKENS.get(tx.txn, id)?
                    && token.last_used < Some(*at)
                {
                    let token = DeployToken { last_used: Some(*at), ..token };
                    DEPLOY_TOKENS.put(tx.txn, id, &token)?;
                }
            }
            Ok(())
        })
    }
}

impl Tx<'_, '_> {
    fn add_deploy_token(&self, new: &NewDeployToken) -> Result<(DeployTokenId, String), Error> {
        let NewDeployToken { group, name, username, scopes, expires, hash, by } = new.clone();
        let is_short = |text: &str| (1..=DEPLOY_TOKEN_NAME_LENGTH_MAX).contains(&text.len());
        let is_login = |text: &String| is_short(text) && text.bytes().all(is_letter);
        if !is_short(&name) || !username.as_ref().is_none_or(is_login) || scopes.is_empty() {
            return Err(Error::DeployTokenText);
        }
        known(self.txn, group)?;
        let id = DeployTokenId(self.next(Meta::NEXT_DEPLOY_TOKEN)?);
        let username = username.unwrap_or_else(|| format!("gitlab+deploy-token-{}", id.0));
        let (created, last_used, login) = (self.now, None, username.clone());
        let token =
            DeployToken { group, name, username, scopes, by, created, expires, hash, last_used };
        DEPLOY_TOKENS.put(self.txn, &id, &token)?;
        DEPLOY_TOKENS_OF.put(self.txn, &(group, id), &())?;
        Ok((id, login))
    }
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte)
}

impl View {
    /// A deploy token by its id, while names lead to its group; it may have expired.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn deploy_token(&self, id: DeployTokenId) -> Result<Option<DeployToken>, Error> {
        match DEPLOY_TOKENS.get(&self.snapshot, &id)? {
            Some(token) if is_live(&self.snapshot, token.group)? => Ok(Some(token)),
            _ => Ok(None),
        }
    }

    /// The deploy tokens of all groups and projects, oldest first, behind `after`: `limit` rows are
    /// looked at, and those told that names lead to.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn all_deploy_tokens(
        &self,
        after: Option<DeployTokenId>,
        limit: usize,
    ) -> Result<DeployTokenPage, Error> {
        let rows = &self.snapshot;
        let span = after.map_or_else(Span::all, |after| Span::all().after(&after));
        let found = DEPLOY_TOKENS.page(rows, span, limit)?;
        let next = found.last().map(|(id, _)| *id).filter(|_| found.len() >= limit);
        let mut page = DeployTokenPage { next, tokens: Vec::new() };
        for (id, token) in found {
            if is_live(rows, token.group)? {
                page.tokens.push((id, token));
            }
        }
        Ok(page)
    }

    /// The deploy tokens of a group or a project itself, oldest first, behind `after`, at most
    /// `limit`.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn deploy_tokens(
        &self,
        group: GroupId,
        after: Option<DeployTokenId>,
        limit: usize,
    ) -> Result<Vec<(DeployTokenId, DeployToken)>, Error> {
        let rows = &self.snapshot;
        if !is_live(rows, group)? {
            return Ok(Vec::new());
        }
        let span = Span::under(&group);
        let span = match after {
            Some(after) => span.after(&(group, after)),
            None => span,
        };
        let found = DEPLOY_TOKENS_OF.page(rows, span, limit)?.into_iter();
        found.map(|((_, id), ())| Ok((id, promised(&DEPLOY_TOKENS, rows, &id)?))).collect()
    }
}
