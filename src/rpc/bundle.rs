//! A generation on the wire.
//!
//! The leader encodes a generation once, as the bytes of a `Generation` message. `LeaderUpdate` carries those as a `bytes` field, which is
//! generated as [`Bytes`]: a clone for each stream shares one buffer, and sending costs one copy into that stream's HTTP/2 buffer. A codec of
//! our own could not save that copy, because HTTP/2 frames are built from it; and so the message stays plain protobuf.
//!
//! Private halves stand in that one buffer while the generation is the newest; it is zeroized with the last clone. What passes
//! through the buffers of tonic and rustls, on both sides, is out of our reach.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use prost::Message as _;
use prost::bytes::Bytes;
use zeroize::{Zeroize as _, Zeroizing};

use super::fleet::{Bundle, Consistency, Logged};
use super::limits::{
    CHECKPOINT_BYTES, CONSISTENCY_BYTES, PRIVATE_HALF_BYTES, PUBLIC_FORM_BYTES, RECORD_BYTES, REPORTED_KIDS, UPDATE_BYTES,
};
use super::proto;
use crate::audit::{CheckpointError, MAX_PROOF_HASHES, RecordProof, public_form};
use crate::lifecycle::KeySet;
use crate::pki::{CaCertificate, PkiError};
use crate::types::{Digest, Kid, NameError, Secret, Seq};

