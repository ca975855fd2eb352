//! What a group tells of its dependency proxy (spec gitlab §10.2): settings and the policy for whom
//! they are to change, and what is cached for whom may pull.
//!
//! To anybody else, who may see the group but not what it cached, the lists are empty and all
//! counts are 0: their types know no null.

mod entries;
mod image_ttl_policy;
mod settings;

use std::sync::Arc;

use async_graphql::connection::Connection;
use async_graphql::{Context, Object, OutputType, Result};

use super::asked::{Asked, asked};
use super::connection::{self, Arguments, Entries, IdCursor, Part};
use super::errors::fault;
use super::group::GroupAt;
use super::scalars::{BigInt, human_size, int};
use crate::model::proxy::PROXY_PLACE;
use crate::model::{Ability, GroupId, ProxyUsage};
use entries::{DependencyProxyBlob, DependencyProxyManifest};
use image_ttl_policy::DependencyProxyImageTtlGroupPolicy;
use settings::DependencyProxySetting;

pub use image_ttl_policy::ImageTtlPolicyMutation;
pub use settings::SettingsMutation;

/// The fields of a group.
pub struct GroupDependencyProxy(pub Arc<GroupAt>);

impl GroupDependencyProxy {
    fn may(&self, asked: &Asked, ability: Ability) -> Result<bool> {
        asked.may(self.0.id, ability)
    }

    /// What is for those alone who may change it.
    fn to_administer<T>(
        &self,
        context: &Context<'_>,
        read: fn(&Asked, GroupId) -> Result<T>,
    ) -> Option<Result<T>> {
        let asked = match asked(context) {
            Ok(asked) => asked,
            Err(error) => return Some(Err(error)),
        };
        match self.may(asked, Ability::AdminDependencyProxy) {
            Ok(true) => Some(read(asked, self.0.id)),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// A page of a list, for those who may pull.
    fn page<N: OutputType>(
        &self,
        context: &Context<'_>,
        arguments: &Arguments,
        entries: fn(&Asked, GroupId, Part) -> Result<Entries<N>>,
    ) -> Result<Connection<IdCursor, N>> {
        let (part, asked) = (arguments.part()?, asked(context)?);
        if !self.may(asked, Ability::ReadDependencyProxy)? {
            return Ok(connection::empty());
        }
        connection::page(part, |part| entries(asked, self.0.id, part))
    }

    /// What is cached, as far as the caller may know.
    fn usage(&self, context: &Context<'_>) -> Result<ProxyUsage> {
        let asked = asked(context)?;
        if !self.may(asked, Ability::ReadDependencyProxy)? {
            return Ok(ProxyUsage::default());
        }
        asked.view().proxy_usage(self.0.id).map_err(|error| fault(&error))
    }

    fn bytes(&self, context: &Context<'_>) -> Result<u64> {
        let ProxyUsage { manifests, blobs } = self.usage(context)?;
        Ok(manifests.bytes.saturating_add(blobs.bytes))
    }
}

#[Object]
impl GroupDependencyProxy {
    /// How the dependency proxy is set; null for whoever may not change it.
    async fn dependency_proxy_setting(
        &self,
        context: &Context<'_>,
    ) -> Option<Result<DependencyProxySetting>> {
        self.to_administer(context, settings::of)
    }

    /// What of the cache goes by its age; null for whoever may not change it.
    async fn dependency_proxy_image_ttl_policy(
        &self,
        context: &Context<'_>,
    ) -> Option<Result<DependencyProxyImageTtlGroupPolicy>> {
        self.to_administer(context, image_ttl_policy::of)
    }

    /// Manifests in the cache, the newest first, whatever their status.
    #[graphql(complexity = "connection::cost(first, last) + child_complexity")]
    async fn dependency_proxy_manifests(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "The last so many, 100 at most.")] last: Option<i32>,
    ) -> Option<Result<Connection<IdCursor, DependencyProxyManifest>>> {
        let arguments = Arguments { after, before, first, last };
        Some(self.page(context, &arguments, entries::manifests))
    }

    /// Blobs in the cache, the newest first, whatever their status.
    #[graphql(complexity = "connection::cost(first, last) + child_complexity")]
    async fn dependency_proxy_blobs(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "The last so many, 100 at most.")] last: Option<i32>,
    ) -> Option<Result<Connection<IdCursor, DependencyProxyBlob>>> {
        let arguments = Arguments { after, before, first, last };
        Some(self.page(context, &arguments, entries::blobs))
    }

    /// Manifests in the cache.
    async fn dependency_proxy_image_count(&self, context: &Context<'_>) -> Result<i32> {
        Ok(int(self.usage(context)?.manifests.files))
    }

    /// Blobs in the cache.
    async fn dependency_proxy_blob_count(&self, context: &Context<'_>) -> Result<i32> {
        Ok(int(self.usage(context)?.blobs.files))
    }

    /// The size of the cache, for people.
    async fn dependency_proxy_total_size(&self, context: &Context<'_>) -> Result<String> {
        self.bytes(context).map(human_size)
    }

    /// The size of the cache in bytes, or the largest Int.
    #[graphql(deprecation = "Use `dependencyProxyTotalSizeBytes`.")]
    async fn dependency_proxy_total_size_in_bytes(&self, context: &Context<'_>) -> Result<i32> {
        self.bytes(context).map(int)
    }

    /// The size of the cache in bytes.
    async fn dependency_proxy_total_size_bytes(&self, context: &Context<'_>) -> Result<BigInt> {
        self.bytes(context).map(BigInt)
    }

    /// What to write in front of the name of an image to pull it through the group's proxy.
    async fn dependency_proxy_image_prefix(&self, context: &Context<'_>) -> Result<String> {
        let address = asked(context)?.address();
        // Clients of a registry write no scheme.
        let host = address.split_once("://").map_or(address, |(_, host)| host);
        Ok(format!("{host}/{}/{}", self.0.path, PROXY_PLACE.join("/")))
    }
}
