//! The check of a whole log, record by record: form, order, a lawful story, the generations that came of it, and the signed root.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::canonical::Canonical;
use super::checkpoint::{Checkpoint, CheckpointError, cosignatures, cosigned_at, origin, witness_name};
use super::note::{NoteKey, SignedNote};
use super::read::{NoRecord, ReadRecord, RecordReader};
use super::record::{Record, RecordError};
use super::tree::Tree;
use crate::lifecycle::{Event, State, Unlawful};
use crate::types::{Actor, Digest, Generation, Kid, NodeName, Seq, Time, TreeHead};

/// Why a log is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// A record can't be read.
    #[error("record {0}: {1}")]
    Record(Seq, RecordError),
    /// A record is not in the one form that records have.
    #[error("record {0} is not in the form in which records are written: it was changed")]
    Form(Seq),
    /// A record stands in another place than its own.
    #[error("where record {expected} belongs, there is record {found}: records were dropped, put in, or swapped")]
    Place {
        /// The place.
        expected: Seq,
        /// What the record says.
        found: Seq,
    },
    /// A record's time lies before that of the record before it, or before its own raw clock.
    #[error("record {0} has a time that goes back (rule R9)")]
    Time(Seq),
    /// The log does not begin with the founding of the fleet whose key was given.
    #[error("the log does not begin with the founding of the fleet with the log key {0}; take the key that belongs to this log")]
    Founding(String),
    /// A record tells of what no rule allows.
    #[error("record {seq}: {why}")]
    Unlawful {
        /// The record, or the last one of its decision.
        seq: Seq,
        /// What is wrong.
        why: Unlawful,
    },
    /// A kid was used for a second key.
    #[error("record {0} brings back the kid {1}, which an earlier key had")]
    KidAgain(Seq, Kid),
    /// The generation of a record does not follow from the records.
    #[error("record {seq} says generation {found}, or a content of it, that does not follow from the records up to it")]
    Generation {
        /// The last record of the decision.
        seq: Seq,
        /// What it says.
        found: Generation,
    },
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint is of more or of fewer records.
    #[error(
        "the checkpoint is of {signed} records, and there are {found}: records were dropped from the end, or put there unsigned"
    )]
    Size {
        /// What the log's key signed.
        signed: u64,
        /// What there is.
        found: u64,
    },
    /// The records have another root.
    #[error("the records have another root than the one that the log's key signed: some were changed")]
    Root,
    /// An earlier checkpoint.
    #[error("an earlier checkpoint, of {0} records, is not of this log: the log's key signed two histories, or it was rewritten")]
    Earlier(u64),
}

/// A log that was found whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// What the log's key signed.
    pub checkpoint: Checkpoint,
    /// When the last record was made.
    pub last_at: Time,
    /// The newest generation.
    pub generation: Generation,
    /// How many keys there ever were.
    pub keys: usize,
    /// The newest cosignature of each node, by the key with which it enrolled last.
    pub witnesses: BTreeMap<NodeName, Seen>,
    /// How many cosignatures are nobody's who is known, or do not verify.
    pub unknown_signatures: usize,
}

/// What a node cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// How many records the log had.
    pub size: u64,
    /// When, whole seconds.
    pub at: Time,
}

/// Takes in a log from its first record on. Memory stays flat but for the names of keys.
#[derive(Debug)]
pub struct LogCheck {
    key: NoteKey,
    tree: Tree,
    state: State,
    kids: BTreeSet<Kid>,
    /// Earlier checkpoints that the log must come by.
    expected: BTreeMap<u64, TreeHead>,
    /// Those checkpoints and the last one, with their cosignatures.
    notes: Vec<(u64, SignedNote)>,
    /// The public form of the generation in force.
    digest: Digest,
    form: Canonical,
    reader: RecordReader,
    /// The records of the decision that is being read, all of one time, actor and generation.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    common: Common,
    last: Seq,
    events: Vec<Event>,
}

/// What the records of a decision have in common.
#[derive(Debug, PartialEq, Eq)]
struct Common {
    time: Time,
    clock: Option<Time>,
    actor: Actor,
    generation: Generation,
    digest: Digest,
}

impl Open {
    /// Whether a record may be of the same decision. Two that follow in one millisecond and make no generation read as one, which
    /// leads to the same state; but a start and new settings always begin a decision, and what they change is seen in it.
    fn goes_on_with(&self, common: &Common, event: &Event) -> bool {
        let begins = matches!(
            event,
            Event::Started { .. } | Event::Configured { .. } | Event::Adopted { .. }
        );
        !begins && self.common == *common
    }
}

impl LogCheck {
    /// The check of the log that `key` signs.
    #[must_use]
    pub fn new(key: NoteKey) -> Self {
        let (state, mut form) = (State::default(), Canonical::default());
        let digest = Digest::of(form.of(&state.key_set()));
        Self {
            key,
            tree: Tree::default(),
            state,
            kids: BTreeSet::new(),
            expected: BTreeMap::new(),
            notes: Vec::new(),
            digest,
            form,
            reader: RecordReader::default(),
            open: None,
        }
    }

    /// Expects the log to come by an earlier checkpoint, before its first record is taken in.
    ///
    /// # Errors
    /// It is none of this log's.
    pub fn expect(&mut self, note: SignedNote) -> Result<(), Broken> {
        let head = Checkpoint::open(&note, &self.key)?.head;
        self.notes.push((head.size, note));
        match self.expected.insert(head.size, head) {
            Some(before) if before != head => Err(Broken::Earlier(head.size)),
            _ => Ok(()),
        }
    }

