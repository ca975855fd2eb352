//! `PackageBase` and `Package`: what every package tells (spec gitlab §10.3).

use std::sync::Arc;

use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{Context, ID, MergedObject, Object, Result, SimpleObject};

use super::PackageAt;
use super::metadata::{self, PackageMetadata};
use super::tags::{self, PackageTag};
use super::words::{PackageStatus, PackageTypeEnum};
use crate::http::graphql::asked::asked;
use crate::http::graphql::connection::{self, IdCursor};
use crate::http::graphql::document::document;
use crate::http::graphql::errors::fault;
use crate::http::graphql::ids::PackagesPackageID;
use crate::http::graphql::project::{self, Project};
use crate::http::graphql::scalars::Time;
use crate::model::{Ability, Package as Record, PackageId};
use crate::store::packages::Protection;

/// A package, shared by what tells of it.
pub struct Node {
    pub(super) id: PackageId,
    pub(super) record: Record,
}

/// A package, as others tell of it.
#[derive(MergedObject)]
pub struct PackageBase(BaseFields);

/// A package, as lists tell of it.
#[derive(MergedObject)]
pub struct Package(BaseFields, pub(super) MoreFields);

/// What every package tells.
pub struct BaseFields(pub(super) Arc<Node>);

/// What is not told of others.
pub struct MoreFields(pub(super) Arc<Node>);

/// Where people look at a package.
#[derive(SimpleObject)]
pub struct PackageLinks {
    /// The path of its page.
    web_path: Option<String>,
}

/// What the caller may do to a package.
#[derive(SimpleObject)]
pub struct PackagePermissions {
    /// Delete it.
    destroy_package: bool,
}

/// What published a package: nothing here runs such a thing.
#[derive(SimpleObject)]
pub struct Pipeline {
    /// The global id.
    id: ID,
    /// The commit.
    sha: Option<String>,
    /// The branch or tag.
    r#ref: Option<String>,
}

impl Node {
    /// Of one that was found.
    pub fn new(PackageAt { id, record }: PackageAt) -> Self {
        Self { id, record }
    }
}

impl PackageBase {
    pub fn new(node: Arc<Node>) -> Self {
        Self(BaseFields(node))
    }
}

impl Package {
    pub fn new(node: Arc<Node>) -> Self {
        Self(BaseFields(Arc::clone(&node)), MoreFields(node))
    }
}

#[Object]
impl BaseFields {
    /// The global id.
    async fn id(&self) -> PackagesPackageID {
        PackagesPackageID(self.0.id.0)
    }

    /// Where people look at it.
    #[graphql(name = "_links")]
    async fn links(&self, context: &Context<'_>) -> Result<PackageLinks> {
        let project = asked(context)?.view().project(self.0.record.project);
        let project = project.map_err(|error| fault(&error))?;
        let web_path = project.map(|(path, _)| format!("/{path}/-/packages/{}", self.0.id.0));
        Ok(PackageLinks { web_path })
    }

    /// When it was first published.
    async fn created_at(&self) -> Time {
        Time(self.0.record.created)
    }

    /// When it last changed.
    async fn updated_at(&self) -> Time {
        Time(self.0.record.updated)
    }

    /// Its name, as its first publisher wrote it.
    async fn name(&self) -> &str {
        &self.0.record.title
    }

    /// Its version.
    async fn version(&self) -> Option<&str> {
        self.0.record.version.as_deref()
    }

    /// What kind of client it is for.
    async fn package_type(&self) -> PackageTypeEnum {
        self.0.record.kind.into()
    }

    /// What it may be used for.
    async fn status(&self) -> PackageStatus {
        self.0.record.status.into()
    }

    /// Why.
    async fn status_message(&self) -> Option<&str> {
        self.0.record.status_message.as_deref()
    }

    /// What its format knows of it.
    async fn metadata(&self, context: &Context<'_>) -> Option<Result<PackageMetadata>> {
        asked(context).and_then(|asked| metadata::of(asked, &self.0)).transpose()
    }

    /// Where it was published.
    async fn project(&self, context: &Context<'_>) -> Option<Result<Project>> {
        let id = self.0.record.project;
        let found = asked(context).and_then(|asked| project::find_by_id(asked, id)).transpose()?;
        Some(found.map(Project::from))
    }

    /// The moving names of its version.
    #[graphql(complexity = "connection::cost(first, last) + child_complexity")]
    async fn tags(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "The last so many, 100 at most.")] last: Option<i32>,
    ) -> Option<Result<Connection<IdCursor, PackageTag>>> {
        let arguments = connection::Arguments { after, before, first, last };
        Some(tags::page(context, &self.0, &arguments))
    }

    /// Whether a rule protects it.
    async fn protection_rule_exists(&self, context: &Context<'_>) -> Result<bool> {
        let rules = asked(context)?.view().protection(&self.0.record);
        let Protection { push, delete } = rules.map_err(|error| fault(&error))?;
        Ok(push.is_some() || delete.is_some())
    }

    /// What the caller may do to it.
    async fn user_permissions(&self, context: &Context<'_>) -> Result<PackagePermissions> {
        Ok(PackagePermissions { destroy_package: may_destroy(context, &self.0)? })
    }
}

#[Object]
impl MoreFields {
    /// What published it: nothing here runs such a thing, so the list is empty.
    async fn pipelines(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "The last so many, 100 at most.")] last: Option<i32>,
    ) -> Option<Result<Connection<IdCursor, Pipeline, EmptyFields>>> {
        let arguments = connection::Arguments { after, before, first, last };
        let checked = document(context).and_then(|_| arguments.part());
        Some(checked.map(|_| connection::empty()))
    }

    /// Whether the caller may delete it.
    #[graphql(deprecation = "Use `userPermissions`.")]
    async fn can_destroy(&self, context: &Context<'_>) -> Result<bool> {
        may_destroy(context, &self.0)
    }
}

fn may_destroy(context: &Context<'_>, node: &Node) -> Result<bool> {
    asked(context)?.may(node.record.project.governed(), Ability::DestroyPackage)
}
