//! `larder project` as a value.

use clap::{Args, Subcommand};

use super::governed::{ChangeArgs, NewArgs, group};
use super::{Common, groups};
use crate::model::GroupPath;

/// `larder project`
#[derive(Debug, Args)]
#[command(after_help = PROJECTS)]
pub struct Project {
    /// What to do.
    #[command(subcommand)]
    pub command: ProjectCommand,
}

const PROJECTS: &str = "\
A project is named by its full path, such as acme/tools/app; the groups above it come first.

Examples:
  larder project create acme/app --visibility internal --data /srv/larder
  larder project member add acme/app alice --role developer --data /srv/larder
  larder project deploy-token create acme/app --name ci --scope write_package_registry \\
    --data /srv/larder";

/// What to do about projects.
#[derive(Debug, Subcommand)]
pub enum ProjectCommand {
    /// Show projects by name.
    List(ListProjects),
    /// Show a project, what it holds and who is in it.
    Show(OneProject),
    /// Make a project.
    Create(CreateProject),
    /// Change a project: what is not given stays.
    Change(ChangeProject),
    /// Delete a project with all packages, members and tokens in it.
    Delete(OneProject),
    /// Say who is what in a project, as `larder member` does of groups.
    Member(groups::Member),
    /// Make, show and revoke credentials of a project, as `larder deploy-token` does of groups.
    DeployToken(groups::DeployToken),
}

/// `larder project list`
#[derive(Debug, Args)]
pub struct ListProjects {
    /// At most so many.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Those behind this project.
    #[arg(long, value_name = "PROJECT", value_parser = group)]
    pub after: Option<GroupPath>,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// A command about one project.
#[derive(Debug, Args)]
pub struct OneProject {
    /// Its full path.
    #[arg(value_name = "PROJECT", value_parser = group)]
    pub project: GroupPath,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// `larder project create`
#[derive(Debug, Args)]
pub struct CreateProject {
    /// Its full path.
    #[arg(value_name = "PROJECT", value_parser = group)]
    pub project: GroupPath,
    /// What it is to be.
    #[command(flatten)]
    pub new: NewArgs,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// `larder project change`
#[derive(Debug, Args)]
pub struct ChangeProject {
    /// Its full path.
    #[arg(value_name = "PROJECT", value_parser = group)]
    pub project: GroupPath,
    /// What of it.
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::Args;

    #[test]
    fn projects_are_read_at_the_door() {
        let parse = |line: &str| {
            let words = std::iter::once("larder").chain(line.split_whitespace());
            Args::try_parse_from(words).map(drop)
        };
        for good in [
            "project create Acme/App --visibility public",
            "project list --limit 5 --after acme/app",
            "project member add acme/app alice --role developer",
            "project deploy-token create acme/app --name n --scope write_package_registry",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in ["project create a//b", "project create a --visibility all", "project show"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
