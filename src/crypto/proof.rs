//! Proving that what is sent together belongs together.

use super::{CryptoError, DecryptingKey, EncryptingKey, SigningKey, VerifyingKey, certificate, jwk};
use crate::types::{KeyUse, PublicKey, Secret};

/// What is signed, or encrypted, for a proof. It has no dot, so it can never be the signing input of a token.
const PROOF: &[u8] = b"jkeys proves that two halves of a key belong together";

/// Checks what travels with a public half: kid, `alg`, size and thumbprint are the JWK's, and the certificate is for this very key
/// and signed with it.
///
/// # Errors
/// The JWK is not valid, or the first thing that disagrees with it.
pub fn check_public(public: &PublicKey) -> Result<(), CryptoError> {
    let disagrees = |why| CryptoError::Disagrees {
        kid: public.kid.clone(),
        why,
    };
    let parsed = jwk::parse(|name| public.jwk.member(name)).map_err(|why| CryptoError::PublicJwk {
        kid: public.kid.to_string(),
        why,
    })?;
    if parsed.kid != public.kid {
        return Err(disagrees("the JWK has another kid"));
    }
    if parsed.spec != public.spec {
        return Err(disagrees("the JWK is for another algorithm or size"));
    }
    match public.spec.key_use() {
        KeyUse::Sig => drop(VerifyingKey::new(&public.jwk)?),
        KeyUse::Enc => drop(EncryptingKey::new(&public.jwk)?),
    }
    if jwk::thumbprint(&public.jwk).as_ref() != Some(&public.thumbprint) {
        return Err(disagrees("the thumbprint is another key's"));
    }
    certificate::check(&public.certificate_der, &parsed.value).map_err(disagrees)
}

/// Proves that `private` is the private half of `public`: what it signs, the public half verifies; or what is encrypted to the
/// public half, it decrypts.
///
/// # Errors
/// Those of [`check_public`], a private half that is not one, or [`CryptoError::NotAPair`].
pub fn prove_pair(public: &PublicKey, private: &Secret) -> Result<(), CryptoError> {
    check_public(public)?;
    match public.spec.key_use() {
        KeyUse::Sig => {
            let signing = SigningKey::from_pkcs8(&public.kid, public.spec, private)?;
            signing.prove(&VerifyingKey::new(&public.jwk)?)
        }
        KeyUse::Enc => {
            let decrypting = DecryptingKey::from_pkcs8(&public.kid, public.spec, private)?;
            decrypting.prove(&EncryptingKey::new(&public.jwk)?)
        }
    }
}

impl DecryptingKey {
    /// Proves that `published` is this key's public half: same kid, and this opens what is encrypted to it, by its own algorithm.
    ///
    /// # Errors
    /// [`CryptoError::NotAPair`].
    pub fn prove(&self, published: &EncryptingKey) -> Result<(), CryptoError> {
        let opened = |message: &str| self.decrypt(message).is_ok_and(|opened| opened.expose() == PROOF);
        if self.kid() == published.kid() && opened(&published.encrypt(PROOF)?) {
            return Ok(());
        }
        Err(CryptoError::NotAPair { kid: self.kid().clone() })
    }
}

