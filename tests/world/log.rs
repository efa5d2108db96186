//! The audit log of a world, as far as nodes look at it: the root of each of its trees, and what was given up. A proof is all of that;
//! what real proofs prove is tested where there are some.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jkeys::agent::core::Proofs;
use jkeys::audit::{LogRefusal, NoteKey, ProofError, RecordProof};
use jkeys::lifecycle::Event;
use jkeys::rpc::fleet::{AdoptedRecord, Bundle, Consistency, Logged};
use jkeys::types::{Digest, Seq, TreeHead, WitnessKey};

use super::keys;

/// The roots of a log. One that is not kept proves everything: then no rule but those of terms and generations keeps a node from going
/// back.
#[derive(Clone, Default)]
pub struct Log {
    is_kept: bool,
    /// The roots of the trees of one record, of two, and so on.
    roots: Arc<Vec<Digest>>,
    given_up: Arc<Vec<TreeHead>>,
}

/// How it came to be is told by the rest of a world.
impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("aside")
    }
}

impl Log {
    /// A new one.
    pub fn new(is_kept: bool) -> Self {
        Self {
            is_kept,
            ..Self::default()
        }
    }

    /// Appends the record of an event, whose other facts are told apart by `tag`.
    pub fn append(&mut self, event: &Event, tag: Digest) {
        if !self.is_kept {
            return;
        }
        let before = self.roots.last().copied();
        let root = Digest::of(format!("{before:?} {tag} {event:?}").as_bytes());
        Arc::make_mut(&mut self.roots).push(root);
        if let Event::Adopted { given_up, .. } = event {
            Arc::make_mut(&mut self.given_up).extend(given_up);
        }
    }

    /// Whether a checkpoint is one of this log.
    pub fn holds(&self, head: TreeHead) -> bool {
        !self.is_kept || holds(&self.roots, head)
    }

    /// A generation with the proof that it is in this log.
    pub fn prove(&self, bundle: Bundle) -> Logged {
        let given_up = serde_json::to_vec(&*self.given_up).expect("checkpoints are JSON");
        let adopted = AdoptedRecord {
            record: given_up,
            seq: Seq(0),
            hashes: Vec::new(),
        };
        Logged {
            bundle,
            proof: RecordProof {
                hashes: self.roots.to_vec(),
                ..proof()
            },
            consistency: Consistency {
                adopted: Some(adopted),
                ..Consistency::default()
            },
            revoked: BTreeSet::new(),
        }
    }
}

fn holds(roots: &[Digest], head: TreeHead) -> bool {
    let Some(last) = usize::try_from(head.size).expect("a size").checked_sub(1) else {
        return true;
    };
    roots.get(last) == Some(&head.root)
}

/// The proofs of keys and logs that are made for this.
pub const PROOFS: Proofs = Proofs {
    public: keys::check_public,
    pair: keys::prove_pair,
    log: accept,
};

fn accept(_: &NoteKey, remembered: Option<TreeHead>, logged: &Logged) -> Result<TreeHead, LogRefusal> {
    let roots = &logged.proof.hashes;
    let shown = roots.len() as u64;
    let root = roots.last().copied().unwrap_or(Digest([0; 32]));
    let adopted = logged.consistency.adopted.as_ref();
    let given_up: Vec<TreeHead> = adopted
        .map(|adopted| serde_json::from_slice(&adopted.record).expect("checkpoints"))
        .unwrap_or_default();
    match remembered.filter(|head| !holds(roots, *head) && !given_up.contains(head)) {
        None => Ok(TreeHead { size: shown, root }),
        Some(head) if head.size > shown => Err(LogRefusal::RolledBack { shown, seen: head.size }),
        Some(head) => Err(LogRefusal::Forked {
            seen: head.size,
            why: ProofError::OtherRoot,
        }),
    }
}

/// The key that signs for it.
pub fn note_key() -> NoteKey {
    NoteKey::of_log("world.example/jkeys-log", WitnessKey([0; 32]))
}

/// A proof of nothing.
pub fn proof() -> RecordProof {
    let checkpoint = "nothing\n\n— nothing AAAAAAA=\n".parse().expect("a signed note");
    RecordProof {
        record: Vec::new(),
        seq: Seq(0),
        hashes: Vec::new(),
        checkpoint,
    }
}
