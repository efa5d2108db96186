//! The log as the leader sends it.

use tonic::Streaming;

use super::AuditError;
use crate::audit::{Checkpoint, NoteKey, SignedNote};
use crate::cli::CliError;
use crate::cli::admin::Leader;
use crate::rpc::proto::audit_log_part::Part;
use crate::rpc::proto::{AuditLogHead, AuditLogPart};
use crate::rpc::{Failure, WireError};

/// A log that is being read.
pub(super) struct LeadersLog {
    /// The checkpoint of the whole log.
    pub(super) note: SignedNote,
    /// What it says.
    pub(super) checkpoint: Checkpoint,
    /// Earlier checkpoints with the cosignatures of nodes.
    pub(super) cosigned: Vec<SignedNote>,
    /// The log's key, as the leader says.
    pub(super) key: NoteKey,
    parts: Streaming<AuditLogPart>,
}

impl LeadersLog {
    /// Asks for the head of the log, and for its records if they are wanted.
    pub(super) async fn ask(leader: &mut Leader, records: bool) -> Result<Self, CliError> {
        let mut parts = leader.audit_log(records).await?;
        let Some(Part::Head(head)) = next(&mut parts).await? else {
            return Err(WireError::Missing("the log's checkpoint").into());
        };
        Ok(Self::read(&head, parts)?)
    }

    fn read(head: &AuditLogHead, parts: Streaming<AuditLogPart>) -> Result<Self, AuditError> {
        let key: NoteKey = head.key.parse()?;
        let note: SignedNote = head.checkpoint.parse()?;
        let cosigned = head.cosigned.iter().map(|note| note.parse());
        Ok(Self {
            checkpoint: Checkpoint::open(&note, &key)?,
            note,
            cosigned: cosigned.collect::<Result<_, _>>()?,
            key,
            parts,
        })
    }

    /// Hands each record to `take`, as many as the checkpoint speaks of.
    pub(super) async fn records(&mut self, mut take: impl FnMut(&[u8]) -> Result<(), AuditError>) -> Result<(), CliError> {
        let announced = self.checkpoint.head.size;
        let mut got = 0;
        while let Some(part) = next(&mut self.parts).await? {
            let Part::Records(sent) = part else {
                return Err(WireError::Missing("records of the log").into());
            };
            for record in &sent.records {
                take(record)?;
                got += 1;
            }
        }
        if got == announced {
            Ok(())
        } else {
            Err(AuditError::Short { got, announced }.into())
        }
    }
}

async fn next(parts: &mut Streaming<AuditLogPart>) -> Result<Option<Part>, CliError> {
    let part = parts.message().await.map_err(Failure::from)?;
    Ok(part
        .map(|part| part.part.ok_or(WireError::Missing("a part of the log")))
        .transpose()?)
}
