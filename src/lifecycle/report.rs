//! What a node says of itself, read back from its own disk.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::view::{Switches, View};
use crate::types::{Epoch, Generation, HookEvent, Kid, Time, TreeHead};

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
    /// Its hooks and probes that have failed and not succeeded since.
    #[serde(default)]
    pub failing: Vec<Failing>,
}

/// A hook or a probe of a node that has failed and not succeeded since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Which of them.
    pub what: Follower,
    /// How it last failed, in words that name it and say what to do.
    pub why: String,
    /// How often in a row.
    pub times: u32,
    /// When it failed first in that row, by the node's clock.
    pub since: Time,
    /// Whether it is not tried again.
    pub is_given_up: bool,
}

/// What follows a swap or another event on a node, and can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Follower {
    /// A hook on this event.
    Hook(HookEvent),
    /// A look at the JWKS that is served.
    Probe,
}

impl Follower {
    /// Whether the node confirms nothing before it has succeeded.
    #[must_use]
    pub fn holds_up(self) -> bool {
        matches!(self, Self::Hook(HookEvent::Swap) | Self::Probe)
    }
}

impl fmt::Display for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hook(event) => write!(f, "hook on {event}"),
            Self::Probe => f.write_str("probe"),
        }
    }
}

impl FromStr for Follower {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("hook on ") {
            Some(event) => event.parse().map(Self::Hook),
            None if text == "probe" => Ok(Self::Probe),
            None => Err(format!("{text:?} is neither a hook nor a probe")),
        }
    }
}

impl TryFrom<String> for Follower {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Follower> for String {
    fn from(follower: Follower) -> Self {
        follower.to_string()
    }
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
    /// Whether every hook of this view has succeeded, and every probe found it served. Without it nothing is confirmed.
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
