//! The files beside the database: anchor, segments, snapshots; and the order in which they follow it.

use std::fs;
use std::path::{Path, PathBuf};

use super::anchor::Anchor;
use super::commit::{Commit, NewRecord, SecretName};
use super::error::{KeystoreError, io};
use super::form::{Forms, secret_key};
use super::log::Log;
use super::meta::Meta;
use super::read::Reader;
use super::retention::kept;
use super::segment::Segments;
use super::snapshot::{self, SnapshotHeader, companion_of};
use super::verify::Current;
use crate::durable;
use crate::types::{Generation, Seq, Time, Version};

/// The files beside an open database.
#[derive(Debug)]
pub(super) struct Beside {
    dir: PathBuf,
    segments: Segments,
}

pub(super) fn segments_dir(dir: &Path) -> PathBuf {
    dir.join("segments")
}

pub(super) fn snapshots_dir(dir: &Path) -> PathBuf {
    dir.join("snapshots")
}

/// Makes sure that their folders are there.
pub(super) fn prepare(dir: &Path) -> Result<(), KeystoreError> {
    for folder in [segments_dir(dir), snapshots_dir(dir)] {
        durable::create_folder(&folder, 0o700)?;
    }
    Ok(())
}

impl Beside {
    /// For a database that was just made.
    pub(super) fn create(dir: &Path, forms: &Forms, current: &Current) -> Result<Self, KeystoreError> {
        prepare(dir)?;
        anchor(current).write(dir, forms)?;
        Ok(Self {
            dir: dir.to_owned(),
            segments: Segments::new(segments_dir(dir)),
        })
    }

    /// Finishes what the last process may have left undone after its last durable step.
    pub(super) fn catch_up(dir: &Path, reader: Reader<'_>, current: &Current) -> Result<Self, KeystoreError> {
        prepare(dir)?;
        // One of a file of data keys may hold a destroyed one.
        for folder in [dir, &snapshots_dir(dir)] {
            durable::remove_leftovers(folder)?;
        }
        // What the anchor does not speak of yet was not known to be durable in the segments.
        let synced = Anchor::read(dir)?.map_or(Seq(0), |anchor| anchor.next_seq);
        let beside = Self {
            dir: dir.to_owned(),
            segments: Segments::level(segments_dir(dir), &Log::new(reader, current.log.clone()), synced)?,
        };
        beside.clear_destroyed(reader)?;
        if let Some((_, taken_at)) = current.meta.made {
            beside.take_snapshot(reader, &current.meta, taken_at)?;
        }
        let now = anchor(current);
        if Anchor::vouched(dir, reader.forms)? != Some(now) {
            now.write(dir, reader.forms)?;
        }
        Ok(beside)
    }

    /// Follows a commit that is durable in the database. The anchor comes last.
    pub(super) fn follow(
        &mut self,
        reader: Reader<'_>,
        first: Seq,
        commit: &Commit,
        current: &Current,
    ) -> Result<(), KeystoreError> {
        self.follow_records(first, &commit.records)?;
        self.take_snapshot(reader, &current.meta, commit.now)?;
        self.follow_observations(reader, current)
    }

    /// Follows records that are durable in the database.
    pub(super) fn follow_records(&mut self, first: Seq, records: &[NewRecord]) -> Result<(), KeystoreError> {
        self.segments
            .append(first, records.iter().map(|record| record.bytes.as_slice()))
    }

    pub(super) fn follow_observations(&self, reader: Reader<'_>, current: &Current) -> Result<(), KeystoreError> {
        anchor(current).write(&self.dir, reader.forms)
    }

    /// Writes the snapshot of the version that `meta` speaks of, if it made a generation, and lets old snapshots go.
    fn take_snapshot(&self, reader: Reader<'_>, meta: &Meta, now: Time) -> Result<(), KeystoreError> {
        let Some((generation, taken_at)) = meta.made else {
            return Ok(());
        };
        let name = Name {
            generation,
            version: meta.version,
            taken_at,
        };
        let path = snapshots_dir(&self.dir).join(name.file());
        if path.exists() {
            return Ok(());
        }
        let header = SnapshotHeader::of(meta, reader.forms, generation, taken_at);
        let state = reader.state(meta.version)?;
        snapshot::write(&path, reader.forms, &header, &state, &reader.sealed_secrets()?)?;
        self.let_go(now)
    }

    fn let_go(&self, now: Time) -> Result<(), KeystoreError> {
        let snapshots = snapshots(&self.dir)?;
        let taken: Vec<Time> = snapshots.iter().map(|(name, _)| name.taken_at).collect();
        let kept = kept(&taken, now);
        for (place, (_, path)) in snapshots.iter().enumerate() {
            if !kept.contains(&place) {
                durable::remove_file(path)?;
                durable::remove_file(&companion_of(path))?;
            }
        }
        Ok(())
    }

    /// Takes the data keys of all secrets that the database does not hold out of the kept snapshots.
    pub(super) fn clear_destroyed(&self, reader: Reader<'_>) -> Result<(), KeystoreError> {
        let live: Vec<Vec<u8>> = reader
            .sealed_secrets()?
            .iter()
            .map(|secret| secret_key(&secret.name))
            .collect();
        let keep = |name: &SecretName| live.contains(&secret_key(name));
        for path in files(&snapshots_dir(&self.dir), "keys")? {
            if path.with_extension("snap").exists() {
                snapshot::clear_companion(&path, &keep)?;
            } else {
                durable::remove_file(&path)?;
            }
        }
        Ok(())
    }
}

fn anchor(current: &Current) -> Anchor {
    let Meta {
        version, next_seq, head, ..
    } = current.meta;
    Anchor::new(version, next_seq, head, current.observed.batch)
}

/// The name of a snapshot: all that is needed to order and to keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    version: Version,
    generation: Generation,
    taken_at: Time,
}

impl Name {
    fn file(self) -> String {
        format!(
            "{:020}-{:020}-{:020}.snap",
            self.version.0, self.generation.0, self.taken_at.0
        )
    }

    fn parse(path: &Path) -> Option<Self> {
        let stem = path.file_stem()?.to_str()?;
        let mut numbers = stem.split('-').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            version: Version(next()?),
            generation: Generation(next()?),
            taken_at: Time(next()?),
        })
    }
}

fn files(dir: &Path, extension: &str) -> Result<Vec<PathBuf>, KeystoreError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(io("read", dir))? {
        let path = entry.map_err(io("read", dir))?.path();
        if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    Ok(found)
}

/// The snapshots of a keystore, from the newest to the oldest.
fn snapshots(dir: &Path) -> Result<Vec<(Name, PathBuf)>, KeystoreError> {
    let mut found: Vec<_> = files(&snapshots_dir(dir), "snap")?
        .into_iter()
        .filter_map(|path| Some((Name::parse(&path)?, path)))
        .collect();
    found.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
    Ok(found)
}

/// The snapshots of the keystore in `dir`, from the newest to the oldest.
///
/// # Errors
/// The folder can't be read.
pub fn snapshot_files(dir: &Path) -> Result<Vec<PathBuf>, KeystoreError> {
    Ok(snapshots(dir)?.into_iter().map(|(_, path)| path).collect())
}
