//! The node as a witness of the audit log: it cosigns what it remembers durably.

use ring::signature::Ed25519KeyPair;

use super::papers::Papers;
use crate::audit::{Checkpoint, NoteKey, cosign, signer, witness_name};
use crate::pki::PkiError;
use crate::rpc::fleet::Cosignature;
use crate::types::{Time, TreeHead, WitnessKey};

/// Cosigns each checkpoint once a stream.
pub(super) struct Cosigner {
    /// The log's origin.
    origin: String,
    witness: NoteKey,
    pair: Ed25519KeyPair,
    last: Option<TreeHead>,
}

impl Cosigner {
    /// With the node's own witness key.
    pub(super) fn new(papers: &Papers) -> Result<Self, PkiError> {
        let public = WitnessKey(papers.keys.witness_public_key()?);
        let name = witness_name(&papers.membership.trust_domain, &papers.node);
        Ok(Self {
            origin: papers.log().name().to_owned(),
            witness: NoteKey::of_witness(&name, public),
            pair: papers.keys.witness_pair()?,
            last: None,
        })
    }

    /// The cosignature of a checkpoint that the node has accepted; none where it was the last one already.
    pub(super) fn cosign(&mut self, head: TreeHead, now: Time) -> Option<Cosignature> {
        if self.last.replace(head) == Some(head) {
            return None;
        }
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            head,
        };
        let signature = cosign(&checkpoint, &self.witness, now, &signer(&self.pair));
        let bytes = signature.bytes().to_vec();
        Some(Cosignature { head, bytes })
    }
}
