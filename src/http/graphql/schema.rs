//! The schema: its roots are put together from the nouns, one file each, and what runs a document.
//!
//! Names of types, fields and arguments are GitLab's (spec gitlab §10); names that GitLab has and
//! we do not need are absent.

use std::sync::{Arc, LazyLock};

use async_graphql::parser::parse_query;
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{EmptySubscription, MergedObject, Request, Response, ServerError};

use super::asked::Asked;
use super::current_user::CurrentUserQuery;
use super::dependency_proxy::{ImageTtlPolicyMutation, SettingsMutation};
use super::group::GroupQuery;
use super::limits;
use super::metadata::MetadataQuery;
use super::package_settings::PackageSettingsMutation;

/// What can be asked.
#[derive(Default, MergedObject)]
struct Query(CurrentUserQuery, GroupQuery, MetadataQuery);

/// What can be changed.
#[derive(Default, MergedObject)]
struct Mutation(SettingsMutation, ImageTtlPolicyMutation, PackageSettingsMutation);

type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription)
        .limit_complexity(limits::COMPLEXITY_MAX)
        .disable_suggestions()
        .finish()
});

/// Runs one request. All that resolvers need comes with `asked`.
pub async fn execute(mut request: Request, asked: &Arc<Asked>) -> Response {
    match checked(&request.query) {
        Ok(document) => request.set_parsed_query(document),
        Err(error) => return Response::from_errors(vec![error]),
    }
    SCHEMA.execute(request.data(Arc::clone(asked))).await
}

fn checked(query: &str) -> Result<ExecutableDocument, ServerError> {
    let document = parse_query(query)?;
    limits::check(&document)?;
    Ok(document)
}

/// The schema as text, for the test that holds it to what is written down.
#[cfg(test)]
pub fn sdl() -> String {
    SCHEMA.sdl()
}
