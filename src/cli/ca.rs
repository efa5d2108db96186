//! `jkeys ca`

use clap::Subcommand;

use super::admin::{Leader, Place};
use super::{CliError, Exit, Screen, render};
use crate::rpc::admin::{RotateCaCall, schema};
use crate::types::Comment;

/// Verbs of `jkeys ca`.
#[derive(Debug, Subcommand)]
pub(super) enum CaVerb {
    /// The CAs that nodes trust, which one signs, and how far a rotation is
    Show {
        /// The leader's document as it came
        #[arg(long)]
        json: bool,
    },
    /// Replace the CA by a new one, without a break: it signs once every node in service trusts it, and the old one goes when no
    /// certificate of it can be shown any more
    Rotate {
        /// Why, in your own words: one line, in the record
        #[arg(long)]
        comment: Option<Comment>,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        /// The leader's document as it came
        #[arg(long)]
        json: bool,
    },
}

impl CaVerb {
    pub(super) async fn run(self, place: &Place, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let mut leader = Leader::connect(place).await?;
        let (json, document, text) = match self {
            Self::Show { json } => {
                let document = leader.cas().await?;
                let text = render::cas(&document.read(schema::CAS)?);
                (json, document, text)
            }
            Self::Rotate { comment, dry_run, json } => {
                let document = leader.rotate_ca(RotateCaCall { comment, dry_run }).await?;
                let text = render::ca_rotation(&document.read(schema::CA_ROTATION)?);
                (json, document, text)
            }
        };
        screen.put(if json { render::json(&document.json) } else { text })?;
        Ok(Exit::Done)
    }
}
