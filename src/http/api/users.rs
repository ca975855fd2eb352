//! `/user` and `/users`: who asks, and who somebody is (spec gitlab §9).
//!
//! The API wants numbers for people: a login gets its number when one is needed first. People of
//! a directory are known from then on, since nobody can list them.
//! All accounts are listed for administrators; others find somebody by their exact login.

use serde_json::Value;
use warp::reply::Response;

use super::pages::Page;
use super::{ApiError, Asked, render};
use crate::http::failure::Failure;
use crate::http::{Server, reply};
use crate::model::{Account, Rank, UserName, UserNumber};
use crate::store::View;

impl Server {
    pub(super) fn api_me(&self, asked: &Asked) -> Result<Response, Failure> {
        let user = asked.user()?;
        let mut me = self.user_line(asked, &user.login)?;
        me["is_admin"] = (user.rank == Rank::Admin).into();
        me["can_create_group"] = (user.rank == Rank::Admin).into();
        me["can_create_project"] = false.into();
        let view = self.api_view()?;
        if let Some(account) = view.account(&user.login)? {
            me["created_at"] = render::moment(account.created).into();
        }
        Ok(reply::json(&me))
    }

    pub(super) fn api_users(&self, asked: &Asked) -> Result<Response, Failure> {
        let page = Page::read(&asked.params)?;
        let view = self.api_view()?;
        let found = match asked.params.text("username")? {
            Some(login) => self.of_login(&view, &login)?,
            None => self.searched_users(&view, asked)?,
        };
        let total = found.len();
        let lines = page.of(found).into_iter().map(|login| self.user_line(asked, &login));
        Ok(page.answer(asked, &lines.collect::<Result<Vec<_>, _>>()?, total))
    }

    pub(super) fn api_user(
        &self,
        asked: &Asked,
        number: Option<UserNumber>,
    ) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let login = self.numbered_user(&view, number)?;
        let mut user = self.user_line(asked, &login)?;
        if self.access.trusts(&asked.caller)
            && let Some(Account { rank, created, .. }) = view.account(&login)?
        {
            user["is_admin"] = (rank == Rank::Admin).into();
            user["created_at"] = render::moment(created).into();
        }
        Ok(reply::json(&user))
    }

    /// Nobody or one.
    fn of_login(&self, view: &View, login: &str) -> Result<Vec<UserName>, Failure> {
        let Ok(login) = UserName::parse(login) else { return Ok(Vec::new()) };
        Ok(if self.knows_user(view, &login)? { vec![login] } else { Vec::new() })
    }

    fn searched_users(&self, view: &View, asked: &Asked) -> Result<Vec<UserName>, Failure> {
        let search = asked.params.text("search")?.unwrap_or_default().to_lowercase();
        let logins = if self.access.trusts(&asked.caller) {
            view.accounts()?.into_iter().map(|(login, _)| login).collect()
        } else {
            vec![asked.user()?.login.clone()]
        };
        Ok(logins.into_iter().filter(|login| login.as_str().contains(&search)).collect())
    }

    /// Whether there is such a user, as far as can be told without their password.
    fn knows_user(&self, view: &View, login: &UserName) -> Result<bool, Failure> {
        let is_local = view.account(login)?.is_some();
        Ok(is_local || (self.door.asks_elsewhere() && view.user_number(login)?.is_some()))
    }

    /// Whether there can be such a user: somebody else may know them.
    pub(super) fn can_be(&self, view: &View, login: &UserName) -> Result<bool, Failure> {
        Ok(self.door.asks_elsewhere() || view.account(login)?.is_some())
    }

    /// The login that has a number.
    ///
    /// # Errors
    /// 404; 400 when it is no number.
    pub(super) fn numbered_user(
        &self,
        view: &View,
        number: Option<UserNumber>,
    ) -> Result<UserName, Failure> {
        let number = number.ok_or_else(|| super::params::invalid("id"))?;
        match view.user_of(number)? {
            Some(login) if self.knows_user(view, &login)? => Ok(login),
            _ => Err(ApiError::not_found("User").into()),
        }
    }

    /// The number of a login, which gets one if it has none.
    pub(super) fn number_of(&self, login: &UserName) -> Result<UserNumber, Failure> {
        let store = self.tree.store();
        match store.view()?.user_number(login)? {
            Some(number) => Ok(number),
            None => Ok(store.number_user(login.clone()).wait()?),
        }
    }

    /// Somebody, as lists show them.
    pub(super) fn user_line(&self, asked: &Asked, login: &UserName) -> Result<Value, Failure> {
        Ok(render::user(&asked.address, login, self.number_of(login)?))
    }
}
