//! `/groups/:id/members` and `/projects/:id/members`: people in a group or a project, and in the
//! groups above (spec gitlab §9).
//!
//! Whoever sees it sees who is in it, once they are logged in. Owners of a group change that, and
//! maintainers of a project as far as they have the role themselves.
//! Deliberately absent: teams ([`super::teams`]), whose people nobody can list.

use serde_json::Value;
use warp::reply::Response;

use super::pages::Page;
use super::params::{Params, invalid, no_value};
use super::project_gate::Matter;
use super::{ApiError, Asked, created, no_content, render};
use crate::http::failure::Failure;
use crate::http::route::GovernedAt;
use crate::http::{Server, reply};
use crate::model::{GroupId, Member, MemberName, Role, Timestamp, UserName, UserNumber};
use crate::store::members::{MemberPut, PutMode};
use crate::store::{self, View};

/// Rows that are read at a time.
const BATCH: usize = 1000;

/// Somebody in a list.
type Line = (UserName, Member);

impl Server {
    pub(super) fn api_members(&self, asked: &Asked, at: &GovernedAt) -> Result<Response, Failure> {
        if !asked.reads() {
            return self.add_member(asked, at);
        }
        let view = self.api_view()?;
        let group = self.governed_found(&view, asked, at)?;
        self.list_members(asked, &view, &people(&view, group)?)
    }

    pub(super) fn api_all_members(
        &self,
        asked: &Asked,
        at: &GovernedAt,
    ) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let group = self.governed_found(&view, asked, at)?;
        self.list_members(asked, &view, &people_here_and_above(&view, group)?)
    }

    pub(super) fn api_member(
        &self,
        asked: &Asked,
        at: &GovernedAt,
        number: Option<UserNumber>,
    ) -> Result<Response, Failure> {
        let number = number.ok_or_else(|| invalid("user_id"))?;
        match asked.method.as_str() {
            "PUT" => self.change_member(asked, at, number),
            "DELETE" => self.remove_member(asked, at, number),
            _ => {
                let view = self.api_view()?;
                let group = self.governed_found(&view, asked, at)?;
                let (login, member) = direct(&view, group, number)?;
                Ok(reply::json(&self.member_line(asked, &login, &member)?))
            }
        }
    }

    pub(super) fn api_any_member(
        &self,
        asked: &Asked,
        at: &GovernedAt,
        number: Option<UserNumber>,
    ) -> Result<Response, Failure> {
        let number = number.ok_or_else(|| invalid("user_id"))?;
        let view = self.api_view()?;
        let group = self.governed_found(&view, asked, at)?;
        let login = view.user_of(number)?;
        let people = people_here_and_above(&view, group)?;
        let found = people.into_iter().find(|(name, _)| Some(name) == login.as_ref());
        let (login, member) = found.ok_or_else(|| ApiError::not_found(""))?;
        Ok(reply::json(&self.member_line(asked, &login, &member)?))
    }

    fn list_members(
        &self,
        asked: &Asked,
        view: &View,
        people: &[Line],
    ) -> Result<Response, Failure> {
        let page = Page::read(&asked.params)?;
        let search = asked.params.text("query")?.unwrap_or_default().to_lowercase();
        let numbers = asked.params.list("user_ids")?;
        let mut found = Vec::new();
        for line @ (login, _) in people {
            let is_wanted = numbers.is_empty()
                || view.user_number(login)?.is_some_and(|n| numbers.contains(&n.0.to_string()));
            if is_wanted && login.as_str().contains(&search) {
                found.push(line);
            }
        }
        let total = found.len();
        let lines = page.of(found).into_iter();
        let lines = lines.map(|(login, member)| self.member_line(asked, login, member));
        Ok(page.answer(asked, &lines.collect::<Result<Vec<_>, _>>()?, total))
    }

    fn member_line(
        &self,
        asked: &Asked,
        login: &UserName,
        member: &Member,
    ) -> Result<Value, Failure> {
        let mut line = self.user_line(asked, login)?;
        line["access_level"] = member.role.level().into();
        line["created_at"] = render::moment(member.since).into();
        line["expires_at"] = member.expires.map(render::day).into();
        line["membership_state"] = "active".into();
        Ok(line)
    }

    fn add_member(&self, asked: &Asked, at: &GovernedAt) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let group = self.governed_for(&view, asked, at, Matter::Admin)?;
        asked.params.require(&["access_level"])?;
        let role = role(&asked.params, "access_level")?;
        self.must_have(&view, asked, group, role)?;
        let login = self.named_user(&view, asked)?;
        let expires = asked.params.end("expires_at", self.api_now())?;
        self.put_member(asked, group, &login, (role, expires), PutMode::Add)?;
        let member = member_of(&self.api_view()?, group, &login)?;
        Ok(created(&self.member_line(asked, &login, &member)?))
    }

    fn change_member(
        &self,
        asked: &Asked,
        at: &GovernedAt,
        number: UserNumber,
    ) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let group = self.governed_for(&view, asked, at, Matter::Admin)?;
        let (login, member) = direct(&view, group, number)?;
        asked.params.require(&["access_level"])?;
        let role = role(&asked.params, "access_level")?;
        self.must_have(&view, asked, group, role.max(member.role))?;
        // What is not said stays; what is said to be nothing goes.
        let expires = if asked.params.has("expires_at") {
            asked.params.end("expires_at", self.api_now())?
        } else {
            member.expires
        };
        self.put_member(asked, group, &login, (role, expires), PutMode::Change)?;
        let member = member_of(&self.api_view()?, group, &login)?;
        Ok(reply::json(&self.member_line(asked, &login, &member)?))
    }

    /// An owner removes anybody, and everybody themselves.
    fn remove_member(
        &self,
        asked: &Asked,
        at: &GovernedAt,
        number: UserNumber,
    ) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let is_own = match asked.caller.login() {
            Some(login) => view.user_number(login)? == Some(number),
            None => false,
        };
        let matter = if is_own { Matter::See } else { Matter::Admin };
        let group = self.governed_for(&view, asked, at, matter)?;
        let (login, member) = direct(&view, group, number)?;
        if !is_own {
            self.must_have(&view, asked, group, member.role)?;
        }
        asked.check_unmodified(member.since)?;
        let removed = self.tree.store().remove_member(group, MemberName::User(login)).wait();
        removed.map_err(unchanged)?;
        Ok(no_content())
    }

    /// Whom `user_id` or `username` names.
    fn named_user(&self, view: &View, asked: &Asked) -> Result<UserName, Failure> {
        let params = &asked.params;
        let unknown = || Failure::from(ApiError::not_found("User"));
        if let Some(number) = params.number("user_id")? {
            return self.numbered_user(view, Some(UserNumber(number)));
        }
        let Some(text) = params.text("username")? else {
            let why = "user_id, username are missing, exactly one parameter must be provided";
            return Err(ApiError::parameters(&[why.to_owned()]).into());
        };
        let login = UserName::parse(&text).map_err(|_| unknown())?;
        if self.can_be(view, &login)? { Ok(login) } else { Err(unknown()) }
    }

    fn put_member(
        &self,
        asked: &Asked,
        group: GroupId,
        login: &UserName,
        (role, expires): (Role, Option<Timestamp>),
        mode: PutMode,
    ) -> Result<(), Failure> {
        let name = MemberName::User(login.clone());
        let put = MemberPut { group, name, role, expires, by: asked.by(), mode };
        self.tree.store().put_member(put).wait().map_err(unchanged)
    }

    /// The moment of now.
    pub(super) fn api_now(&self) -> Timestamp {
        self.tree.store().clock().now()
    }
}

