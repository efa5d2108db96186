//! That a record is in the log, and that one log goes on from another (RFC 9162, sections 2.1.3 and 2.1.4).

use super::tree::{Hashes, node_hash, range_root};
use crate::types::{Digest, TreeHead};

/// The most hashes that a proof may have: a tree of 2^64 leaves has as many levels.
pub const MAX_PROOF_HASHES: usize = 64;

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The record would lie beyond the tree.
    #[error("record {index} is not in a log of {size} records")]
    Beyond {
        /// The record.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The later tree is smaller.
    #[error("a log of {old} records can't have become one of {new}: records never go")]
    Shrunk {
        /// The earlier size.
        old: u64,
        /// The later size.
        new: u64,
    },
    /// Its hashes lead to another root.
    #[error("the proof leads to another root")]
    OtherRoot,
}

/// The root of the first `size` records.
///
/// # Errors
/// A hash can't be read.
pub fn root_at<H: Hashes>(from: &H, size: u64) -> Result<Digest, H::Error> {
    range_root(from, 0, size)
}

/// The proof that a record is in a tree of `size`; `index` must be below it.
///
/// # Errors
/// A hash can't be read.
pub fn prove_inclusion<H: Hashes>(from: &H, index: u64, size: u64) -> Result<Vec<Digest>, H::Error> {
    let (mut start, mut end, mut proof) = (0, size, Vec::new());
    while end - start > 1 {
        let middle = start + half(end - start);
        if index < middle {
            proof.push(range_root(from, middle, end)?);
            end = middle;
        } else {
            proof.push(range_root(from, start, middle)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that a tree of `new` records goes on from its first `old`; `old` must not be above `new`.
///
/// # Errors
/// A hash can't be read.
pub fn prove_consistency<H: Hashes>(from: &H, old: u64, new: u64) -> Result<Vec<Digest>, H::Error> {
    let (mut start, mut end, mut proof) = (0, new, Vec::new());
    if old == 0 || old == new {
        return Ok(proof);
    }
    while end != old {
        let middle = start + half(end - start);
        if old <= middle {
            proof.push(range_root(from, middle, end)?);
            end = middle;
        } else {
            proof.push(range_root(from, start, middle)?);
            start = middle;
        }
    }
    if start > 0 {
        proof.push(range_root(from, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The largest power of two below `count`, which is above one.
fn half(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// Checks that a leaf is at `index` in the tree of `head`.
///
/// # Errors
/// It is not, or the proof is not one.
pub fn verify_inclusion(head: TreeHead, index: u64, leaf: Digest, proof: &[Digest]) -> Result<(), ProofError> {
    let TreeHead { size, root } = head;
    if index >= size {
        return Err(ProofError::Beyond { index, size });
    }
    let mut path = Path::new(index, size);
    let mut hash = leaf;
    for sibling in proof {
        hash = match path.step()? {
            Side::Left => node_hash(*sibling, hash),
            Side::Right => node_hash(hash, *sibling),
        };
    }
    path.end(hash == root)
}

/// Checks that the tree of `new` goes on from that of `old`.
///
/// # Errors
/// It does not, or the proof is not one.
pub fn verify_consistency(old: TreeHead, new: TreeHead, proof: &[Digest]) -> Result<(), ProofError> {
    if old.size > new.size {
        return Err(ProofError::Shrunk {
            old: old.size,
            new: new.size,
        });
    }
    if old.size == 0 || old.size == new.size {
        let same = proof.is_empty() && (old.root == if old.size == 0 { Digest::of(b"") } else { new.root });
        return if same { Ok(()) } else { Err(ProofError::OtherRoot) };
    }
    // A whole subtree proves itself: its root is the first hash.
    let own = old.size.is_power_of_two().then_some(old.root);
    let mut hashes = own.into_iter().chain(proof.iter().copied());
    let first = hashes.next().ok_or(ProofError::OtherRoot)?;
    let mut path = Path::new(old.size - 1, new.size);
    path.climb_while_right();
    let (mut before, mut after) = (first, first);
    for sibling in hashes {
        match path.step()? {
            Side::Left => {
                before = node_hash(sibling, before);
                after = node_hash(sibling, after);
            }
            Side::Right => after = node_hash(after, sibling),
        }
    }
    path.end(before == old.root && after == new.root)
}

/// On which side of the path a sibling lies.
enum Side {
    Left,
    Right,
}

/// The way from a node up to the root: the node's place and that of the last node, in the node's level.
struct Path {
    node: u64,
    last: u64,
}

impl Path {
    fn new(node: u64, size: u64) -> Self {
        Self { node, last: size - 1 }
    }

    fn up(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }

    fn climb_while_right(&mut self) {
        while self.node & 1 == 1 {
            self.up();
        }
    }

    /// Where the next sibling lies; then one level up.
    fn step(&mut self) -> Result<Side, ProofError> {
        if self.last == 0 {
            return Err(ProofError::OtherRoot);
        }
        let side = if self.node & 1 == 1 || self.node == self.last {
            // The last node of a level that has no sibling there moves up as it is.
            while self.node & 1 == 0 && self.node != 0 {
                self.up();
            }
            Side::Left
        } else {
            Side::Right
        };
        self.up();
        Ok(side)
    }

    fn end(&self, roots_match: bool) -> Result<(), ProofError> {
        if self.last == 0 && roots_match {
            Ok(())
        } else {
            Err(ProofError::OtherRoot)
        }
    }
}
