//! `private.jwks.json`: the private halves of the keys that sign and of those that decrypt, for the server on the node.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde::Serialize;

use super::error::File;
use super::jwks::{self, Certified};
use super::{OutputError, used};
use crate::crypto::{DecryptingKey, PrivateJwk, SigningKey, distinct_kids};
use crate::lifecycle::{KeySet, View};
use crate::types::{KeyUse, Kid, PublicKey, Secret};

const FILE: File = File::PrivateJwks;

#[derive(Serialize)]
struct Jwks<'a> {
    keys: Vec<Certified<BTreeMap<&'a str, &'a str>>>,
}

/// The bytes of `private.jwks.json`: the keys that `view` selects for signing, and every encryption key, in the order of the
/// generation. An armed key is not among them, even when its private half is in `privates`.
///
/// # Errors
/// A key of the view is not in the generation, has no private half in `privates`, or its private half is not one.
pub fn private_jwks(set: &KeySet, view: &View, privates: &BTreeMap<Kid, Secret>) -> Result<Secret, OutputError> {
    private_jwks_with(set, view, privates, false)
}

/// The same, with the certificate of each key as its `x5c` where that is asked for.
pub(super) fn private_jwks_with(
    set: &KeySet,
    view: &View,
    privates: &BTreeMap<Kid, Secret>,
    has_x5c: bool,
) -> Result<Secret, OutputError> {
    let jwk = |(public, private): (&PublicKey, &Secret)| {
        let jwk = PrivateJwk::from_pkcs8(&public.kid, public.spec, private).map_err(OutputError::in_file(FILE))?;
        Ok((jwk, has_x5c.then(|| jwks::x5c(&public.certificate_der))))
    };
    let keys: Vec<_> = used(set, view, privates)?.into_iter().map(jwk).collect::<Result<_, _>>()?;
    Ok(Secret::new(json(&keys)))
}

/// Writes into a buffer that never grows: one that did would leave its old bytes behind.
fn json(keys: &[(PrivateJwk, Option<[String; 1]>)]) -> Vec<u8> {
    const NEVER: &str = "maps of text are always JSON, and memory takes every byte";
    let jwks = Jwks {
        keys: keys
            .iter()
            .map(|(jwk, x5c)| Certified {
                jwk: jwk.expose(),
                x5c: x5c.clone(),
            })
            .collect(),
    };
    let mut length = Length(0);
    serde_json::to_writer(&mut length, &jwks).expect(NEVER);
    let mut bytes = Vec::with_capacity(length.0);
    serde_json::to_writer(&mut bytes, &jwks).expect(NEVER);
    bytes
}

/// A writer that only counts.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The kids in a `private.jwks.json`, by what the keys are for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PrivateKids {
    /// They sign.
    pub signing: BTreeSet<Kid>,
    /// They decrypt.
    pub decrypting: BTreeSet<Kid>,
}

impl PrivateKids {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Kid> {
        self.signing.iter().chain(&self.decrypting)
    }
}

/// The kids in the bytes of a `private.jwks.json` that was read back.
///
/// # Errors
/// It is no JWKS, a key in it lacks a member, or two kids are alike.
pub fn kids_of_private(bytes: &[u8]) -> Result<PrivateKids, OutputError> {
    let mut kids = PrivateKids::default();
    for key in read(bytes)? {
        let of_use = match key.spec().key_use() {
            KeyUse::Sig => &mut kids.signing,
            KeyUse::Enc => &mut kids.decrypting,
        };
        of_use.insert(key.kid().clone());
    }
    Ok(kids)
}

/// The keys in a `private.jwks.json`, by what they are for.
#[derive(Debug, Default)]
pub struct PrivateKeys {
    /// Ready to sign.
    pub signing: Vec<SigningKey>,
    /// Ready to decrypt.
    pub decrypting: Vec<DecryptingKey>,
}

/// The keys in the bytes of a `private.jwks.json`, ready to use.
///
/// # Errors
/// Those of [`kids_of_private`], or a key is not whole.
pub fn private_keys(bytes: &[u8]) -> Result<PrivateKeys, OutputError> {
    let mut keys = PrivateKeys::default();
    for key in read(bytes)? {
        match key.spec().key_use() {
            KeyUse::Sig => keys.signing.push(key.signing_key().map_err(OutputError::in_file(FILE))?),
            KeyUse::Enc => keys
                .decrypting
                .push(key.decrypting_key().map_err(OutputError::in_file(FILE))?),
        }
    }
    Ok(keys)
}

fn read(bytes: &[u8]) -> Result<Vec<PrivateJwk>, OutputError> {
    let keys = jwks::parse(FILE, bytes)?.into_iter();
    let keys = keys.map(|key| PrivateJwk::from_members(key.members));
    let keys: Vec<PrivateJwk> = keys.collect::<Result<_, _>>().map_err(OutputError::in_file(FILE))?;
    distinct_kids(keys.iter().map(PrivateJwk::kid)).map_err(OutputError::in_file(FILE))?;
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tests::{all_small_specs, key};

    #[test]
    fn the_buffer_of_the_private_file_never_grew() {
        let keys = all_small_specs().map(|spec| {
            let key = key(spec);
            (PrivateJwk::from_pkcs8(&key.public.kid, spec, &key.private).unwrap(), None)
        });
        let bytes = json(&keys);
        assert!(bytes.len() > 1000);
        assert_eq!(bytes.capacity(), bytes.len());
    }
}
