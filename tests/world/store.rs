//! What is durable on the leader's machine.

use std::collections::BTreeSet;
use std::sync::Arc;

use jkeys::leader::core::{Commit, Input, LastUp};
use jkeys::lifecycle::{Halt, KeySet, Report, Shown, Sightings, State};
use jkeys::types::{Digest, Enrolment, Kid, NodeName, Seq};

use super::log::Log;

/// What the keystore holds.
#[derive(Debug, Clone, Default)]
pub struct Store {
    /// The decided state.
    pub state: State,
    /// What nodes have confirmed.
    pub seen: Sightings,
    /// The number of the next record.
    pub next_seq: Seq,
    /// The last time that the leader was known to be there.
    pub up: Option<LastUp>,
    /// The private halves.
    pub privates: BTreeSet<Kid>,
    /// The kids that are gone for good by its log.
    pub gone: Aside<Kid>,
    /// The generations that its log knows.
    pub generations: Aside<Digest>,
    /// The log.
    pub log: Log,
}

/// What is not part of the fingerprint of a world: how it came to be is told by the rest.
#[derive(Clone)]
pub struct Aside<T>(BTreeSet<T>);

impl<T> Default for Aside<T> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<T> std::fmt::Debug for Aside<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("aside")
    }
}

impl Store {
    /// Appends the records of a decision to what the log knows.
    pub fn record(&mut self, commit: &Commit) {
        for record in &commit.records {
            let ended = record.event.kid().filter(|_| record.event.ends_key());
            self.gone.0.extend(ended.cloned());
            self.generations.0.insert(record.digest);
            self.log.append(&record.event, record.digest);
        }
        self.next_seq = Seq(self.next_seq.0 + commit.records.len() as u64);
    }

    /// What the leader makes of the checkpoint that a node remembers, where that is not one of its log.
    pub fn strange(&self, node: &NodeName, enrolment: Enrolment, report: &Report) -> Option<Input> {
        let checkpoint = report.checkpoint.filter(|head| !self.log.holds(*head))?;
        let halt = Halt {
            node: node.clone(),
            epoch: report.highest_epoch,
            generation: report.highest_generation,
            checkpoint: Some(checkpoint),
        };
        Some(Input::ForeignLog { enrolment, halt })
    }

    /// What the leader makes of a generation that a node shows. One that its log knows is no news; the proof is taken to hold, for no
    /// node of this world makes one up.
    pub fn judge(&self, form: &[u8]) -> Option<Shown> {
        if self.generations.0.contains(&Digest::of(form)) {
            return None;
        }
        let set: KeySet = serde_json::from_slice(form).expect("a public form");
        let kids = set.members.iter().map(|member| member.public.kid.clone());
        Some(Shown {
            gone_here: kids.filter(|kid| self.gone.0.contains(kid)).collect(),
            set: Arc::new(set),
        })
    }
}
