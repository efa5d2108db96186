//! What a keystore is restored from: a snapshot or a backup, and the records that came after it.

use std::fs;
use std::path::{Path, PathBuf};

use super::anchor::Anchor;
use super::backup;
use super::error::{KeystoreError, io};
use super::form::{FIRST_HEAD, Forms, chained};
use super::lines::{self, Part, Take};
use super::lock;
use super::snapshot::{Snapshot, read_snapshot};
use crate::crypto::seal::MasterKey;
use crate::types::{Digest, Seq, Version};

/// A snapshot or backup, opened and checked, and where the records are.
#[derive(Debug)]
pub struct Source {
    /// State and secrets of the file.
    pub snapshot: Snapshot,
    parts: Vec<Part>,
    /// The anchor beside the segments, if it was written by somebody who has the master key.
    anchor: Option<Anchor>,
}

/// The folder of the keystore that a snapshot lies in.
fn own_folder(snapshot: &Path) -> Option<&Path> {
    snapshot.parent()?.parent()
}

fn own_segments(snapshot: &Path) -> Option<PathBuf> {
    let segments = own_folder(snapshot)?.join("segments");
    segments.is_dir().then_some(segments)
}

impl Source {
    /// Opens a snapshot of a keystore's folder, or a backup. The records after it are in `segments`; those of a snapshot's own
    /// folder are found without being named.
    ///
    /// # Errors
    /// Damage, another master key, a newer schema: in words.
    pub fn open(file: &Path, segments: Option<&Path>, master: &MasterKey) -> Result<Self, KeystoreError> {
        let forms = Forms::new(master);
        let (snapshot, own, segments) = if is_backup(file)? {
            let (snapshot, own) = backup::read(file, &forms)?;
            (snapshot, Some(own), segments.map(Path::to_owned))
        } else {
            let segments = segments.map_or_else(|| own_segments(file), |segments| Some(segments.to_owned()));
            (read_snapshot(file, master)?, None, segments)
        };
        let mut parts: Vec<Part> = own.into_iter().collect();
        let mut anchor = None;
        let folders = [
            own_folder(file).filter(|_| parts.is_empty()),
            segments.as_deref().and_then(Path::parent),
        ];
        folders.into_iter().flatten().try_for_each(lock::not_in_use)?;
        if let Some(segments) = &segments {
            parts.extend(lines::segments(segments)?);
            anchor = segments.parent().map(|folder| Anchor::vouched(folder, &forms)).transpose()?;
        }
        Ok(Self {
            snapshot,
            parts,
            anchor: anchor.flatten(),
        })
    }

    /// The number after the last record that is vouched for: by the file itself, or by the anchor beside the segments.
    #[must_use]
    pub fn end(&self) -> Seq {
        let file = self.snapshot.header.next_seq;
        self.anchor.map_or(file, |anchor| file.max(anchor.next_seq))
    }

    /// The newest version that is known.
    #[must_use]
    pub fn newest_version(&self) -> Version {
        let file = self.snapshot.header.version;
        self.anchor.map_or(file, |anchor| file.max(anchor.version))
    }

    /// Hands on the records before `end`, and checks that they are those of the file and, behind it, of the anchor.
    ///
    /// # Errors
    /// What `visit` says; records that are missing or are others.
    pub fn records<E: From<KeystoreError>>(&self, end: Seq, visit: &mut Take<'_, E>) -> Result<(), E> {
        let header = &self.snapshot.header;
        let mut known: Vec<(Seq, Digest)> = vec![(header.next_seq, header.head)];
        known.extend(self.anchor.map(|anchor| (anchor.next_seq, anchor.head)));
        let mut chain = FIRST_HEAD;
        let reached = lines::walk(&self.parts, Seq(0)..end, &mut |seq, record| {
            chain = chained(chain, record);
            if known.iter().any(|(at, head)| *at == seq.next() && *head != chain) {
                return Err(others(seq.next()).into());
            }
            visit(seq, record)
        })?;
        if reached == end {
            return Ok(());
        }
        Err(missing(reached, end, header.next_seq).into())
    }

    /// Hands on the whole records behind `from`, though nothing may vouch for them.
    ///
    /// # Errors
    /// What `visit` says; a file that can't be read.
    pub fn unchecked<E: From<KeystoreError>>(&self, from: Seq, visit: &mut Take<'_, E>) -> Result<(), E> {
        lines::walk(&self.parts, from..Seq(u64::MAX), visit).map(drop)
    }
}

fn is_backup(file: &Path) -> Result<bool, KeystoreError> {
    use std::io::Read as _;
    let mut first = Vec::new();
    let opened = fs::File::open(file).map_err(io("read", file))?;
    opened
        .take(backup::MAGIC.len() as u64)
        .read_to_end(&mut first)
        .map_err(io("read", file))?;
    Ok(first == backup::MAGIC)
}

fn others(end: Seq) -> KeystoreError {
    KeystoreError::damaged_advising(
        format!("the first {end} records at hand are not those that the file, or the anchor beside the segments, speaks of"),
        "Name the segments of the same keystore, or a backup, which brings its own",
    )
}

fn missing(reached: Seq, end: Seq, of_file: Seq) -> KeystoreError {
    let what = format!("of {end} records only {reached} are at hand");
    if reached < of_file {
        KeystoreError::damaged_advising(
            what,
            "Name the folder of all segments with --segments, or use a backup, which brings its own records",
        )
    } else {
        KeystoreError::damaged_advising(
            what,
            "Bring back the missing segments; or give them up with --without-later, and let the nodes tell what was lost",
        )
    }
}
