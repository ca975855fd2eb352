//! `/personal_access_tokens` and its like: tokens of people, made and revoked (spec gitlab §9).
//!
//! A secret is told once, when its token is made. Administrators do this for everybody, others
//! for themselves. A token that is used to ask makes none that outlives it: else one that leaked
//! would be good for ever. Nor is one good for ever that somebody made who has no account here.

use std::time::Duration;

use serde_json::{Value, json};
use warp::reply::Response;

use super::pages::Page;
use super::{ApiError, Asked, created, no_content, render};
use crate::access::login::Basis;
use crate::access::tokens::TokenText;
use crate::http::failure::Failure;
use crate::http::{Server, reply};
use crate::model::{Timestamp, Token, TokenId, TokenOwner, TokenScope, UserName, UserNumber};
use crate::store::View;
use crate::store::tokens::NewToken;

/// Longest life of a token that somebody without a local account makes.
const ELSEWHERE_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// For whom a token is made.
#[derive(Clone, Copy)]
pub(super) enum Whose {
    /// The caller.
    Own,
    /// The user of this number, if it is one.
    Of(Option<UserNumber>),
}

impl Server {
    pub(super) fn api_tokens(&self, asked: &Asked) -> Result<Response, Failure> {
        let page = Page::read(&asked.params)?;
        let view = self.api_view()?;
        let of = self.whose_tokens(&view, asked)?;
        let search = asked.params.text("search")?.unwrap_or_default().to_lowercase();
        let is_active = match asked.params.text("state")?.as_deref() {
            None | Some("") => None,
            Some("active") => Some(true),
            Some("inactive") => Some(false),
            Some(_) => return Err(super::params::no_value("state").into()),
        };
        if asked.params.flag("revoked")? == Some(true) {
            // A revoked token leaves nothing behind.
            return Ok(page.answer(asked, &[], 0));
        }
        let now = self.api_now();
        let mut found = view.tokens(of.as_ref())?;
        found.retain(|(_, token)| {
            token.name.to_lowercase().contains(&search)
                && is_active.is_none_or(|is_active| token.is_valid_at(now) == is_active)
        });
        let total = found.len();
        let lines =
            page.of(found).into_iter().map(|(id, token)| self.token_line(&view, id, &token));
        Ok(page.answer(asked, &lines.collect::<Result<Vec<_>, _>>()?, total))
    }

    /// Whose tokens are listed: everybody's for administrators who do not say.
    fn whose_tokens(&self, view: &View, asked: &Asked) -> Result<Option<UserName>, Failure> {
        let of = asked.params.number("user_id")?;
        let of = of.map(|number| self.numbered_user(view, Some(UserNumber(number)))).transpose();
        if self.access.trusts(&asked.caller) {
            return of;
        }
        let own = &asked.user()?.login;
        match of {
            Ok(None) => Ok(Some(own.clone())),
            Ok(Some(login)) if login == *own => Ok(Some(login)),
            // Whether there is somebody else is not told.
            Ok(Some(_)) | Err(_) => Err(ApiError::unauthorized().into()),
        }
    }

    pub(super) fn api_own_token(&self, asked: &Asked) -> Result<Response, Failure> {
        match asked.pass.basis {
            Basis::Token { id, .. } => self.api_token(asked, Some(id)),
            _ => Err(ApiError::not_found("Token").into()),
        }
    }

    pub(super) fn api_token(
        &self,
        asked: &Asked,
        id: Option<TokenId>,
    ) -> Result<Response, Failure> {
        let id = id.ok_or_else(|| super::params::invalid("id"))?;
        let view = self.api_view()?;
        let token = view.token(id)?;
        let is_own = |token: &Token| asked.caller.login() == Some(&token.user);
        let token = token.filter(|token| is_own(token) || self.access.trusts(&asked.caller));
        let token = token.ok_or_else(|| ApiError::not_found("Personal Access Token"))?;
        if asked.reads() {
            return Ok(reply::json(&self.token_line(&view, id, &token)?));
        }
        asked.check_unmodified(token.created)?;
        self.tree.store().revoke_tokens(vec![id]).wait()?;
        Ok(no_content())
    }

