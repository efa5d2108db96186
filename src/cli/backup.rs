//! `jkeys backup`

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::admin::{Leader, Place};
use super::{CliError, Exit, Screen, render};
use crate::durable::{FileAttrs, NewFile, Over};
use crate::leader::backup::{Summary, check};
use crate::rpc::Failure;

/// Flags of `jkeys backup`.
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The file to write; only its owner may read it
    file: PathBuf,
    /// Replace FILE if it is there
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Done<'a> {
    file: &'a PathBuf,
    #[serde(flatten)]
    summary: Summary,
}

impl BackupArgs {
    /// The file stands in its place only once it is on the disk and was read back whole.
    pub(super) async fn run(self, place: &Place, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        if !self.force && self.file.symlink_metadata().is_ok() {
            return Err(CliError::BackupExists(self.file));
        }
        let mut leader = Leader::connect(place).await?;
        let mut parts = leader.backup().await?;
        let mut file = NewFile::begin(&self.file, &FileAttrs::mode(0o600))?;
        while let Some(part) = parts.message().await.map_err(Failure::from)? {
            file.append(&part.content)?;
        }
        let summary = check(&file.sync()?).map_err(|why| CliError::Backup(self.file.clone(), why))?;
        file.put(if self.force { Over::Anything } else { Over::Nothing })?;
        screen.put(if self.json {
            render::json_of(&Done {
                file: &self.file,
                summary,
            })
        } else {
            render::backed_up(&summary, &self.file)
        })?;
        Ok(Exit::Done)
    }
}
