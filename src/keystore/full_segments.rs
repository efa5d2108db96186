//! The segment files that are full, held against the log's tree: each line is the record whose leaf the tree has there.
//!
//! The tree is small and was checked before, and each file stands for itself, so this reads every byte once, on all cores.

use std::fs;
use std::io::BufRead as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::error::{KeystoreError, io};
use super::lines::Part;
use super::log::{Leaves, Log};
use super::segment::FULL_BYTES;
use crate::audit::leaf_hash;
use crate::types::Seq;

/// Whether every file but the last is there, full, and holds what it should.
pub(super) fn hold(files: &[Part], log: &Log<'_>) -> bool {
    let full: Vec<(&Part, Seq)> = files.windows(2).map(|pair| (&pair[0], pair[1].first)).collect();
    let (next, hold) = (AtomicUsize::new(0), AtomicBool::new(true));
    let work = || {
        while hold.load(Ordering::Relaxed) {
            let Some((file, end)) = full.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            if !holds(file, *end, log).unwrap_or(false) {
                hold.store(false, Ordering::Relaxed);
            }
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from).min(full.len());
    thread::scope(|scope| {
        (1..workers).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    files.first().is_none_or(|file| file.first == Seq(0)) && hold.into_inner()
}

/// Whether a file has the records from its first up to `end`, and became full with the last of them.
fn holds(file: &Part, end: Seq, log: &Log<'_>) -> Result<bool, KeystoreError> {
    let content = fs::read(&file.path).map_err(io("read", &file.path))?;
    let (mut rest, mut line, mut leaves, mut seq) = (&content[..], Vec::new(), Leaves::of(log), file.first);
    let full = |rest: &[u8]| (content.len() - rest.len()) as u64 >= FULL_BYTES;
    while seq < end && !full(rest) {
        line.clear();
        rest.read_until(b'\n', &mut line).map_err(io("read", &file.path))?;
        match line.strip_suffix(b"\n") {
            Some(record) if leaf_hash(record) == leaves.at(seq)? => seq = seq.next(),
            _ => return Ok(false),
        }
    }
    Ok(seq == end && rest.is_empty() && full(rest))
}
