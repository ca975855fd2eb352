//! What `larder group` and `larder project` take alike, as values.

use clap::Args;

use super::people::login;
use crate::app::admin::governed::{Change, New};
use crate::model::{GroupName, GroupPath, UserName, Visibility};

/// What a new group or project is to be.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// What people call it; the last name of the path, if not given.
    #[arg(long)]
    name: Option<String>,
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Who may see it, and read its packages: private (its members), internal (whoever is logged
    /// in) or public.
    #[arg(long, value_name = "WHO", value_parser = visibility, default_value = "private")]
    visibility: Visibility,
    /// Its first owner, beside those of the groups above.
    #[arg(long, value_name = "LOGIN", value_parser = login)]
    owner: Option<UserName>,
}

/// What is to be changed of a group or a project.
#[derive(Debug, Args)]
pub struct ChangeArgs {
    /// Another last name of the path; clients have to use it from then on.
    #[arg(long, value_name = "PATH", value_parser = group_name)]
    path: Option<GroupName>,
    /// What people call it.
    #[arg(long)]
    name: Option<String>,
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Who may see it, and read its packages: private (its members), internal (whoever is logged
    /// in) or public.
    #[arg(long, value_name = "WHO", value_parser = visibility)]
    visibility: Option<Visibility>,
}

impl From<NewArgs> for New {
    fn from(args: NewArgs) -> Self {
        let NewArgs { name: title, description, visibility, owner } = args;
        Self { title, description, visibility, owner: owner.map(|owner| owner.to_string()) }
    }
}

impl From<ChangeArgs> for Change {
    fn from(args: ChangeArgs) -> Self {
        let ChangeArgs { path, name: title, description, visibility } = args;
        Self { name: path.map(|name| name.to_string()), title, description, visibility }
    }
}

/// Reads the full path of a group or a project.
pub(super) fn group(text: &str) -> Result<GroupPath, String> {
    GroupPath::parse(text).map_err(|error| error.to_string())
}

fn group_name(text: &str) -> Result<GroupName, String> {
    GroupName::parse(text).map_err(|error| error.to_string())
}

fn visibility(text: &str) -> Result<Visibility, String> {
    match text {
        "private" => Ok(Visibility::Private),
        "internal" => Ok(Visibility::Internal),
        "public" => Ok(Visibility::Public),
        _ => Err("write private, internal or public".to_owned()),
    }
}
