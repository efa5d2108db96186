//! A node's certificate request, checked.

use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SubjectPublicKeyInfo};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

use super::PkiError;
use crate::types::Digest;

/// A request (PKCS#10, RFC 2986) whose sender holds the private half of the P-256 key in it. Names and extensions in it count for nothing.
#[derive(Debug)]
pub struct NodeCsr {
    pub(super) public_key: SubjectPublicKeyInfo,
    key: Digest,
}

impl NodeCsr {
    /// Reads and checks `der`.
    ///
    /// # Errors
    /// It can't be read, its key isn't a P-256 key, or its signature isn't by that key.
    pub fn parse(der: &[u8]) -> Result<Self, PkiError> {
        let (rest, csr) = X509CertificationRequest::from_der(der).map_err(|_| PkiError::Csr("it is not PKCS#10 in DER"))?;
        if !rest.is_empty() {
            return Err(PkiError::Csr("something follows it"));
        }
        let spki = csr.certification_request_info.subject_pki.raw;
        let public_key = SubjectPublicKeyInfo::from_der(spki).map_err(|_| PkiError::Csr("its key is of an unknown kind"))?;
        if public_key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
            return Err(PkiError::Csr("its key is not a P-256 key"));
        }
        csr.verify_signature()
            .map_err(|_| PkiError::Csr("it is not signed by the key in it"))?;
        Ok(Self {
            public_key,
            key: Digest::of(spki),
        })
    }

    /// SHA-256 of the key's `SubjectPublicKeyInfo`, as [`PeerIdentity`](super::PeerIdentity) will show it.
    #[must_use]
    pub fn key(&self) -> Digest {
        self.key
    }
}
