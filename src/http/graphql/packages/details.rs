//! `PackageDetailsType`: a package with its files and other versions (spec gitlab §10.3).

use std::sync::Arc;

use async_graphql::connection::Connection;
use async_graphql::{Context, MergedObject, Object, Result};

use super::files::{self, PackageFile};
use super::lists::{self, PackageCount, RankCursor};
use super::package::{BaseFields, MoreFields, Node, PackageBase};
use crate::http::graphql::asked::{Asked, asked};
use crate::http::graphql::connection::{self, Arguments, IdCursor};
use crate::http::graphql::errors::fault;
use crate::http::graphql::scalars::Time;
use crate::model::{PackageKind, Visibility};

/// A package with all that is told of it.
#[derive(MergedObject)]
pub struct PackageDetailsType(BaseFields, MoreFields, DetailFields);

/// What is told of a package by itself.
pub struct DetailFields(Arc<Node>);

impl PackageDetailsType {
    pub fn new(node: Arc<Node>) -> Self {
        Self(BaseFields(Arc::clone(&node)), MoreFields(Arc::clone(&node)), DetailFields(node))
    }
}

#[Object]
impl DetailFields {
    /// Other versions of it that lists show, sorted by version as text.
    #[graphql(complexity = "connection::cost(first, last) + child_complexity")]
    async fn versions(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "The last so many, 100 at most.")] last: Option<i32>,
    ) -> Option<Result<Connection<RankCursor, PackageBase, PackageCount>>> {
        let arguments = Arguments { after, before, first, last };
        Some(lists::versions(context, &self.0, &arguments))
    }

    /// Its files that can be downloaded, the newest first.
    #[graphql(complexity = "connection::cost(first, last) + child_complexity")]
    async fn package_files(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "The last so many, 100 at most.")] last: Option<i32>,
    ) -> Option<Result<Connection<IdCursor, PackageFile>>> {
        let arguments = Arguments { after, before, first, last };
        Some(files::page(context, &self.0, &arguments))
    }

    /// When it was last downloaded.
    async fn last_downloaded_at(&self, context: &Context<'_>) -> Option<Result<Time>> {
        let read = |asked: &Asked| {
            asked.view().package_downloaded(self.0.id).map_err(|error| fault(&error))
        };
        asked(context).and_then(read).transpose().map(|at| at.map(Time))
    }

    /// Whether anybody may download it.
    async fn public_package(&self, context: &Context<'_>) -> Option<Result<bool>> {
        let read = |asked: &Asked| {
            asked.view().effective_visibility(self.0.record.project).map_err(|error| fault(&error))
        };
        Some(asked(context).and_then(read).map(|is| is == Visibility::Public))
    }

    /// Where Maven and Gradle read and publish.
    async fn maven_url(&self, context: &Context<'_>) -> Option<Result<String>> {
        self.url(context, PackageKind::Maven, "maven")
    }

    /// Where npm reads and publishes.
    async fn npm_url(&self, context: &Context<'_>) -> Option<Result<String>> {
        self.url(context, PackageKind::Npm, "npm/")
    }

    /// Where twine publishes.
    async fn pypi_setup_url(&self, context: &Context<'_>) -> Option<Result<String>> {
        self.url(context, PackageKind::Pypi, "pypi")
    }

    /// Where pip reads.
    async fn pypi_url(&self, context: &Context<'_>) -> Option<Result<String>> {
        self.url(context, PackageKind::Pypi, "pypi/simple")
    }

    /// Nothing here is for Composer.
    async fn composer_url(&self) -> Option<String> {
        None
    }

    /// Nothing here is for Composer.
    async fn composer_config_repository_url(&self) -> Option<String> {
        None
    }

    /// Nothing here is for Conan.
    async fn conan_url(&self) -> Option<String> {
        None
    }

    /// Nothing here is for `NuGet`.
    async fn nuget_url(&self) -> Option<String> {
        None
    }
}

impl DetailFields {
    /// Where clients of a kind work, for packages of that kind.
    fn url(&self, context: &Context<'_>, kind: PackageKind, at: &str) -> Option<Result<String>> {
        let project = self.0.record.project.0;
        (self.0.record.kind == kind).then(|| {
            let address = asked(context)?.address();
            Ok(format!("{address}/api/v4/projects/{project}/packages/{at}"))
        })
    }
}
