//! `Query.metadata`: which server this is.

use async_graphql::{Object, SimpleObject};

use crate::http::api::VERSION;

/// Which server answers.
#[derive(SimpleObject)]
struct Metadata {
    /// The version of the API, and of the server.
    version: &'static str,
    /// The version of the server.
    revision: &'static str,
    /// Whether it is GitLab's paid edition.
    enterprise: bool,
}

/// The field of the root.
#[derive(Default)]
pub struct MetadataQuery;

#[Object]
impl MetadataQuery {
    /// Which server answers.
    async fn metadata(&self) -> Option<Metadata> {
        let revision = env!("CARGO_PKG_VERSION");
        Some(Metadata { version: VERSION, revision, enterprise: false })
    }
}
