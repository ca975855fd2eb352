//! `larder quota`: what users' repositories hold and may hold.

use clap::{Args as Group, Subcommand};

use super::Common;
use crate::app::admin::{self, Quotas};
use crate::config;
use crate::model::{Quota, UserName};

/// `larder quota`
#[derive(Debug, Group)]
#[command(after_help = QUOTA)]
pub struct QuotaArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

const QUOTA: &str = "\
Sizes are logical: each file counts in full, however often its content is stored elsewhere.

Examples:
  larder quota show --data /srv/larder
  larder quota set --data /srv/larder alice 50G
  larder quota set --data /srv/larder alice default";

/// What to do about quotas.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Show usage and quota of one user, or of everybody. Exit code 1 when there is nothing.
    Show(Show),
    /// Let a user's repository hold this much, from now on; what is in it stays in any case.
    Set(Set),
}

/// `larder quota show`
#[derive(Debug, Group)]
pub struct Show {
    /// Whose; everybody's when left out.
    #[arg(value_name = "USER", value_parser = user)]
    pub user: Option<UserName>,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// `larder quota set`
#[derive(Debug, Group)]
pub struct Set {
    /// Whose.
    #[arg(value_name = "USER", value_parser = user)]
    pub user: UserName,
    /// Bytes, such as 500M or 50GiB (powers of 1024); 0: no limit; `default`: what the setting
    /// users.quota says.
    #[arg(value_name = "SIZE", value_parser = quota)]
    pub quota: Quota,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

impl QuotaArgs {
    /// What the administration commands share.
    #[must_use]
    pub fn common(&self) -> &Common {
        match &self.what {
            What::Show(show) => &show.common,
            What::Set(set) => &set.common,
        }
    }

    /// What to do.
    #[must_use]
    pub fn command(&self) -> admin::Command {
        admin::Command::Quota(match &self.what {
            What::Show(Show { user: Some(user), .. }) => Quotas::Show { user: user.clone() },
            What::Show(Show { user: None, .. }) => Quotas::List,
            What::Set(set) => Quotas::Set { user: set.user.clone(), quota: set.quota },
        })
    }
}

fn user(text: &str) -> Result<UserName, String> {
    UserName::parse(text).map_err(|error| error.to_string())
}

fn quota(text: &str) -> Result<Quota, String> {
    if text.eq_ignore_ascii_case("default") {
        return Ok(Quota::Default);
    }
    match config::parse_size(text) {
        Ok(0) => Ok(Quota::Unlimited),
        Ok(bytes) => Ok(Quota::Bytes(bytes)),
        Err(why) => Err(format!("{why}; write bytes, such as 500M or 50GiB, or `default`")),
    }
}
