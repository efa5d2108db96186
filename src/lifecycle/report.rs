//! What a node says of itself, read back from its own disk.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::view::{Switches, View};
use crate::types::{Epoch, Generation, Kid, Time, TreeHead};

/// One report of a node. It speaks of what was read back from the disk, never of what was meant to be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The node's clock when it sent the report.
    pub sent_at: Time,
    /// The highest epoch that the node has ever accepted (rule R5).
    pub highest_epoch: Epoch,
    /// The highest generation that the node has ever accepted (rule R5).
    pub highest_generation: Generation,
    /// The newest checkpoint of the audit log that the node has ever accepted (rule R5).
    pub checkpoint: Option<TreeHead>,
    /// The generation that it refuses, for the reason in `problem`.
    pub refused: Option<Generation>,
    /// The kids in that generation that the node knows as removed or revoked (rule R5).
    #[serde(default)]
    pub gone: BTreeSet<Kid>,
    /// What is on the disk, once a view is there.
    pub installed: Option<Installed>,
    /// What keeps the node from going on, in words that say what to do: a refusal, a full disk, a failed hook.
    pub problem: Option<String>,
}

/// What a node read back from its disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// The generation of the view that `live` points to.
    pub generation: Generation,
    /// The switches that this view has made.
    pub switches: Switches,
    /// The kids in the JWKS file.
    pub published: BTreeSet<Kid>,
    /// The kids in the private file that sign.
    pub signing: BTreeSet<Kid>,
    /// The kids in the private file that decrypt.
    pub decrypting: BTreeSet<Kid>,
    /// The kids whose private half is anywhere on the node: the private file and the sealed cache.
    pub held: BTreeSet<Kid>,
    /// Whether every hook of this view has succeeded. Without it nothing is confirmed.
    pub hooks_succeeded: bool,
}

impl Installed {
    /// What a node reads back on which all of `view` stands as it should, its hooks too.
    #[must_use]
    pub fn whole(view: &View) -> Self {
        Self {
            generation: view.generation,
            switches: view.switches.clone(),
            published: view.published.iter().cloned().collect(),
            signing: view.signing(),
            decrypting: view.decrypting.clone(),
            held: view.held.clone(),
            hooks_succeeded: true,
        }
    }
}