/// What is wrong with a generation.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Not the protobuf message that it should be.
    #[error("the generation can't be read ({0}); leader and node may run releases that are too far apart")]
    Malformed(prost::DecodeError),
    /// A part is larger than it may be.
    #[error("the generation's {part} has {bytes} bytes, but at most {limit} are allowed; fewer keys or profiles make it smaller")]
    TooLarge {
        /// Which part.
        part: &'static str,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },
    /// The public form isn't the JSON that it should be.
    #[error("the generation's public form can't be read ({0}); leader and node may run releases that are too far apart")]
    PublicForm(serde_json::Error),
    /// The public form says the same as another text would: its digest would mean nothing.
    #[error("the generation's public form is not in canonical form (RFC 8785), so it was altered on its way; it is refused")]
    NotCanonical,
    /// A CA that can't be one.
    #[error("the generation names a CA that can't be read ({0}); it is refused")]
    Ca(#[from] PkiError),
    /// Two members have one kid.
    #[error("the generation holds the key {0} twice; it is refused")]
    Twice(Kid),
    /// A kid that can't be one.
    #[error("the generation holds a private half with a wrong kid: {0}")]
    Kid(#[from] NameError),
    /// A private half is absent.
    #[error("the generation lacks the private half of {0}, which its state demands; it is refused")]
    PrivateMissing(Kid),
    /// A private half that the node must not have.
    #[error("the generation carries a private half of {0}, which its state forbids; it is refused")]
    PrivateExtra(Kid),
    /// A proof that is none.
    #[error("the generation's proof has a hash that is none, or more of them than any log needs; it is refused")]
    Hashes,
    /// More revoked keys than are ever sent.
    #[error("the generation names more than {REPORTED_KIDS} revoked keys; it is refused")]
    Revoked,
    /// A checkpoint that is none.
    #[error("the generation's checkpoint can't be read: {0}")]
    Checkpoint(#[from] CheckpointError),
}

impl Bundle {
    /// A generation with its private halves.
    ///
    /// # Errors
    /// `privates` are not exactly those that the stages demand, or the generation is too large.
    pub fn new(set: KeySet, privates: BTreeMap<Kid, Secret>) -> Result<Self, BundleError> {
        let form = public_form(&set);
        Self::check(set, form, privates)
    }

    fn check(
        set: KeySet,
        (public_form, digest): (Vec<u8>, Digest),
        privates: BTreeMap<Kid, Secret>,
    ) -> Result<Self, BundleError> {
        within("public form", public_form.len(), PUBLIC_FORM_BYTES)?;
        for ca in &set.cas {
            CaCertificate::from_base64(ca)?;
        }
        let mut seen = BTreeSet::new();
        for member in &set.members {
            let kid = &member.public.kid;
            if !seen.insert(kid) {
                return Err(BundleError::Twice(kid.clone()));
            }
            if member.carries_private() && !privates.contains_key(kid) {
                return Err(BundleError::PrivateMissing(kid.clone()));
            }
        }
        for (kid, private) in &privates {
            within("private half", private.expose().len(), PRIVATE_HALF_BYTES)?;
            if !set.member(kid).is_some_and(|member| member.stage.carries_private()) {
                return Err(BundleError::PrivateExtra(kid.clone()));
            }
        }
        Ok(Self {
            set,
            public_form,
            digest,
            privates,
        })
    }

    fn read(message: &proto::Generation, privates: BTreeMap<Kid, Secret>) -> Result<Self, BundleError> {
        within("public form", message.public_form.len(), PUBLIC_FORM_BYTES)?;
        let set: KeySet = serde_json::from_slice(&message.public_form).map_err(BundleError::PublicForm)?;
        let form = public_form(&set);
        if form.0 != message.public_form {
            return Err(BundleError::NotCanonical);
        }
        Self::check(set, form, privates)
    }
}

impl Logged {
    /// Reads the bytes of a `Generation` message.
    pub(super) fn decode(bytes: &Bytes, consistency: Consistency) -> Result<Self, BundleError> {
        let mut message = proto::Generation::default();
        // `merge` leaves what it has read so far in our hands, where `decode` would drop it as it is.
        let read = message.merge(bytes.clone()).map_err(BundleError::Malformed);
        let mut privates = BTreeMap::new();
        let mut problem = read.err();
        for half in message.privates.drain(..) {
            let secret = Secret::new(half.pkcs8_der);
            match half.kid.parse::<Kid>() {
                Ok(kid) if privates.contains_key(&kid) => problem = problem.or(Some(BundleError::Twice(kid))),
                Ok(kid) => drop(privates.insert(kid, secret)),
                Err(wrong) => problem = problem.or(Some(BundleError::Kid(wrong))),
            }
        }
        if let Some(problem) = problem {
            return Err(problem);
        }
        let bundle = Bundle::read(&message, privates)?;
        within("record", message.record.len(), RECORD_BYTES)?;
        within("checkpoint", message.checkpoint.len(), CHECKPOINT_BYTES)?;
        let proof = RecordProof {
            record: message.record,
            seq: Seq(message.record_seq),
            hashes: hashes(&message.inclusion)?,
            checkpoint: message.checkpoint.parse().map_err(CheckpointError::from)?,
        };
        Ok(Self {
            bundle,
            proof,
            consistency,
            revoked: revoked(message.revoked)?,
        })
    }
}

fn revoked(names: Vec<String>) -> Result<BTreeSet<Kid>, BundleError> {
    if names.len() > REPORTED_KIDS {
        return Err(BundleError::Revoked);
    }
    names.into_iter().map(|name| name.parse().map_err(BundleError::Kid)).collect()
}

/// The hashes of a proof.
pub(super) fn hashes<B: AsRef<[u8]>>(sent: &[B]) -> Result<Vec<Digest>, BundleError> {
    let hash = |bytes: &B| <[u8; 32]>::try_from(bytes.as_ref()).map(Digest).ok();
    let hashes = sent.iter().take(MAX_PROOF_HASHES + 1).map(hash).collect::<Option<Vec<_>>>();
    hashes
        .filter(|hashes| hashes.len() <= MAX_PROOF_HASHES)
        .ok_or(BundleError::Hashes)
}

/// The hashes of a proof as they are sent.
pub(super) fn sent_hashes<B: From<Vec<u8>>>(hashes: &[Digest]) -> Vec<B> {
    hashes.iter().map(|hash| hash.0.to_vec().into()).collect()
}

pub(super) fn within(part: &'static str, bytes: usize, limit: usize) -> Result<(), BundleError> {
    if bytes > limit {
        return Err(BundleError::TooLarge { part, bytes, limit });
    }
    Ok(())
}

/// A generation, encoded once. Clones share the bytes, which are zeroized with the last of them.
#[derive(Clone)]
pub struct EncodedBundle(Bytes);

impl EncodedBundle {
    /// Encodes `bundle`, with the proof that it is in the log, and the kids that were revoked.
    ///
    /// # Errors
    /// It is larger than a message may be.
    pub fn new<'a>(
        bundle: &Bundle,
        proof: &RecordProof,
        revoked: impl IntoIterator<Item = &'a Kid>,
    ) -> Result<Self, BundleError> {
        within("record", proof.record.len(), RECORD_BYTES)?;
        let mut message = proto::Generation {
            public_form: bundle.public_form.clone(),
            privates: (bundle.privates.iter())
                .map(|(kid, secret)| proto::PrivateHalf {
                    kid: kid.to_string(),
                    pkcs8_der: secret.expose().to_vec(),
                })
                .collect(),
            record: proof.record.clone(),
            record_seq: proof.seq.0,
            inclusion: sent_hashes(&proof.hashes),
            checkpoint: proof.checkpoint.to_string(),
            revoked: revoked.into_iter().take(REPORTED_KIDS).map(ToString::to_string).collect(),
        };
        // As long as is needed from the start: a vector that grows would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(message.encoded_len()));
        message.encode_raw(&mut *bytes);
        for half in &mut message.privates {
            half.pkcs8_der.zeroize();
        }
        // Tag and length of the field that will hold it, and the fields beside it.
        within("message", bytes.len() + 16 + CONSISTENCY_BYTES, UPDATE_BYTES)?;
        Ok(Self(Bytes::from_owner(bytes)))
    }

    pub(super) fn bytes(&self) -> Bytes {
        self.0.clone()
    }
}

/// A generation on its way to one node.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The generation, with its proof.
    pub bundle: EncodedBundle,
    /// That the log goes on from what this node remembers.
    pub consistency: Arc<Consistency>,
}

impl std::fmt::Debug for EncodedBundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EncodedBundle({} bytes)", self.0.len())
    }
}

#[cfg(test)]
#[path = "bundle_tests.rs"]
mod tests;
