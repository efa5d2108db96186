//! `jkeys keys`

use clap::Subcommand;

use super::admin::{Leader, Place};
use super::status::part;
use super::{CliError, Exit, Screen, render};
use crate::clock::Clock;
use crate::rpc::admin::schema;
use crate::types::Kid;

/// Verbs of `jkeys keys`.
#[derive(Debug, Subcommand)]
pub(super) enum KeysVerb {
    /// Every key that nodes hold, and what happens to it next
    List {
        /// A JSON array, as the leader wrote it
        #[arg(long)]
        json: bool,
    },
    /// One key, of any state
    Show {
        /// The key's id
        #[arg(allow_hyphen_values = true)]
        kid: Kid,
        /// The leader's document as it came
        #[arg(long)]
        json: bool,
    },
}

impl KeysVerb {
    pub(super) async fn run(self, place: &Place, clock: &Clock, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let mut leader = Leader::connect(place).await?;
        let text = match self {
            Self::List { json: true } => render::json(part(&leader.status().await?, "keys")?.get().as_bytes()),
            Self::List { json: false } => {
                let status = leader.status().await?.read(schema::STATUS)?;
                render::keys(&status, screen.columns())
            }
            Self::Show { kid, json } => {
                let document = leader.key(&kid).await?;
                let key = document.read(schema::KEY)?;
                if json {
                    render::json(&document.json)
                } else {
                    render::key(&key, clock.now())
                }
            }
        };
        screen.put(text)?;
        Ok(Exit::Done)
    }
}
