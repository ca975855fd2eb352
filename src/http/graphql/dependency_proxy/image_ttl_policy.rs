//! The policy by which entries of a cache go: `DependencyProxyImageTtlGroupPolicy` and its change
//! (spec gitlab §1.9, §10.4).
//!
//! A group that never had one shows what holds for it; reading stores nothing.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};

use crate::http::graphql::asked::{Asked, asked};
use crate::http::graphql::errors::fault;
use crate::http::graphql::group;
use crate::http::graphql::scalars::{Time, int};
use crate::model::proxy::TTL_DAYS;
use crate::model::{Ability, GroupId};
use crate::store::proxy_groups::{ProxyChange, Wish};

/// What of a group's cache goes by its age.
#[derive(SimpleObject)]
pub struct DependencyProxyImageTtlGroupPolicy {
    /// Whether anything does.
    enabled: bool,
    /// Days since it was last pulled.
    ttl: Option<i32>,
    /// When the policy was first set.
    created_at: Option<Time>,
    /// When it was last changed.
    updated_at: Option<Time>,
}

/// What to change of it.
#[derive(InputObject)]
struct UpdateDependencyProxyImageTtlGroupPolicyInput {
    /// Comes back with the answer.
    client_mutation_id: Option<String>,
    /// The full path of the group.
    group_path: ID,
    /// Whether anything goes by its age.
    enabled: MaybeUndefined<bool>,
    /// Days since it was last pulled; null: 90.
    ttl: MaybeUndefined<i32>,
}

/// What came of it.
#[derive(SimpleObject)]
struct UpdateDependencyProxyImageTtlGroupPolicyPayload {
    /// What came with the question.
    client_mutation_id: Option<String>,
    /// The policy as it is now; null if nothing was changed.
    dependency_proxy_image_ttl_policy: Option<DependencyProxyImageTtlGroupPolicy>,
    /// Why nothing was changed.
    errors: Vec<String>,
}

/// The field of the root.
#[derive(Default)]
pub struct ImageTtlPolicyMutation;

/// The policy of a group.
///
/// # Errors
/// Those of the store.
pub fn of(asked: &Asked, group: GroupId) -> Result<DependencyProxyImageTtlGroupPolicy> {
    let policy = asked.view().proxy_group(group).map_err(|error| fault(&error))?.ttl;
    Ok(DependencyProxyImageTtlGroupPolicy {
        enabled: policy.enabled,
        ttl: Some(int(policy.days.unwrap_or(TTL_DAYS).into())),
        created_at: policy.created.map(Time),
        updated_at: policy.updated.map(Time),
    })
}

#[Object]
impl ImageTtlPolicyMutation {
    /// Says what of a group's cache goes by its age. What is left out stays as it is.
    async fn update_dependency_proxy_image_ttl_group_policy(
        &self,
        context: &Context<'_>,
        input: UpdateDependencyProxyImageTtlGroupPolicyInput,
    ) -> Option<Result<UpdateDependencyProxyImageTtlGroupPolicyPayload>> {
        Some(update(context, input).await)
    }
}

async fn update(
    context: &Context<'_>,
    input: UpdateDependencyProxyImageTtlGroupPolicyInput,
) -> Result<UpdateDependencyProxyImageTtlGroupPolicyPayload> {
    let asked = asked(context)?;
    let ability = Ability::AdminDependencyProxy;
    let group = group::find_to_change(asked, &input.group_path, ability)?.id;
    let (policy, errors) = match change(&input) {
        Ok(change) => {
            asked.change(|store| store.change_proxy(group, change)).await?;
            (Some(of(asked, group)?), Vec::new())
        }
        Err(errors) => (None, errors),
    };
    Ok(UpdateDependencyProxyImageTtlGroupPolicyPayload {
        client_mutation_id: input.client_mutation_id,
        dependency_proxy_image_ttl_policy: policy,
        errors,
    })
}

/// What an input asks for, or everything that is wrong with it.
fn change(
    input: &UpdateDependencyProxyImageTtlGroupPolicyInput,
) -> Result<ProxyChange, Vec<String>> {
    let mut errors = Vec::new();
    if input.enabled.is_null() {
        errors.push("Enabled must be true or false".to_owned());
    }
    let days = match input.ttl {
        MaybeUndefined::Undefined => Wish::Keep,
        MaybeUndefined::Null => Wish::Unset,
        MaybeUndefined::Value(days) => u32::try_from(days).map_or(Wish::Set(0), Wish::Set),
    };
    if days == Wish::Set(0) {
        errors.push("Ttl must be greater than 0".to_owned());
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let ttl_enabled = input.enabled.value().copied();
    Ok(ProxyChange { ttl_enabled, ttl_days: days, ..ProxyChange::default() })
}