    /// Takes in the next record, given as its exact bytes.
    ///
    /// # Errors
    /// What is wrong with it, or with the decision that ends before it.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let read = self.reader.read(bytes);
        self.take_read(read)
    }

    /// The same with what a [`RecordReader`] made of its bytes.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn take_read(&mut self, read: Result<ReadRecord, NoRecord>) -> Result<(), Broken> {
        let expected = Seq(self.tree.size());
        let ReadRecord { record, leaf } = read.map_err(|why| why.at(expected))?;
        let found = record.seq;
        if found != expected {
            return Err(Broken::Place { expected, found });
        }
        // Who is shown an adoption is told its place by the record itself.
        if let Event::Adopted { seq, .. } = record.event
            && seq != found
        {
            return Err(Broken::Place {
                expected: found,
                found: seq,
            });
        }
        let last_at = self.open.as_ref().map_or(self.state.last_record_at, |open| open.common.time);
        if record.time < last_at || record.clock.is_some_and(|clock| clock >= record.time) {
            return Err(Broken::Time(found));
        }
        if found == Seq(0) && !self.founds(&record.event) {
            return Err(Broken::Founding(self.key.to_string()));
        }
        self.tree.append(leaf, &mut Vec::new());
        let earlier = self.expected.get(&self.tree.size());
        if earlier.is_some_and(|head| head.root != self.tree.root()) {
            return Err(Broken::Earlier(self.tree.size()));
        }
        self.tell(record)
    }

    fn tell(&mut self, record: Record) -> Result<(), Broken> {
        let Record { seq, event, .. } = record;
        let common = Common {
            time: record.time,
            clock: record.clock,
            actor: record.actor,
            generation: record.generation,
            digest: record.digest,
        };
        match &mut self.open {
            Some(open) if open.goes_on_with(&common, &event) => {
                open.last = seq;
                open.events.push(event);
            }
            _ => {
                self.close()?;
                let (last, events) = (seq, vec![event]);
                self.open = Some(Open { common, last, events });
            }
        }
        Ok(())
    }

    fn founds(&self, event: &Event) -> bool {
        let Event::Founded { fleet } = event else { return false };
        NoteKey::of_log(&origin(&fleet.trust_domain), fleet.log_public_key) == self.key
    }

    /// Replays the decision that has been read.
    fn close(&mut self) -> Result<(), Broken> {
        let Some(Open { common, last, events }) = self.open.take() else {
            return Ok(());
        };
        for event in &events {
            if let Some(key) = event.new_key()
                && !self.kids.insert(key.kid.clone())
            {
                return Err(Broken::KidAgain(last, key.kid.clone()));
            }
        }
        let before = self.state.head.generation;
        self.state
            .replay(&events, common.time)
            .map_err(|why| Broken::Unlawful { seq: last, why })?;
        if self.state.head.generation != before {
            self.digest = Digest::of(self.form.of(&self.state.key_set()));
        }
        if (common.generation, common.digest) != (self.state.head.generation, self.digest) {
            let found = common.generation;
            return Err(Broken::Generation { seq: last, found });
        }
        Ok(())
    }

    /// The state that the records so far lead to. No decision may be under way.
    ///
    /// # Errors
    /// What is wrong with the last decision.
    pub fn state(&mut self) -> Result<&State, Broken> {
        self.close()?;
        Ok(&self.state)
    }

    /// Holds what was taken in against the signed checkpoint.
    ///
    /// # Errors
    /// The last decision, the signature, the number of records or their root is wrong.
    pub fn finish(mut self, note: &SignedNote) -> Result<Whole, Broken> {
        self.close()?;
        let checkpoint = Checkpoint::open(note, &self.key)?;
        let (signed, found) = (checkpoint.head.size, self.tree.size());
        if signed != found {
            return Err(Broken::Size { signed, found });
        }
        if checkpoint.head.root != self.tree.root() {
            return Err(Broken::Root);
        }
        if let Some(size) = self.expected.keys().next_back().filter(|size| **size > signed) {
            return Err(Broken::Earlier(*size));
        }
        self.notes.push((signed, note.clone()));
        let (witnesses, verified) = self.witnesses();
        let all: usize = self.notes.iter().map(|(_, note)| cosignatures(note, &self.key)).sum();
        Ok(Whole {
            last_at: self.state.last_record_at,
            generation: self.state.head.generation,
            keys: self.kids.len(),
            unknown_signatures: all.saturating_sub(verified),
            witnesses,
            checkpoint,
        })
    }

    /// What each node cosigned last, and how many cosignatures verify.
    fn witnesses(&self) -> (BTreeMap<NodeName, Seen>, usize) {
        let (mut witnesses, mut verified) = (BTreeMap::new(), 0);
        let Some(fleet) = &self.state.fleet else {
            return (witnesses, verified);
        };
        for (node, row) in &self.state.nodes {
            let key = NoteKey::of_witness(&witness_name(&fleet.trust_domain, node), row.witness_key);
            for (size, note) in &self.notes {
                let Some(at) = cosigned_at(note, &key) else { continue };
                verified += 1;
                let seen = Seen { size: *size, at };
                let newest = witnesses.entry(node.clone()).or_insert(seen);
                if newest.size < seen.size {
                    *newest = seen;
                }
            }
        }
        (witnesses, verified)
    }
}
