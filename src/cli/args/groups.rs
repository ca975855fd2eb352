//! `larder group`, `larder member` and `larder deploy-token` as values.

use clap::{Args, Subcommand};

use super::Common;
use super::governed::{ChangeArgs, NewArgs, group};
use super::people::{expiry, login};
use crate::app::admin::groups::Who;
use crate::app::admin::people::Expiry;
use crate::model::{DeployScope, GroupPath, Role, UserName};

/// `larder group`
#[derive(Debug, Args)]
#[command(after_help = GROUPS)]
pub struct Group {
    /// What to do.
    #[command(subcommand)]
    pub command: GroupCommand,
}

const GROUPS: &str = "\
A group is named by its full path, such as acme/tools; those above it come first.

Examples:
  larder group create acme --owner alice --data /srv/larder
  larder group create acme/tools --name 'Build tools' --data /srv/larder
  larder group delete acme/tools --data /srv/larder";

/// What to do about groups.
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// Show groups.
    List(ListGroups),
    /// Show a group and who is in it.
    Show(OneGroup),
    /// Make a group.
    Create(CreateGroup),
    /// Change a group: what is not given stays.
    Change(ChangeGroup),
    /// Delete a group with all groups, members, tokens and cached images in it.
    Delete(OneGroup),
}

/// `larder group list`
#[derive(Debug, Args)]
pub struct ListGroups {
    /// At most so many, by name; all of them by path, if not given.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Those behind this group.
    #[arg(long, value_name = "GROUP", value_parser = group, requires = "limit")]
    pub after: Option<GroupPath>,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// A command about one group.
#[derive(Debug, Args)]
pub struct OneGroup {
    /// Its full path.
    #[arg(value_name = "GROUP", value_parser = group)]
    pub group: GroupPath,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// `larder group create`
#[derive(Debug, Args)]
pub struct CreateGroup {
    /// Its full path.
    #[arg(value_name = "GROUP", value_parser = group)]
    pub group: GroupPath,
    /// What it is to be.
    #[command(flatten)]
    pub new: NewArgs,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// `larder group change`
#[derive(Debug, Args)]
pub struct ChangeGroup {
    /// Its full path.
    #[arg(value_name = "GROUP", value_parser = group)]
    pub group: GroupPath,
    /// What of it.
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// `larder member`
#[derive(Debug, Args)]
#[command(after_help = MEMBERS)]
pub struct Member {
    /// What to do.
    #[command(subcommand)]
    pub command: MemberCommand,
}

const MEMBERS: &str = "\
Roles are guest (pulls through the proxy), reporter (reads packages), developer (publishes them),
maintainer (removes them) and owner (everything). They count in all groups and projects below too,
and the highest one is it.

Examples:
  larder member add acme alice --role owner --data /srv/larder
  larder member add acme/tools --team developers --role guest --data /srv/larder
  larder member change acme alice --role developer --expires 90d --data /srv/larder";

/// What to do about members.
#[derive(Debug, Subcommand)]
pub enum MemberCommand {
    /// Show the members of a group or project and of the groups above it.
    List(OneGroup),
    /// Make somebody a member.
    Add(PutMember),
    /// Give a member another role and another end.
    Change(PutMember),
    /// End a membership.
    Remove(RemoveMember),
}

/// `larder member add` and `larder member change`
#[derive(Debug, Args)]
pub struct PutMember {
    /// The full path of the group or project.
    #[arg(value_name = "GROUP", value_parser = group)]
    pub group: GroupPath,
    /// Who.
    #[command(flatten)]
    pub who: WhoArgs,
    /// As what: guest, reporter, developer, maintainer or owner.
    #[arg(long, value_name = "ROLE", value_parser = role)]
    pub role: Role,
    /// When it ends: a time from now such as 90d, or the day (UTC) before which it is good, such
    /// as 2030-12-31. Never, if not given.
    #[arg(long, value_name = "WHEN", value_parser = expiry)]
    pub expires: Option<Expiry>,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// `larder member remove`
#[derive(Debug, Args)]
pub struct RemoveMember {
    /// The full path of the group or project.
    #[arg(value_name = "GROUP", value_parser = group)]
    pub group: GroupPath,
    /// Whose.
    #[command(flatten)]
    pub who: WhoArgs,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// Somebody, or a team.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct WhoArgs {
    /// A login.
    #[arg(value_name = "LOGIN", value_parser = login)]
    login: Option<UserName>,
    /// Everybody in this group of a directory, an auth file or an account.
    #[arg(long, value_name = "NAME")]
    team: Option<String>,
}

impl WhoArgs {
    /// Who is meant.
    #[must_use]
    pub fn who(self) -> Who {
        match (self.team, self.login) {
            (Some(team), _) => Who::Team(team),
            (None, login) => Who::User(login.map(|login| login.to_string()).unwrap_or_default()),
        }
    }
}

/// `larder deploy-token`
#[derive(Debug, Args)]
pub struct DeployToken {
    /// What to do.
    #[command(subcommand)]
    pub command: DeployTokenCommand,
}

/// What to do about deploy tokens.
#[derive(Debug, Subcommand)]
pub enum DeployTokenCommand {
    /// Make a token of a group or project, and print its login and itself, this once.
    Create(CreateDeployToken),
    /// Show the tokens, not their secrets.
    List(ListDeployTokens),
    /// Make a token worthless, at once.
    Revoke(RevokeDeployToken),
}

/// `larder deploy-token create`
#[derive(Debug, Args)]
#[command(after_help = DEPLOY_TOKENS)]
pub struct CreateDeployToken {
    /// The full path of the group that it is for, with all below, or of the project.
    #[arg(value_name = "GROUP", value_parser = group)]
    pub group: GroupPath,
    /// What it is for, to tell it from others.
    #[arg(long)]
    pub name: String,
    /// The login that goes with it; one is made, if not given.
    #[arg(long, value_name = "LOGIN")]
    pub username: Option<String>,
    /// What it may be used for: `read_registry` and `write_registry` (together: pulling through the
    /// dependency proxy), `read_package_registry`, `write_package_registry`; may be given several
    /// times.
    #[arg(long = "scope", value_name = "SCOPE", value_parser = DeployScope::parse, required = true)]
    pub scopes: Vec<DeployScope>,
    /// When it ends: a time from now such as 90d, or the day (UTC) before which it is good, such
    /// as 2030-12-31. Never, if not given.
    #[arg(long, value_name = "WHEN", value_parser = expiry)]
    pub expires: Option<Expiry>,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

const DEPLOY_TOKENS: &str = "\
Example:
  larder deploy-token create acme --name ci --scope read_registry --scope write_registry \\
    --data /srv/larder";

/// `larder deploy-token list`
#[derive(Debug, Args)]
pub struct ListDeployTokens {
    /// Only those of this group or project itself.
    #[arg(value_name = "GROUP", value_parser = group)]
    pub group: Option<GroupPath>,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// `larder deploy-token revoke`
#[derive(Debug, Args)]
pub struct RevokeDeployToken {
    /// The number that `larder deploy-token list` shows.
    #[arg(value_name = "ID")]
    pub id: u64,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

fn role(text: &str) -> Result<Role, String> {
    let names = || Role::ALL.map(Role::as_str).join(", ");
    Role::parse(text).ok_or_else(|| format!("the roles are {}", names()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Args, Command};
    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        let words = std::iter::once("larder").chain(line.split_whitespace());
        Args::try_parse_from(words).map(|args| args.command)
    }

    #[test]
    fn a_member_is_somebody_or_a_team() {
        let who = |line: &str| match parse(&format!("member add acme {line} --role guest")) {
            Ok(Command::Member(Member { command: MemberCommand::Add(add) })) => Ok(add.who.who()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.kind()),
        };
        assert_eq!(who("Alice"), Ok(Who::User("alice".to_owned())));
        assert_eq!(who("--team Ops"), Ok(Who::Team("Ops".to_owned())));
        assert!(who("").is_err() && who("alice --team ops").is_err() && who("a:b").is_err());
        assert!(parse("member add acme alice --role king").is_err());
        assert!(parse("member add acme alice --role 40").is_ok());
    }

    #[test]
    fn groups_are_read_at_the_door() {
        assert!(parse("group create Acme/Tools --visibility public").is_ok());
        for bad in ["group create a//b", "group create a --visibility all", "group show"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse("deploy-token create a --name n --scope read_registry").is_ok());
        assert!(parse("deploy-token create a --name n --scope api").is_err());
        assert!(parse("deploy-token create a --name n").is_err());
    }
}
