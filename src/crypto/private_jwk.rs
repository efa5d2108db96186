//! A private JWK (RFC 7517, section 9.1; RFC 7518, section 6): the form in which a node's server reads its keys.

use std::collections::BTreeMap;
use std::fmt;

use super::pair::{Pair, WipedJwk};
use super::sign::check_pkcs8;
use super::{CryptoError, DecryptingKey, SigningKey, jwk};
use crate::types::{KeyKind, KeySpec, Kid, Secret};

/// A private JWK with `kid`, `alg` and `use`. It shows its kid and kind only, and every value is cleared when it is dropped.
pub struct PrivateJwk {
    kid: Kid,
    spec: KeySpec,
    members: BTreeMap<&'static str, Secret>,
}

impl PrivateJwk {
    /// From PKCS#8 DER (RFC 5958).
    ///
    /// # Errors
    /// [`CryptoError::Private`] when it is not a whole key of that kind.
    pub fn from_pkcs8(kid: &Kid, spec: KeySpec, pkcs8: &Secret) -> Result<Self, CryptoError> {
        let read = || {
            check_pkcs8(spec, pkcs8)?;
            let jwk = Pair::from_checked_pkcs8(spec, pkcs8)?.private_jwk();
            let named = [
                ("kid", kid.as_str()),
                ("alg", spec.jwk_alg()),
                ("use", spec.key_use().as_str()),
            ];
            let value = |name| {
                named
                    .iter()
                    .find(|(own, _)| *own == name)
                    .map_or_else(|| jwk.member(name), |(_, value)| Some(*value))
            };
            names(spec)
                .map(|name| Some((name, Secret::new(value(name)?.as_bytes().to_vec()))))
                .collect::<Option<_>>()
        };
        let members = read().ok_or_else(|| CryptoError::Private { kid: kid.clone(), spec })?;
        Ok(Self {
            kid: kid.clone(),
            spec,
            members,
        })
    }

    /// From the members of a JWK that was read; members that a key of its kind has no use for are dropped.
    ///
    /// # Errors
    /// [`CryptoError::PrivateJwk`]: a member is missing, is not text, or has the wrong length.
    pub fn from_members(mut given: BTreeMap<String, Secret>) -> Result<Self, CryptoError> {
        let parsed = jwk::parse(|name| given.get(name).and_then(text)).map_err(CryptoError::PrivateJwk)?;
        let take = |name| Some((name, given.remove(name).filter(|value| text(value).is_some())?));
        let members = names(parsed.spec)
            .map(take)
            .collect::<Option<_>>()
            .ok_or(CryptoError::PrivateJwk("a private member is missing or not text"))?;
        Ok(Self {
            kid: parsed.kid,
            spec: parsed.spec,
            members,
        })
    }

    /// The key's id.
    #[must_use]
    pub fn kid(&self) -> &Kid {
        &self.kid
    }

    /// The members, private ones included, for the one call that writes them.
    #[must_use]
    pub fn expose(&self) -> BTreeMap<&str, &str> {
        self.members
            .iter()
            .filter_map(|(name, value)| Some((*name, text(value)?)))
            .collect()
    }

    /// Algorithm and size.
    #[must_use]
    pub fn spec(&self) -> KeySpec {
        self.spec
    }

    /// The key, ready to sign.
    ///
    /// # Errors
    /// [`CryptoError::Private`] when the members are no whole key, its own two halves do not fit, or it is for encryption.
    pub fn signing_key(&self) -> Result<SigningKey, CryptoError> {
        SigningKey::from_pkcs8(&self.kid, self.spec, &self.pkcs8()?)
    }

    /// The key, ready to decrypt.
    ///
    /// # Errors
    /// [`CryptoError::Private`] when the members are no whole key, its own two halves do not fit, or it is for signing.
    pub fn decrypting_key(&self) -> Result<DecryptingKey, CryptoError> {
        DecryptingKey::from_pkcs8(&self.kid, self.spec, &self.pkcs8()?)
    }

    /// The key as PKCS#8 DER (RFC 5958).
    ///
    /// # Errors
    /// [`CryptoError::Private`] when the members are no whole key.
    pub fn pkcs8(&self) -> Result<Secret, CryptoError> {
        let jwk = WipedJwk::from_members(self.expose().into_iter());
        let pair = jwk.and_then(|jwk| Pair::from_jwk(self.spec, &jwk));
        let pair = pair.ok_or_else(|| CryptoError::Private {
            kid: self.kid.clone(),
            spec: self.spec,
        })?;
        Ok(pair.pkcs8())
    }
}

