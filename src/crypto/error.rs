//! What can be wrong with a key.

use crate::types::{KeySpec, Kid};

/// What is wrong with a key, a certificate or a token. No message holds anything of a private half.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// OpenSSL made no key.
    #[error("OpenSSL made no {0} key; check that the machine has memory and a working random generator")]
    NotMade(KeySpec),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes; check that getrandom(2) works here")]
    Random,
    /// A certificate can't be valid for such a time.
    #[error("a certificate can't be valid for less than a second or beyond the year 9999; choose another life for it")]
    CertificateLife,
    /// The certificate was not made.
    #[error("the certificate of key {kid} was not made: {why}")]
    CertificateNotMade {
        /// The key.
        kid: Kid,
        /// What rcgen says.
        why: String,
    },
    /// The private half is not what it should be.
    #[error("the private half of key {kid} is not a whole {spec} key for this use; fetch or import it again")]
    Private {
        /// The key.
        kid: Kid,
        /// What it should be.
        spec: KeySpec,
    },
    /// A private JWK that says too little, or something unknown.
    #[error("a private JWK is not valid: {0}; write the file again from the key set")]
    PrivateJwk(&'static str),
    /// A public JWK that says too little, or something unknown.
    #[error("the public JWK of key {kid:?} is not valid: {why}; take it from its issuer again")]
    PublicJwk {
        /// The kid as it stands there, empty when there is none.
        kid: String,
        /// What is wrong.
        why: &'static str,
    },
    /// What was sent with a public half says something else than the public half.
    #[error("what belongs to the public half of key {kid} disagrees with it: {why}; install nothing of it")]
    Disagrees {
        /// The key.
        kid: Kid,
        /// What disagrees.
        why: &'static str,
    },
    /// What one half of a key does, the other half does not undo.
    #[error("the private half of key {kid} does not belong to its published public half; install neither")]
    NotAPair {
        /// The key.
        kid: Kid,
    },
    /// Two keys in one set have kids that somebody could mistake.
    #[error("the kids {0} and {1} are the same, or differ only by case; one of the two keys must go")]
    KidsAlike(Kid, Kid),
    /// A signature was not made.
    #[error("nothing was signed with key {0}: OpenSSL refused; check that the machine has memory and a working random generator")]
    NotSigned(Kid),
    /// Nothing was encrypted.
    #[error(
        "nothing was encrypted to key {0}: OpenSSL refused; check that the machine has memory and a working random generator"
    )]
    NotEncrypted(Kid),
    /// A message that a private half does not open.
    #[error("the message is not one that was encrypted to key {0}")]
    NotDecrypted(Kid),
    /// A token that isn't one.
    #[error(
        "the token is not a signed JWT in compact form with a kid and JSON claims; give one of the form header.claims.signature"
    )]
    NotAToken,
    /// A token of a key that is not in the set.
    #[error("the token was signed with key {0:?}, which is not in the key set")]
    UnknownKid(String),
    /// A token whose signature does not verify.
    #[error("the token's signature is not one of key {0}")]
    NotVerified(Kid),
}
