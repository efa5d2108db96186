//! `jkeys node`

mod token;

use clap::{Args, Subcommand};

use super::admin::{Leader, Place};
use super::status::part;
use super::{CliError, Exit, Screen, render};
use crate::clock::Clock;
use crate::lifecycle::Ending;
use crate::rpc::admin::{EndNodeCall, schema};
use crate::types::{Comment, NodeName};
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
    /// One node: how it stands, and the keys whose private half it may hold
    Show {
        /// The node
        name: NodeName,
        /// The leader's document as it came
        #[arg(long)]
        json: bool,
    },
    /// Trust a node no more, as after a theft: its streams end at once, and it is told to erase its private files
    Revoke(EndArgs),
    /// Take a node out of the fleet that is not needed any more: as revoke, with another word in the record
    Remove(EndArgs),
}

/// Which node, and why.
#[derive(Debug, Args)]
pub(super) struct EndArgs {
    /// The node
    name: NodeName,
    /// Why, in your own words: one line, in the record
    #[arg(long)]
    comment: Option<Comment>,
    /// The leader's document as it came
    #[arg(long)]
    json: bool,
}

impl NodeVerb {
    pub(super) async fn run(self, place: &Place, clock: &Clock, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        match self {
            Self::Token(args) => args.run(place, clock, screen).await,
            Self::List { json } => list(json, place, screen).await,
            Self::Show { name, json } => show(&name, json, place, screen).await,
            Self::Revoke(args) => args.run(Ending::Revoked, place, screen).await,
            Self::Remove(args) => args.run(Ending::Removed, place, screen).await,
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

async fn show(name: &NodeName, json: bool, place: &Place, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
    let document = Leader::connect(place).await?.node(name).await?;
    let page = document.read(schema::NODE)?;
    screen.put(if json {
        render::json(&document.json)
    } else {
        render::node(&page)
    })?;
    Ok(Exit::Done)
}

impl EndArgs {
    async fn run(self, ending: Ending, place: &Place, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let call = EndNodeCall {
            node: self.name,
            ending,
            comment: self.comment,
        };
        let document = Leader::connect(place).await?.end_node(call).await?;
        let ended = document.read(schema::NODE_ENDED)?;
        screen.put(if self.json {
            render::json(&document.json)
        } else {
            render::node_ended(&ended)
        })?;
        Ok(Exit::Done)
    }
}
