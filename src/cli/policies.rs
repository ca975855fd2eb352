//! `larder policy`: done like every administration command.

use std::process::ExitCode;

use super::admin;
use super::args::policies::PolicyCommand;
use crate::app::admin::Command;
use crate::app::admin::policies::{Change, Policies};

pub(super) fn policy(command: PolicyCommand) -> Result<ExitCode, String> {
    let (common, command) = match command {
        PolicyCommand::Show(of) => (of.common, Policies::Show { project: of.project.to_string() }),
        PolicyCommand::Set(set) => {
            let (project, change) = (set.project.to_string(), set.change());
            if change == Change::default() {
                return Err("say what to keep, with --keep or --keep-snapshots".into());
            }
            (set.common, Policies::Set { project, change })
        }
        PolicyCommand::Plan(plan) => {
            let (project, change) = (plan.project.to_string(), plan.change());
            (plan.common, Policies::Plan { project, change })
        }
        PolicyCommand::Run(of) => (of.common, Policies::Run { project: of.project.to_string() }),
        PolicyCommand::History(of) => {
            (of.common, Policies::History { project: of.project.to_string() })
        }
        PolicyCommand::Capacity(capacity) => {
            (capacity.common, Policies::Capacity { capacity: capacity.capacity })
        }
    };
    admin::run(&common, Command::Policies(command))
}
