//! `jkeys audit export`

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::stream::LeadersLog;
use super::{AuditError, given};
use crate::audit::{Broken, TILE_WIDTH, Tree, bundle_bytes, bundle_path, edge_files, full_tile_file, leaf_hash};
use crate::cli::admin::{Leader, Place};
use crate::cli::{CliError, Exit, Screen, render};
use crate::durable::{self, Appender, FileAttrs};

/// The log has no secrets in it.
const ATTRS: FileAttrs = FileAttrs::mode(0o644);

/// Flags of `jkeys audit export`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    /// The folder to write into; it must be empty, or not there yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Also write the tree and the records as tiles (C2SP tlog-tiles), for other tools
    #[arg(long)]
    tiles: bool,
}

impl ExportArgs {
    /// The checkpoint is written last: what was broken off is not taken for a log.
    pub(super) async fn run(self, place: &Place, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let mut leader = Leader::connect(place).await?;
        let mut export = Export::begin(&self.out, self.tiles)?;
        let mut log = LeadersLog::ask(&mut leader, true).await?;
        log.records(|record| export.take(record)).await?;
        export.finish(&log)?;
        screen.put(render::exported(&self.out, &log.checkpoint, &log.key))?;
        Ok(Exit::Done)
    }
}

struct Export<'a> {
    folder: &'a Path,
    records: Appender,
    tree: Tree,
    /// The records of the bundle that is not full, where tiles are wanted.
    bundle: Option<Vec<Vec<u8>>>,
}

impl<'a> Export<'a> {
    fn begin(folder: &'a Path, tiles: bool) -> Result<Self, AuditError> {
        durable::create_folder(folder, 0o755)?;
        if fs::read_dir(folder).map_err(given::reading(folder))?.next().is_some() {
            return Err(AuditError::NotEmpty(folder.to_owned()));
        }
        Ok(Self {
            folder,
            records: Appender::open(&folder.join(given::RECORDS), &ATTRS)?,
            tree: Tree::default(),
            bundle: tiles.then(Vec::new),
        })
    }

    fn take(&mut self, record: &[u8]) -> Result<(), AuditError> {
        self.records.append(&[record, b"\n"].concat())?;
        let mut full = Vec::new();
        self.tree.append(leaf_hash(record), &mut full);
        let Some(bundle) = &mut self.bundle else { return Ok(()) };
        bundle.push(record.to_vec());
        if bundle.len() == TILE_WIDTH {
            self.write_bundle()?;
        }
        for tile in &full {
            let (path, bytes) = full_tile_file(tile);
            self.write(&path, &bytes)?;
        }
        Ok(())
    }

    fn write_bundle(&mut self) -> Result<(), AuditError> {
        let records = self.bundle.replace(Vec::new()).unwrap_or_default();
        if records.is_empty() {
            return Ok(());
        }
        let first = self.tree.size() - records.len() as u64;
        let bytes = bundle_bytes(records.iter().map(Vec::as_slice)).map_err(|_| AuditError::TooLong(first))?;
        self.write(&bundle_path(first / TILE_WIDTH as u64, records.len()), &bytes)
    }

    fn finish(mut self, log: &LeadersLog) -> Result<(), AuditError> {
        self.records.sync_data()?;
        if self.tree.root() != log.checkpoint.head.root {
            return Err(Broken::Root.into());
        }
        if self.bundle.is_some() {
            self.write_bundle()?;
            for (path, bytes) in edge_files(&self.tree) {
                self.write(&path, &bytes)?;
            }
        }
        for note in &log.cosigned {
            let size = crate::audit::Checkpoint::open(note, &log.key)?.head.size;
            self.write(&format!("{}/{size}", given::COSIGNED), note.to_string().as_bytes())?;
        }
        self.write(given::KEY, format!("{}\n", log.key).as_bytes())?;
        self.write(given::CHECKPOINT, log.note.to_string().as_bytes())
    }

    /// Writes a file below the folder, and the folders on the way.
    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), AuditError> {
        let path = self.folder.join(path);
        let above = path.ancestors().skip(1).take_while(|above| *above != self.folder);
        for folder in above.collect::<Vec<_>>().into_iter().rev() {
            durable::create_folder(folder, 0o755)?;
        }
        Ok(durable::write_file(&path, bytes, &ATTRS)?)
    }
}
