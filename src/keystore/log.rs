//! The Merkle tree over the records. Full tiles of hashes are stored in the step that fills them; those at the right edge, which are
//! not full, are in memory and follow from the records.

use super::backend::Tree;
use super::error::KeystoreError;
use super::form::Forms;
use super::meta::Meta;
use super::read::Reader;
use crate::audit::{self, FullTile, Hashes, TILE_WIDTH, leaf_hash, tile_bytes, tile_hashes};
use crate::types::{Digest, Seq, TreeHead};

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

/// The tree over the records that `meta` speaks of.
pub(super) fn resume(reader: Reader<'_>, meta: &Meta) -> Result<audit::Tree, KeystoreError> {
    let size = meta.next_seq.0;
    let mut leaves = Vec::new();
    reader.walk_records(Seq(size - size % TILE_WIDTH as u64)..meta.next_seq, &mut |link| {
        leaves.push(leaf_hash(&link.bytes));
        Ok(())
    })?;
    audit::Tree::resume(size, leaves, &Tiles(reader))
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