    pub(super) fn api_create_token(
        &self,
        asked: &Asked,
        whose: Whose,
    ) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let (user, groups) = match whose {
            Whose::Own => (asked.user()?.login.clone(), asked.user()?.groups.clone()),
            Whose::Of(number) if self.access.trusts(&asked.caller) => {
                (self.numbered_user(&view, number)?, asked.params.list("groups")?)
            }
            Whose::Of(_) => return Err(ApiError::forbidden().into()),
        };
        if groups.is_empty() && view.account(&user)?.is_none() {
            let why = format!("{user} has no local account: say groups, the groups they are in");
            return Err(ApiError::bad_request(&why).into());
        }
        let params = &asked.params;
        params.require(&["name", "scopes"])?;
        let scopes = scopes(&params.list("scopes")?)?;
        let expires = params.end("expires_at", self.api_now())?;
        check_end(&view, asked, expires)?;
        let expires = match whose {
            Whose::Own if view.account(&user)?.is_none() => Some(self.end_elsewhere(expires)?),
            _ => expires,
        };
        let name = params.text("name")?.unwrap_or_default();
        let text = TokenText::generate();
        let (id, hash) = (text.id, text.hash());
        let new = NewToken { id, user, name, scopes, groups, expires, hash };
        self.tree.store().add_token(new).wait()?;
        let view = self.api_view()?;
        let made = view.token(id)?;
        let made = made.ok_or_else(|| ApiError::not_found("Personal Access Token"))?;
        let mut line = self.token_line(&view, id, &made)?;
        line["token"] = text.to_string().into();
        Ok(created(&line))
    }

    /// When a token ends that somebody without a local account makes. It has the groups that
    /// they are in now, and nobody tells when they leave: so it ends.
    fn end_elsewhere(&self, end: Option<Timestamp>) -> Result<Timestamp, ApiError> {
        let last = self.api_now().after(ELSEWHERE_MAX);
        let end = end.unwrap_or(last);
        if end <= last {
            return Ok(end);
        }
        let why = format!(
            "expires_at is to be {} or before: only an administrator makes a token that lives \
             longer for somebody without a local account",
            render::day(last)
        );
        Err(ApiError::bad_request(&why))
    }

    fn token_line(&self, view: &View, id: TokenId, token: &Token) -> Result<Value, Failure> {
        let is_good = match &token.owner {
            TokenOwner::Account { created } => {
                let account = view.account(&token.user)?;
                account.is_some_and(|account| account.created == *created)
            }
            TokenOwner::Elsewhere { .. } => true,
        };
        Ok(json!({
            "id": id.0,
            "name": token.name,
            "revoked": false,
            "created_at": render::moment(token.created),
            "scopes": token.scopes,
            "user_id": self.number_of(&token.user)?.0,
            "last_used_at": token.last_used.map(render::moment),
            "active": is_good && token.is_valid_at(self.api_now()),
            "expires_at": token.expires.map(render::day),
        }))
    }
}

fn scopes(texts: &[String]) -> Result<Vec<TokenScope>, ApiError> {
    let scopes = texts.iter().map(|text| TokenScope::parse(text));
    let scopes = scopes.collect::<Result<Vec<_>, _>>();
    let scopes = scopes.map_err(|why| ApiError::bad_request(&why))?;
    if scopes.is_empty() { Err(super::params::invalid("scopes")) } else { Ok(scopes) }
}

/// Refuses an end behind that of the token that is used to ask.
fn check_end(view: &View, asked: &Asked, end: Option<Timestamp>) -> Result<(), Failure> {
    let Basis::Token { id, .. } = asked.pass.basis else { return Ok(()) };
    // Revoked a moment ago, it makes none at all.
    let own = view.token(id)?.ok_or_else(ApiError::unauthorized)?;
    let Some(own) = own.expires else { return Ok(()) };
    if end.is_some_and(|end| end <= own) {
        return Ok(());
    }
    let why = format!(
        "expires_at is to be {} or before: a token makes none that outlives it",
        render::day(own)
    );
    Err(ApiError::bad_request(&why).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::guard::tests::{Answer, Bench, user};

    const LINE: &str = "POST /api/v4/user/personal_access_tokens?name=n&scopes[]=api";

    /// Where directories and headers tell who people are, a token keeps the groups that it was
    /// made with.
    #[tokio::test]
    async fn who_has_no_account_here_makes_no_token_for_ever() {
        let bench = Bench::new(&[("dev", "r /branches/**\n")]);
        let eve = user("eve", &["dev"]);
        let ask = async |end: &str| -> Answer {
            bench.send(&eve, &format!("{LINE}{end}"), &[], "").await
        };
        let made = ask("").await;
        assert_eq!(made.status, 201, "{}", made.body);
        assert_eq!(made.json()["expires_at"], "2024-11-13");
        assert_eq!(ask("&expires_at=2024-06-01").await.json()["expires_at"], "2024-06-01");
        let refused = ask("&expires_at=2024-11-15").await;
        assert_eq!(refused.status, 400);
        assert!(refused.body.contains("2024-11-13 or before"), "{}", refused.body);
    }

    #[tokio::test]
    async fn a_token_that_is_revoked_meanwhile_makes_no_other() {
        let bench = Bench::new(&[]);
        let view = bench.server.api_view().unwrap();
        let mut asked = Asked::of_query("");
        asked.pass.basis = Basis::Token { id: TokenId(7), created: Timestamp(1) };
        assert!(check_end(&view, &asked, Some(Timestamp(2))).is_err());
        assert!(check_end(&view, &asked, None).is_err());
    }
}
