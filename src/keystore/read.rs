//! Reading back from a database, with every value checked.

use std::ops::{ControlFlow, Range};

use super::backend::{Backend, Entry, Tree};
use super::commit::{SecretName, StoredRecord, VersionInfo};
use super::error::KeystoreError;
use super::form::{
    Forms, evidence_key, index_prefix, kid_of_index, number_at_end, record_key, secret_binding, secret_key, state_key,
    version_key,
};
use super::meta::parse;
use crate::types::{Digest, Kid, Secret, Seq, Version};

/// A database and the keys to it.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) backend: &'a dyn Backend,
    pub(super) forms: &'a Forms,
}

/// A record as it is stored, with the head of the chain up to and with it.
pub(super) struct Link {
    pub(super) seq: Seq,
    pub(super) head: Digest,
    pub(super) bytes: Vec<u8>,
}

impl Reader<'_> {
    /// Every entry whose key begins with `prefix`.
    fn entries(&self, tree: Tree, prefix: &[u8]) -> Result<Vec<Entry>, KeystoreError> {
        let mut found = Vec::new();
        self.backend.scan(tree, prefix, &mut |key, value| {
            if !key.starts_with(prefix) {
                return Ok(ControlFlow::Break(()));
            }
            found.push((key.to_vec(), value.to_vec()));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    pub(super) fn state(&self, version: Version) -> Result<Vec<u8>, KeystoreError> {
        let chunks = self.entries(Tree::States, &version.0.to_be_bytes())?;
        if chunks.is_empty() {
            return Err(KeystoreError::Missing(format!(
                "state of version {version}: only the newest are kept"
            )));
        }
        let mut state = Vec::new();
        for (number, (key, sealed)) in (0..).zip(&chunks) {
            if *key != state_key(version, number) {
                return Err(KeystoreError::damaged(format!("the state of version {version} lacks a part")));
            }
            let plain = self.forms.opened(Tree::States, key, chunks.len() as u64, sealed)?;
            state.extend(plain.expose());
        }
        Ok(state)
    }

    pub(super) fn secret(&self, name: &SecretName) -> Result<Secret, KeystoreError> {
        let key = secret_key(name);
        let missing = || KeystoreError::Missing(format!("secret {name}"));
        let wrapped = self.backend.get(Tree::DataKeys, &key)?.ok_or_else(missing)?;
        let sealed = self.backend.get(Tree::Secrets, &key)?.ok_or_else(missing)?;
        open_secret(self.forms, name, &wrapped, &sealed)
    }

    pub(super) fn records(&self, range: Range<Seq>) -> Result<Vec<StoredRecord>, KeystoreError> {
        let mut found = Vec::new();
        self.walk_records(range, &mut |link| {
            found.push(StoredRecord {
                seq: link.seq,
                bytes: link.bytes,
            });
            Ok(())
        })?;
        Ok(found)
    }

    /// Every record of a range, as far as there are any, none left out.
    pub(super) fn walk_records(
        &self,
        range: Range<Seq>,
        visit: &mut dyn FnMut(Link) -> Result<(), KeystoreError>,
    ) -> Result<(), KeystoreError> {
        let mut next = range.start;
        self.backend.scan(Tree::Records, &record_key(next), &mut |key, value| {
            if next >= range.end {
                return Ok(ControlFlow::Break(()));
            }
            if number_at_end(Tree::Records, key)? != next.0 || key.len() != 8 {
                return Err(KeystoreError::damaged(format!("record {next} is not there")));
            }
            let payload = self.forms.checked(Tree::Records, key, value)?;
            let (head, bytes) = payload
                .split_first_chunk()
                .ok_or_else(|| KeystoreError::damaged(format!("record {next} was cut short")))?;
            let link = Link {
                seq: next,
                head: Digest(*head),
                bytes: bytes.to_vec(),
            };
            next = next.next();
            visit(link)?;
            Ok(ControlFlow::Continue(()))
        })
    }

    pub(super) fn records_of(&self, kid: &Kid) -> Result<Vec<Seq>, KeystoreError> {
        let entries = self.entries(Tree::KidIndex, &index_prefix(kid))?;
        entries
            .iter()
            .map(|(key, value)| {
                self.forms.checked(Tree::KidIndex, key, value)?;
                number_at_end(Tree::KidIndex, key).map(Seq)
            })
            .collect()
    }

    pub(super) fn evidence(&self, digest: Digest) -> Result<Vec<u8>, KeystoreError> {
        let mut list = Vec::new();
        let chunks = self.entries(Tree::Evidence, &digest.0)?;
        if chunks.is_empty() {
            return Err(KeystoreError::Missing(format!("list of confirmations with digest {digest}")));
        }
        for (number, (key, value)) in (0..).zip(&chunks) {
            if *key != evidence_key(digest, number) {
                return Err(KeystoreError::damaged(format!(
                    "the list of confirmations {digest} lacks a part"
                )));
            }
            list.extend(self.forms.checked(Tree::Evidence, key, value)?);
        }
        if Digest::of(&list) != digest {
            return Err(KeystoreError::damaged(format!(
                "the list of confirmations {digest} has another digest"
            )));
        }
        Ok(list)
    }

    pub(super) fn observations(&self) -> Result<Vec<Entry>, KeystoreError> {
        self.entries(Tree::Observations, b"")?
            .into_iter()
            .map(|(key, value)| {
                let payload = self.forms.checked(Tree::Observations, &key, &value)?.to_vec();
                Ok((key, payload))
            })
            .collect()
    }

    /// What the versions of a range were, as far as there are any.
    pub(super) fn versions(&self, range: Range<Version>) -> Result<Vec<VersionInfo>, KeystoreError> {
        let mut found: Vec<VersionInfo> = Vec::new();
        self.backend
            .scan(Tree::Versions, &version_key(range.start), &mut |key, value| {
                if key >= version_key(range.end).as_slice() {
                    return Ok(ControlFlow::Break(()));
                }
                found.push(parse("a version", self.forms.checked(Tree::Versions, key, value)?)?);
                Ok(ControlFlow::Continue(()))
            })?;
        Ok(found)
    }

    /// Every kid that the index has, each once.
    pub(super) fn kids(&self) -> Result<Vec<Kid>, KeystoreError> {
        let mut kids: Vec<Kid> = Vec::new();
        self.backend.scan(Tree::KidIndex, b"", &mut |key, value| {
            self.forms.checked(Tree::KidIndex, key, value)?;
            let kid = kid_of_index(key)?;
            if kids.last() != Some(&kid) {
                kids.push(kid);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(kids)
    }

    /// In how many chunks the state is stored that the chunk at `key` is of.
    pub(super) fn chunks_of_state(&self, key: &[u8]) -> Result<u64, KeystoreError> {
        let version = key.get(..8).unwrap_or_default();
        Ok(self.entries(Tree::States, version)?.len() as u64)
    }

    /// Every secret as it is stored: its name, its wrapped data key, and itself, sealed.
    pub(super) fn sealed_secrets(&self) -> Result<Vec<SealedSecret>, KeystoreError> {
        let mut secrets = Vec::new();
        for (key, sealed) in self.entries(Tree::Secrets, b"")? {
            let name = secret_name(&key)?;
            let wrapped = self.backend.get(Tree::DataKeys, &key)?.ok_or_else(odd_secret)?;
            secrets.push(SealedSecret { name, wrapped, sealed });
        }
        Ok(secrets)
    }
}

/// The name that a secret's key in the database stands for.
pub(super) fn secret_name(key: &[u8]) -> Result<SecretName, KeystoreError> {
    let name = std::str::from_utf8(key).ok().and_then(|name| name.parse().ok());
    name.ok_or_else(odd_secret)
}

fn odd_secret() -> KeystoreError {
    KeystoreError::damaged("a secret has no data key, or a name that jkeys does not write")
}

/// A secret and its data key, both sealed.
pub(super) struct SealedSecret {
    pub(super) name: SecretName,
    pub(super) wrapped: Vec<u8>,
    pub(super) sealed: Vec<u8>,
}

/// The same in the database and in a snapshot.
pub(super) fn open_secret(forms: &Forms, name: &SecretName, wrapped: &[u8], sealed: &[u8]) -> Result<Secret, KeystoreError> {
    let damaged = |error| KeystoreError::damaged(format!("the secret {name}: {error}"));
    let data_key = forms
        .wrapping
        .unwrap(wrapped, &secret_binding(Tree::DataKeys, name))
        .map_err(damaged)?;
    data_key.open(sealed, &secret_binding(Tree::Secrets, name)).map_err(damaged)
}