/// The role that a number stands for.
pub(super) fn role(params: &Params, name: &str) -> Result<Role, ApiError> {
    let level = params.number(name)?;
    level.and_then(Role::of_level).ok_or_else(|| no_value(name))
}

/// Why a member was not added, changed or removed, in the words that clients know.
pub(super) fn unchanged(error: store::Error) -> Failure {
    match error {
        store::Error::GroupUnknown(_) => ApiError::not_found("Group").into(),
        store::Error::MemberUnknown(_) => ApiError::not_found("").into(),
        store::Error::MemberExists(_) => {
            ApiError::message(http::StatusCode::CONFLICT, "Member already exists").into()
        }
        why @ store::Error::LastOwner(_) => {
            let why = format!("403 Forbidden - {why}");
            ApiError::message(http::StatusCode::FORBIDDEN, why).into()
        }
        error => error.into(),
    }
}

fn member_of(view: &View, group: GroupId, login: &UserName) -> Result<Member, Failure> {
    let member = view.member(group, &MemberName::User(login.clone()))?;
    member.ok_or_else(|| ApiError::not_found("").into())
}

/// The member of a group itself that has a number.
fn direct(view: &View, group: GroupId, number: UserNumber) -> Result<Line, Failure> {
    let login = view.user_of(number)?.ok_or_else(|| ApiError::not_found(""))?;
    let member = member_of(view, group, &login)?;
    Ok((login, member))
}

/// The people of a group itself, by login.
fn people(view: &View, group: GroupId) -> Result<Vec<Line>, Failure> {
    let mut people = Vec::new();
    let mut after = None;
    loop {
        let found = view.members(group, after.as_ref(), BATCH)?;
        let is_last = found.len() < BATCH;
        for (name, member) in found {
            match &name {
                MemberName::User(login) => people.push((login.clone(), member)),
                // Teams come behind.
                MemberName::Team(_) => return Ok(people),
            }
            after = Some(name);
        }
        if is_last {
            return Ok(people);
        }
    }
}

/// The people of a group and of those above, each once with the highest role.
fn people_here_and_above(view: &View, group: GroupId) -> Result<Vec<Line>, Failure> {
    let mut people = Vec::new();
    let mut after = None;
    loop {
        let found = view.members_with_inherited(group, after.as_ref(), BATCH)?;
        let is_last = found.len() < BATCH;
        for (name, member, _) in found {
            match &name {
                MemberName::User(login) => people.push((login.clone(), member)),
                MemberName::Team(_) => return Ok(people),
            }
            after = Some(name);
        }
        if is_last {
            return Ok(people);
        }
    }
}
