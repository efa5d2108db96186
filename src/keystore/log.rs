//! The Merkle tree over the records. Full tiles of hashes are stored in the step that fills them; those at the right edge, which are
//! not full, are in memory and follow from the records.

use std::ops::Range;

use super::backend::Tree;
use super::error::KeystoreError;
use super::form::Forms;
use super::meta::Meta;
use super::read::Reader;
use crate::audit::{self, FullTile, Hashes, TILE_WIDTH, leaf_hash, tile_bytes, tile_hashes};
use crate::types::{Digest, Seq, TreeHead};

/// Called with each record and its number.
type See<'a> = dyn FnMut(Seq, &[u8]) -> Result<(), KeystoreError> + 'a;

/// The audit log's tree as it was at one instant.
pub struct Log<'a> {
    reader: Reader<'a>,
    tree: audit::Tree,
}

impl<'a> Log<'a> {
    pub(super) fn new(reader: Reader<'a>, tree: audit::Tree) -> Self {
        Self { reader, tree }
    }

    /// Its size and root.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        TreeHead {
            size: self.tree.size(),
            root: self.tree.root(),
        }
    }

    /// The tree, for the tiles at its right edge.
    #[must_use]
    pub fn tree(&self) -> &audit::Tree {
        &self.tree
    }

    /// The hashes of a full tile.
    ///
    /// # Errors
    /// It is not there, or is damaged.
    pub fn tile(&self, level: u8, index: u64) -> Result<Vec<Digest>, KeystoreError> {
        read_tile(self.reader, level, index)
    }

    /// The records of a range as far as there are any, each of them the one that the tree has there.
    ///
    /// The tree was checked at the start, the records may not have been: this tells one that was lost, changed or brought back.
    pub(super) fn walk(&self, range: Range<Seq>, see: &mut See<'_>) -> Result<(), KeystoreError> {
        let end = range.end.min(Seq(self.tree.size()));
        let mut next = range.start;
        let mut leaves = Leaves::of(self);
        self.reader.walk_records(range.start..end, &mut |link| {
            if leaves.at(link.seq)? != leaf_hash(&link.bytes) {
                return Err(KeystoreError::damaged(format!(
                    "record {} is another one than the log's tree has",
                    link.seq
                )));
            }
            next = link.seq.next();
            see(link.seq, &link.bytes)
        })?;
        if next < end {
            return Err(KeystoreError::damaged(format!("record {next} is not there")));
        }
        Ok(())
    }
}

/// The leaves of the tree, one after another: a tile is read once.
pub(super) struct Leaves<'a> {
    log: &'a Log<'a>,
    /// The tile read last, and its hashes.
    tile: Option<(u64, Vec<Digest>)>,
}

impl<'a> Leaves<'a> {
    pub(super) fn of(log: &'a Log<'a>) -> Self {
        Self { log, tile: None }
    }

    /// The leaf of a record.
    pub(super) fn at(&mut self, seq: Seq) -> Result<Digest, KeystoreError> {
        let (width, size) = (TILE_WIDTH as u64, self.log.tree.size());
        let index = seq.0 / width;
        if self.tile.as_ref().is_none_or(|(of, _)| *of != index) {
            let first = index * width;
            let count = size.saturating_sub(first).min(width);
            let count = usize::try_from(count).unwrap_or_default();
            self.tile = Some((index, self.log.hashes(0, first, count)?));
        }
        let at = usize::try_from(seq.0 % width).unwrap_or_default();
        let leaf = self.tile.as_ref().and_then(|(_, hashes)| hashes.get(at).copied());
        leaf.ok_or_else(|| KeystoreError::damaged(format!("the log's tree has no record {seq}")))
    }
}

impl Hashes for Log<'_> {
    type Error = KeystoreError;

    fn hashes(&self, level: u8, first: u64, count: usize) -> Result<Vec<Digest>, KeystoreError> {
        let index = first / TILE_WIDTH as u64;
        let at = usize::try_from(first % TILE_WIDTH as u64).unwrap_or_default();
        let edge_index = self.tree.size() >> (8 * (u32::from(level) + 1));
        let found = if index == edge_index {
            self.tree.edge(level).get(at..at + count).map(<[Digest]>::to_vec)
        } else {
            self.tile(level, index)?.get(at..at + count).map(<[Digest]>::to_vec)
        };
        found.ok_or_else(|| KeystoreError::damaged(format!("the log's tree has no hash {first} at level {level}")))
    }
}

/// The tree over the records that `meta` speaks of; `leaves` are those of the records that fill no tile.
pub(super) fn resume(reader: Reader<'_>, meta: &Meta, leaves: Vec<Digest>) -> Result<audit::Tree, KeystoreError> {
    audit::Tree::resume(meta.next_seq.0, leaves, &Tiles(reader))
}

/// Full tiles, and no other.
struct Tiles<'a>(Reader<'a>);

impl Hashes for Tiles<'_> {
    type Error = KeystoreError;

    fn hashes(&self, level: u8, first: u64, _: usize) -> Result<Vec<Digest>, KeystoreError> {
        read_tile(self.0, level, first / TILE_WIDTH as u64)
    }
}

fn read_tile(reader: Reader<'_>, level: u8, index: u64) -> Result<Vec<Digest>, KeystoreError> {
    let key = tile_key(level, index);
    let gone = || KeystoreError::damaged(format!("tile {index} at level {level} of the log's tree is not there"));
    let value = reader.backend.get(Tree::Tiles, &key)?.ok_or_else(gone)?;
    let hashes = tile_hashes(reader.forms.checked(Tree::Tiles, &key, &value)?);
    hashes.filter(|hashes| hashes.len() == TILE_WIDTH).ok_or_else(gone)
}

/// Where a tile stands, and what stands there.
pub(super) fn stored_tile(forms: &Forms, tile: &FullTile) -> (Vec<u8>, Vec<u8>) {
    let key = tile_key(tile.level, tile.index);
    let value = forms.authentic(Tree::Tiles, &key, &tile_bytes(&tile.hashes));
    (key, value)
}

fn tile_key(level: u8, index: u64) -> Vec<u8> {
    [&[level][..], &index.to_be_bytes()].concat()
}
