//! Segment files: every record as its exact bytes, one a line, outside the database.
//!
//! A file is named by its first record. Where a file ends and the next begins follows from the records alone, so a file that is
//! lost is written again, byte for byte, from the database.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::{KeystoreError, io};
use super::log::Log;
use super::{full_segments, lines};
use crate::durable::{self, Appender, FileAttrs};
use crate::types::Seq;

/// A file that has reached this size is full.
pub(super) const FULL_BYTES: u64 = 8 * 1024 * 1024;
const ATTRS: FileAttrs = FileAttrs::mode(0o600);

/// The segment files of a keystore, open at the end of the last.
#[derive(Debug)]
pub(super) struct Segments {
    dir: PathBuf,
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    file: Appender,
    bytes: u64,
}

fn file_name(first: Seq) -> String {
    format!("{:020}.jsonl", first.0)
}

impl Segments {
    /// No file yet.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, last: None }
    }

    /// Appends records, durably.
    pub(super) fn append<'a>(&mut self, first: Seq, records: impl Iterator<Item = &'a [u8]>) -> Result<(), KeystoreError> {
        let mut seq = first;
        for record in records {
            let mut last = match self.last.take() {
                Some(last) if last.bytes < FULL_BYTES => last,
                full => {
                    full.map_or(Ok(()), |full| full.file.sync_data())?;
                    Last {
                        file: Appender::open(&self.dir.join(file_name(seq)), &ATTRS)?,
                        bytes: 0,
                    }
                }
            };
            last.file.append(&[record, b"\n"].concat())?;
            last.bytes += record.len() as u64 + 1;
            self.last = Some(last);
            seq = seq.next();
        }
        match &self.last {
            Some(last) if seq != first => Ok(last.file.sync_data()?),
            _ => Ok(()),
        }
    }

    /// Opens the files, brings them level with the database, and checks every byte that is there. Those of records from `synced` on were
    /// never known to be durable: of several at once a power cut may leave the last without the first.
    ///
    /// Full files are held against the log's tree, which is fast. Where one does not hold, all are walked along the records, which
    /// tells why, and writes again what is lost.
    pub(super) fn level(dir: PathBuf, log: &Log<'_>, synced: Seq) -> Result<Self, KeystoreError> {
        let files = lines::segments(&dir)?;
        let from = match files.last() {
            Some(last) if full_segments::hold(&files, log) => last.first,
            _ => Seq(0),
        };
        let mut level = Level {
            unseen: names(&dir)?,
            dir,
            synced,
            open: None,
        };
        level.unseen.retain(|name| first_of(name).is_none_or(|first| first >= from));
        log.walk(from..Seq(u64::MAX), &mut |seq, record| level.next(seq, record))?;
        level.finish()
    }
}

/// The first record of the file of that name.
fn first_of(name: &Path) -> Option<Seq> {
    name.file_stem()?.to_str()?.parse().ok().map(Seq)
}

fn names(dir: &Path) -> Result<Vec<PathBuf>, KeystoreError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(io("read", dir))? {
        let name = PathBuf::from(entry.map_err(io("read", dir))?.file_name());
        if name.extension().is_some_and(|own| own == "jsonl") {
            names.push(name);
        }
    }
    Ok(names)
}

/// The walk along records and files side by side.
struct Level {
    dir: PathBuf,
    /// The number after the last record that a file must hold.
    synced: Seq,
    /// Files that no record has led to yet.
    unseen: Vec<PathBuf>,
    open: Option<OpenSegment>,
}

struct OpenSegment {
    path: PathBuf,
    file: Appender,
    found: Vec<u8>,
    /// How much of the file is right; beyond `found` lies what is to be appended.
    right: usize,
    missing: Vec<u8>,
}

impl Level {
    fn next(&mut self, seq: Seq, record: &[u8]) -> Result<(), KeystoreError> {
        if self.open.as_ref().is_some_and(|open| open.bytes() >= FULL_BYTES) {
            self.close()?;
        }
        if self.open.is_none() {
            let name = file_name(seq);
            self.unseen.retain(|unseen| unseen.as_os_str() != name.as_str());
            self.open = Some(OpenSegment::open(self.dir.join(name))?);
        }
        match &mut self.open {
            Some(open) => open.next(record, seq < self.synced),
            None => Ok(()),
        }
    }

    fn close(&mut self) -> Result<Option<Last>, KeystoreError> {
        self.open.take().map(OpenSegment::close).transpose()
    }

    fn finish(mut self) -> Result<Segments, KeystoreError> {
        let last = self.close()?;
        for name in &self.unseen {
            let path = self.dir.join(name);
            let content = fs::read(&path).map_err(io("read", &path))?;
            if content.contains(&b'\n') {
                return Err(ahead(&path));
            }
            durable::remove_file(&path)?;
        }
        Ok(Segments { dir: self.dir, last })
    }
}

impl OpenSegment {
    fn open(path: PathBuf) -> Result<Self, KeystoreError> {
        let found = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            read => read.map_err(io("read", &path))?,
        };
        Ok(Self {
            file: Appender::open(&path, &ATTRS)?,
            path,
            found,
            right: 0,
            missing: Vec::new(),
        })
    }

    fn bytes(&self) -> u64 {
        (self.right + self.missing.len()) as u64
    }

    fn next(&mut self, record: &[u8], is_synced: bool) -> Result<(), KeystoreError> {
        let line = [record, b"\n"].concat();
        if self.found[self.right..].starts_with(&line) {
            self.right += line.len();
            return Ok(());
        }
        if is_synced && self.found[self.right..].contains(&b'\n') {
            return Err(KeystoreError::damaged_advising(
                format!(
                    "{} holds another record at byte {} than the database",
                    self.path.display(),
                    self.right
                ),
                "The database is whole: move that file away and keep it, and the next start writes it again",
            ));
        }
        self.cut()?;
        self.missing.extend(line);
        Ok(())
    }

    /// Cuts off what follows the last whole line.
    fn cut(&mut self) -> Result<(), KeystoreError> {
        if self.found.len() > self.right {
            self.file.truncate_to(self.right as u64)?;
            self.found.truncate(self.right);
        }
        Ok(())
    }

    fn close(mut self) -> Result<Last, KeystoreError> {
        if self.found[self.right..].contains(&b'\n') {
            return Err(ahead(&self.path));
        }
        self.cut()?;
        self.file.append(&self.missing)?;
        self.file.sync_data()?;
        Ok(Last {
            bytes: self.bytes(),
            file: self.file,
        })
    }
}

fn ahead(path: &Path) -> KeystoreError {
    KeystoreError::older(format!("{} holds records that it lacks", path.display()))
}
