//! How values are stored: each one bound to its tree and key, sealed or authenticated.
//!
//! On top of that every tree has a digest over all its entries, kept in the sealed meta: an entry that was dropped, or brought back
//! from an earlier day, is found though it is whole in itself.

use serde::{Deserialize, Serialize};

use super::backend::Tree;
use super::commit::SecretName;
use super::error::KeystoreError;
use crate::crypto::seal::{Binding, DataKey, MacKey, MasterKey, MasterKeyId, WrappingKey};
use crate::types::{Digest, Kid, Secret, Seq, Version};

const CODE_BYTES: usize = 32;

/// The keys of a keystore, all derived from the master key.
#[derive(Debug)]
pub(super) struct Forms {
    pub(super) master_id: MasterKeyId,
    pub(super) wrapping: WrappingKey,
    pub(super) snapshot: DataKey,
    seal: DataKey,
    code: MacKey,
    entry: MacKey,
}

fn place(tree: Tree, key: &[u8]) -> Binding {
    Binding::new("keystore").with(tree.name().as_bytes()).with(key)
}

impl Forms {
    pub(super) fn new(master: &MasterKey) -> Self {
        Self {
            master_id: master.id(),
            wrapping: master.wrapping_key(),
            snapshot: master.data_key("keystore snapshot"),
            seal: master.data_key("keystore"),
            code: master.mac_key("keystore value"),
            entry: master.mac_key("keystore entry"),
        }
    }

    /// A value that nobody without the master key can read. `of` is bound too: a schema, a number of chunks.
    pub(super) fn sealed(&self, tree: Tree, key: &[u8], of: u64, plain: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        Ok(self.seal.seal(plain, &place(tree, key).with_number(of))?)
    }

    pub(super) fn opened(&self, tree: Tree, key: &[u8], of: u64, sealed: &[u8]) -> Result<Secret, KeystoreError> {
        self.seal
            .open(sealed, &place(tree, key).with_number(of))
            .map_err(|error| KeystoreError::damaged(format!("in {}: {error}", tree.name())))
    }

    /// A value that everybody can read and nobody without the master key can change.
    pub(super) fn authentic(&self, tree: Tree, key: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut value = self.code.code(payload, &place(tree, key)).to_vec();
        value.extend(payload);
        value
    }

    pub(super) fn checked<'a>(&self, tree: Tree, key: &[u8], value: &'a [u8]) -> Result<&'a [u8], KeystoreError> {
        match value.split_first_chunk::<CODE_BYTES>() {
            Some((code, payload)) if self.code.code(payload, &place(tree, key)) == *code => Ok(payload),
            _ => Err(KeystoreError::damaged(format!("a value in {} was changed", tree.name()))),
        }
    }

    /// What an entry adds to the digest of its tree.
    fn entry(&self, tree: Tree, key: &[u8], value: &[u8]) -> [u8; 32] {
        self.entry.code(value, &place(tree, key))
    }
}

/// The digest of a tree: how many entries, and the exclusive or of their codes, in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TreeDigest {
    entries: u64,
    codes: Digest,
}

impl Default for TreeDigest {
    fn default() -> Self {
        Self {
            entries: 0,
            codes: Digest([0; 32]),
        }
    }
}

impl TreeDigest {
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    pub(super) fn add(&mut self, forms: &Forms, tree: Tree, key: &[u8], value: &[u8]) {
        self.entries += 1;
        self.mix(forms.entry(tree, key, value));
    }

    pub(super) fn take_out(&mut self, forms: &Forms, tree: Tree, key: &[u8], value: &[u8]) {
        self.entries = self.entries.saturating_sub(1);
        self.mix(forms.entry(tree, key, value));
    }

    fn mix(&mut self, code: [u8; 32]) {
        for (own, other) in self.codes.0.iter_mut().zip(code) {
            *own ^= other;
        }
    }
}

/// The chain over the records: `head = SHA-256(previous head || record)`, from 32 zero bytes.
///
/// It guards the store's own integrity. The audit log's proofs are another thing.
pub(super) fn chained(head: Digest, record: &[u8]) -> Digest {
    let mut link = head.0.to_vec();
    link.extend(record);
    Digest::of(&link)
}

/// The head before the first record.
pub(super) const FIRST_HEAD: Digest = Digest([0; 32]);

pub(super) fn state_key(version: Version, chunk: u64) -> Vec<u8> {
    [version.0.to_be_bytes(), chunk.to_be_bytes()].concat()
}

pub(super) fn version_key(version: Version) -> Vec<u8> {
    version.0.to_be_bytes().to_vec()
}

pub(super) fn record_key(seq: Seq) -> Vec<u8> {
    seq.0.to_be_bytes().to_vec()
}

pub(super) fn evidence_key(digest: Digest, chunk: u64) -> Vec<u8> {
    [&digest.0[..], &chunk.to_be_bytes()].concat()
}

pub(super) fn secret_key(name: &SecretName) -> Vec<u8> {
    name.to_string().into_bytes()
}

/// The keys of all index entries of a kid begin so. A kid has no zero byte.
pub(super) fn index_prefix(kid: &Kid) -> Vec<u8> {
    [kid.as_str().as_bytes(), &[0]].concat()
}

pub(super) fn index_key(kid: &Kid, seq: Seq) -> Vec<u8> {
    [&index_prefix(kid)[..], &seq.0.to_be_bytes()].concat()
}

/// The kid that an index entry is of.
pub(super) fn kid_of_index(key: &[u8]) -> Result<Kid, KeystoreError> {
    let kid = key.split(|byte| *byte == 0).next().unwrap_or_default();
    let kid = std::str::from_utf8(kid).ok().and_then(|kid| kid.parse().ok());
    kid.ok_or_else(|| KeystoreError::damaged(format!("{} has a key that jkeys does not write", Tree::KidIndex.name())))
}

/// The number at the end of a key.
pub(super) fn number_at_end(tree: Tree, key: &[u8]) -> Result<u64, KeystoreError> {
    key.last_chunk()
        .map(|bytes| u64::from_be_bytes(*bytes))
        .ok_or_else(|| KeystoreError::damaged(format!("{} has a key that jkeys does not write", tree.name())))
}

/// The place of a wrapped data key, and of the secret that it seals.
pub(super) fn secret_binding(tree: Tree, name: &SecretName) -> Binding {
    place(tree, &secret_key(name))
}
