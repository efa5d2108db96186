//! What every file in the form of a JWKS (RFC 7517, section 5) shares: reading its members, as secrets until known better.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::OutputError;
use super::error::File;
use crate::types::Secret;

/// One key of a JWKS: its members by name.
pub(super) type Members = BTreeMap<String, Secret>;

/// One key of a JWKS as it was read.
pub(super) struct Key {
    /// The members that are text.
    pub members: Members,
    /// `x5c` (RFC 7517, section 4.7).
    pub certificates: Option<Vec<Secret>>,
}

/// One key of a JWKS as it is written, with its certificate on request.
#[derive(Serialize)]
pub(super) struct Certified<J> {
    #[serde(flatten)]
    pub jwk: J,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x5c: Option<[String; 1]>,
}

/// The value of `x5c` for one certificate: DER in base64, not base64url.
pub(super) fn x5c(certificate_der: &[u8]) -> [String; 1] {
    [STANDARD.encode(certificate_der)]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Jwks {
    keys: Vec<BTreeMap<String, Value>>,
}

/// Text is cleared when it is dropped, also when the rest of the file turns out to be wrong.
enum Value {
    Text(Secret),
    List(Vec<Secret>),
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TextOrList)
    }
}

struct TextOrList;

impl<'de> Visitor<'de> for TextOrList {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("text, or a list of it")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(Secret::new(text.as_bytes().to_vec())))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(Secret::new(text.into_bytes())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<String>()? {
            list.push(Secret::new(item.into_bytes()));
        }
        Ok(Value::List(list))
    }
}

/// The keys of a JWKS.
///
/// # Errors
/// [`OutputError::NotJwks`], which says where and never what: serde's own words can hold a value.
pub(super) fn parse(file: File, bytes: &[u8]) -> Result<Vec<Key>, OutputError> {
    let jwks: Jwks = serde_json::from_slice(bytes).map_err(|why| OutputError::NotJwks {
        file,
        line: why.line(),
        column: why.column(),
    })?;
    let keys = jwks.keys.into_iter().map(key).collect::<Option<_>>();
    keys.ok_or(OutputError::ListMember(file))
}

/// The only member that is a list is `x5c`.
fn key(values: BTreeMap<String, Value>) -> Option<Key> {
    let (mut members, mut certificates) = (Members::new(), None);
    for (name, value) in values {
        match value {
            Value::Text(text) if name != "x5c" => drop(members.insert(name, text)),
            Value::List(list) if name == "x5c" => certificates = Some(list),
            _ => return None,
        }
    }
    Some(Key { members, certificates })
}
