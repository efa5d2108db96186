//! What auditors ask: the log, and proofs of it. Nothing here changes anything.

use std::collections::BTreeMap;

use tokio::sync::mpsc;
use tonic::Status;

use super::context::Context;
use crate::audit::{NoteKey, NoteSignature, add_cosignature, witness_name};
use crate::keystore::{KeystoreError, StoredRecord};
use crate::leader::store::{StoreError, cosignatures};
use crate::rpc::proto::{
    AuditLogHead, AuditLogPart, AuditLogRecords, ProveConsistencyRequest, ProveConsistencyResponse, ProveRecordsRequest,
    ProvedRecord, audit_log_part, prove_records_request,
};
use crate::rpc::{ErrorKind, Failure};
use crate::types::{Kid, NameError, Seq, TreeHead};

/// How many records are read at once: far less than a message holds.
const CHUNK: u64 = 64;

/// Where the parts go that a caller is sent.
pub(super) type Parts<T> = mpsc::Sender<Result<T, Status>>;

/// Which records are to be proved.
pub(super) enum Which {
    /// Those that speak of this key.
    Of(Kid),
    /// The one at this place.
    At(Seq),
}

impl TryFrom<ProveRecordsRequest> for Which {
    type Error = Failure;

    fn try_from(request: ProveRecordsRequest) -> Result<Self, Failure> {
        match request.of {
            Some(prove_records_request::Of::Kid(kid)) => kid.parse().map(Self::Of).map_err(|why| invalid(&why)),
            Some(prove_records_request::Of::Seq(seq)) => Ok(Self::At(Seq(seq))),
            None => Err(Failure::invalid("name a key or a record to prove")),
        }
    }
}

fn invalid(why: &NameError) -> Failure {
    Failure::invalid(why.to_string())
}

impl Context {
    /// The newest checkpoint, and what nodes have cosigned.
    pub(super) async fn audit_head(&self) -> Result<(TreeHead, AuditLogHead), Failure> {
        let domain = self.authority().fleet.trust_domain.clone();
        let leader = self.shared.leader().await?;
        let witnesses: Vec<_> = (leader.state().nodes.iter())
            .map(|(node, row)| {
                (
                    row.enrolment,
                    NoteKey::of_witness(&witness_name(&domain, node), row.witness_key),
                )
            })
            .collect();
        drop(leader);
        let log = self.log.clone();
        let read = self.read(move |keystore| -> Result<_, StoreError> {
            let (head, newest) = log.checkpoint()?;
            let mut notes = BTreeMap::new();
            for (enrolment, cosignature) in cosignatures(keystore)? {
                let witness = witnesses.iter().find(|(of, _)| *of == enrolment);
                let Some((_, witness)) = witness.filter(|_| cosignature.head.size <= head.size) else {
                    continue;
                };
                let size = cosignature.head.size;
                if !notes.contains_key(&size) {
                    notes.extend(log.checkpoint_at(size)?.map(|note| (size, note)));
                }
                if let Some(note) = notes.get_mut(&size) {
                    add_cosignature(note, NoteSignature::new(witness, cosignature.bytes));
                }
            }
            let told = AuditLogHead {
                checkpoint: newest.to_string(),
                cosigned: notes.values().map(ToString::to_string).collect(),
                key: log.key().to_string(),
            };
            Ok((head, told))
        });
        read.await
    }

    /// Sends every record below `end`.
    pub(super) async fn send_records(self, end: u64, parts: Parts<AuditLogPart>) {
        let mut at = 0;
        while at < end {
            let until = end.min(at + CHUNK);
            let read = self.read(move |keystore| keystore.records(Seq(at)..Seq(until))).await;
            let records = |records: Vec<StoredRecord>| AuditLogPart {
                part: Some(audit_log_part::Part::Records(AuditLogRecords {
                    records: records.into_iter().map(|record| record.bytes).collect(),
                })),
            };
            let failed = read.is_err();
            if parts.send(read.map(records).map_err(Status::from)).await.is_err() || failed {
                return;
            }
            at = until;
        }
    }

    /// The places of the records to prove.
    pub(super) async fn which(&self, which: Which) -> Result<Vec<Seq>, Failure> {
        let (end, found, words) = match which {
            Which::At(seq) => {
                let end = self.read(|keystore| keystore.log(|log| Ok(log.tree().size()))).await?;
                let found = if seq.0 < end { vec![seq] } else { vec![] };
                (end, found, format!("there is no record {seq}"))
            }
            Which::Of(kid) => {
                let words = format!("no record speaks of a key {kid}");
                let found = self.read(move |keystore| keystore.records_of(&kid)).await?;
                (0, found, words)
            }
        };
        if found.is_empty() {
            let advice = if end > 0 {
                format!("; the last is {}", end - 1)
            } else {
                String::new()
            };
            return Err(Failure::new(
                ErrorKind::NotFound,
                format!("{words}{advice}; `jkeys history` shows all"),
            ));
        }
        Ok(found)
    }

    /// Sends the proof of each of these records.
    pub(super) async fn send_proofs(self, which: Vec<Seq>, parts: Parts<ProvedRecord>) {
        for seq in which {
            let log = self.log.clone();
            let proof = self.read(move |_| log.prove(seq)).await;
            let failed = proof.is_err();
            let sent = proof.map(|proof| ProvedRecord {
                proof: proof.to_string(),
            });
            if parts.send(sent.map_err(Status::from)).await.is_err() || failed {
                return;
            }
        }
    }

    /// The proof that one log goes on from another.
    pub(super) async fn consistency(&self, request: ProveConsistencyRequest) -> Result<ProveConsistencyResponse, Failure> {
        let ProveConsistencyRequest { old_size, new_size } = request;
        let log = self.log.clone();
        let read = self.read(move |_| -> Result<_, KeystoreError> {
            let proof = log.consistency(old_size, new_size)?;
            let (Some(proof), Some(old), Some(new)) = (proof, log.checkpoint_at(old_size)?, log.checkpoint_at(new_size)?) else {
                return Ok(None);
            };
            Ok(Some(ProveConsistencyResponse {
                old_checkpoint: old.to_string(),
                new_checkpoint: new.to_string(),
                hashes: proof.hashes.iter().map(|hash| hash.0.to_vec()).collect(),
                key: log.key().to_string(),
            }))
        });
        read.await?.ok_or_else(|| {
            Failure::invalid(format!(
                "there is no way from a log of {old_size} records to one of {new_size}: the earlier one comes first, and \
                 `jkeys audit checkpoint` says how many records there are"
            ))
        })
    }
}
