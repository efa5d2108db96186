//! A public half that relying parties encrypt to.

use josekit::JoseError;
use josekit::jwe::{self, ECDH_ES, JweEncrypter, JweHeader, RSA_OAEP, RSA_OAEP_256};

use super::sign::wrong_use;
use super::{CryptoError, jwk};
use crate::types::{KeySpec, Kid, PublicJwk};

/// The encryption of the content (RFC 7518, section 5.3), which any recipient of ours takes.
const CONTENT: &str = "A256GCM";

/// A public half that can encrypt.
#[derive(Debug)]
pub struct EncryptingKey {
    kid: Kid,
    spec: KeySpec,
    encrypter: Box<dyn JweEncrypter>,
}

impl EncryptingKey {
    /// Reads a public JWK with `kid`, `alg` and `use`.
    ///
    /// # Errors
    /// [`CryptoError::PublicJwk`] when a member is missing, has the wrong length, or is no key for encryption.
    pub fn new(jwk: &PublicJwk) -> Result<Self, CryptoError> {
        let (kid, spec, encrypter) = jwk::read(jwk, encrypter)?;
        Ok(Self { kid, spec, encrypter })
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

    /// Encrypts `message` as a JWE in compact form (RFC 7516, section 3.1), with `alg`, `enc` and `kid` in its header.
    ///
    /// # Errors
    /// [`CryptoError::NotEncrypted`] when OpenSSL fails.
    pub fn encrypt(&self, message: &[u8]) -> Result<String, CryptoError> {
        let mut header = JweHeader::new();
        header.set_content_encryption(CONTENT);
        header.set_key_id(self.kid.as_str());
        jwe::serialize_compact(message, &header, self.encrypter.as_ref()).map_err(|_| CryptoError::NotEncrypted(self.kid.clone()))
    }
}

fn encrypter(spec: KeySpec, jwk: &PublicJwk) -> Result<Box<dyn JweEncrypter>, JoseError> {
    let jwk = jwk::josekit_jwk(jwk)?;
    Ok(match spec {
        KeySpec::RsaOaep256(_) => Box::new(RSA_OAEP_256.encrypter_from_jwk(&jwk)?),
        KeySpec::RsaOaep(_) => Box::new(RSA_OAEP.encrypter_from_jwk(&jwk)?),
        #[expect(deprecated, reason = "an operator can name it for a party that knows nothing else")]
        KeySpec::Rsa15(_) => Box::new(jwe::RSA1_5.encrypter_from_jwk(&jwk)?),
        KeySpec::EcdhEs(_) => Box::new(ECDH_ES.encrypter_from_jwk(&jwk)?),
        KeySpec::Rs256(_) | KeySpec::Ps256(_) | KeySpec::Es256 | KeySpec::Es384 | KeySpec::Ed25519 => {
            return Err(wrong_use());
        }
    })
}
