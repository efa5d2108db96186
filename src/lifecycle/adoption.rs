//! Going on from a state that is older than what nodes have seen (rule R5): what nodes say, what is asked, and what it does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::generation::{KeySet, Stage};
use super::lawful::holds;
use super::state::{Key, Phase, State};
use crate::types::{Comment, Enrolment, Epoch, Generation, Kid, NodeName, Seq, Time, TreeHead};

/// How many checkpoints one record gives up at most: a record travels to every node, and must stay small.
pub const MAX_GIVEN_UP: usize = 128;
/// How many of them the state keeps. A node that remembers an older one halts the leader anew.
const KEPT_GIVEN_UP: usize = 2 * MAX_GIVEN_UP;

/// What a node has told the leader of what it remembers, in this term.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// The highest epoch that it has seen.
    pub epoch: Epoch,
    /// The highest generation that it has accepted.
    pub generation: Generation,
    /// The checkpoint that it remembers, where that is not one of the leader's log.
    pub foreign: Option<TreeHead>,
    /// The generation of the leader's that it refuses.
    pub refused: Option<Generation>,
    /// The kids in that generation that it knows as removed or revoked.
    pub gone: BTreeSet<Kid>,
    /// The newest generation that it accepted: proved to be in a log that the leader's key signed.
    pub shown: Option<Shown>,
}

/// A generation that a node showed, with its proof verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The generation.
    pub set: Arc<KeySet>,
    /// The kids in it that are gone for good by the leader's own log: see [`Event::ends_key`].
    pub gone_here: BTreeSet<Kid>,
}

/// `jkeys audit adopt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopt {
    /// The operator's words.
    pub comment: Comment,
    /// Nodes in service that have not said what they remember.
    pub without: BTreeSet<NodeName>,
    /// Nodes whose word is taken that a key is gone, though nothing proves it.
    pub believe: BTreeSet<NodeName>,
    /// Nodes whose word counts for nothing.
    pub disbelieve: BTreeSet<NodeName>,
    /// What nodes have told. The leader fills this in, and the next field.
    pub told: BTreeMap<Enrolment, Told>,
    /// The place of the record in the log.
    pub seq: Seq,
}

/// One act by which the leader went on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adoption {
    /// The place of its record.
    pub seq: Seq,
    /// The generation that it made.
    pub generation: Generation,
    /// The checkpoints that it gave up.
    pub given_up: Vec<TreeHead>,
}

impl Told {
    /// Whether the node has said what it makes of the generation in force: it has taken it, or refuses it and says why.
    #[must_use]
    pub fn is_complete(&self, state: &State) -> bool {
        let head = state.head.generation;
        let accepts = self.generation == head && self.epoch <= state.epoch && self.foreign.is_none();
        accepts || self.refused == Some(head) || head == Generation(0)
    }
}

impl State {
    /// The record that gives up a checkpoint, where there is one.
    #[must_use]
    pub fn given_up_by(&self, head: TreeHead) -> Option<Seq> {
        let by = self.adoptions.iter().rev().find(|adoption| adoption.given_up.contains(&head));
        by.map(|adoption| adoption.seq)
    }

    pub(super) fn evolve_adoption(&mut self, event: &Event, at: Time) {
        match event {
            Event::Adopted {
                epoch,
                generation,
                seq,
                given_up,
                disbelieved,
                young,
                ..
            } => {
                (self.epoch, self.started_at, self.halted) = (*epoch, at, None);
                self.put_back_at = Some(at);
                // Nodes may have been told of CAs that this leader does not know.
                self.authority.is_named = !self.authority.cas.is_empty();
                self.disbelieved.extend(disbelieved);
                self.adoptions.push(Adoption {
                    seq: *seq,
                    generation: *generation,
                    given_up: given_up.clone(),
                });
                let kept = |adoptions: &[Adoption]| adoptions.iter().map(|adoption| adoption.given_up.len()).sum::<usize>();
                while self.adoptions.len() > 1 && kept(&self.adoptions) > KEPT_GIVEN_UP {
                    self.adoptions.remove(0);
                }
                for key in self.keys.values_mut() {
                    doubt(key, young, at);
                }
            }
            Event::Recovered { .. } => self.recover(event, at),
            _ => {}
        }
    }

