//! `Query.currentUser`: who asks.

use async_graphql::{Context, Object, Result, SimpleObject};

use super::asked::{Asked, asked};
use super::errors::fault;
use super::ids::UserID;
use crate::model::UserName;

/// Somebody who is logged in.
#[derive(SimpleObject)]
struct CurrentUser {
    /// The global id.
    id: UserID,
    /// The login.
    username: String,
    /// The login: accounts have no other name here.
    name: String,
}

/// The field of the root.
#[derive(Default)]
pub struct CurrentUserQuery;

#[Object]
impl CurrentUserQuery {
    /// Who asks; null for nobody in particular.
    async fn current_user(&self, context: &Context<'_>) -> Option<Result<CurrentUser>> {
        current_user(context).await.transpose()
    }
}

async fn current_user(context: &Context<'_>) -> Result<Option<CurrentUser>> {
    let asked = asked(context)?;
    let Some(login) = asked.caller().login() else { return Ok(None) };
    let (username, name) = (login.as_str().to_owned(), login.as_str().to_owned());
    Ok(Some(CurrentUser { id: number(asked, login).await?, username, name }))
}

/// The number of a login. It is given when somebody wants to know it first: by a question too.
async fn number(asked: &Asked, login: &UserName) -> Result<UserID> {
    let known = asked.view().user_number(login).map_err(|error| fault(&error))?;
    if let Some(number) = known {
        return Ok(UserID(number.0));
    }
    let login = login.clone();
    let number = asked.change(|store| store.number_user(login)).await?;
    Ok(UserID(number.0))
}
