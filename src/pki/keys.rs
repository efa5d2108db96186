//! The keys of the fleet's machines: P-256 for TLS, Ed25519 for the witness.

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use rustls::pki_types::PrivatePkcs8KeyDer;
use zeroize::Zeroizing;

use super::PkiError;
use crate::types::{Digest, Secret};

/// So many random bytes.
pub(super) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, PkiError> {
    let mut bytes = Zeroizing::new([0; N]);
    SystemRandom::new().fill(bytes.as_mut()).map_err(|_| PkiError::Random)?;
    Ok(bytes)
}

/// A new P-256 key, as PKCS#8.
pub(super) fn generate_p256() -> Result<Secret, PkiError> {
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
    Ok(Secret::new(key.map_err(|_| PkiError::Random)?.as_ref().to_vec()))
}

/// A P-256 key to sign certificates and requests with. `what` says whose it is.
pub(super) fn p256(what: &'static str, pkcs8: &Secret) -> Result<Zeroizing<KeyPair>, PkiError> {
    let der = PrivatePkcs8KeyDer::from(pkcs8.expose());
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ECDSA_P256_SHA256);
    key.map(Zeroizing::new).map_err(|why| PkiError::PrivateKey {
        what,
        why: why.to_string(),
    })
}

/// The digest that names a key: SHA-256 of its `SubjectPublicKeyInfo` (RFC 5280, section 4.1.2.7).
pub(super) fn spki_digest(key: &KeyPair) -> Digest {
    Digest::of(&key.subject_public_key_info())
}

/// A node's own keys. They are made on the node and never leave it.
#[derive(Debug)]
pub struct NodeKeys {
    tls: Secret,
    witness: Secret,
}

impl NodeKeys {
    /// New keys.
    ///
    /// # Errors
    /// The machine gives no random bytes.
    pub fn generate() -> Result<Self, PkiError> {
        let witness = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| PkiError::Random)?;
        Ok(Self {
            tls: generate_p256()?,
            witness: Secret::new(witness.as_ref().to_vec()),
        })
    }

    /// Keys that were made earlier, PKCS#8 DER both.
    ///
    /// # Errors
    /// One of them is not the key that it should be.
    pub fn load(tls: Secret, witness: Secret) -> Result<Self, PkiError> {
        let keys = Self { tls, witness };
        p256("the node's TLS key", &keys.tls)?;
        keys.witness_pair()?;
        Ok(keys)
    }

    /// The P-256 key, PKCS#8 DER.
    #[must_use]
    pub fn tls(&self) -> &Secret {
        &self.tls
    }

    /// The Ed25519 key, PKCS#8 DER.
    #[must_use]
    pub fn witness(&self) -> &Secret {
        &self.witness
    }

    /// The P-256 key alone, to be put beside its certificate.
    #[must_use]
    pub fn into_tls(self) -> Secret {
        self.tls
    }

    /// The public half of the witness key (RFC 8032, section 5.1.5).
    ///
    /// # Errors
    /// The key is damaged.
    pub fn witness_public_key(&self) -> Result<[u8; 32], PkiError> {
        let mut own = [0; 32];
        own.copy_from_slice(self.witness_pair()?.public_key().as_ref());
        Ok(own)
    }

    /// A PKCS#10 request (RFC 2986) for the TLS key, DER. It names nobody: the leader knows who asks.
    ///
    /// # Errors
    /// The key is damaged.
    pub fn csr_der(&self) -> Result<Vec<u8>, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let key = p256("the node's TLS key", &self.tls)?;
        Ok(params.serialize_request(&*key)?.der().to_vec())
    }

    /// SHA-256 of the TLS key's public half.
    pub fn tls_digest(&self) -> Result<Digest, PkiError> {
        Ok(spki_digest(&*p256("the node's TLS key", &self.tls)?))
    }

    /// The witness key, ready to sign.
    ///
    /// # Errors
    /// It is damaged.
    pub fn witness_pair(&self) -> Result<Ed25519KeyPair, PkiError> {
        Ed25519KeyPair::from_pkcs8(self.witness.expose()).map_err(|why| PkiError::PrivateKey {
            what: "the node's witness key",
            why: why.to_string(),
        })
    }
}
