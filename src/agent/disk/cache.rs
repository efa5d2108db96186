//! The sealed cache: the newest generation with its private halves, so that a node keeps its promise without its leader (rule R10).
//!
//! Sealed is the public form, then kid and private half of each key, every part after its length as 4 bytes, big-endian. Under the
//! empty kid stands the proof that the generation was in the log (C2SP `tlog-proof`); caches of older releases have none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{DiskError, read};
use crate::audit::RecordProof;
use crate::crypto::seal::{Binding, DataKey, MasterKey, MasterKeyError, SealError};
use crate::durable::{self, FileAttrs};
use crate::rpc::fleet::Bundle;
use crate::types::{Digest, Kid, Secret, WitnessKey};

/// What went wrong with the sealed cache. None of it is lost for good: the leader sends the generation again.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The key's file is not there.
    #[error("the key of the sealed cache is not at {}; give the systemd credential, or name the file that has it", .0.display())]
    NoKey(PathBuf),
    /// The key's file holds no key.
    #[error("{}: {why}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: MasterKeyError,
    },
    /// Sealing or opening.
    #[error("the sealed cache can't be used: {0}; the agent writes it anew when the leader sends the generation again")]
    Seal(#[from] SealError),
    /// It opens, and what is in it is not a generation.
    #[error(
        "the sealed cache holds no generation that this release can read; the agent writes it anew when the leader sends it again"
    )]
    Form,
}

/// The key that seals a node's cache.
#[derive(Debug)]
pub struct CacheKey(DataKey);

impl CacheKey {
    /// The key in the file at `path`, which must be there.
    pub fn load(path: &Path) -> Result<Self, DiskError> {
        let content = read::file(path)?.ok_or_else(|| CacheError::NoKey(path.to_owned()))?;
        Self::from_content(path, &content)
    }

    /// The key in the file at `path`, which is made if it is not there.
    pub fn load_or_make(path: &Path) -> Result<Self, DiskError> {
        if let Some(content) = read::file(path)? {
            return Self::from_content(path, &content);
        }
        let made = MasterKey::generate().map_err(CacheError::Seal)?;
        durable::write_file(path, made.to_file().expose(), &FileAttrs::mode(0o600))?;
        Ok(Self::of(&made))
    }

    fn from_content(path: &Path, content: &Secret) -> Result<Self, DiskError> {
        let key = MasterKey::from_file(content).map_err(|why| CacheError::Key {
            path: path.to_owned(),
            why,
        })?;
        Ok(Self::of(&key))
    }

    fn of(key: &MasterKey) -> Self {
        Self(key.data_key("agent cache"))
    }

    /// A generation of `fleet` with those of its private halves that are in `held`, sealed.
    pub(super) fn seal(
        &self,
        bundle: &Bundle,
        proof: Option<&RecordProof>,
        held: &BTreeSet<Kid>,
        fleet: Option<WitnessKey>,
    ) -> Result<Vec<u8>, CacheError> {
        let plain = encode(bundle, proof, held);
        Ok(self.0.seal(plain.expose(), &binding(fleet))?)
    }

    /// The generation in a sealed cache of `fleet`.
    pub(super) fn open(&self, sealed: &[u8], fleet: Option<WitnessKey>) -> Result<(Bundle, Option<RecordProof>), CacheError> {
        let plain = self.0.open(sealed, &binding(fleet))?;
        decode(plain.expose()).ok_or(CacheError::Form)
    }
}

fn binding(fleet: Option<WitnessKey>) -> Binding {
    Binding::new("agent cache").with(fleet.as_ref().map_or(&[], |fleet| &fleet.0[..]))
}

fn encode(bundle: &Bundle, proof: Option<&RecordProof>, held: &BTreeSet<Kid>) -> Secret {
    let proof = proof.map(ToString::to_string);
    let kept: Vec<(&Kid, &Secret)> = bundle.privates.iter().filter(|(kid, _)| held.contains(*kid)).collect();
    let parts = kept
        .iter()
        .flat_map(|(kid, secret)| [kid.as_str().as_bytes(), secret.expose()]);
    let parts: Vec<&[u8]> = {
        let proof = proof.iter().flat_map(|text| [&[][..], text.as_bytes()]);
        std::iter::once(bundle.public_form.as_slice())
            .chain(proof)
            .chain(parts)
            .collect()
    };
    // Room for all of it at once: a buffer that grew would leave a copy behind.
    let mut plain = Vec::with_capacity(parts.iter().map(|part| 4 + part.len()).sum());
    for part in parts {
        let len = u32::try_from(part.len()).expect("a verified generation's parts are far below 4 GiB");
        plain.extend(len.to_be_bytes());
        plain.extend(part);
    }
    Secret::new(plain)
}

fn decode(plain: &[u8]) -> Option<(Bundle, Option<RecordProof>)> {
    let (public_form, mut rest) = split_part(plain)?;
    let (mut privates, mut proof) = (BTreeMap::new(), None);
    while !rest.is_empty() {
        let (kid, after) = split_part(rest)?;
        let (secret, after) = split_part(after)?;
        if kid.is_empty() {
            proof = RecordProof::parse_all(std::str::from_utf8(secret).ok()?).ok()?.pop();
        } else {
            privates.insert(std::str::from_utf8(kid).ok()?.parse().ok()?, Secret::new(secret.to_vec()));
        }
        rest = after;
    }
    let bundle = Bundle {
        set: serde_json::from_slice(public_form).ok()?,
        digest: Digest::of(public_form),
        public_form: public_form.to_vec(),
        privates,
    };
    Some((bundle, proof))
}

fn split_part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*len).try_into().ok()?)
}
