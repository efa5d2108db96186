//! `jkeys node`

mod token;

use clap::Subcommand;

use super::admin::{Leader, Place};
use super::status::part;
use super::{CliError, Exit, Screen, render};
use crate::clock::Clock;
use crate::rpc::admin::schema;
use token::TokenArgs;

/// Verbs of `jkeys node`.
#[derive(Debug, Subcommand)]
pub(super) enum NodeVerb {
    /// Make a one-time token with which a machine joins the fleet, see those that there are, or take them back
    Token(TokenArgs),
    /// Every node, and what it has confirmed
    List {
        /// A JSON array, as the leader wrote it
        #[arg(long)]
        json: bool,
    },
}

impl NodeVerb {
    pub(super) async fn run(self, place: &Place, clock: &Clock, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        match self {
            Self::Token(args) => args.run(place, clock, screen).await,
            Self::List { json } => list(json, place, screen).await,
        }
    }
}

async fn list(json: bool, place: &Place, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
    let status = Leader::connect(place).await?.status().await?;
    if json {
        screen.put(render::json(part(&status, "nodes")?.get().as_bytes()))?;
    } else {
        screen.put(render::nodes(&status.read(schema::STATUS)?))?;
    }
    Ok(Exit::Done)
}
