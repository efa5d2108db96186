//! What every file in the form of a JWKS (RFC 7517, section 5) shares: reading its members, as secrets until known better.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::OutputError;
use super::error::File;
use crate::types::Secret;

/// One key of a JWKS: its members by name.
pub(super) type Members = BTreeMap<String, Secret>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Jwks {
    keys: Vec<BTreeMap<String, Text>>,
}

/// Text that is cleared when it is dropped, also when the rest of the file turns out to be wrong.
struct Text(Secret);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Secret::new(text.into_bytes())))
    }
}

/// The keys of a JWKS.
///
/// # Errors
/// [`OutputError::NotJwks`], which says where and never what: serde's own words can hold a value.
pub(super) fn parse(file: File, bytes: &[u8]) -> Result<Vec<Members>, OutputError> {
    let jwks: Jwks = serde_json::from_slice(bytes).map_err(|why| OutputError::NotJwks {
        file,
        line: why.line(),
        column: why.column(),
    })?;
    let unwrap = |members: BTreeMap<String, Text>| members.into_iter().map(|(name, Text(value))| (name, value)).collect();
    Ok(jwks.keys.into_iter().map(unwrap).collect())
}
