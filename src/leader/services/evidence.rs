//! What a node shows of the log: a generation that the leader may have lost, and its own signature under a checkpoint.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::context::internal;
use super::fleet::Session;
use crate::audit::{Checkpoint, NoteKey, Record, cosignature_time, witness_name};
use crate::keystore::KeystoreError;
use crate::leader::message::Message;
use crate::lifecycle::Shown;
use crate::rpc::Failure;
use crate::rpc::fleet::{Cosignature, Exhibit};
use crate::types::Kid;

impl Session {
    /// A node shows a generation. One that the log knows is no news, and one that the log's key has not signed is nothing.
    pub(super) async fn take_shown(&self, exhibit: &Exhibit) -> Result<(), Failure> {
        let (log, node) = (&self.context.log, self.member.name.clone());
        let (set, head) = match exhibit.open(log.key()) {
            Ok(opened) => opened,
            Err(why) => {
                tracing::warn!(%node, %why, "a generation that a node showed and that does not hold was dropped");
                return Ok(());
            }
        };
        if tokio::task::block_in_place(|| log.holds(head)).map_err(|why| internal(&why))? {
            return Ok(());
        }
        let kids: Vec<Kid> = set.members.iter().map(|member| member.public.kid.clone()).collect();
        let gone_here = self.context.read(move |keystore| {
            let mut gone = BTreeSet::new();
            for kid in kids {
                for seq in keystore.records_of(&kid)? {
                    let record = Record::from_bytes(&keystore.record(seq)?.bytes);
                    gone.extend(record.is_ok_and(|record| record.event.ends_key()).then(|| kid.clone()));
                }
            }
            Ok::<_, KeystoreError>(gone)
        });
        let gone_here = gone_here.await?;
        let (set, enrolment) = (Arc::new(set), self.member.enrolment);
        let shown = Shown { set, gone_here };
        self.context.tell(Message::Shown { node, enrolment, shown }).await
    }

    /// Keeps a cosignature that verifies, of a checkpoint that is in the log.
    pub(super) async fn keep(&self, cosignature: Cosignature) -> Result<(), Failure> {
        let (node, enrolment) = (&self.member.name, self.member.enrolment);
        let leader = self.context.shared.leader().await?;
        let row = leader.state().nodes.get(node).filter(|row| row.enrolment == enrolment);
        let Some(witness_key) = row.map(|row| row.witness_key) else {
            return Ok(());
        };
        drop(leader);
        let (log, head) = (&self.context.log, cosignature.head);
        let is_in_log = tokio::task::block_in_place(|| log.holds(head)).map_err(|why| internal(&why))?;
        let witness = NoteKey::of_witness(&witness_name(&self.context.authority().fleet.trust_domain, node), witness_key);
        let checkpoint = Checkpoint {
            origin: log.key().name().to_owned(),
            head,
        };
        if !is_in_log || cosignature_time(&checkpoint, &witness, &cosignature.bytes).is_none() {
            tracing::warn!(%node, %head, "a cosignature that does not hold was dropped");
            return Ok(());
        }
        self.context.tell(Message::Cosigned { enrolment, cosignature }).await
    }
}
