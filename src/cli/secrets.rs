//! `jkeys secrets`

use std::path::Path;

use clap::{Args, Subcommand};

use super::services::{agent_path, credentials};
use super::{CliError, Exit, Screen, render};
use crate::config::file::{self, FileError};
use crate::config::{AgentConfig, LeaderConfig};
use crate::types::SecretPlace;
use crate::{agent, leader};

/// Whose secrets.
#[derive(Debug, Subcommand)]
pub(super) enum SecretsVerb {
    /// Those of this node: private files of its views, copies of them in places of other programs, the sealed cache, its own keys
    Agent(ListArgs),
    /// Those of a leader: the keystore, its snapshots and the master key
    Leader(ListArgs),
}

/// In which form.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// One place a line, as JSON
    #[arg(long)]
    json: bool,
    /// The paths only, a NUL after each, for xargs -0
    #[arg(long, short = '0', conflicts_with = "json")]
    null: bool,
}

impl SecretsVerb {
    /// Nothing is opened, and no service is asked.
    pub(super) fn run(self, config: Option<&Path>, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let (places, args) = match self {
            Self::Agent(args) => (agent::secrets(&agent_config(config)?)?, args),
            Self::Leader(args) => (leader::secrets(&leader_config(config)?), args),
        };
        args.show(&places, screen)?;
        Ok(Exit::Done)
    }
}

impl ListArgs {
    fn show(&self, places: &[SecretPlace], screen: &mut Screen<'_>) -> Result<(), CliError> {
        if self.null {
            return screen.put(render::null_ended(places));
        }
        if self.json {
            return places.iter().try_for_each(|place| screen.put(render::json_of(place)));
        }
        screen.put(render::secrets(places))
    }
}

/// Where nobody has written a configuration, everything is where it is by default.
fn agent_config(config: Option<&Path>) -> Result<AgentConfig, FileError> {
    let read = if config.is_some() {
        file::agent
    } else {
        file::agent_or_default
    };
    read(&agent_path(config), credentials().as_deref())
}

fn leader_config(config: Option<&Path>) -> Result<LeaderConfig, FileError> {
    let read = if config.is_some() {
        file::leader
    } else {
        file::leader_or_default
    };
    read(
        config.unwrap_or(Path::new(LeaderConfig::DEFAULT_PATH)),
        credentials().as_deref(),
    )
}
