//! A generation: one immutable version of the key set, as every node holds it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::mutant::{Mutant, is_out};
use crate::types::{Epoch, Generation, KeyUse, Kid, ProfileName, PublicKey, Span, Time};

/// What a generation says of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Stage {
    /// Published; its private half has never left the leader.
    Prepublished,
    /// Published; its private half is on the nodes and signs from `activate_at` on.
    Armed {
        /// When it begins to sign, by the node's own clock.
        activate_at: Time,
    },
    /// Published and signing.
    Active,
    /// Published; it signs no more and its private half is gone from the nodes.
    Retiring,
    /// An encryption key that is not published yet; its private half is on the nodes.
    Staged,
    /// An encryption key that relying parties encrypt to; its private half is on the nodes.
    Published,
    /// An encryption key that is published no more; its private half is on the nodes.
    Unpublished,
}

impl Stage {
    /// Whether a generation with this stage carries the private half to the nodes.
    #[must_use]
    pub fn carries_private(self) -> bool {
        match self {
            Self::Prepublished | Self::Retiring => false,
            Self::Unpublished => !is_out(Mutant::E2Unsent),
            Self::Armed { .. } | Self::Active | Self::Staged | Self::Published => true,
        }
    }

    /// Whether the public half stands in the JWKS.
    #[must_use]
    pub fn is_published(self) -> bool {
        match self {
            Self::Staged | Self::Unpublished => false,
            Self::Prepublished | Self::Armed { .. } | Self::Active | Self::Retiring | Self::Published => true,
        }
    }

    /// What the keys are for that can be at this stage.
    #[must_use]
    pub fn key_use(self) -> KeyUse {
        match self {
            Self::Prepublished | Self::Armed { .. } | Self::Active | Self::Retiring => KeyUse::Sig,
            Self::Staged | Self::Published | Self::Unpublished => KeyUse::Enc,
        }
    }
}

/// One key in a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The profile that the key serves.
    pub profile: ProfileName,
    /// The public half and what was made with it.
    pub public: Arc<PublicKey>,
    /// What the generation says of it.
    #[serde(flatten)]
    pub stage: Stage,
    /// Whether the leader is without its private half: nodes that hold it keep it, and no other is sent it (`jkeys audit adopt`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inherited: bool,
}

impl Member {
    /// Whether the leader sends the private half along.
    #[must_use]
    pub fn carries_private(&self) -> bool {
        self.stage.carries_private() && !self.inherited
    }
}

/// The public form of a generation. Its canonical JSON is what a record's digest covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySet {
    /// The number of the generation.
    pub generation: Generation,
    /// The leader's term in which it was made.
    pub epoch: Epoch,
    /// When it was committed.
    pub committed_at: Time,
    /// The largest difference tolerated between two clocks.
    pub clock_skew: Span,
    /// What verifiers are told to cache.
    pub max_age: Span,
    /// How long a node may be without its leader before it says that it is stale.
    pub straggler_after: Span,
    /// Every key, ordered by profile and then from the oldest to the newest.
    pub members: Vec<Member>,
    /// The certificates of the CAs that nodes trust, DER in base64, oldest first. Empty as long as they are those that a node was given
    /// when it joined.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cas: Vec<String>,
}

impl KeySet {
    /// The member with that kid.
    #[must_use]
    pub fn member(&self, kid: &Kid) -> Option<&Member> {
        self.members.iter().find(|member| member.public.kid == *kid)
    }

    /// The keys whose private half is sent to every node with this generation, and to one that joins later.
    pub fn carried(&self) -> impl Iterator<Item = &Kid> {
        let carrying = self.members.iter().filter(|member| member.carries_private());
        carrying.map(|member| &member.public.kid)
    }

    /// The keys whose private half only those nodes have that had it before.
    pub fn inherited(&self) -> impl Iterator<Item = &Kid> {
        let inherited = self.members.iter().filter(|member| member.inherited);
        inherited.map(|member| &member.public.kid)
    }

    /// The next instant at which the clock carries an armed key on to active.
    #[must_use]
    pub fn next_change(&self, switched: &std::collections::BTreeSet<Kid>) -> Option<Time> {
        self.members
            .iter()
            .filter(|member| !switched.contains(&member.public.kid))
            .filter_map(|member| match member.stage {
                Stage::Armed { activate_at } => Some(activate_at),
                _ => None,
            })
            .min()
    }
}
