//! A private half that opens what relying parties have encrypted.

use std::fmt;

use josekit::JoseError;
use josekit::jwe::{self, ECDH_ES, JweDecrypter, RSA_OAEP, RSA_OAEP_256};

use super::CryptoError;
use super::sign::{check_pkcs8, wrong_use};
use crate::types::{KeySpec, Kid, Secret};

/// A private half that can decrypt. It shows its kid and kind only; OpenSSL clears it when it is dropped.
pub struct DecryptingKey {
    kid: Kid,
    spec: KeySpec,
    decrypter: Box<dyn JweDecrypter>,
}

impl DecryptingKey {
    /// Reads PKCS#8 DER (RFC 5958).
    ///
    /// # Errors
    /// [`CryptoError::Private`] when it is not a whole key of that kind, its own two halves do not fit, or it is for signing.
    pub fn from_pkcs8(kid: &Kid, spec: KeySpec, pkcs8: &Secret) -> Result<Self, CryptoError> {
        let refused = || CryptoError::Private { kid: kid.clone(), spec };
        check_pkcs8(spec, pkcs8).ok_or_else(refused)?;
        let decrypter = decrypter(spec, pkcs8.expose()).map_err(|_| refused())?;
        Ok(Self {
            kid: kid.clone(),
            spec,
            decrypter,
        })
    }

    /// The key's id.
    #[must_use]
    pub fn kid(&self) -> &Kid {
        &self.kid
    }

    /// Opens a JWE in compact form (RFC 7516, section 3.1). The key, not the header, decides on the algorithm.
    ///
    /// # Errors
    /// [`CryptoError::NotDecrypted`], and nothing of why: that would help whoever made it up.
    pub fn decrypt(&self, message: &str) -> Result<Secret, CryptoError> {
        let opened = jwe::deserialize_compact(message, self.decrypter.as_ref());
        let (plain, _) = opened.map_err(|_| CryptoError::NotDecrypted(self.kid.clone()))?;
        Ok(Secret::new(plain))
    }
}

impl fmt::Debug for DecryptingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecryptingKey({}, {})", self.kid, self.spec)
    }
}

fn decrypter(spec: KeySpec, pkcs8: &[u8]) -> Result<Box<dyn JweDecrypter>, JoseError> {
    Ok(match spec {
        KeySpec::RsaOaep256(_) => Box::new(RSA_OAEP_256.decrypter_from_der(pkcs8)?),
        KeySpec::RsaOaep(_) => Box::new(RSA_OAEP.decrypter_from_der(pkcs8)?),
        #[expect(deprecated, reason = "an operator can name it for a party that knows nothing else")]
        KeySpec::Rsa15(_) => Box::new(jwe::RSA1_5.decrypter_from_der(pkcs8)?),
        KeySpec::EcdhEs(_) => Box::new(ECDH_ES.decrypter_from_der(pkcs8)?),
        KeySpec::Rs256(_) | KeySpec::Ps256(_) | KeySpec::Es256 | KeySpec::Es384 | KeySpec::Ed25519 => {
            return Err(wrong_use());
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{all_encryption_specs, all_signing_specs, key, other_key};
    use super::super::{EncryptingKey, SigningKey, VerifyingKey};
    use super::*;

    #[test]
    fn what_is_encrypted_to_a_key_only_its_private_half_opens() {
        for spec in all_encryption_specs() {
            let (one, other) = (key(spec), other_key(spec));
            let message = EncryptingKey::new(&one.public.jwk).unwrap().encrypt(b"a message").unwrap();
            let open = |key: &super::super::NewKey| {
                let key = DecryptingKey::from_pkcs8(&key.public.kid, spec, &key.private).unwrap();
                key.decrypt(&message).map(|opened| opened.expose().to_vec())
            };
            assert_eq!(open(one), Ok(b"a message".to_vec()), "{spec}");
            assert_eq!(
                open(other),
                Err(CryptoError::NotDecrypted(other.public.kid.clone())),
                "{spec}"
            );
        }
    }

    #[test]
    fn the_header_says_alg_enc_and_kid() {
        for spec in all_encryption_specs() {
            let public = &key(spec).public;
            let message = EncryptingKey::new(&public.jwk).unwrap().encrypt(b"a message").unwrap();
            let header = josekit::jwt::decode_header(&message).unwrap();
            let claim = |name| header.claim(name).and_then(|value| value.as_str().map(str::to_owned));
            assert_eq!(claim("alg").as_deref(), Some(spec.jwk_alg()));
            assert_eq!(claim("enc").as_deref(), Some("A256GCM"));
            assert_eq!(claim("kid").as_deref(), Some(public.kid.as_str()));
        }
    }

    #[test]
    fn a_changed_message_or_algorithm_is_not_opened() {
        for spec in all_encryption_specs() {
            let key = key(spec);
            let message = EncryptingKey::new(&key.public.jwk).unwrap().encrypt(b"a message").unwrap();
            let decrypting = DecryptingKey::from_pkcs8(&key.public.kid, spec, &key.private).unwrap();
            let (rest, tag) = message.rsplit_once('.').unwrap();
            let flipped = if tag.starts_with('A') { "B" } else { "A" };
            for changed in [
                String::new(),
                "....".to_owned(),
                rest.to_owned(),
                format!("{rest}.{flipped}{}", &tag[1..]),
            ] {
                assert!(decrypting.decrypt(&changed).is_err(), "{spec}: {changed}");
            }
        }
        let (made, read) = ("RSA-OAEP/2048".parse().unwrap(), "RSA-OAEP-256/2048".parse().unwrap());
        let key = key(made);
        let message = EncryptingKey::new(&key.public.jwk).unwrap().encrypt(b"a message").unwrap();
        let decrypting = DecryptingKey::from_pkcs8(&key.public.kid, read, &key.private).unwrap();
        assert!(decrypting.decrypt(&message).is_err(), "the key decides on the algorithm");
    }

    #[test]
    fn no_key_serves_the_other_use() {
        for spec in all_encryption_specs() {
            let key = key(spec);
            assert!(SigningKey::from_pkcs8(&key.public.kid, spec, &key.private).is_err(), "{spec}");
            assert!(VerifyingKey::new(&key.public.jwk).is_err(), "{spec}");
        }
        for spec in all_signing_specs() {
            let key = key(spec);
            assert!(
                DecryptingKey::from_pkcs8(&key.public.kid, spec, &key.private).is_err(),
                "{spec}"
            );
            assert!(EncryptingKey::new(&key.public.jwk).is_err(), "{spec}");
        }
    }

    #[test]
    fn a_decrypting_key_shows_its_kid_and_kind_only() {
        let spec = "ECDH-ES".parse().unwrap();
        let key = key(spec);
        let decrypting = DecryptingKey::from_pkcs8(&key.public.kid, spec, &key.private).unwrap();
        assert_eq!(
            format!("{decrypting:?}"),
            format!("DecryptingKey({}, ECDH-ES/256)", key.public.kid)
        );
    }
}
