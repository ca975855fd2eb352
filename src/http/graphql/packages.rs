//! Packages as GraphQL tells them (spec gitlab §10.2, §10.3): of a project, of a group, by id; and
//! their deletion (§8.1, §8.2).
//!
//! Only those who may read a project's packages are told of them; to anybody else lists are
//! empty, since their types know no null, and a package is null. Lists within lists are bounded by
//! [`super::document::Document`].

mod destroy;
mod destroy_files;
mod details;
mod files;
mod lists;
mod metadata;
mod package;
mod tags;
mod words;

use std::sync::Arc;

use async_graphql::{Context, Object, Result};

use super::asked::{Asked, asked};
use super::errors::fault;
use super::ids::PackagesPackageID;
use crate::model::{self, PackageId};

pub use destroy::DestroyPackagesMutation;
pub use destroy_files::DestroyFilesMutation;
pub use details::PackageDetailsType;
pub use lists::{GroupPackages, ProjectPackages};

/// A package that was found.
pub struct PackageAt {
    /// Its id.
    pub id: PackageId,
    /// Its record.
    pub record: model::Package,
}

/// The field of the root.
#[derive(Default)]
pub struct PackageQuery;

#[Object]
impl PackageQuery {
    /// The package of this id; null where there is none that the caller may see, or that is hidden
    /// or not ready.
    async fn package(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The global id of the package.")] id: PackagesPackageID,
    ) -> Option<Result<PackageDetailsType>> {
        let found = asked(context).and_then(|asked| find(asked, PackageId(id.0)));
        found.transpose().map(|found| found.map(|package| PackageDetailsType::new(package.into())))
    }
}

/// The package of this id, if it is told of and the caller may read it.
fn find(asked: &Asked, id: PackageId) -> Result<Option<PackageAt>> {
    let found = asked.view().package(id).map_err(|error| fault(&error))?;
    let Some(record) = found.filter(|package| package.status.has_details()) else {
        return Ok(None);
    };
    let is_told = asked.reads_packages(record.project)?;
    Ok(is_told.then_some(PackageAt { id, record }))
}

impl From<PackageAt> for Arc<package::Node> {
    fn from(package: PackageAt) -> Self {
        Arc::new(package::Node::new(package))
    }
}
