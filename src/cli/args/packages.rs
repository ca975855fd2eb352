//! `larder package` as values.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};

use super::Common;
use crate::app::admin::packages::{Packages, Protected, Selection};
use crate::config::duration;
use crate::model::{GroupPath, PackageKind, PackageStatus};

/// `larder package`
#[derive(Debug, Args)]
#[command(after_help = PACKAGES)]
pub struct Package {
    /// What to do.
    #[command(subcommand)]
    pub command: PackageCommand,
}

const PACKAGES: &str = "\
Examples:
  larder package list acme/app --kind maven --data /srv/larder
  larder package delete acme --version '*-SNAPSHOT' --older-than 90d --dry-run
  larder package delete acme/app --not-downloaded-since 180d --data /srv/larder";

/// What to do about packages.
#[derive(Debug, Subcommand)]
pub enum PackageCommand {
    /// Show the packages of a project, or of all projects in a group.
    List(ListPackages),
    /// Show a package and its files.
    Show(ShowPackage),
    /// Delete packages of a project, or of all projects in a group.
    Delete(DeletePackages),
}

/// `larder package list`
#[derive(Debug, Args)]
pub struct ListPackages {
    /// Which ones.
    #[command(flatten)]
    pub selected: Selected,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// `larder package show`
#[derive(Debug, Args)]
pub struct ShowPackage {
    /// Its number.
    #[arg(value_name = "NUMBER")]
    pub id: u64,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// `larder package delete`
#[derive(Debug, Args)]
#[command(after_help = DELETE)]
#[command(group(
    ArgGroup::new("which")
        .required(true)
        .multiple(true)
        .args(["kind", "name", "version", "status", "older_than", "not_downloaded_since", "all"])
))]
pub struct DeletePackages {
    /// Which ones.
    #[command(flatten)]
    pub selected: Selected,
    /// All of them that lists show.
    #[arg(long)]
    pub all: bool,
    /// Those too that a rule protects from deletion.
    #[arg(long)]
    pub protected: bool,
    /// Show what would go and the exact bytes that would come back; change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

const DELETE: &str = "\
What is given has to hold together. Packages are deleted a few hundred at a time, each as soon as
it was found; nobody can download them from then on, and the sweeper gives the space back.

Examples:
  larder package delete acme/app --name 'lib*' --version '0.*' --dry-run
  larder package delete acme --kind npm --not-downloaded-since 365d --data /srv/larder";

/// Which packages.
#[derive(Debug, Args)]
pub struct Selected {
    /// The full path of a project, or of a group: then those of all projects in it.
    #[arg(value_name = "PATH", value_parser = path)]
    pub path: GroupPath,
    /// Of this kind: maven, npm, pypi or generic.
    #[arg(long, value_name = "KIND", value_parser = kind)]
    pub kind: Option<PackageKind>,
    /// With a name of this pattern; `*` stands for any characters.
    #[arg(long, value_name = "PATTERN")]
    pub name: Option<String>,
    /// With a version of this pattern; `*` stands for any characters.
    #[arg(long, value_name = "PATTERN")]
    pub version: Option<String>,
    /// In this state: default, hidden, processing, error or deprecated; those that lists show, if
    /// not given.
    #[arg(long, value_name = "STATUS", value_parser = status)]
    pub status: Option<PackageStatus>,
    /// First published longer ago than this, such as 90d.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub older_than: Option<Duration>,
    /// Neither downloaded nor first published for longer than this, such as 180d.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub not_downloaded_since: Option<Duration>,
}

impl Selected {
    fn selection(&self, protected: Protected) -> Selection {
        Selection {
            place: self.path.to_string(),
            kind: self.kind,
            name: self.name.clone(),
            version: self.version.clone(),
            status: self.status,
            older_than: self.older_than,
            unused_for: self.not_downloaded_since,
            protected,
        }
    }
}

impl PackageCommand {
    /// What to do, and where.
    #[must_use]
    pub fn command(self) -> (Common, Packages) {
        match self {
            Self::List(list) => {
                let selection = list.selected.selection(Protected::Keep);
                (list.common, Packages::List(selection))
            }
            Self::Show(show) => (show.common, Packages::Show { id: show.id }),
            Self::Delete(delete) => {
                let is_meant = delete.protected;
                let protected = if is_meant { Protected::Delete } else { Protected::Keep };
                let selection = delete.selected.selection(protected);
                let is_dry = delete.dry_run;
                let make = if is_dry { Packages::Plan } else { Packages::Delete };
                (delete.common, make(selection))
            }
        }
    }
}

fn path(text: &str) -> Result<GroupPath, String> {
    GroupPath::parse(text).map_err(|error| error.to_string())
}

fn kind(text: &str) -> Result<PackageKind, String> {
    let kind = PackageKind::parse(text);
    kind.ok_or_else(|| "a kind is maven, npm, pypi or generic".to_owned())
}

fn status(text: &str) -> Result<PackageStatus, String> {
    let status = PackageStatus::parse(text);
    let status = status.filter(|status| *status != PackageStatus::PendingDestruction);
    status.ok_or_else(|| "a state is default, hidden, processing, error or deprecated".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Args, Command};

    fn read(line: &str) -> Result<Packages, String> {
        let words = ["larder", "package"].into_iter().chain(line.split_whitespace());
        let args = Args::try_parse_from(words).map_err(|error| error.to_string())?;
        let Command::Package(package) = args.command else { return Err("another command".into()) };
        Ok(package.command.command().1)
    }

    #[test]
    fn what_is_deleted_has_to_be_said() {
        assert!(read("delete acme/app").is_err());
        let all = Selection { place: "acme/app".to_owned(), ..Selection::default() };
        assert_eq!(read("delete acme/app --all"), Ok(Packages::Delete(all)));
        let some = "delete acme --kind npm --version 0.* --not-downloaded-since 2d --dry-run";
        let selection = Selection {
            place: "acme".to_owned(),
            kind: Some(PackageKind::Npm),
            version: Some("0.*".to_owned()),
            unused_for: Some(Duration::from_secs(172_800)),
            ..Selection::default()
        };
        assert_eq!(read(some), Ok(Packages::Plan(selection)));
        for bad in ["delete acme --kind x", "list", "list acme --status pending_destruction"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