impl SigningKey {
    /// Proves that `published` is this key's public half: same kid, and it verifies what this signs, by its own algorithm.
    ///
    /// # Errors
    /// [`CryptoError::NotAPair`].
    pub fn prove(&self, published: &VerifyingKey) -> Result<(), CryptoError> {
        if self.kid() == published.kid() && published.verifies(PROOF, &self.sign(PROOF)?) {
            return Ok(());
        }
        Err(CryptoError::NotAPair { kid: self.kid().clone() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::NewKey;
    use super::super::tests::{all_small_specs, key, other_key};
    use super::*;
    use crate::types::{KeySpec, RsaBits};

    fn with_member(public: &PublicKey, name: &str, value: &str) -> PublicKey {
        let mut members: BTreeMap<String, String> = public.jwk.clone().into();
        members.insert(name.to_owned(), value.to_owned());
        PublicKey {
            jwk: members.try_into().unwrap(),
            ..public.clone()
        }
    }

    fn why(public: &PublicKey) -> &'static str {
        match check_public(public) {
            Err(CryptoError::Disagrees { why, .. } | CryptoError::PublicJwk { why, .. }) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_pair_is_proved_and_two_halves_of_different_keys_are_not() {
        for spec in all_small_specs() {
            let (NewKey { public, private }, other) = (key(spec), other_key(spec));
            assert_eq!(prove_pair(public, private), Ok(()), "{spec}");
            let mut mixed = public.clone();
            mixed.thumbprint.clone_from(&other.public.thumbprint);
            assert!(prove_pair(&mixed, private).is_err(), "{spec}");
            let kid = public.kid.clone();
            assert_eq!(
                prove_pair(public, &other.private),
                Err(CryptoError::NotAPair { kid }),
                "{spec}"
            );
        }
    }

    #[test]
    fn a_public_half_that_disagrees_with_its_jwk_is_refused() {
        let (public, other) = (&key(KeySpec::Es256).public, &other_key(KeySpec::Es256).public);
        assert_eq!(check_public(public), Ok(()));
        let changed = |change: fn(&mut PublicKey, PublicKey)| {
            let mut changed = public.clone();
            change(&mut changed, other.clone());
            why(&changed)
        };
        assert_eq!(changed(|key, other| key.kid = other.kid), "the JWK has another kid");
        assert_eq!(
            changed(|key, _| key.spec = KeySpec::Es384),
            "the JWK is for another algorithm or size"
        );
        assert_eq!(
            changed(|key, other| key.thumbprint = other.thumbprint),
            "the thumbprint is another key's"
        );
        assert_eq!(
            changed(|key, other| key.certificate_der = other.certificate_der),
            "the certificate is another key's"
        );
        assert_eq!(changed(|key, _| key.certificate_der.clear()), "the certificate can't be read");
    }

    #[test]
    fn a_jwk_with_another_use_or_alg_is_refused() {
        let ec = &key(KeySpec::Es256).public;
        assert_eq!(why(&with_member(ec, "use", "enc")), "use does not fit alg");
        assert_eq!(why(&with_member(ec, "alg", "EdDSA")), "kty is not \"OKP\"");
        let rsa = &key(KeySpec::Rs256(RsaBits::B2048)).public;
        assert_eq!(
            why(&with_member(rsa, "alg", "PS256")),
            "the JWK is for another algorithm or size"
        );
    }

    #[test]
    fn a_proof_of_decryption_needs_the_same_kid_and_algorithm() {
        let NewKey { public, private } = key(KeySpec::RsaOaep256(RsaBits::B2048));
        let published = EncryptingKey::new(&public.jwk).unwrap();
        let refused = |kid: &crate::types::Kid, spec| {
            DecryptingKey::from_pkcs8(kid, spec, private)
                .unwrap()
                .prove(&published)
                .is_err()
        };
        assert!(refused(&"another".parse().unwrap(), public.spec));
        assert!(refused(&public.kid, KeySpec::RsaOaep(RsaBits::B2048)));
        assert!(!refused(&public.kid, public.spec));
    }

    #[test]
    fn a_proof_needs_the_same_kid_and_algorithm() {
        let NewKey { public, private } = key(KeySpec::Rs256(RsaBits::B2048));
        let published = VerifyingKey::new(&public.jwk).unwrap();
        let other_kid = "another".parse().unwrap();
        let refused = |key: &SigningKey| key.prove(&published).is_err();
        assert!(refused(&SigningKey::from_pkcs8(&other_kid, public.spec, private).unwrap()));
        let other_alg = KeySpec::Ps256(RsaBits::B2048);
        assert!(refused(&SigningKey::from_pkcs8(&public.kid, other_alg, private).unwrap()));
        assert!(!refused(&SigningKey::from_pkcs8(&public.kid, public.spec, private).unwrap()));
    }
}
