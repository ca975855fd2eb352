//! `member`: people and teams in a group or a project, and as what.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::app::Error;
use crate::app::admin::governed::{BATCH, governed_of};
use crate::app::admin::people::Expiry;
use crate::app::admin::text::{moment, table};
use crate::app::admin::{Answer, Desk, Verdict};
use crate::model::{GroupId, GroupPath, Member, MemberName, Role, Timestamp, UserName};
use crate::store::View;
use crate::store::members::{MemberPut, PutMode};

/// What to do about members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Members {
    /// Show the members of a group and of those above it.
    List {
        /// Its full path.
        group: String,
    },
    /// Make somebody a member.
    Add {
        /// The full path of the group.
        group: String,
        /// Who.
        who: Who,
        /// As what.
        role: Role,
        /// Until when.
        expires: Option<Expiry>,
    },
    /// Make a member something else; without an end it ends never.
    Change {
        /// The full path of the group.
        group: String,
        /// Who.
        who: Who,
        /// As what.
        role: Role,
        /// Until when.
        expires: Option<Expiry>,
    },
    /// End a membership.
    Remove {
        /// The full path of the group.
        group: String,
        /// Whose.
        who: Who,
    },
}

/// Who is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Somebody, by login.
    User(String),
    /// Everybody in a group of a directory, an auth file or an account.
    Team(String),
}

/// About a login that is nobody's yet; an account that is made later is somebody else.
pub(in crate::app::admin) const STRANGER: &str =
    " There is no local account of that name: a directory is to know it.";

impl Who {
    fn name(self) -> Result<MemberName, Error> {
        match self {
            Self::User(login) => {
                UserName::parse(&login).map(MemberName::User).map_err(Error::Login)
            }
            Self::Team(name) => Ok(MemberName::Team(name)),
        }
    }
}

impl Desk<'_> {
    pub(in crate::app::admin) fn members(&self, command: Members) -> Result<Answer, Error> {
        match command {
            Members::List { group } => self.list_members(&group),
            Members::Add { group, who, role, expires } => {
                self.put_member(&group, who, (role, expires), PutMode::Add)
            }
            Members::Change { group, who, role, expires } => {
                self.put_member(&group, who, (role, expires), PutMode::Change)
            }
            Members::Remove { group, who } => {
                let store = self.house.store();
                let (id, path) = governed_of(&store.view()?, &group)?;
                let name = who.name()?;
                store.remove_member(id, name.clone()).wait()?;
                Ok(done(&path, &name, format!("{name} is no direct member of {path} any more.")))
            }
        }
    }

    fn put_member(
        &self,
        group: &str,
        who: Who,
        (role, expires): (Role, Option<Expiry>),
        mode: PutMode,
    ) -> Result<Answer, Error> {
        let store = self.house.store();
        let view = store.view()?;
        let (id, path) = governed_of(&view, group)?;
        let name = who.name()?;
        let expires = expires.map(|expires| expires.at(store.clock().now()));
        let put =
            MemberPut { group: id, name: name.clone(), role, expires, by: String::new(), mode };
        store.put_member(put).wait()?;
        let below = if view.group(id)?.is_some() { " and of all groups in it" } else { "" };
        let mut text = format!("{name} is {role} of {path}{below}.");
        if let MemberName::User(login) = &name
            && view.account(login)?.is_none()
        {
            text.push_str(STRANGER);
        }
        Ok(done(&path, &name, text))
    }

    fn list_members(&self, group: &str) -> Result<Answer, Error> {
        let store = self.house.store();
        let view = store.view()?;
        let (id, _) = governed_of(&view, group)?;
        let members = lines(&view, id)?;
        Answer::new(Verdict::Fine, &List { members, now: store.clock().now() })
    }
}

fn done(path: &GroupPath, name: &MemberName, text: String) -> Answer {
    let mut value = serde_json::json!({ "group": path.to_string() });
    match name {
        MemberName::User(login) => value["user"] = login.as_str().into(),
        MemberName::Team(team) => value["team"] = team.as_str().into(),
    }
    Answer { verdict: Verdict::Fine, text, value }
}

/// The members of a group and of those above, each with its highest role.
pub(in crate::app::admin) fn lines(view: &View, group: GroupId) -> Result<Vec<Line>, Error> {
    let mut lines = Vec::new();
    let mut after: Option<MemberName> = None;
    loop {
        let found = view.members_with_inherited(group, after.as_ref(), BATCH)?;
        let is_last = found.len() < BATCH;
        for (name, member, at) in found {
            let from = view.governed_path(at)?.map(|path| path.to_string()).unwrap_or_default();
            lines.push(Line::new(&name, &member, from));
            after = Some(name);
        }
        if is_last {
            return Ok(lines);
        }
    }
}

/// A member in a list.
#[derive(Serialize)]
pub(in crate::app::admin) struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<String>,
    role: Role,
    /// The group that this comes from.
    from: String,
    since: Timestamp,
    expires: Option<Timestamp>,
}

impl Line {
    fn new(name: &MemberName, member: &Member, from: String) -> Self {
        let (user, team) = match name {
            MemberName::User(login) => (Some(login.to_string()), None),
            MemberName::Team(team) => (None, Some(team.clone())),
        };
        let Member { role, since, expires, .. } = *member;
        Self { user, team, role, from, since, expires }
    }

    pub(in crate::app::admin) fn cells(&self, now: Timestamp) -> [String; 4] {
        let team = self.team.as_ref().map(|team| format!("team {team}"));
        let name = self.user.clone().or(team).unwrap_or_default();
        let ends = self.expires.map(|ends| format!("ends {}", moment(ends, now)));
        let ends = ends.unwrap_or_else(|| "no end".to_owned());
        [name, self.role.to_string(), format!("in {}", self.from), ends]
    }
}

#[derive(Serialize)]
struct List {
    members: Vec<Line>,
    #[serde(skip)]
    now: Timestamp,
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.members.is_empty() {
            return f.write_str("Nobody is a member; `larder member add` makes somebody one.");
        }
        let lines = self.members.iter().map(|member| member.cells(self.now)).collect();
        f.write_str(table(lines).trim_end())
    }
}