    /// A key is as nodes hold it. One that the leader knows keeps its times.
    fn recover(&mut self, event: &Event, at: Time) {
        let Event::Recovered {
            profile,
            key: public,
            stage,
            since,
            windows,
            inherited,
        } = event
        else {
            return;
        };
        let kid = &public.kid;
        if !self.keys.contains_key(kid) {
            self.add_key(profile, public, *windows, Phase::Prepublished, at);
        }
        let generation = self.head.generation;
        let Some(key) = self.keys.get_mut(kid) else { return };
        key.inherited = *inherited;
        // Whoever can't make a key again has to do with another as soon as that may sign.
        let ends = if *inherited { at } else { key.handover(*since) };
        let was_retired = matches!(stage, Stage::Retiring);
        key.phase = match *stage {
            Stage::Prepublished => Phase::Prepublished,
            Stage::Armed { activate_at } => Phase::Armed { activate_at },
            Stage::Active => Phase::Active {
                since: *since,
                retire_at: ends,
            },
            Stage::Retiring => Phase::Retiring {
                since: at,
                generation,
                successor: None,
            },
            Stage::Staged => Phase::Staged,
            Stage::Published => Phase::Published {
                since: *since,
                replace_at: ends,
            },
            Stage::Unpublished => Phase::Unpublished {
                since: at,
                generation,
                served_until: at,
                revoked: false,
            },
        };
        if matches!(stage, Stage::Active | Stage::Published) {
            self.activated.insert(profile.clone());
            self.bereft.remove(profile);
        }
        if was_retired && !*inherited {
            self.doomed.insert(kid.clone());
        }
    }

    pub(super) fn admits_adoption(&self, event: &Event) -> Result<(), String> {
        match event {
            Event::Adopted { epoch, generation, .. } => {
                holds(self.halted.is_some(), || "the leader had not stopped deciding".to_owned())?;
                holds(*epoch > self.epoch, || {
                    format!("epoch {epoch} does not follow {}", self.epoch)
                })?;
                holds(*generation == self.head.generation, || {
                    format!("generation {generation} was not above all before")
                })
            }
            Event::Recovered {
                profile,
                key,
                stage,
                inherited,
                ..
            } => {
                let in_adoption = self.adoptions.last().map(|adoption| adoption.generation) == Some(self.head.generation);
                holds(in_adoption, || "no adoption was under way".to_owned())?;
                holds(stage.key_use() == key.spec.key_use(), || {
                    format!("key {} is of the other use", key.kid)
                })?;
                let known = self.keys.get(&key.kid);
                let is_same = known.is_none_or(|known| *known.public == **key && known.profile == *profile);
                holds(is_same, || format!("key {} is another one", key.kid))?;
                holds(known.map_or(*inherited, |known| known.inherited == *inherited), || {
                    format!("who has the private half of key {} is not what it was", key.kid)
                })?;
                holds(known.is_none_or(|known| is_further(*stage, known)), || {
                    format!("key {} was further on", key.kid)
                })?;
                let second = match stage {
                    Stage::Active => self.active(profile),
                    Stage::Armed { .. } => self.armed(profile).map(|(key, _)| key),
                    Stage::Published => self.encrypted_to(profile).map(|(key, _)| key),
                    _ => None,
                };
                holds(second.is_none(), || format!("profile {profile} had such a key (rule R4)"))
            }
            _ => Ok(()),
        }
    }
}

/// What the leader saw of nodes is not all that there was: a key may have been used until now, and a standby that nobody shows may be
/// unknown to nodes that the leader does not remember.
fn doubt(key: &mut Key, young: &BTreeSet<Kid>, at: Time) {
    if young.contains(&key.public.kid) {
        key.unpublished_until = key.unpublished_until.max(at);
    }
    match &mut key.phase {
        Phase::Retiring { .. } => key.signed_until = key.signed_until.max(Some(at)),
        Phase::Unpublished { served_until, .. } => *served_until = (*served_until).max(at),
        _ => {}
    }
}

/// Whether a key is further on in its life at `stage` than where the leader has it.
pub(super) fn is_further(stage: Stage, known: &Key) -> bool {
    place(stage) > place(known.stage())
}

fn place(stage: Stage) -> u8 {
    match stage {
        Stage::Prepublished | Stage::Staged => 0,
        Stage::Armed { .. } => 1,
        Stage::Active | Stage::Published => 2,
        Stage::Retiring | Stage::Unpublished => 3,
    }
}
