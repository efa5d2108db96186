//! Public halves, read once and ready to verify often.

use std::collections::{BTreeMap, BTreeSet};

use josekit::JoseError;
use josekit::jws::{ES256, ES384, EdDSA, JwsVerifier, PS256, RS256};

use super::sign::wrong_use;
use super::{CryptoError, distinct_kids, jwk};
use crate::types::{KeySpec, Kid, PublicJwk};

/// A public half that can verify.
#[derive(Debug)]
pub struct VerifyingKey {
    kid: Kid,
    spec: KeySpec,
    verifier: Box<dyn JwsVerifier>,
}

impl VerifyingKey {
    /// Reads a public JWK with `kid`, `alg` and `use`.
    ///
    /// # Errors
    /// [`CryptoError::PublicJwk`] when a member is missing, has the wrong length, or is no key that signs.
    pub fn new(jwk: &PublicJwk) -> Result<Self, CryptoError> {
        let (kid, spec, verifier) = jwk::read(jwk, verifier)?;
        Ok(Self { kid, spec, verifier })
    }

    /// The key's id.
    #[must_use]
    pub fn kid(&self) -> &Kid {
        &self.kid
    }

    /// Algorithm and size.
    #[must_use]
    pub fn spec(&self) -> KeySpec {
        self.spec
    }

    /// Whether `signature`, in the form of JWS, is this key's for `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifier.verify(message, signature).is_ok()
    }

    pub(super) fn verifier(&self) -> &dyn JwsVerifier {
        self.verifier.as_ref()
    }
}

fn verifier(spec: KeySpec, jwk: &PublicJwk) -> Result<Box<dyn JwsVerifier>, JoseError> {
    let jwk = jwk::josekit_jwk(jwk)?;
    Ok(match spec {
        KeySpec::Rs256(_) => Box::new(RS256.verifier_from_jwk(&jwk)?),
        KeySpec::Ps256(_) => Box::new(PS256.verifier_from_jwk(&jwk)?),
        KeySpec::Es256 => Box::new(ES256.verifier_from_jwk(&jwk)?),
        KeySpec::Es384 => Box::new(ES384.verifier_from_jwk(&jwk)?),
        KeySpec::Ed25519 => Box::new(EdDSA.verifier_from_jwk(&jwk)?),
        KeySpec::RsaOaep256(_) | KeySpec::RsaOaep(_) | KeySpec::Rsa15(_) | KeySpec::EcdhEs(_) => return Err(wrong_use()),
    })
}

/// A key set that tokens can be verified against.
#[derive(Debug, Default)]
pub struct VerifyingKeys(BTreeMap<Kid, VerifyingKey>);

impl VerifyingKeys {
    /// Reads every key of a set.
    ///
    /// # Errors
    /// A key that can't be read, or two whose kids are alike.
    pub fn new<'a>(jwks: impl IntoIterator<Item = &'a PublicJwk>) -> Result<Self, CryptoError> {
        let keys: Vec<VerifyingKey> = jwks.into_iter().map(VerifyingKey::new).collect::<Result<_, _>>()?;
        distinct_kids(keys.iter().map(VerifyingKey::kid))?;
        Ok(keys.into_iter().collect())
    }

    /// The key of that kid.
    #[must_use]
    pub fn get(&self, kid: &Kid) -> Option<&VerifyingKey> {
        self.0.get(kid)
    }

    /// The kids of the set.
    #[must_use]
    pub fn kids(&self) -> BTreeSet<Kid> {
        self.0.keys().cloned().collect()
    }
}

/// Of keys whose kids are distinct.
impl FromIterator<VerifyingKey> for VerifyingKeys {
    fn from_iter<T: IntoIterator<Item = VerifyingKey>>(keys: T) -> Self {
        Self(keys.into_iter().map(|key| (key.kid.clone(), key)).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{all_signing_specs, key};
    use super::*;

    #[test]
    fn a_signature_of_any_other_form_is_refused() {
        for spec in all_signing_specs() {
            let key = VerifyingKey::new(&key(spec).public.jwk).unwrap();
            for signature in [&[][..], &[0; 1], &[0; 64], &[0; 96], &[0; 256], &[0xff; 64], &[0xff; 256]] {
                assert!(!key.verifies(b"message", signature), "{spec}");
            }
        }
    }

    #[test]
    fn a_point_off_the_curve_is_refused() {
        let public = key(KeySpec::Es256).public.clone();
        let mut members: BTreeMap<String, String> = public.jwk.into();
        members.insert("y".to_owned(), members["x"].clone());
        let refused = VerifyingKey::new(&members.try_into().unwrap()).unwrap_err();
        let kid = public.kid.to_string();
        assert_eq!(
            refused,
            CryptoError::PublicJwk {
                kid,
                why: "OpenSSL finds no key in it"
            }
        );
    }

    #[test]
    fn a_set_with_the_same_kid_twice_is_refused() {
        let jwk = &key(KeySpec::Ed25519).public.jwk;
        assert!(matches!(VerifyingKeys::new([jwk, jwk]), Err(CryptoError::KidsAlike(..))));
    }

    proptest! {
        #[test]
        fn any_members_are_read_or_refused(members in prop::collection::btree_map(
            prop::sample::select(vec!["kty", "crv", "x", "y", "n", "e", "x5c", "key_ops"]).prop_map(str::to_owned), "[A-Za-z0-9_=-]{0,60}", 0..6,
        ), alg in "RS256|PS256|ES256|ES384|EdDSA|HS256") {
            let mut members = members;
            members.extend([("kid", "a"), ("use", "sig"), ("alg", &alg)].map(|(name, value)| (name.to_owned(), value.to_owned())));
            let jwk = PublicJwk::try_from(members).unwrap();
            prop_assert!(VerifyingKey::new(&jwk).is_err());
        }
    }
}
