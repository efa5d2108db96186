//! The Merkle tree over the log (RFC 6962, section 2.1; RFC 9162, section 2.1.1), kept as its right edge.
//!
//! Hashes stand in tiles of 256 (C2SP `tlog-tiles`): a tile of level 0 has leaf hashes, one of level n the roots of tiles of
//! level n - 1. A full tile never changes, so it is stored once; what is not full yet is in memory, and follows from the records.

use ring::digest::{Context, SHA256};

use crate::types::Digest;

/// How many hashes a full tile has.
pub const TILE_WIDTH: usize = 256;
/// The bits of a hash's place within its tile.
pub(super) const TILE_BITS: u32 = 8;

/// The hash of a record as a leaf: SHA-256 of a zero byte and its bytes.
#[must_use]
pub fn leaf_hash(record: &[u8]) -> Digest {
    hashed(&[&[0], record])
}

/// The hash of an inner node: SHA-256 of a byte of one, and its two children.
#[must_use]
pub fn node_hash(left: Digest, right: Digest) -> Digest {
    hashed(&[&[1], &left.0, &right.0])
}

fn hashed(parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut digest = Digest([0; 32]);
    digest.0.copy_from_slice(context.finish().as_ref());
    digest
}

/// A full tile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullTile {
    /// 0 for leaf hashes, n for the roots of tiles of level n - 1.
    pub level: u8,
    /// Its place within its level, from 0.
    pub index: u64,
    /// [`TILE_WIDTH`] hashes.
    pub hashes: Vec<Digest>,
}

/// The hashes of a log, wherever they are.
pub trait Hashes {
    /// Why they can't be read.
    type Error;

    /// `count` hashes of `level`, from the one at `first` on. They are all of one tile.
    ///
    /// # Errors
    /// They are not there, or can't be read.
    fn hashes(&self, level: u8, first: u64, count: usize) -> Result<Vec<Digest>, Self::Error>;
}

/// A tree as far as its next leaf needs it: at each level, the hashes of the tile that is not full.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    size: u64,
    edge: Vec<Vec<Digest>>,
}

impl Tree {
    /// A tree of `size` leaves, of which all full tiles are in `tiles`; `leaves` are the hashes of those in none.
    ///
    /// # Errors
    /// A tile can't be read.
    pub fn resume<H: Hashes>(size: u64, leaves: Vec<Digest>, tiles: &H) -> Result<Self, H::Error> {
        let mut edge = vec![leaves];
        let mut nodes = size >> TILE_BITS;
        for level in 1.. {
            if nodes == 0 {
                break;
            }
            let first = nodes & !(TILE_WIDTH as u64 - 1);
            let roots = (first..nodes).map(|tile| Ok(root_of(&tiles.hashes(level - 1, tile << TILE_BITS, TILE_WIDTH)?)));
            edge.push(roots.collect::<Result<_, _>>()?);
            nodes >>= TILE_BITS;
        }
        Ok(Self { size, edge })
    }

    /// How many leaves it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf. The tiles that it fills are put into `full`.
    pub fn append(&mut self, leaf: Digest, full: &mut Vec<FullTile>) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0.. {
            let at = usize::from(level);
            if at == self.edge.len() {
                self.edge.push(Vec::new());
            }
            self.edge[at].push(hash);
            if self.edge[at].len() < TILE_WIDTH {
                return;
            }
            let hashes = std::mem::take(&mut self.edge[at]);
            hash = root_of(&hashes);
            let index = (self.size >> (TILE_BITS * (u32::from(level) + 1))) - 1;
            full.push(FullTile { level, index, hashes });
        }
    }

    /// The root. That of a tree without leaves is the SHA-256 of nothing.
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut root = None;
        for hashes in &self.edge {
            let mut rest = hashes.as_slice();
            while !rest.is_empty() {
                let width = 1 << rest.len().trailing_zeros();
                let (before, last) = rest.split_at(rest.len() - width);
                root = Some(joined(root_of(last), root));
                rest = before;
            }
        }
        root.unwrap_or_else(|| Digest::of(b""))
    }

    /// The hashes of the last tile of `level`, where it is not full.
    #[must_use]
    pub fn edge(&self, level: u8) -> &[Digest] {
        self.edge.get(usize::from(level)).map_or(&[], Vec::as_slice)
    }

    /// How many levels of tiles there are.
    #[must_use]
    pub fn levels(&self) -> u8 {
        u8::try_from(self.edge.len()).unwrap_or(u8::MAX)
    }
}

fn joined(left: Digest, right: Option<Digest>) -> Digest {
    right.map_or(left, |right| node_hash(left, right))
}

/// The root over hashes whose number is a power of two.
fn root_of(hashes: &[Digest]) -> Digest {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| node_hash(pair[0], pair[pair.len() - 1])).collect();
    }
    level[0]
}

/// The root over the leaves of a range, which begins where a subtree of its size can begin.
///
/// # Errors
/// A hash can't be read.
pub(super) fn range_root<H: Hashes>(from: &H, start: u64, end: u64) -> Result<Digest, H::Error> {
    let (mut root, mut end) = (None, end);
    if start == end {
        return Ok(Digest::of(b""));
    }
    while start < end {
        let bits = (end - start).trailing_zeros();
        end -= 1 << bits;
        root = Some(joined(subtree(from, bits, end)?, root));
    }
    Ok(root.unwrap_or_else(|| Digest::of(b"")))
}

/// The root over `1 << bits` leaves, from the one at `start` on.
fn subtree<H: Hashes>(from: &H, bits: u32, start: u64) -> Result<Digest, H::Error> {
    // The root of a full tile stands in the level above.
    let level = bits / TILE_BITS;
    let width = 1 << (bits % TILE_BITS);
    let first = start >> (TILE_BITS * level);
    let level = u8::try_from(level).unwrap_or(u8::MAX);
    Ok(root_of(&from.hashes(level, first, width)?))
}
