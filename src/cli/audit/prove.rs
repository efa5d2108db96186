//! `jkeys audit prove`, `jkeys audit checkpoint` and `jkeys audit consistency`

use std::path::{Path, PathBuf};

use clap::Args;

use super::stream::LeadersLog;
use super::{AuditError, given};
use crate::audit::{Checkpoint, NoteKey, RecordProof, SignedNote, verify_consistency};
use crate::cli::admin::{Leader, Place};
use crate::cli::{CliError, Exit, Screen, render};
use crate::durable::{self, FileAttrs};
use crate::rpc::proto::prove_records_request::Of;
use crate::rpc::{Failure, WireError};
use crate::types::{Digest, Kid, TreeHead};

/// Flags of `jkeys audit prove`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ProveArgs {
    /// Every record that concerns this key
    #[arg(
        long,
        value_name = "KID",
        allow_hyphen_values = true,
        conflicts_with = "seq",
        required_unless_present = "seq"
    )]
    kid: Option<Kid>,
    /// The record with this number
    #[arg(long, value_name = "N")]
    seq: Option<u64>,
    /// Write it to a file that is not there yet, instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl ProveArgs {
    /// A proof is verified before it is given on.
    pub(super) async fn run(self, place: &Place, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let mut leader = Leader::connect(place).await?;
        let of = match (self.kid, self.seq) {
            (Some(kid), _) => Of::Kid(kid.to_string()),
            (None, seq) => Of::Seq(seq.unwrap_or_default()),
        };
        let key = LeadersLog::ask(&mut leader, false).await?.key;
        let mut proofs = leader.prove_records(of).await?;
        let mut text = String::new();
        while let Some(proved) = proofs.message().await.map_err(Failure::from)? {
            for proof in RecordProof::parse_all(&proved.proof).map_err(AuditError::from)? {
                proof.verify(&key).map_err(AuditError::from)?;
            }
            text.push_str(&proved.proof);
        }
        match &self.out {
            None => screen.put(text)?,
            Some(path) => {
                durable::create_file(path, text.as_bytes(), &FileAttrs::mode(0o644)).map_err(AuditError::from)?;
                screen.put(render::proof_written(path, &key))?;
            }
        }
        Ok(Exit::Done)
    }
}

/// Flags of `jkeys audit checkpoint`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CheckpointArgs {
    /// It, what nodes have cosigned and the log's key as a JSON document
    #[arg(long)]
    json: bool,
}

impl CheckpointArgs {
    pub(super) async fn run(self, place: &Place, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let log = LeadersLog::ask(&mut Leader::connect(place).await?, false).await?;
        // Where nodes have cosigned this very one, their signatures stand under it.
        let size = log.checkpoint.head.size;
        let is_newest = |note: &&SignedNote| Checkpoint::open(note, &log.key).is_ok_and(|earlier| earlier.head.size == size);
        let note = log.cosigned.iter().find(is_newest).unwrap_or(&log.note);
        screen.put(if self.json {
            render::checkpoint_json(&log.checkpoint, note, &log.cosigned, &log.key)
        } else {
            note.to_string()
        })?;
        Ok(Exit::Done)
    }
}

/// Flags of `jkeys audit consistency`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ConsistencyArgs {
    /// The earlier log: how many records it had, or a file with its checkpoint
    #[arg(value_name = "OLD")]
    old: Point,
    /// The later one
    #[arg(value_name = "NEW")]
    new: Point,
    /// The log's key, or a file that holds it; without it the key that the leader says
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
    /// The two checkpoints and the proof as a JSON document
    #[arg(long)]
    json: bool,
}

/// A log at an instant.
#[derive(Debug, Clone)]
enum Point {
    Size(u64),
    File(PathBuf),
}

impl std::str::FromStr for Point {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.parse().map_or_else(|_| Self::File(text.into()), Self::Size))
    }
}

impl ConsistencyArgs {
    pub(super) async fn run(self, place: &Place, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let given = self.key.as_deref().map(given::key).transpose()?;
        let mut leader = Leader::connect(place).await?;
        let key = match given {
            Some(key) => key,
            None => LeadersLog::ask(&mut leader, false).await?.key,
        };
        let (old, new) = (self.old.head(&key)?, self.new.head(&key)?);
        let answer = leader.prove_consistency(old.size(), new.size()).await?;
        let hash = |bytes: &Vec<u8>| <[u8; 32]>::try_from(bytes.as_slice()).map(Digest);
        let hashes: Result<Vec<Digest>, _> = answer.hashes.iter().map(hash).collect();
        let hashes = hashes.map_err(|_| WireError::Missing("the hashes of the proof"))?;
        let open = |text: &str| -> Result<(SignedNote, Checkpoint), AuditError> {
            let note = text.parse()?;
            let checkpoint = Checkpoint::open(&note, &key)?;
            Ok((note, checkpoint))
        };
        let (old_note, old_checkpoint) = open(&answer.old_checkpoint)?;
        let (new_note, new_checkpoint) = open(&answer.new_checkpoint)?;
        old.is(old_checkpoint.head)?;
        new.is(new_checkpoint.head)?;
        verify_consistency(old_checkpoint.head, new_checkpoint.head, &hashes).map_err(AuditError::LeadersProof)?;
        screen.put(if self.json {
            render::consistency_json(&old_note, &new_note, &hashes)
        } else {
            render::consistency(&old_checkpoint, &new_checkpoint)
        })?;
        Ok(Exit::Done)
    }
}

/// A point as far as it is known beforehand.
enum Known<'a> {
    Size(u64),
    Head(&'a Path, TreeHead),
}

impl Point {
    fn head(&self, key: &NoteKey) -> Result<Known<'_>, AuditError> {
        Ok(match self {
            Self::Size(size) => Known::Size(*size),
            Self::File(path) => Known::Head(path, Checkpoint::open(&given::note(path)?, key)?.head),
        })
    }
}

impl Known<'_> {
    fn size(&self) -> u64 {
        match self {
            Self::Size(size) | Self::Head(_, TreeHead { size, .. }) => *size,
        }
    }

    /// Whether the leader's log is, at this point, the one that somebody kept a checkpoint of.
    fn is(&self, shown: TreeHead) -> Result<(), AuditError> {
        match self {
            Self::Head(path, head) if *head != shown => Err(AuditError::Forked {
                path: path.to_path_buf(),
                size: head.size,
            }),
            _ => Ok(()),
        }
    }
}
