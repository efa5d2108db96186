//! What the store says of itself: schema, newest version, and the digests of its trees.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::backend::Tree;
use super::error::KeystoreError;
use super::form::{FIRST_HEAD, Forms, TreeDigest};
use crate::crypto::seal::MasterKeyId;
use crate::types::{Digest, Generation, Seq, Time, Version};

/// The schema of everything stored. A change of any stored form raises it.
pub(super) const SCHEMA: u32 = 1;
/// Where the meta stands in [`Tree::Meta`]. Every commit replaces it, on the condition that nobody else did.
pub(super) const META_KEY: &[u8] = b"meta";
/// Where the state of the observations stands in [`Tree::Meta`].
pub(super) const OBSERVED_KEY: &[u8] = b"observed";

/// The newest committed step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    /// The version of the state.
    pub(super) version: Version,
    /// The oldest version that is still kept.
    pub(super) oldest: Version,
    /// The number of the next record.
    pub(super) next_seq: Seq,
    /// The head of the chain over all records.
    pub(super) head: Digest,
    /// The generation that this very version made, and when.
    pub(super) made: Option<(Generation, Time)>,
    /// The digest of every tree but meta, records (which have their chain) and observations.
    pub(super) digests: BTreeMap<Tree, TreeDigest>,
}

/// The newest batch of observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Observed {
    /// How many batches there were.
    pub(super) batch: u64,
    /// The digest of [`Tree::Observations`].
    pub(super) digest: TreeDigest,
}

impl Meta {
    /// Before the first step.
    pub(super) fn new() -> Self {
        Self {
            version: Version(0),
            oldest: Version(0),
            next_seq: Seq(0),
            head: FIRST_HEAD,
            made: None,
            digests: BTreeMap::new(),
        }
    }

    /// Whether the digest of a tree is kept here.
    pub(super) fn covers(tree: Tree) -> bool {
        !matches!(tree, Tree::Meta | Tree::Records | Tree::Observations)
    }

    /// The stored form: schema and master key id in the clear, so that both can be told before anything is opened.
    pub(super) fn encode(&self, forms: &Forms) -> Result<Vec<u8>, KeystoreError> {
        let plain = serde_json::to_vec(self).expect("meta has only string keys");
        let mut value = SCHEMA.to_be_bytes().to_vec();
        value.extend(forms.master_id);
        value.extend(forms.sealed(Tree::Meta, META_KEY, u64::from(SCHEMA), &plain)?);
        Ok(value)
    }

    pub(super) fn decode(forms: &Forms, value: &[u8]) -> Result<Self, KeystoreError> {
        let cut = || KeystoreError::damaged("its meta was cut short");
        let (schema, rest) = value.split_first_chunk().ok_or_else(cut)?;
        let (id, sealed) = rest.split_first_chunk::<{ size_of::<MasterKeyId>() }>().ok_or_else(cut)?;
        let schema = u32::from_be_bytes(*schema);
        known_schema("the keystore", schema)?;
        if *id != forms.master_id {
            return Err(KeystoreError::WrongMasterKey {
                what: "the keystore".to_owned(),
            });
        }
        let plain = forms.opened(Tree::Meta, META_KEY, u64::from(schema), sealed)?;
        parse("meta", plain.expose())
    }
}

impl Observed {
    pub(super) fn encode(&self, forms: &Forms) -> Vec<u8> {
        let json = serde_json::to_vec(self).expect("numbers and a digest");
        forms.authentic(Tree::Meta, OBSERVED_KEY, &json)
    }

    pub(super) fn decode(forms: &Forms, value: &[u8]) -> Result<Self, KeystoreError> {
        parse("observed", forms.checked(Tree::Meta, OBSERVED_KEY, value)?)
    }
}

/// Refuses a schema that this program does not know.
pub(super) fn known_schema(what: &str, found: u32) -> Result<(), KeystoreError> {
    if found <= SCHEMA {
        return Ok(());
    }
    Err(KeystoreError::NewerSchema {
        what: what.to_owned(),
        found,
        known: SCHEMA,
    })
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(what: &str, json: &[u8]) -> Result<T, KeystoreError> {
    serde_json::from_slice(json).map_err(|error| KeystoreError::damaged(format!("{what} does not parse ({error})")))
}
