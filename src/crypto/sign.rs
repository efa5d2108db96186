//! A private half, read once and ready to sign often.

use std::fmt;

use josekit::JoseError;
use josekit::jws::alg::rsassa_pss::RsassaPssJwsAlgorithm;
use josekit::jws::{ES256, ES384, EdDSA, JwsSigner, PS256, RS256};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING};
use ring::signature::{EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RsaKeyPair};

use super::CryptoError;
use crate::types::{Curve, KeyKind, KeySpec, Kid, Secret};

/// A private half that can sign. It shows its kid and kind only; OpenSSL clears it when it is dropped.
pub struct SigningKey {
    kid: Kid,
    spec: KeySpec,
    signer: Box<dyn JwsSigner>,
}

impl SigningKey {
    /// Reads PKCS#8 DER (RFC 5958).
    ///
    /// # Errors
    /// [`CryptoError::Private`] when it is not a whole key of that kind, its own two halves do not fit, or it is for encryption.
    pub fn from_pkcs8(kid: &Kid, spec: KeySpec, pkcs8: &Secret) -> Result<Self, CryptoError> {
        let refused = || CryptoError::Private { kid: kid.clone(), spec };
        check_pkcs8(spec, pkcs8).ok_or_else(refused)?;
        let signer = signer(spec, pkcs8.expose()).map_err(|_| refused())?;
        Ok(Self {
            kid: kid.clone(),
            spec,
            signer,
        })
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

    /// Signs `message`; the signature has the form of JWS (RFC 7518, section 3; RFC 8037, section 3.1).
    ///
    /// # Errors
    /// [`CryptoError::NotSigned`] when OpenSSL fails.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.signer
            .sign(message)
            .map_err(|_| CryptoError::NotSigned(self.kid.clone()))
    }

    pub(super) fn signer(&self) -> &dyn JwsSigner {
        self.signer.as_ref()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, {})", self.kid, self.spec)
    }
}

fn signer(spec: KeySpec, pkcs8: &[u8]) -> Result<Box<dyn JwsSigner>, JoseError> {
    const PSS: RsassaPssJwsAlgorithm = PS256;
    Ok(match spec {
        KeySpec::Rs256(_) => Box::new(RS256.signer_from_der(pkcs8)?),
        KeySpec::Ps256(_) => Box::new(PSS.signer_from_der(pkcs8)?),
        KeySpec::Es256 => Box::new(ES256.signer_from_der(pkcs8)?),
        KeySpec::Es384 => Box::new(ES384.signer_from_der(pkcs8)?),
        KeySpec::Ed25519 => Box::new(EdDSA.signer_from_der(pkcs8)?),
        KeySpec::RsaOaep256(_) | KeySpec::RsaOaep(_) | KeySpec::Rsa15(_) | KeySpec::EcdhEs(_) => return Err(wrong_use()),
    })
}

/// Said where a key is asked for what it is not for.
pub(super) fn wrong_use() -> JoseError {
    JoseError::UnsupportedSignatureAlgorithm(std::io::Error::from(std::io::ErrorKind::Unsupported).into())
}

/// Whether the bytes are a whole private key of that kind, by ring's strict parsers.
///
/// It must come before josekit's DER reader, which allocates whatever length the bytes ask for.
pub(super) fn check_pkcs8(spec: KeySpec, pkcs8: &Secret) -> Option<()> {
    let der = pkcs8.expose();
    let ec = |algorithm: &'static EcdsaSigningAlgorithm| EcdsaKeyPair::from_pkcs8(algorithm, der, &SystemRandom::new()).is_ok();
    let fits = match spec.kind() {
        KeyKind::Rsa(bits) => {
            RsaKeyPair::from_pkcs8(der).is_ok_and(|pair| pair.public().modulus_len() * 8 == bits.bits() as usize)
        }
        KeyKind::Ec(Curve::P256) => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
        KeyKind::Ec(Curve::P384) => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
        KeyKind::Ed25519 => Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).is_ok(),
    };
    fits.then_some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{all_signing_specs, key};
    use super::super::{PrivateJwk, VerifyingKey};
    use super::*;

    #[test]
    fn a_key_signs_often_and_its_public_half_verifies() {
        for spec in all_signing_specs() {
            let key = key(spec);
            let signing = SigningKey::from_pkcs8(&key.public.kid, spec, &key.private).unwrap();
            let verifying = VerifyingKey::new(&key.public.jwk).unwrap();
            // Often enough that some ECDSA number begins with a zero byte.
            let times = if spec.rsa_bits().is_some() { 3 } else { 300 };
            for round in 0..times {
                let message = format!("message {round}");
                let signature = signing.sign(message.as_bytes()).unwrap();
                assert!(verifying.verifies(message.as_bytes(), &signature), "{spec}");
                assert!(!verifying.verifies(b"another message", &signature), "{spec}");
            }
        }
    }

    #[test]
    fn a_private_half_of_another_kind_or_size_is_refused() {
        for made in all_signing_specs() {
            let key = key(made);
            for asked in all_signing_specs() {
                let same_form = made == asked || made.rsa_bits().is_some() && made.rsa_bits() == asked.rsa_bits();
                let read = SigningKey::from_pkcs8(&key.public.kid, asked, &key.private);
                assert_eq!(read.is_ok(), same_form, "{made} as {asked}");
            }
        }
        let key = key(KeySpec::Rs256(crate::types::RsaBits::B2048));
        let other_size = KeySpec::Rs256(crate::types::RsaBits::B3072);
        assert!(SigningKey::from_pkcs8(&key.public.kid, other_size, &key.private).is_err());
        assert!(PrivateJwk::from_pkcs8(&key.public.kid, other_size, &key.private).is_err());
    }

    #[test]
    fn a_signing_key_shows_its_kid_and_kind_only() {
        let key = key(KeySpec::Ed25519);
        let signing = SigningKey::from_pkcs8(&key.public.kid, KeySpec::Ed25519, &key.private).unwrap();
        assert_eq!(format!("{signing:?}"), format!("SigningKey({}, Ed25519)", key.public.kid));
    }

    #[test]
    fn lengths_that_no_memory_holds_are_refused() {
        let der = vec![
            0x30, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x88, 0x7f, 0xff, 0xff, 0xff,
        ];
        let kid: Kid = "a".parse().unwrap();
        let secret = Secret::new(der);
        for spec in all_signing_specs() {
            let refused = CryptoError::Private { kid: kid.clone(), spec };
            assert_eq!(SigningKey::from_pkcs8(&kid, spec, &secret).unwrap_err(), refused);
            assert_eq!(PrivateJwk::from_pkcs8(&kid, spec, &secret).unwrap_err(), refused);
        }
    }

    proptest! {
        #[test]
        fn a_damaged_private_half_is_refused_or_signs_for_another_key(
            at in 0usize..138, flip in 1u8.., spec in prop::sample::select(vec![KeySpec::Es256, KeySpec::Ed25519]),
        ) {
            let key = key(spec);
            let mut der = key.private.expose().to_vec();
            let at = at % der.len();
            der[at] ^= flip;
            if let Ok(signing) = SigningKey::from_pkcs8(&key.public.kid, spec, &Secret::new(der)) {
                prop_assert!(signing.sign(b"message").is_ok());
            }
        }
    }
}
