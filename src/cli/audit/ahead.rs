//! A file of records, read ahead: while records are taken on one thread, those that follow are read on another.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread;

use super::{AuditError, given};
use crate::audit::{NoRecord, ReadRecord, RecordReader};
use crate::rpc::limits::RECORD_BYTES;

/// A batch that has as many bytes of records is full.
const FULL: usize = 64 * 1024;
/// So many batches wait at most, which bounds the memory.
const WAITING: usize = 4;

/// Records that follow each other, as many as are handed over at once.
#[derive(Debug, Default)]
struct Batch {
    /// Their bytes, with the ends of their lines.
    bytes: Vec<u8>,
    records: Vec<(Range<usize>, Result<ReadRecord, NoRecord>)>,
    /// Whether nothing follows that counts.
    is_last: bool,
    /// What was in the way of reading on.
    failed: Option<AuditError>,
}

/// Hands each line of a file of records to `take`, in order: what was read in it, and its bytes without its end. Nothing follows one
/// that is no record.
pub(super) fn records(
    path: &Path,
    take: impl FnMut(Result<ReadRecord, NoRecord>, &[u8]) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    let file = File::open(path).map_err(given::reading(path))?;
    records_from(BufReader::with_capacity(FULL, file), path, take)
}

fn records_from(
    mut file: impl BufRead + Send,
    path: &Path,
    mut take: impl FnMut(Result<ReadRecord, NoRecord>, &[u8]) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    thread::scope(|scope| {
        let (hand_over, batches) = sync_channel(WAITING);
        scope.spawn(move || {
            let mut reader = RecordReader::default();
            loop {
                let batch = Batch::read(&mut file, path, &mut reader);
                let is_last = batch.is_last;
                // Nobody takes a batch any more when a record before it was wrong.
                if hand_over.send(batch).is_err() || is_last {
                    return;
                }
            }
        });
        for batch in batches {
            for (place, read) in batch.records {
                take(read, &batch.bytes[place])?;
            }
            batch.failed.map_or(Ok(()), Err)?;
        }
        Ok(())
    })
}

impl Batch {
    /// Reads until it is full, or until nothing follows that counts.
    fn read(file: &mut impl BufRead, path: &Path, reader: &mut RecordReader) -> Self {
        let mut batch = Self::default();
        while batch.bytes.len() < FULL && !batch.is_last {
            match batch.line(file) {
                Ok(Some(place)) => {
                    let read = reader.read(&batch.bytes[place.clone()]);
                    batch.is_last = read.is_err();
                    batch.records.push((place, read));
                }
                Ok(None) => batch.is_last = true,
                Err(why) => {
                    batch.is_last = true;
                    batch.failed = Some(given::reading(path)(why));
                }
            }
        }
        batch
    }

    /// Reads one line more, and says where it stands, without its end.
    fn line(&mut self, file: &mut impl BufRead) -> std::io::Result<Option<Range<usize>>> {
        let start = self.bytes.len();
        // A line that is longer than any record is cut, and then is none.
        let most = RECORD_BYTES as u64 + 1;
        let read = file.take(most).read_until(b'\n', &mut self.bytes)?;
        let end = start + read - usize::from(self.bytes[start..].ends_with(b"\n"));
        Ok((read > 0).then_some(start..end))
    }
}

#[cfg(test)]
mod tests;
