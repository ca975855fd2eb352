//! `larder health`: the arguments.

use clap::Args as Group;

use super::Reach;

/// `larder health`
#[derive(Debug, Group)]
#[command(after_help = EXAMPLES)]
pub struct Health {
    /// Address of the server, when it is not the one of the settings; plain HTTP.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The settings that tell where the server listens.
    #[command(flatten)]
    pub reach: Reach,
}

const EXAMPLES: &str = "\
Asks for /-/ready where the server listens by its settings: flags, variables and file as
`larder serve` has them. Exit code 0 when it is ready, 1 when it is not or does not answer.

Examples:
  larder health --data /srv/larder
  larder health --url http://127.0.0.1:1337";
