//! How a group's proxy is set: `DependencyProxySetting` and its change (spec gitlab §1.6, §10.4).
//!
//! A secret goes in and never comes out. Reading what was never set stores nothing.
//! Deliberately absent: which registry is cached, which GitLab's schema does not know.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};

use crate::http::graphql::asked::{Asked, asked};
use crate::http::graphql::errors::fault;
use crate::http::graphql::group;
use crate::model::proxy::CREDENTIAL_LENGTH_MAX;
use crate::model::{Ability, GroupId, ProxyGroup, UpstreamCredentials};
use crate::store::proxy_groups::{ProxyChange, Wish};

/// How a group's dependency proxy is set.
#[derive(SimpleObject)]
pub struct DependencyProxySetting {
    /// Whether anything is served.
    enabled: bool,
    /// The login at the registry that is cached.
    identity: Option<String>,
}

/// What to change of it.
#[derive(InputObject)]
struct UpdateDependencyProxySettingsInput {
    /// Comes back with the answer.
    client_mutation_id: Option<String>,
    /// The full path of the group.
    group_path: ID,
    /// Whether anything is served.
    enabled: MaybeUndefined<bool>,
    /// The login at the registry that is cached; null together with `secret`: none.
    identity: MaybeUndefined<String>,
    /// The password or token that goes with it. It is never shown.
    secret: MaybeUndefined<String>,
}

/// What came of it.
#[derive(SimpleObject)]
struct UpdateDependencyProxySettingsPayload {
    /// What came with the question.
    client_mutation_id: Option<String>,
    /// The settings as they are now; null if nothing was changed.
    dependency_proxy_setting: Option<DependencyProxySetting>,
    /// Why nothing was changed.
    errors: Vec<String>,
}

/// The field of the root.
#[derive(Default)]
pub struct SettingsMutation;

/// The settings of a group.
///
/// # Errors
/// Those of the store.
pub fn of(asked: &Asked, group: GroupId) -> Result<DependencyProxySetting> {
    let proxy = asked.view().proxy_group(group).map_err(|error| fault(&error))?;
    let identity = proxy.credentials.map(|credentials| credentials.identity);
    Ok(DependencyProxySetting { enabled: proxy.enabled, identity })
}

#[Object]
impl SettingsMutation {
    /// Sets a group's dependency proxy. What is left out stays as it is.
    async fn update_dependency_proxy_settings(
        &self,
        context: &Context<'_>,
        input: UpdateDependencyProxySettingsInput,
    ) -> Option<Result<UpdateDependencyProxySettingsPayload>> {
        Some(update(context, input).await)
    }
}

async fn update(
    context: &Context<'_>,
    input: UpdateDependencyProxySettingsInput,
) -> Result<UpdateDependencyProxySettingsPayload> {
    let asked = asked(context)?;
    let ability = Ability::AdminDependencyProxy;
    let group = group::find_to_change(asked, &input.group_path, ability)?.id;
    let client_mutation_id = input.client_mutation_id.clone();
    let (dependency_proxy_setting, errors) = match wanted(asked, group, input)? {
        Ok(change) => {
            asked.change(|store| store.change_proxy(group, change)).await?;
            (Some(of(asked, group)?), Vec::new())
        }
        Err(errors) => (None, errors),
    };
    let payload = UpdateDependencyProxySettingsPayload {
        client_mutation_id,
        dependency_proxy_setting,
        errors,
    };
    Ok(payload)
}

/// What is wrong with an input, in sentences.
type Faults = Vec<String>;

fn wanted(
    asked: &Asked,
    group: GroupId,
    input: UpdateDependencyProxySettingsInput,
) -> Result<Result<ProxyChange, Faults>> {
    let proxy = asked.view().proxy_group(group).map_err(|error| fault(&error))?;
    let enabled = input.enabled.value().copied();
    let is_no_answer = input.enabled.is_null();
    let mut faults = Vec::new();
    if is_no_answer {
        faults.push("Enabled must be true or false".to_owned());
    }
    let login = Login::of(input.identity, input.secret, proxy.credentials.as_ref());
    faults.extend(login.faults());
    if !faults.is_empty() {
        return Ok(Err(faults));
    }
    let credentials = match credentials(asked, group, &proxy, login) {
        Ok(credentials) => credentials,
        Err(why) => return Ok(Err(vec![why])),
    };
    Ok(Ok(ProxyChange { enabled, credentials, ..ProxyChange::default() }))
}

