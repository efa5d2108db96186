//! `jkeys node`

use clap::Subcommand;

use super::admin::{Leader, Place};
use super::status::part;
use super::{CliError, Exit, Screen, render};
use crate::clock::Clock;
use crate::rpc::admin::{TokenCall, schema};
use crate::types::{NodeName, Span};

/// Verbs of `jkeys node`.
#[derive(Debug, Subcommand)]
pub(super) enum NodeVerb {
    /// Make a one-time token with which a machine joins the fleet: `jkeys enroll TOKEN` there
    Token {
        /// The name of the node that will join
        name: NodeName,
        /// How long the token is good for, from 1s to 30days
        #[arg(long, default_value = "1h", value_parser = ttl)]
        ttl: Span,
    },
    /// Every node, and what it has confirmed
    List {
        /// A JSON array, as the leader wrote it
        #[arg(long)]
        json: bool,
    },
}

impl NodeVerb {
    pub(super) async fn run(self, place: &Place, clock: &Clock, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let mut leader = Leader::connect(place).await?;
        match self {
            Self::Token { name, ttl } => {
                let token = leader.token(TokenCall { node: name.clone(), ttl }).await?;
                screen.put(token.line.expose())?;
                screen.put("\n")?;
                screen.note(&render::token(&name, token.expires_at, clock.now()));
            }
            Self::List { json: true } => {
                let nodes = part(&leader.status().await?, "nodes")?;
                screen.put(render::json(nodes.get().as_bytes()))?;
            }
            Self::List { json: false } => {
                let status = leader.status().await?.read(schema::STATUS)?;
                screen.put(render::nodes(&status))?;
            }
        }
        Ok(Exit::Done)
    }
}

fn ttl(text: &str) -> Result<Span, String> {
    let ttl: Span = text.parse().map_err(|why| format!("{why}; write it as 1h or 30m"))?;
    if (Span::secs(1)..=Span::hours(30 * 24)).contains(&ttl) {
        return Ok(ttl);
    }
    Err("a token is good for 1s to 30days".to_owned())
}
