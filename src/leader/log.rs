//! The leader's side of the audit log: it signs checkpoints, and proves records and earlier logs.
//!
//! A checkpoint is not stored: the tree is, and Ed25519 signs the same text in the same way, so that it can be made again at any time.
//! Only what is durable is in the keystore's tree, so nothing else can be signed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ring::signature::Ed25519KeyPair;

use super::founding::{FIRST, FoundingError};
use crate::audit::{Checkpoint, NoteKey, RecordProof, SignedNote, origin, prove_consistency, prove_inclusion, root_at, signer};
use crate::keystore::{Keystore, KeystoreError, SecretName};
use crate::lifecycle::Fleet;
use crate::rpc::fleet::{AdoptedRecord, Consistency};
use crate::story::{self, HistoricalKeys};
use crate::types::{Digest, PublicJwk, Secret, Seq, TreeHead, WitnessKey};

/// How many proofs and heads are remembered: most nodes remember the same checkpoint.
const REMEMBERED: usize = 1024;

/// The log of a running leader. All calls that return a [`KeystoreError`] block.
pub struct Log {
    keystore: Arc<Keystore>,
    key: NoteKey,
    public: WitnessKey,
    pair: Ed25519KeyPair,
    /// Proofs from one size to another. They never change.
    proofs: Mutex<BTreeMap<(u64, u64), Arc<Consistency>>>,
    /// Heads that were compared with the tree. They never change, but for those that are longer than the log.
    heads: Mutex<BTreeMap<u64, Digest>>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Log {
    /// Reads the log's key, which must be the one that the fleet was founded with.
    ///
    /// # Errors
    /// It is not there, or is another one.
    pub fn load(keystore: Arc<Keystore>, fleet: &Fleet) -> Result<Self, FoundingError> {
        let pair = key_pair(&keystore.secret(&SecretName::Log(FIRST))?, fleet)?;
        Ok(Self {
            keystore,
            key: NoteKey::of_log(&origin(&fleet.trust_domain), fleet.log_public_key),
            public: fleet.log_public_key,
            pair,
            proofs: Mutex::default(),
            heads: Mutex::default(),
        })
    }

    /// The key that its checkpoints are verified with.
    #[must_use]
    pub fn key(&self) -> &NoteKey {
        &self.key
    }

    /// The checkpoint of the whole log.
    ///
    /// # Errors
    /// The storage failed.
    pub fn checkpoint(&self) -> Result<(TreeHead, SignedNote), KeystoreError> {
        let head = self.keystore.log(|log| Ok(log.head()))?;
        Ok((head, self.sign(head)))
    }

    /// The checkpoint of the log as it was with so many records. `None`: it never had as many.
    ///
    /// # Errors
    /// The storage failed.
    pub fn checkpoint_at(&self, size: u64) -> Result<Option<SignedNote>, KeystoreError> {
        let root = self
            .keystore
            .log(|log| (size <= log.tree().size()).then(|| root_at(log, size)).transpose())?;
        Ok(root.map(|root| self.sign(TreeHead { size, root })))
    }

    /// A record, with its proof in the whole log.
    ///
    /// # Errors
    /// There is no such record; the storage failed.
    pub fn prove(&self, seq: Seq) -> Result<RecordProof, KeystoreError> {
        let record = self.keystore.record(seq)?.bytes;
        let (head, hashes) = self.keystore.log(|log| {
            let head = log.head();
            Ok((head, prove_inclusion(log, seq.0, head.size)?))
        })?;
        Ok(RecordProof {
            record,
            seq,
            hashes,
            checkpoint: self.sign(head),
        })
    }

    /// The newest record, with its proof, and the size of the log; none before the first. Its generation is the one in force. Only who
    /// commits may ask: nothing is appended meanwhile.
    ///
    /// # Errors
    /// The storage failed.
    pub fn prove_newest(&self) -> Result<Option<(RecordProof, u64)>, KeystoreError> {
        let size = self.keystore.log(|log| Ok(log.tree().size()))?;
        let Some(last) = size.checked_sub(1) else { return Ok(None) };
        Ok(Some((self.prove(Seq(last))?, size)))
    }

    /// The proof that the log of `to` records goes on from that of `from`. `None` where `from` is longer, or there
    /// are not as many.
    ///
    /// # Errors
    /// The storage failed.
    pub fn consistency(&self, from: u64, to: u64) -> Result<Option<Arc<Consistency>>, KeystoreError> {
        if from > to {
            return Ok(None);
        }
        if let Some(proof) = held(&self.proofs).get(&(from, to)) {
            return Ok(Some(proof.clone()));
        }
        let proved = self.keystore.log(|log| {
            (to <= log.tree().size())
                .then(|| prove_consistency(log, from, to))
                .transpose()
        })?;
        let Some(hashes) = proved else { return Ok(None) };
        let proof = Arc::new(Consistency {
            from,
            hashes,
            adopted: None,
        });
        remember(&self.proofs, (from, to), proof.clone());
        Ok(Some(proof))
    }

    /// The record of an adoption, proved in the log as it was with `size` records.
    ///
    /// # Errors
    /// There is no such record; the storage failed.
    pub fn adopted(&self, seq: Seq, size: u64) -> Result<Consistency, KeystoreError> {
        let record = self.keystore.record(seq)?.bytes;
        let hashes = self.keystore.log(|log| prove_inclusion(log, seq.0, size))?;
        let adopted = Some(AdoptedRecord { record, seq, hashes });
        Ok(Consistency {
            adopted,
            ..Consistency::default()
        })
    }

    /// Whether the log began as what `head` speaks of.
    ///
    /// # Errors
    /// The storage failed.
    pub fn holds(&self, head: TreeHead) -> Result<bool, KeystoreError> {
        if let Some(root) = held(&self.heads).get(&head.size) {
            return Ok(*root == head.root);
        }
        let root = self
            .keystore
            .log(|log| (head.size <= log.head().size).then(|| root_at(log, head.size)).transpose())?;
        let Some(root) = root else { return Ok(false) };
        remember(&self.heads, head.size, root);
        Ok(root == head.root)
    }

    /// The keys that were, signed.
    #[must_use]
    pub fn sign_historical(&self, keys: &HistoricalKeys) -> String {
        story::signed(keys, self.public, &signer(&self.pair))
    }

    /// The log's public key as a JWK, for whoever verifies those.
    #[must_use]
    pub fn jwk(&self) -> PublicJwk {
        story::verifier(self.public)
    }

    fn sign(&self, head: TreeHead) -> SignedNote {
        let origin = self.key.name().to_owned();
        Checkpoint { origin, head }.sign(&self.key, &signer(&self.pair))
    }
}

/// The log's key, if it is the one that the fleet was founded with.
pub(super) fn key_pair(private: &Secret, fleet: &Fleet) -> Result<Ed25519KeyPair, FoundingError> {
    use ring::signature::KeyPair as _;
    let pair = Ed25519KeyPair::from_pkcs8(private.expose()).map_err(|_| FoundingError::OtherLogKey)?;
    if pair.public_key().as_ref() != fleet.log_public_key.0 {
        return Err(FoundingError::OtherLogKey);
    }
    Ok(pair)
}

fn held<T>(memory: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Every change is one call that can't panic halfway.
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remember<K: Ord, V>(memory: &Mutex<BTreeMap<K, V>>, key: K, value: V) {
    let mut memory = held(memory);
    if memory.len() >= REMEMBERED {
        memory.clear();
    }
    memory.insert(key, value);
}
