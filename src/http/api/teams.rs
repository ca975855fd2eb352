//! `/groups/:id/ldap_group_links`: groups of a directory, an auth file or an account whose people
//! are members (spec gitlab §9). Here they are called teams.
//!
//! There is one directory, so whatever provider a client names is that one.
//! Deliberately absent: links by a filter of the directory.

use serde_json::{Value, json};
use warp::reply::Response;

use super::members::{role, unchanged};
use super::pages::Page;
use super::{ApiError, Asked, created, no_content};
use crate::http::Server;
use crate::http::failure::Failure;
use crate::http::route::GroupAt;
use crate::model::{Ability, GroupId, MemberName, Role};
use crate::store::members::{MemberPut, PutMode};
use crate::store::{self, View};

/// What the directory is called.
const PROVIDER: &str = "ldapmain";
/// Rows that are read at a time.
const BATCH: usize = 1000;

impl Server {
    pub(super) fn api_teams(&self, asked: &Asked, at: &GroupAt) -> Result<Response, Failure> {
        match asked.method.as_str() {
            "POST" => self.add_team(asked, at),
            "DELETE" => {
                asked.params.require(&["cn"])?;
                let team = asked.params.text("cn")?.unwrap_or_default();
                self.api_remove_team(asked, at, team)
            }
            _ => {
                let view = self.api_view()?;
                let group = self.group_for(&view, asked, at, Ability::AdminGroup)?.id;
                let page = Page::read(&asked.params)?;
                let teams = teams(&view, group)?;
                let total = teams.len();
                Ok(page.answer(asked, &page.of(teams), total))
            }
        }
    }

    pub(super) fn api_remove_team(
        &self,
        asked: &Asked,
        at: &GroupAt,
        team: String,
    ) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let group = self.group_for(&view, asked, at, Ability::AdminGroup)?.id;
        let name = MemberName::Team(team);
        let member = view.member(group, &name)?.ok_or_else(unlinked)?;
        asked.check_unmodified(member.since)?;
        let removed = self.tree.store().remove_member(group, name).wait();
        removed.map_err(|error| match error {
            store::Error::MemberUnknown(_) => unlinked().into(),
            error => unchanged(error),
        })?;
        Ok(no_content())
    }

    fn add_team(&self, asked: &Asked, at: &GroupAt) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let group = self.group_for(&view, asked, at, Ability::AdminGroup)?.id;
        let params = &asked.params;
        params.require(&["cn", "group_access"])?;
        let role = role(params, "group_access")?;
        let team = params.text("cn")?.unwrap_or_default();
        let (name, by) = (MemberName::Team(team.clone()), asked.by());
        let put = MemberPut { group, name, role, expires: None, by, mode: PutMode::Add };
        self.tree.store().put_member(put).wait().map_err(|error| match error {
            store::Error::MemberExists(_) => {
                let why = "Cn has already been taken";
                ApiError::message(http::StatusCode::CONFLICT, why).into()
            }
            error => unchanged(error),
        })?;
        Ok(created(&line(&team, role)))
    }
}

fn unlinked() -> ApiError {
    ApiError::not_found("Linked LDAP group")
}

fn line(team: &str, role: Role) -> Value {
    json!({ "cn": team, "group_access": role.level(), "provider": PROVIDER, "filter": null })
}

/// The teams of a group itself, by name.
fn teams(view: &View, group: GroupId) -> Result<Vec<Value>, Failure> {
    let mut teams = Vec::new();
    // People come before all teams, whose names are never empty.
    let mut after = MemberName::Team(String::new());
    loop {
        let found = view.members(group, Some(&after), BATCH)?;
        let is_last = found.len() < BATCH;
        for (name, member) in found {
            if let MemberName::Team(team) = &name {
                teams.push(line(team, member.role));
            }
            after = name;
        }
        if is_last {
            return Ok(teams);
        }
    }
}
