//! Why a leader decides nothing more, and what ends that.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::state::Halt;
use crate::types::{Kid, Time, Version};

/// Why the leader decides nothing more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "because")]
pub enum Halted {
    /// A node has seen a leader that was further on.
    NodeAhead(Halt),
    /// It was restored, and what its nodes remember beyond that is not known yet.
    Restored {
        /// From what.
        restoration: Restoration,
        /// Keys that went because their private half was lost. Nodes may know one of them as further on.
        lost: Vec<Kid>,
    },
}

impl Halted {
    /// What the node said that was ahead, if it was one.
    #[must_use]
    pub fn ahead(&self) -> Option<&Halt> {
        match self {
            Self::NodeAhead(halt) => Some(halt),
            Self::Restored { .. } => None,
        }
    }

    /// The keys that went when it was restored, because their private half was lost.
    #[must_use]
    pub fn lost(&self) -> &[Kid] {
        match self {
            Self::NodeAhead(_) => &[],
            Self::Restored { lost, .. } => lost,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::NodeAhead(_) => {
                "start the leader that is further on, or restore its newest snapshot; where there is neither, go on with `jkeys audit \
                 adopt` (look first, with --dry-run)"
            }
            Self::Restored { .. } => {
                "let its nodes report, then go on from here with `jkeys audit adopt` (look first, with --dry-run)"
            }
        }
    }
}

impl fmt::Display for Halted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeAhead(halt) => halt.fmt(f),
            Self::Restored { restoration, .. } => write!(f, "it was {restoration}"),
        }
    }
}

/// What a leader was restored from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restoration {
    /// The version of the state in the snapshot or backup.
    pub version: Version,
    /// When that was made.
    pub taken_at: Time,
    /// How many records the log had then.
    pub records: u64,
    /// How many records came after it from elsewhere.
    pub later: u64,
}

impl fmt::Display for Restoration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            taken_at,
            records,
            later,
        } = self;
        write!(
            f,
            "restored from version {version} of {taken_at}, with {records} records and {later} later ones"
        )
    }
}
