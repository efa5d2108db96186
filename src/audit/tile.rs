//! How a log lies in files (C2SP `tlog-tiles`): tiles of hashes, and bundles of records.

use super::tree::{FullTile, TILE_WIDTH, Tree};
use crate::types::Digest;

/// The path of a tile; `width` hashes, fewer than [`TILE_WIDTH`] for a partial one.
#[must_use]
pub fn tile_path(level: u8, index: u64, width: usize) -> String {
    format!("tile/{level}/{}", place(index, width))
}

/// The path of a bundle of `width` records.
#[must_use]
pub fn bundle_path(index: u64, width: usize) -> String {
    format!("tile/entries/{}", place(index, width))
}

/// Three digits a folder, all but the last with an `x` before them.
fn place(index: u64, width: usize) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if width < TILE_WIDTH {
        path = format!("{path}.p/{width}");
    }
    path
}

/// The bytes of a tile: its hashes, one after another.
#[must_use]
pub fn tile_bytes(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// Reads the bytes of a tile. `None`: they are not whole hashes.
#[must_use]
pub fn tile_hashes(bytes: &[u8]) -> Option<Vec<Digest>> {
    let (hashes, rest) = bytes.as_chunks();
    rest.is_empty().then(|| hashes.iter().copied().map(Digest).collect())
}

/// The bytes of a bundle: each record behind its length, two bytes.
///
/// # Errors
/// The length of a record that is too long for the form; no record of jkeys is.
pub fn bundle_bytes<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, usize> {
    let mut bytes = Vec::new();
    for record in records {
        let length = u16::try_from(record.len()).map_err(|_| record.len())?;
        bytes.extend(length.to_be_bytes());
        bytes.extend(record);
    }
    Ok(bytes)
}

/// The file of a full tile: path and bytes.
#[must_use]
pub fn full_tile_file(tile: &FullTile) -> (String, Vec<u8>) {
    (tile_path(tile.level, tile.index, TILE_WIDTH), tile_bytes(&tile.hashes))
}

/// The files of the tiles at the right edge, which are not full.
#[must_use]
pub fn edge_files(tree: &Tree) -> Vec<(String, Vec<u8>)> {
    let file = |level: u8| {
        let hashes = tree.edge(level);
        let index = tree.size() >> (8 * (u32::from(level) + 1));
        (!hashes.is_empty()).then(|| (tile_path(level, index, hashes.len()), tile_bytes(hashes)))
    };
    (0..tree.levels()).filter_map(file).collect()
}
