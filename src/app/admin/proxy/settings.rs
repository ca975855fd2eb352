//! `proxy show` and `proxy set`: how a group caches.

use std::fmt;

use serde::Serialize;

use super::super::text::table;
use super::super::{Answer, Desk, Verdict};
use super::{Change, Credentials, Own, Secret, group_at};
use crate::app::Error;
use crate::model::proxy::TTL_DAYS;
use crate::model::{GroupId, GroupPath, ProxyGroup, Role, Upstream};
use crate::store::proxy_groups::{ProxyChange, Wish};

/// What a group's proxy cannot be set to.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Details of an upstream without one.
    #[error(
        "the group has the server's default upstream, whose details are the server's: name one \
         of its own with --upstream, or leave them out"
    )]
    NoUpstream,
}

impl Desk<'_> {
    pub(super) fn show_proxy(&mut self, path: &GroupPath) -> Result<Answer, Error> {
        let view = self.house.store().view()?;
        let (group, _) = group_at(&view, path)?;
        Answer::new(Verdict::Fine, &Shown::new(path, &view.proxy_group(group)?))
    }

    pub(super) fn set_proxy(&mut self, path: &GroupPath, change: Change) -> Result<Answer, Error> {
        let store = self.house.store();
        let view = store.view()?;
        let (group, _) = group_at(&view, path)?;
        let before = view.proxy_group(group)?;
        drop(view);
        let change = self.proxy_change(group, &before, change)?;
        let after = store.change_proxy(group, change).wait()?;
        if after.purged > before.purged {
            self.ask_for_deletion();
        }
        Answer::new(Verdict::Fine, &Shown::new(path, &after))
    }

    fn proxy_change(
        &self,
        group: GroupId,
        before: &ProxyGroup,
        change: Change,
    ) -> Result<ProxyChange, Error> {
        let upstreams = self.house.upstreams();
        let upstream = match upstream(before.upstream.as_ref(), &change)? {
            Wish::Set(upstream) => Wish::Set(upstreams.check(&upstream)?),
            wish => wish,
        };
        let known = before.upstream.as_ref().map(|upstream| &upstream.url);
        let is_elsewhere = match &upstream {
            Wish::Keep => false,
            Wish::Unset => known.is_some(),
            Wish::Set(upstream) => known != Some(&upstream.url),
        };
        let credentials = match change.credentials {
            Some(Own::Value(given)) => {
                let upstream = match &upstream {
                    Wish::Keep => before.upstream.as_ref(),
                    Wish::Unset => None,
                    Wish::Set(upstream) => Some(upstream),
                };
                let Credentials { identity, secret: Secret(secret) } = given;
                Wish::Set(upstreams.seal(group, upstream, &identity, &secret)?)
            }
            Some(Own::Default) => Wish::Unset,
            // A secret is for whom it was given for.
            None if is_elsewhere => Wish::Unset,
            None => Wish::Keep,
        };
        Ok(ProxyChange {
            enabled: change.enabled,
            upstream,
            credentials,
            admins: change.admins,
            ttl_enabled: change.ttl,
            ttl_days: match change.ttl_days {
                None => Wish::Keep,
                Some(Own::Default) => Wish::Unset,
                Some(Own::Value(days)) => Wish::Set(days),
            },
        })
    }
}

/// The upstream as it is to be.
fn upstream(before: Option<&Upstream>, change: &Change) -> Result<Wish<Upstream>, Refused> {
    let Change { library, certificates, patience_ms, requests_max, .. } = change;
    let has_details = library.is_some()
        || certificates.is_some()
        || patience_ms.is_some()
        || requests_max.is_some();
    let mut upstream = match (&change.upstream, before) {
        (None, _) if !has_details => return Ok(Wish::Keep),
        (Some(Own::Default), _) if !has_details => return Ok(Wish::Unset),
        (Some(Own::Default), _) | (None, None) => return Err(Refused::NoUpstream),
        (None, Some(before)) => before.clone(),
        (Some(Own::Value(url)), before) => moved(before, url),
    };
    if let Some(library) = library {
        upstream.has_library = *library;
    }
    if let Some(certificates) = certificates {
        upstream.certificates = certificates.clone().value();
    }
    if let Some(patience_ms) = patience_ms {
        upstream.patience_ms = patience_ms.value();
    }
    if let Some(requests_max) = requests_max {
        upstream.requests_max = requests_max.value();
    }
    Ok(Wish::Set(upstream))
}

/// At another address nothing of what was said of the old one is believed.
fn moved(before: Option<&Upstream>, url: &str) -> Upstream {
    match before {
        Some(before) if before.url == url => before.clone(),
        _ => Upstream {
            url: url.to_owned(),
            has_library: false,
            certificates: None,
            patience_ms: None,
            requests_max: None,
        },
    }
}

#[derive(Serialize)]
struct Shown {
    group: String,
    enabled: bool,
    /// `None`: the server's default.
    upstream: Option<String>,
    library: Option<bool>,
    certificates: bool,
    /// `None`: nobody.
    identity: Option<String>,
    /// `None`: the server's.
    patience_ms: Option<u64>,
    /// `None`: the server's.
    requests_max: Option<u32>,
    ttl_enabled: bool,
    ttl_days: u32,
    admins: Role,
}

impl Shown {
    fn new(path: &GroupPath, proxy: &ProxyGroup) -> Self {
        let upstream = proxy.upstream.as_ref();
        Self {
            group: path.to_string(),
            enabled: proxy.enabled,
            upstream: upstream.map(|upstream| upstream.url.clone()),
            library: upstream.map(|upstream| upstream.has_library),
            certificates: upstream.is_some_and(|upstream| upstream.certificates.is_some()),
            identity: proxy.credentials.as_ref().map(|known| known.identity.clone()),
            patience_ms: upstream.and_then(|upstream| upstream.patience_ms),
            requests_max: upstream.and_then(|upstream| upstream.requests_max),
            ttl_enabled: proxy.ttl.enabled,
            ttl_days: proxy.ttl.days.unwrap_or(TTL_DAYS),
            admins: proxy.admins,
        }
    }

    fn certificates(&self) -> &'static str {
        if self.certificates { "those of the system and its own" } else { "those of the system" }
    }

    fn lifetime(&self) -> String {
        let days = self.ttl_days;
        if self.ttl_enabled {
            format!("what nobody pulled for {days} days goes")
        } else {
            format!("nothing goes by its age (with --ttl on: after {days} days)")
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |is_on: bool| if is_on { "on" } else { "off" }.to_owned();
        let or = |text: Option<String>, other: &str| text.unwrap_or_else(|| other.to_owned());
        let patience = self.patience_ms.map(|ms| format!("{ms} ms"));
        let requests = self.requests_max.map(|number| number.to_string());
        let rows = [
            ("enabled", on(self.enabled)),
            ("upstream", or(self.upstream.clone(), "the server's default")),
            ("library/", or(self.library.map(on), "as the default has it")),
            ("certificates", self.certificates().to_owned()),
            ("identity", or(self.identity.clone(), "nobody's")),
            ("patience", or(patience, "the server's")),
            ("requests", or(requests, "the server's")),
            ("age", self.lifetime()),
            ("governed by", format!("{} and above", self.admins)),
        ];
        let rows = rows.into_iter().map(|(name, what)| [name.to_owned(), what]);
        f.write_str(table(rows.collect()).trim_end())
    }
}
