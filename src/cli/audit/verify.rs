//! `jkeys audit verify`

use std::path::{Path, PathBuf};

use clap::Args;

use super::stream::LeadersLog;
use super::{AuditError, ahead, given};
use crate::audit::{LogCheck, NoteKey, RecordProof, Whole};
use crate::cli::admin::{Leader, Place};
use crate::cli::{CliError, Exit, Screen, render};

/// Flags of `jkeys audit verify`.
#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArgs {
    /// A folder of `jkeys audit export`, or a file of `jkeys audit prove`; without it the log of the running leader
    #[arg(value_name = "DIR|FILE")]
    path: Option<PathBuf>,
    /// The log's key, or a file that holds it; without it the key that comes with the log, which proves less
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
    /// What was found as a JSON document
    #[arg(long)]
    json: bool,
}

/// Where the key came from that a log was verified with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum KeySource {
    /// Whoever verifies gave it.
    Given,
    /// It came with the log.
    WithTheLog,
}

impl VerifyArgs {
    pub(super) async fn run(self, place: &Place, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let given = self.key.as_deref().map(given::key).transpose()?;
        match &self.path {
            Some(path) if path.is_file() => self.proofs(path, given, screen),
            Some(folder) => {
                let Checked { whole, key, source } = exported(folder, self.key.as_deref(), |_| ())?;
                self.show(&whole, &key, source, screen)
            }
            None => {
                let mut log = LeadersLog::ask(&mut Leader::connect(place).await?, true).await?;
                let source = if given.is_some() {
                    KeySource::Given
                } else {
                    KeySource::WithTheLog
                };
                let key = given.unwrap_or_else(|| log.key.clone());
                let mut check = LogCheck::new(key.clone());
                for note in &log.cosigned {
                    check.expect(note.clone()).map_err(AuditError::from)?;
                }
                log.records(|record| Ok(check.take(record)?)).await?;
                let whole = check.finish(&log.note).map_err(AuditError::from)?;
                self.show(&whole, &key, source, screen)
            }
        }
    }

    fn show(&self, whole: &Whole, key: &NoteKey, source: KeySource, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        screen.put(if self.json {
            render::whole_log_json(whole, key, source)
        } else {
            render::whole_log(whole)
        })?;
        if source == KeySource::WithTheLog {
            screen.note(&key_came_with_the_log(key));
        }
        Ok(Exit::Done)
    }

    fn proofs(&self, path: &Path, key: Option<NoteKey>, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let key = key.ok_or_else(|| AuditError::NoKey(path.to_owned()))?;
        let proofs = RecordProof::parse_all(&given::text(path)?).map_err(AuditError::from)?;
        for proof in &proofs {
            let (record, checkpoint) = proof.verify(&key).map_err(AuditError::from)?;
            screen.put(if self.json {
                render::json(&proof.record)
            } else {
                render::proved(&record, &checkpoint)
            })?;
        }
        Ok(Exit::Done)
    }
}

fn key_beside(folder: &Path) -> Result<NoteKey, AuditError> {
    let path = folder.join(given::KEY);
    if !path.exists() {
        return Err(AuditError::NoKey(folder.to_owned()));
    }
    given::key_file(&path)
}

/// What is to be said where nobody gave the key.
pub(in crate::cli) fn key_came_with_the_log(key: &NoteKey) -> String {
    format!(
        "the key came with the log, so a log that was made up whole would pass: compare it with one that you kept, or give that one \
         with --key: {key}"
    )
}

/// An exported log that was found whole.
pub(in crate::cli) struct Checked {
    pub(in crate::cli) whole: Whole,
    pub(in crate::cli) key: NoteKey,
    pub(in crate::cli) source: KeySource,
}

/// Checks an exported log, and hands each record to `see`. What was seen counts only if the log is found whole.
pub(in crate::cli) fn exported(folder: &Path, key: Option<&str>, mut see: impl FnMut(&[u8])) -> Result<Checked, AuditError> {
    let (key, source) = match key {
        Some(key) => (given::key(key)?, KeySource::Given),
        None => (key_beside(folder)?, KeySource::WithTheLog),
    };
    let note = given::note(&folder.join(given::CHECKPOINT))?;
    let mut check = LogCheck::new(key.clone());
    for note in given::cosigned(folder)? {
        check.expect(note)?;
    }
    ahead::records(&folder.join(given::RECORDS), |read, bytes| {
        check.take_read(read)?;
        see(bytes);
        Ok(())
    })?;
    let whole = check.finish(&note)?;
    Ok(Checked { whole, key, source })
}
