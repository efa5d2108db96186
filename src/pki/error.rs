//! What can go wrong with keys and certificates.

use crate::types::{NameError, SpiffeId};

/// A key or a certificate that can't be used, in words.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The machine gives no random bytes.
    #[error("the machine gives no random bytes, so no key can be made; look at getrandom(2)")]
    Random,
    /// A private half that can't be read.
    #[error("{what} can't be read as a private key in PKCS#8 ({why}); restore it from a backup, or make a new one")]
    PrivateKey {
        /// Whose private half.
        what: &'static str,
        /// The library's words.
        why: String,
    },
    /// A private half that belongs to another certificate.
    #[error("the private key and the certificate of {0} do not belong together; restore both from the same backup")]
    KeyMismatch(&'static str),
    /// A certificate that can't be read.
    #[error("the certificate can't be read: {0}")]
    Certificate(String),
    /// A certificate that doesn't say whose it is.
    #[error("the certificate has {0} URI names, but exactly one SPIFFE ID is needed; it was not made by jkeys")]
    UriNames(usize),
    /// A SPIFFE ID that jkeys doesn't know.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A certificate of somebody else.
    #[error("the certificate is {found}'s, but {wanted}'s is needed")]
    Identity {
        /// Whose it is.
        found: SpiffeId,
        /// Whose it should be.
        wanted: SpiffeId,
    },
    /// A certificate request that is refused.
    #[error("the certificate request is refused: {0}")]
    Csr(&'static str),
    /// The library can't make a certificate.
    #[error("the certificate can't be made: {0}")]
    Issue(#[from] rcgen::Error),
    /// A configuration that TLS can't use.
    #[error("TLS can't be set up with these certificates: {0}")]
    Tls(String),
    /// PEM that can't be read.
    #[error("{0} is not valid PEM; restore the file, or enroll the node anew")]
    Pem(&'static str),
    /// The leader's answer to an enrollment isn't what the token promised.
    #[error("the leader's answer is refused: {0}; make a new token, and look who answered at the leader's address")]
    Answer(&'static str),
}
