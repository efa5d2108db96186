//! `jkeys audit`: the audit log, for who must not take anybody's word.

mod adopt;
mod ahead;
mod error;
mod export;
mod given;
mod prove;
mod stream;
mod verify;

use clap::Subcommand;

pub use error::AuditError;
pub(in crate::cli) use verify::{KeySource, exported, key_came_with_the_log};

use super::admin::Place;
use super::{CliError, Exit, Screen};

/// What can be done with the audit log.
#[derive(Debug, Subcommand)]
pub(super) enum AuditVerb {
    /// Check a whole log, or proofs of records, with nothing but the log's public key
    Verify(verify::VerifyArgs),
    /// Write the whole log into a folder that `jkeys audit verify` checks anywhere
    Export(export::ExportArgs),
    /// Prove that the log holds a record: a text that `jkeys audit verify` checks alone
    Prove(prove::ProveArgs),
    /// The newest checkpoint: how long the log is and what its root is, signed
    Checkpoint(prove::CheckpointArgs),
    /// Prove that the log goes on from what it was before
    Consistency(prove::ConsistencyArgs),
    /// Go on from a state that is older than what nodes have seen, after a restore: recorded, and the one way on
    Adopt(adopt::AdoptArgs),
}

impl AuditVerb {
    pub(super) async fn run(self, place: &Place, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        match self {
            Self::Verify(args) => args.run(place, screen).await,
            Self::Export(args) => args.run(place, screen).await,
            Self::Prove(args) => args.run(place, screen).await,
            Self::Checkpoint(args) => args.run(place, screen).await,
            Self::Consistency(args) => args.run(place, screen).await,
            Self::Adopt(args) => args.run(place, screen).await,
        }
    }
}
