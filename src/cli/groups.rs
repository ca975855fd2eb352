//! `larder group`, `larder member` and `larder deploy-token`: done like every administration
//! command.

use std::process::ExitCode;

use super::admin;
use super::args::groups::{DeployTokenCommand, GroupCommand, MemberCommand};
use crate::app::admin::Command;
use crate::app::admin::groups::{DeployTokens, Groups, Members};
use crate::model::DeployTokenId;

pub(super) fn group(command: GroupCommand) -> Result<ExitCode, String> {
    let (common, command) = match command {
        GroupCommand::List(list) => {
            let after = list.after.map(|after| after.to_string());
            let page = list.limit.map(|limit| Groups::Page { limit, after });
            (list.common, page.unwrap_or(Groups::List))
        }
        GroupCommand::Show(show) => (show.common, Groups::Show { group: show.group.to_string() }),
        GroupCommand::Create(create) => {
            let (group, new) = (create.group.to_string(), create.new.into());
            (create.common, Groups::Create { group, new })
        }
        GroupCommand::Change(change) => {
            let (group, common) = (change.group.to_string(), change.common);
            (common, Groups::Change { group, change: change.change.into() })
        }
        GroupCommand::Delete(delete) => {
            (delete.common, Groups::Delete { group: delete.group.to_string() })
        }
    };
    admin::run(&common, Command::Groups(command))
}

pub(super) fn member(command: MemberCommand) -> Result<ExitCode, String> {
    let (common, command) = match command {
        MemberCommand::List(list) => (list.common, Members::List { group: list.group.to_string() }),
        MemberCommand::Add(add) => {
            let (group, who) = (add.group.to_string(), add.who.who());
            (add.common, Members::Add { group, who, role: add.role, expires: add.expires })
        }
        MemberCommand::Change(change) => {
            let (group, who) = (change.group.to_string(), change.who.who());
            let (role, expires) = (change.role, change.expires);
            (change.common, Members::Change { group, who, role, expires })
        }
        MemberCommand::Remove(remove) => {
            let (group, who) = (remove.group.to_string(), remove.who.who());
            (remove.common, Members::Remove { group, who })
        }
    };
    admin::run(&common, Command::Members(command))
}

pub(super) fn deploy_token(command: DeployTokenCommand) -> Result<ExitCode, String> {
    let (common, command) = match command {
        DeployTokenCommand::Create(create) => {
            let (group, name, username) = (create.group.to_string(), create.name, create.username);
            let (scopes, expires) = (create.scopes, create.expires);
            let command = DeployTokens::Create { group, name, username, scopes, expires };
            (create.common, command)
        }
        DeployTokenCommand::List(list) => {
            let group = list.group.map(|group| group.to_string());
            (list.common, DeployTokens::List { group })
        }
        DeployTokenCommand::Revoke(revoke) => {
            (revoke.common, DeployTokens::Revoke { id: DeployTokenId(revoke.id) })
        }
    };
    admin::run(&common, Command::DeployTokens(command))
}