impl fmt::Debug for PrivateJwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateJwk({}, {})", self.kid, self.spec)
    }
}

fn text(value: &Secret) -> Option<&str> {
    std::str::from_utf8(value.expose()).ok()
}

/// Every member of a private JWK by its kind.
fn names(spec: KeySpec) -> impl Iterator<Item = &'static str> {
    let private: &[&str] = match spec.kind() {
        KeyKind::Rsa(_) => &["d", "p", "q", "dp", "dq", "qi"],
        KeyKind::Ec(_) | KeyKind::Ed25519 => &["d"],
    };
    let public = jwk::public_members(spec).iter();
    public.chain(private).chain(&["kid", "alg", "use"]).copied()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{all_small_specs, key, other_key};
    use super::super::{EncryptingKey, NewKey, VerifyingKey};
    use super::*;
    use crate::types::KeyUse;

    fn private_jwk(key: &NewKey) -> PrivateJwk {
        PrivateJwk::from_pkcs8(&key.public.kid, key.public.spec, &key.private).unwrap()
    }

    /// The proof of its use, against the public half of `key`.
    fn prove(jwk: &PrivateJwk, key: &NewKey) -> Result<(), CryptoError> {
        match jwk.spec().key_use() {
            KeyUse::Sig => jwk.signing_key()?.prove(&VerifyingKey::new(&key.public.jwk)?),
            KeyUse::Enc => jwk.decrypting_key()?.prove(&EncryptingKey::new(&key.public.jwk)?),
        }
    }

    fn members(jwk: &PrivateJwk) -> BTreeMap<String, Secret> {
        let members = jwk.expose().into_iter();
        members
            .map(|(name, value)| (name.to_owned(), Secret::new(value.as_bytes().to_vec())))
            .collect()
    }

    #[test]
    fn a_private_jwk_holds_the_public_members_and_signs() {
        for spec in all_small_specs() {
            let key = key(spec);
            let jwk = private_jwk(key);
            let exposed = jwk.expose();
            assert!(key.public.jwk.members().all(|(name, value)| exposed[name] == value), "{spec}");
            assert!(exposed.len() > key.public.jwk.members().count(), "{spec}");
            let read = PrivateJwk::from_members(members(&jwk)).unwrap();
            assert_eq!(prove(&read, key), Ok(()), "{spec}");
        }
    }

    #[test]
    fn a_private_jwk_without_one_of_its_members_is_refused() {
        for spec in all_small_specs() {
            let jwk = private_jwk(key(spec));
            for name in names(spec) {
                let mut fewer = members(&jwk);
                fewer.remove(name);
                let refused = PrivateJwk::from_members(fewer).unwrap_err();
                assert!(matches!(refused, CryptoError::PrivateJwk(_)), "{spec} {name}");
            }
        }
    }

    #[test]
    fn private_members_of_another_key_never_pass_the_proof() {
        for spec in all_small_specs() {
            let (one, other) = (private_jwk(key(spec)), private_jwk(other_key(spec)));
            let public = jwk::public_members(spec);
            let mut mixed = members(&other);
            mixed.extend(
                members(&one)
                    .into_iter()
                    .filter(|(name, _)| public.contains(&name.as_str()) || name == "kid"),
            );
            let refused = prove(&PrivateJwk::from_members(mixed).unwrap(), key(spec)).unwrap_err();
            assert!(!refused.to_string().contains(other.expose()["d"]), "{spec}");
            // An Ed25519 key is its `d` alone, so only the proof against the published half can tell.
            let proved_late = matches!(refused, CryptoError::NotAPair { .. });
            assert_eq!(proved_late, spec == KeySpec::Ed25519, "{spec}: {refused}");
        }
    }

    #[test]
    fn a_private_jwk_that_is_no_key_is_refused() {
        let jwk = private_jwk(key(KeySpec::Es256));
        for d in [&b""[..], b"====", b"AA", b"\xff\xff"] {
            let mut damaged = members(&jwk);
            damaged.insert("d".to_owned(), Secret::new(d.to_vec()));
            let read = PrivateJwk::from_members(damaged);
            assert!(read.is_err() || read.unwrap().signing_key().is_err(), "{d:?}");
        }
    }

    #[test]
    fn a_private_jwk_shows_its_kid_and_kind_only() {
        let key = key(KeySpec::Es256);
        assert_eq!(
            format!("{:?}", private_jwk(key)),
            format!("PrivateJwk({}, ES256)", key.public.kid)
        );
    }
}
