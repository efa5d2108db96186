//! For tests: a log in memory, with the key that signs for it.

use std::convert::Infallible;

use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::{Checkpoint, FullTile, Hashes, NoteKey, RecordProof, SCHEMA, SignedNote, TILE_WIDTH, Tree};
use super::{Record, canonical, leaf_hash, origin, prove_consistency, prove_inclusion};
use crate::lifecycle::Event;
use crate::types::{Actor, Digest, Generation, Seq, Time, TreeHead, WitnessKey};

/// A log in memory, with the key that signs for it.
pub(crate) struct Log {
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) tree: Tree,
    tiles: Vec<FullTile>,
    pair: Ed25519KeyPair,
}

impl Log {
    pub(crate) fn new(seed: u8) -> Self {
        Self {
            records: Vec::new(),
            tree: Tree::default(),
            tiles: Vec::new(),
            pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap(),
        }
    }

    pub(crate) fn push(&mut self, record: Vec<u8>) {
        self.tree.append(leaf_hash(&record), &mut self.tiles);
        self.records.push(record);
    }

    /// A log of `count` records that differ by `words`.
    pub(crate) fn of(count: u64, words: &str) -> Self {
        let mut log = Self::new(1);
        for seq in 0..count {
            log.push(record(seq, words).to_bytes());
        }
        log
    }

    pub(crate) fn key(&self) -> NoteKey {
        NoteKey::of_log(&origin(&"op.example".parse().unwrap()), self.public())
    }

    pub(crate) fn public(&self) -> WitnessKey {
        WitnessKey(self.pair.public_key().as_ref().try_into().unwrap())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message).as_ref().try_into().unwrap()
    }

    pub(crate) fn head(&self) -> TreeHead {
        TreeHead {
            size: self.tree.size(),
            root: self.tree.root(),
        }
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            origin: self.key().name().to_owned(),
            head: self.head(),
        }
    }

    pub(crate) fn signed(&self) -> SignedNote {
        self.checkpoint().sign(&self.key(), &|message| self.sign(message))
    }

    pub(crate) fn prove(&self, seq: u64) -> RecordProof {
        let Ok(hashes) = prove_inclusion(self, seq, self.tree.size());
        RecordProof {
            record: self.records[usize::try_from(seq).unwrap()].clone(),
            seq: Seq(seq),
            hashes,
            checkpoint: self.signed(),
        }
    }

    pub(crate) fn consistency(&self, old: u64) -> Vec<Digest> {
        let Ok(proof) = prove_consistency(self, old, self.tree.size());
        proof
    }
}

impl Hashes for Log {
    type Error = Infallible;

    fn hashes(&self, level: u8, first: u64, count: usize) -> Result<Vec<Digest>, Infallible> {
        let index = first / TILE_WIDTH as u64;
        let tile = self.tiles.iter().find(|tile| (tile.level, tile.index) == (level, index));
        let hashes = tile.map_or_else(|| self.tree.edge(level), |tile| &tile.hashes);
        let at = usize::try_from(first).unwrap() % TILE_WIDTH;
        Ok(hashes[at..at + count].to_vec())
    }
}

/// A record of generation 7, whose public form is `content`.
pub(crate) fn record(seq: u64, content: &str) -> Record {
    Record {
        schema: SCHEMA,
        seq: Seq(seq),
        time: Time(1_795_413_904_000 + seq),
        clock: None,
        actor: Actor::Schedule,
        event: Event::DistrustedAll,
        generation: Generation(7),
        digest: Digest::of(&canonical(&content)),
    }
}
