//! `larder project`: done like every administration command.

use std::process::ExitCode;

use super::args::projects::ProjectCommand;
use super::{admin, groups};
use crate::app::admin::Command;
use crate::app::admin::projects::Projects;

pub(super) fn project(command: ProjectCommand) -> Result<ExitCode, String> {
    let (common, command) = match command {
        ProjectCommand::List(list) => {
            let (limit, after) = (list.limit, list.after.map(|after| after.to_string()));
            (list.common, Projects::List { limit, after })
        }
        ProjectCommand::Show(show) => {
            (show.common, Projects::Show { project: show.project.to_string() })
        }
        ProjectCommand::Create(create) => {
            let (project, new) = (create.project.to_string(), create.new.into());
            (create.common, Projects::Create { project, new })
        }
        ProjectCommand::Change(change) => {
            let (project, common) = (change.project.to_string(), change.common);
            (common, Projects::Change { project, change: change.change.into() })
        }
        ProjectCommand::Delete(delete) => {
            (delete.common, Projects::Delete { project: delete.project.to_string() })
        }
        // A path names a group or a project, never both.
        ProjectCommand::Member(member) => return groups::member(member.command),
        ProjectCommand::DeployToken(token) => return groups::deploy_token(token.command),
    };
    admin::run(&common, Command::Projects(command))
}
