//! Whose certificate it is.

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::PkiError;
use crate::types::{Digest, Secret, SpiffeId, Time};

/// What a certificate says of its holder. It proves nothing by itself: the chain is checked in the TLS handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Who it speaks for.
    pub id: SpiffeId,
    /// Which key it speaks of: SHA-256 of its `SubjectPublicKeyInfo`.
    pub key: Digest,
    /// The last instant at which it is good.
    pub not_after: Time,
}

impl PeerIdentity {
    /// Reads `der`.
    ///
    /// # Errors
    /// It isn't a certificate, or it hasn't exactly one URI name, which must be a SPIFFE ID of a leader or a node.
    pub fn from_certificate(der: &[u8]) -> Result<Self, PkiError> {
        let certificate = parse(der)?;
        Ok(Self {
            id: uri_name(&certificate)?.parse()?,
            key: Digest::of(certificate.public_key().raw),
            not_after: not_after(&certificate),
        })
    }
}

/// A certificate, and nothing after it.
pub(super) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, PkiError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(PkiError::Certificate("something follows it".to_owned())),
        Err(why) => Err(PkiError::Certificate(why.to_string())),
    }
}

/// The one URI name.
pub(super) fn uri_name<'a>(certificate: &'a X509Certificate<'_>) -> Result<&'a str, PkiError> {
    let names = (certificate.subject_alternative_name()).map_err(|why| PkiError::Certificate(why.to_string()))?;
    let uris: Vec<&str> = (names.iter())
        .flat_map(|names| &names.value.general_names)
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })
        .collect();
    match uris[..] {
        [uri] => Ok(uri),
        _ => Err(PkiError::UriNames(uris.len())),
    }
}

pub(super) fn not_after(certificate: &X509Certificate<'_>) -> Time {
    let secs = certificate.validity().not_after.timestamp();
    Time(u64::try_from(secs).unwrap_or_default().saturating_mul(1000))
}

/// A certificate chain, the holder's own certificate first, with its private half in PKCS#8.
#[derive(Debug)]
pub struct TlsIdentity {
    /// The certificates: the holder's own, then its issuer.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private half of the first, PKCS#8 DER.
    pub key: Secret,
}

impl TlsIdentity {
    /// What the first certificate says.
    ///
    /// # Errors
    /// There is none, or it can't be read.
    pub fn identity(&self) -> Result<PeerIdentity, PkiError> {
        let first = self
            .chain
            .first()
            .ok_or_else(|| PkiError::Certificate("there is none".to_owned()))?;
        PeerIdentity::from_certificate(first)
    }
}
