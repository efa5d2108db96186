//! Records in files, one a line: those of the segments, and those in a backup.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::commit::MAX_VALUE_BYTES;
use super::error::{KeystoreError, io};
use crate::types::Seq;

/// Called with each record and its number.
pub type Take<'a, E> = dyn FnMut(Seq, &[u8]) -> Result<(), E> + 'a;

/// A stretch of a file that holds records.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    /// Where the first one begins.
    pub(super) offset: u64,
    /// Its number.
    pub(super) first: Seq,
}

/// The segment files in `dir`, by their first records.
pub(super) fn segments(dir: &Path) -> Result<Vec<Part>, KeystoreError> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(dir).map_err(io("read", dir))? {
        let path = entry.map_err(io("read", dir))?.path();
        let is_segment = path.extension().is_some_and(|own| own == "jsonl");
        let first = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let (true, Some(first)) = (is_segment, first) {
            let (offset, first) = (0, Seq(first));
            parts.push(Part { path, offset, first });
        }
    }
    parts.sort_unstable_by_key(|part| part.first);
    Ok(parts)
}

/// Hands on the records of `range`, in order, as far as there are whole lines without a gap. Returns the number after the last.
pub(super) fn walk<E: From<KeystoreError>>(parts: &[Part], range: Range<Seq>, visit: &mut Take<'_, E>) -> Result<Seq, E> {
    let mut next = range.start;
    for (place, part) in parts.iter().enumerate() {
        let passed = parts
            .get(place + 1)
            .is_some_and(|after| part.first < after.first && after.first <= next);
        if next >= range.end || part.first > next {
            break;
        }
        if !passed {
            next = walk_part(part, next..range.end, visit)?;
        }
    }
    Ok(next)
}

fn walk_part<E: From<KeystoreError>>(part: &Part, range: Range<Seq>, visit: &mut Take<'_, E>) -> Result<Seq, E> {
    let failed = |error| E::from(io("read", &part.path)(error));
    let mut file = File::open(&part.path).map_err(failed)?;
    file.seek(SeekFrom::Start(part.offset)).map_err(failed)?;
    let mut file = BufReader::new(file);
    let (mut at, mut line) = (part.first, Vec::new());
    while at < range.end {
        line.clear();
        // A line that is longer than any record is cut, and then is none.
        let most = MAX_VALUE_BYTES as u64 + 1;
        file.by_ref().take(most).read_until(b'\n', &mut line).map_err(failed)?;
        let Some(record) = line.strip_suffix(b"\n") else { break };
        if at >= range.start {
            visit(at, record)?;
        }
        at = at.next();
    }
    Ok(at.max(range.start))
}
