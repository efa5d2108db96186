//! `jkeys audit adopt`

use clap::Args;

use super::super::admin::{Leader, Place};
use super::super::follow::{follow, foresee, patience, undecided};
use super::super::rotate::wait;
use super::super::{CliError, Exit, Screen};
use crate::rpc::admin::AdoptCall;
use crate::types::{Comment, NodeName, Span};

/// Flags of `jkeys audit adopt`.
#[derive(Debug, Args)]
pub(in crate::cli) struct AdoptArgs {
    /// Your own words for the record: one line, such as why the leader is older than its nodes
    #[arg(long, value_name = "TEXT")]
    comment: Comment,
    /// Go on without this node, which is in service and has not said what it remembers; give it again for each one more
    #[arg(long, value_name = "NODE")]
    without: Vec<NodeName>,
    /// Take this node's word that a key is gone, though it can't prove it
    #[arg(long, value_name = "NODE")]
    believe: Vec<NodeName>,
    /// Go on against the word of this node: what it says that it has seen counts for nothing until it is enrolled anew
    #[arg(long, value_name = "NODE")]
    disbelieve: Vec<NodeName>,
    /// How long to follow the confirmations, at most 1h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = wait)]
    wait: Span,
    /// Only say what nodes have told and what would happen: nothing is decided or recorded
    #[arg(long)]
    dry_run: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl AdoptArgs {
    pub(super) async fn run(self, place: &Place, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let (wait, dry_run, json) = (self.wait, self.dry_run, self.json);
        let call = AdoptCall {
            comment: self.comment,
            without: self.without.into_iter().collect(),
            believe: self.believe.into_iter().collect(),
            disbelieve: self.disbelieve.into_iter().collect(),
            dry_run,
            wait,
        };
        let mut leader = Leader::connect(place).await?;
        if dry_run {
            let steps = leader.adopt(call).await?;
            return foresee(steps, json, screen).await;
        }
        let steps = leader.adopt(call).await.map_err(undecided)?;
        follow(steps, patience(wait), json, screen).await
    }
}
