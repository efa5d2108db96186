//! A key of the key set, and where it is in its life.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::generation::{Member, Stage};
use super::planned::handover;
use super::settings::Windows;
use crate::types::{Generation, KeyUse, Kid, ProfileName, PublicKey, Time};

/// A key that is neither removed nor revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The public half and what was made with it.
    pub public: Arc<PublicKey>,
    /// The profile that it serves.
    pub profile: ProfileName,
    /// Its times: those of its profile when it was made.
    pub windows: Windows,
    /// When it came into the key set: published then, or staged if it is for encryption.
    pub published_at: Time,
    /// The latest moment at which a node that has left service may have served a set without it; at first, when it was published
    /// (rule R1).
    pub unpublished_until: Time,
    /// The latest moment at which a node that has left service may have signed with it (rule R3).
    pub signed_until: Option<Time>,
    /// Whether the leader is without its private half: it was taken over from nodes that hold it (`jkeys audit adopt`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inherited: bool,
    /// Where it is in its life.
    pub phase: Phase,
}

/// Where a key is in its life, with what exists only there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Phase {
    /// Published; its private half has never left the leader.
    Prepublished,
    /// Its private half is on the nodes and signs from `activate_at` on.
    Armed {
        /// When it begins to sign.
        activate_at: Time,
    },
    /// It signs.
    Active {
        /// When it began to.
        since: Time,
        /// When its successor is meant to take over.
        retire_at: Time,
    },
    /// It signs no more, and stays published until what it signed has expired.
    Retiring {
        /// When that was decided.
        since: Time,
        /// The first generation that says so.
        generation: Generation,
        /// The key that took over, if there was one.
        successor: Option<Kid>,
    },
    /// An encryption key whose private half is on its way to the nodes; nothing of it is published.
    Staged,
    /// An encryption key that relying parties find and encrypt to.
    Published {
        /// Since when.
        since: Time,
        /// When its successor is meant to take over.
        replace_at: Time,
    },
    /// An encryption key that is published no more. Its private half stays, for what is still encrypted to it (rule E2).
    Unpublished {
        /// When that was decided.
        since: Time,
        /// The first generation that says so.
        generation: Generation,
        /// The latest moment at which a node that has left service may have published it; at first, `since`.
        served_until: Time,
        /// Whether it was revoked.
        revoked: bool,
    },
}

/// What became of the private half of a key that was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrivateHalf {
    /// It goes at once, everywhere. Always so with a key that signs.
    Destroyed,
    /// It stays for `decrypt_window`: only that of an encryption key that was published.
    Kept,
}

impl Phase {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Prepublished => "prepublished",
            Self::Armed { .. } => "armed",
            Self::Active { .. } | Self::Published { .. } => "active",
            Self::Retiring { .. } | Self::Unpublished { revoked: false, .. } => "retiring",
            Self::Staged => "staged",
            Self::Unpublished { revoked: true, .. } => "revoked",
        }
    }
}

impl Key {
    /// The kid, which everything else refers to it by.
    #[must_use]
    pub fn kid(&self) -> &Kid {
        &self.public.kid
    }

    /// The last generation so far that sends its private half to nodes, when that of the fleet is `head`; none before the first.
    #[must_use]
    pub fn last_sent_in(&self, head: Generation) -> Option<Generation> {
        match self.phase {
            Phase::Prepublished => None,
            Phase::Armed { .. } | Phase::Active { .. } | Phase::Staged | Phase::Published { .. } | Phase::Unpublished { .. } => {
                Some(head)
            }
            Phase::Retiring { generation, .. } => Some(Generation(generation.0.saturating_sub(1))),
        }
    }

    /// Whether nothing was ever signed with it or encrypted to it.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        matches!(self.phase, Phase::Prepublished | Phase::Staged)
    }

    /// Whether the leader still holds its private half: a retiring key's is destroyed, and it never had that of a key of its nodes.
    #[must_use]
    pub fn has_private_half(&self) -> bool {
        !self.inherited && !matches!(self.phase, Phase::Retiring { .. })
    }

    /// What a generation says of it.
    pub(super) fn stage(&self) -> Stage {
        match self.phase {
            Phase::Prepublished => Stage::Prepublished,
            Phase::Armed { activate_at } => Stage::Armed { activate_at },
            Phase::Active { .. } => Stage::Active,
            Phase::Retiring { .. } => Stage::Retiring,
            Phase::Staged => Stage::Staged,
            Phase::Published { .. } => Stage::Published,
            Phase::Unpublished { .. } => Stage::Unpublished,
        }
    }

    /// What it is for.
    #[must_use]
    pub fn key_use(&self) -> KeyUse {
        self.public.spec.key_use()
    }

    /// When its successor is meant to take over, if it does so itself at `since`.
    #[must_use]
    pub fn handover(&self, since: Time) -> Time {
        handover(&self.windows, self.key_use(), since)
    }

    pub(super) fn member(&self) -> Member {
        Member {
            profile: self.profile.clone(),
            public: self.public.clone(),
            stage: self.stage(),
            inherited: self.inherited,
        }
    }
}
