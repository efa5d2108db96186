//! `jwks.json`: every published public half, for relying parties (RFC 7517, section 5).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::OutputError;
use super::error::File;
use super::jwks::{self, Certified, Members};
use crate::crypto::PublishedKeys;
use crate::lifecycle::{KeySet, View};
use crate::types::{Kid, PublicJwk, Secret};

const FILE: File = File::PublicJwks;

#[derive(Serialize)]
struct Jwks<'a> {
    keys: Vec<Certified<&'a PublicJwk>>,
}

/// The bytes of `jwks.json`: the public halves that `view` publishes, in the order of the generation.
///
/// The same set and view give the same bytes on every node.
///
/// # Panics
/// Never: maps of text are always JSON.
#[must_use]
pub fn public_jwks(set: &KeySet, view: &View) -> Vec<u8> {
    public_jwks_with(set, view, false)
}

/// The same, with the certificate of each key as its `x5c` where that is asked for.
pub(super) fn public_jwks_with(set: &KeySet, view: &View, has_x5c: bool) -> Vec<u8> {
    let members = set.members.iter();
    let published = members.filter(|member| view.published.contains(&member.public.kid));
    let jwks = Jwks {
        keys: published
            .map(|member| Certified {
                jwk: &member.public.jwk,
                x5c: has_x5c.then(|| jwks::x5c(&member.public.certificate_der)),
            })
            .collect(),
    };
    serde_json::to_vec(&jwks).expect("maps of text are always JSON")
}

/// The kids in the bytes of a `jwks.json` that was read back.
///
/// # Errors
/// It is no JWKS, a key in it is not valid or holds a private member, or two kids are alike.
pub fn kids_of_public(bytes: &[u8]) -> Result<BTreeSet<Kid>, OutputError> {
    published_keys(bytes).map(|keys| keys.kids())
}

/// The keys in the bytes of a `jwks.json`, ready to verify with and to encrypt to.
///
/// # Errors
/// Those of [`kids_of_public`].
pub fn published_keys(bytes: &[u8]) -> Result<PublishedKeys, OutputError> {
    let keys = jwks::parse(FILE, bytes)?;
    let keys: Vec<PublicJwk> = keys.iter().map(|key| public_jwk(&key.members)).collect::<Result<_, _>>()?;
    PublishedKeys::new(&keys).map_err(OutputError::in_file(FILE))
}

fn public_jwk(members: &Members) -> Result<PublicJwk, OutputError> {
    let text = |value: &Secret| String::from_utf8_lossy(value.expose()).into_owned();
    let public: BTreeMap<String, String> = members.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    PublicJwk::try_from(public).map_err(|_| OutputError::PrivateMember {
        kid: members.get("kid").map(text).unwrap_or_default(),
    })
}
