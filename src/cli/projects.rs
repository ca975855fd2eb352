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
            let (project, title) = (create.project.to_string(), create.name);
            let (description, visibility) = (create.description, create.visibility);
            let owner = create.owner.map(|owner| owner.to_string());
            let command = Projects::Create { project, title, description, visibility, owner };
            (create.common, command)
        }
        ProjectCommand::Change(change) => {
            let (project, title) = (change.project.to_string(), change.name);
            let (description, visibility) = (change.description, change.visibility);
            let name = change.path.map(|name| name.to_string());
            let command = Projects::Change { project, name, title, description, visibility };
            (change.common, command)
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