/// Credentials as they are to be.
struct Login<'p> {
    identity: Option<String>,
    secret: Secret<'p>,
    is_changed: bool,
}

enum Secret<'p> {
    None,
    Given(String),
    /// As it is.
    Kept(&'p UpstreamCredentials),
}

impl<'p> Login<'p> {
    fn of(
        identity: MaybeUndefined<String>,
        secret: MaybeUndefined<String>,
        before: Option<&'p UpstreamCredentials>,
    ) -> Self {
        let is_changed = !identity.is_undefined() || !secret.is_undefined();
        let identity = match identity {
            MaybeUndefined::Undefined => before.map(|before| before.identity.clone()),
            given => given.take().filter(|text| !text.is_empty()),
        };
        let secret = match secret {
            MaybeUndefined::Undefined => before.map_or(Secret::None, Secret::Kept),
            given => match given.take().filter(|text| !text.is_empty()) {
                Some(secret) => Secret::Given(secret),
                None => Secret::None,
            },
        };
        Self { identity, secret, is_changed }
    }

    /// Either both or neither, and none too long.
    fn faults(&self) -> Faults {
        let mut faults = Vec::new();
        let is_secret = !matches!(self.secret, Secret::None);
        if is_secret && self.identity.is_none() {
            faults.push("Identity can't be blank".to_owned());
        }
        if !is_secret && self.identity.is_some() {
            faults.push("Secret can't be blank".to_owned());
        }
        let too_long = |what: &str| {
            format!("{what} is too long (maximum is {CREDENTIAL_LENGTH_MAX} characters)")
        };
        if self.identity.as_ref().is_some_and(|text| text.len() > CREDENTIAL_LENGTH_MAX) {
            faults.push(too_long("Identity"));
        }
        if matches!(&self.secret, Secret::Given(text) if text.len() > CREDENTIAL_LENGTH_MAX) {
            faults.push(too_long("Secret"));
        }
        faults
    }
}

/// What becomes of the credentials, or why the secret cannot be kept.
fn credentials(
    asked: &Asked,
    group: GroupId,
    proxy: &ProxyGroup,
    login: Login,
) -> Result<Wish<UpstreamCredentials>, String> {
    if !login.is_changed {
        return Ok(Wish::Keep);
    }
    Ok(match (login.identity, login.secret) {
        (Some(identity), Secret::Given(secret)) => {
            Wish::Set(asked.seal(group, proxy.upstream.as_ref(), &identity, &secret)?)
        }
        (Some(identity), Secret::Kept(before)) => {
            Wish::Set(UpstreamCredentials { identity, sealed: before.sealed.clone() })
        }
        _ => Wish::Unset,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> MaybeUndefined<String> {
        MaybeUndefined::Value(text.to_owned())
    }

    #[test]
    fn credentials_are_both_or_neither() {
        use MaybeUndefined::{Null, Undefined};
        let known = UpstreamCredentials { identity: "me".to_owned(), sealed: vec![1] };
        let long = text(&"x".repeat(CREDENTIAL_LENGTH_MAX + 1));
        for (identity, secret, before, faults) in [
            (Undefined, Undefined, None, vec![]),
            (text("me"), text("s"), None, vec![]),
            (Null, Null, Some(&known), vec![]),
            (text(""), Null, Some(&known), vec![]),
            (text("you"), Undefined, Some(&known), vec![]),
            (Undefined, text("new"), Some(&known), vec![]),
            (text("me"), Undefined, None, vec!["Secret can't be blank"]),
            (Undefined, text("s"), None, vec!["Identity can't be blank"]),
            (Null, Undefined, Some(&known), vec!["Identity can't be blank"]),
            (Undefined, Null, Some(&known), vec!["Secret can't be blank"]),
            (
                long.clone(),
                long,
                None,
                vec![
                    "Identity is too long (maximum is 255 characters)",
                    "Secret is too long (maximum is 255 characters)",
                ],
            ),
        ] {
            assert_eq!(Login::of(identity, secret, before).faults(), faults);
        }
    }
}
