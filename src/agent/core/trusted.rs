//! What a node remembers durably so that it never goes back (rule R5).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::events::Owed;
use crate::lifecycle::mutant::{Mutant, is_out};
use crate::lifecycle::{Installed, KeySet, Switches};
use crate::types::{Digest, Epoch, Generation, Kid, Span, Time, TreeHead};

/// The trusted state. It is durable before anything of a generation is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trusted {
    /// The highest epoch seen, in a generation or in a leader's welcome.
    pub epoch: Epoch,
    /// The newest generation accepted, and what it was; none before the first.
    pub newest: Option<Newest>,
    /// The kids that were in an accepted generation and are not in the newest: removed or revoked, and gone for ever.
    pub gone: BTreeSet<Kid>,
    /// The newest checkpoint of the audit log that was accepted: every later one goes on from it.
    pub checkpoint: Option<TreeHead>,
    /// When the last report that the leader answered was sent, by the node's clock, to within a sixteenth of `straggler_after`.
    pub heard_at: Option<Time>,
    /// The leader's time as last measured, so that a wrong clock is known as wrong after a restart without the leader.
    pub measured: Option<Measured>,
    /// The last view whose hooks and probes have all succeeded, so that a restart doesn't run them again.
    pub hooked: Option<ViewId>,
    /// What hooks on other events have yet to be told.
    #[serde(default, skip_serializing_if = "Owed::is_nothing")]
    pub owed: Owed,
}

/// What the leader's time was when the node's clocks stood so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The leader's time.
    pub leader: Time,
    /// The node's wall clock.
    pub wall: Time,
    /// The node's monotonic clock. It counts from the boot, so that it says nothing after another one.
    pub monotonic: Span,
    /// How far the measure can be wrong: half the round trip.
    pub uncertain: Span,
    /// Names the boot.
    pub boot: Option<String>,
}

/// The newest generation that a node has accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Newest {
    /// Its number.
    pub generation: Generation,
    /// The epoch in which it was made.
    pub epoch: Epoch,
    /// SHA-256 of its public form.
    pub digest: Digest,
    /// The kids in it.
    pub kids: BTreeSet<Kid>,
    /// The switches made in it. They are never undone.
    pub switches: Switches,
}

/// Which view of which generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewId {
    /// The generation.
    pub generation: Generation,
    /// The switches made in it.
    pub switches: Switches,
}

impl ViewId {
    /// The place of the view among its generation's: 1 before any switch.
    #[must_use]
    pub fn step(&self) -> usize {
        self.switches.len() + 1
    }
}

impl From<&Installed> for ViewId {
    fn from(installed: &Installed) -> Self {
        Self {
            generation: installed.generation,
            switches: installed.switches.clone(),
        }
    }
}

/// Whether a generation that may be used is the newest already or a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The newest that was accepted.
    Same,
    /// Newer than all before.
    Newer,
}

/// Why a generation or a leader is refused by rule R5.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GoingBack {
    /// A leader in a lower term than one seen before.
    #[error(
        "the leader is in epoch {given}, but this node has seen epoch {seen}: the leader was set back, or an old one runs still; \
         stop it, or run `jkeys audit adopt` on the one that is to go on"
    )]
    LeaderEpoch {
        /// The leader's.
        given: Epoch,
        /// The highest seen.
        seen: Epoch,
    },
    /// A generation made in a lower term than one accepted before.
    #[error(
        "generation {generation} was made in epoch {given}, but this node holds one of epoch {seen}: it comes from an old leader; \
         stop that one, or run `jkeys audit adopt` on the leader that is to go on"
    )]
    Epoch {
        /// The generation that is refused.
        generation: Generation,
        /// Its epoch.
        given: Epoch,
        /// The epoch of the newest accepted.
        seen: Epoch,
    },
    /// A generation below the newest.
    #[error(
        "generation {given} is lower than generation {seen}, which this node has accepted: the leader was set back; run \
         `jkeys audit adopt` on the leader"
    )]
    Lower {
        /// The generation that is refused.
        given: Generation,
        /// The newest accepted.
        seen: Generation,
    },
    /// The same number with another content.
    #[error(
        "generation {generation} was sent with other content (digest {given}, accepted was {seen}): it was altered, or two leaders \
         number their own; find out which of them is right, then run `jkeys audit adopt` on it"
    )]
    Altered {
        /// The generation that is refused.
        generation: Generation,
        /// Its digest.
        given: Digest,
        /// The digest of the one accepted.
        seen: Digest,
    },
    /// A key that this node knows as removed or revoked.
    #[error(
        "generation {generation} holds the key {kid}, which this node knows as removed or revoked: the leader was set back; run \
         `jkeys audit adopt` on the leader"
    )]
    GoneKey {
        /// The generation that is refused.
        generation: Generation,
        /// The key.
        kid: Kid,
    },
}

impl Trusted {
    /// Whether a leader of this epoch may be listened to.
    pub fn judge_leader(&self, given: Epoch) -> Result<(), GoingBack> {
        if given < self.epoch && !is_out(Mutant::R5Epoch) {
            return Err(GoingBack::LeaderEpoch { given, seen: self.epoch });
        }
        Ok(())
    }

    /// Whether a generation may be used.
    pub fn judge(&self, set: &KeySet, digest: Digest) -> Result<Standing, GoingBack> {
        let generation = set.generation;
        let standing = match &self.newest {
            Some(newest) if generation < newest.generation && !is_out(Mutant::R5Generation) => {
                return Err(GoingBack::Lower {
                    given: generation,
                    seen: newest.generation,
                });
            }
            Some(newest) if generation == newest.generation && digest != newest.digest && !is_out(Mutant::R5Altered) => {
                return Err(GoingBack::Altered {
                    generation,
                    given: digest,
                    seen: newest.digest,
                });
            }
            Some(newest) if set.epoch < newest.epoch && !is_out(Mutant::R5Epoch) => {
                return Err(GoingBack::Epoch {
                    generation,
                    given: set.epoch,
                    seen: newest.epoch,
                });
            }
            Some(newest) if generation == newest.generation && digest == newest.digest => Standing::Same,
            Some(_) | None => Standing::Newer,
        };
        let is_gone = |kid: &Kid| self.gone.contains(kid) && !is_out(Mutant::R5GoneKid);
        match set.members.iter().find(|member| is_gone(&member.public.kid)) {
            Some(member) => Err(GoingBack::GoneKey {
                generation,
                kid: member.public.kid.clone(),
            }),
            None => Ok(standing),
        }
    }

    /// Takes in a newer generation that was judged fit, with the switches that are due in it.
    pub fn accept(&mut self, set: &KeySet, digest: Digest, switches: Switches) {
        let kids: BTreeSet<Kid> = set.members.iter().map(|member| member.public.kid.clone()).collect();
        let before = self.newest.replace(Newest {
            generation: set.generation,
            epoch: set.epoch,
            digest,
            kids,
            switches,
        });
        if let (Some(before), Some(newest)) = (before, &self.newest) {
            self.gone.extend(before.kids.difference(&newest.kids).cloned());
        }
        self.epoch = self.epoch.max(set.epoch);
    }

    /// The number of the newest generation accepted; 0 before the first.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.newest.as_ref().map_or(Generation(0), |newest| newest.generation)
    }

    /// The switches made in the newest generation.
    #[must_use]
    pub fn switches(&self) -> Switches {
        self.newest.as_ref().map(|newest| newest.switches.clone()).unwrap_or_default()
    }
}
