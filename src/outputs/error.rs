//! What can be wrong with the bytes of a view.

use std::fmt;

use crate::crypto::CryptoError;
use crate::types::Kid;

/// The files of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// `jwks.json`, for everyone.
    PublicJwks,
    /// `private.jwks.json`, for the server that signs and decrypts.
    PrivateJwks,
    /// A private key and its certificate as text.
    Pem,
    /// A Java key store.
    Pkcs12,
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PublicJwks => "the public JWKS",
            Self::PrivateJwks => "the private JWKS",
            Self::Pem => "the PEM file",
            Self::Pkcs12 => "the PKCS#12 file",
        })
    }
}

/// What is wrong with the bytes of a view. No message holds anything of a private half.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    /// It is not JSON, or not of the form of a JWKS.
    #[error(
        "{file} is not of the form {{\"keys\":[…]}} with keys whose members are text (line {line}, column {column}); write it again"
    )]
    NotJwks {
        /// The file.
        file: File,
        /// The line at which it goes wrong, from 1.
        line: usize,
        /// The column at which it goes wrong, from 1; 0 at the end of a line before.
        column: usize,
    },
    /// A member is a list that should be none, or the other way round.
    #[error("{0} has a key in which something else than x5c is a list, or x5c is none; write it again")]
    ListMember(File),
    /// It is not of its form.
    #[error("{file} can't be read back: {why}; write it again")]
    Form {
        /// The file.
        file: File,
        /// In what way.
        why: &'static str,
    },
    /// It was not made.
    #[error("{file} can't be made: {why}")]
    NotMade {
        /// The file.
        file: File,
        /// Why not.
        why: String,
    },
    /// It holds other keys than those of the view, or they stand in other places.
    #[error("{0} does not hold what the view says; write it again")]
    OtherKeys(File),
    /// What stands beside a key is not its own.
    #[error("{file} has another certificate beside key {kid} than its own; write it again")]
    OtherCertificate {
        /// The file.
        file: File,
        /// The key.
        kid: Kid,
    },
    /// A password that other programs could not use.
    #[error(
        "the password of a PKCS#12 file must be one line of at least 6 printable ASCII characters: Java takes no other; write one"
    )]
    Password,
    /// The public file holds private material.
    #[error(
        "the public JWKS holds a private member in key {kid:?}; remove that file at once and revoke the key if anyone could read it"
    )]
    PrivateMember {
        /// The kid as it stands there, empty when there is none.
        kid: String,
    },
    /// A key of a file is not one.
    #[error("{file} can't be used: {why}")]
    Key {
        /// The file.
        file: File,
        /// What is wrong.
        why: CryptoError,
    },
    /// A key is to be used, but its private half was not delivered.
    #[error("key {0} is to be used here but its private half is not; ask the leader for the generation again")]
    NoPrivate(Kid),
    /// A key is to be used, but the generation does not have it.
    #[error("key {0} is to be used here but is not in the generation; the view and the generation do not belong together")]
    NotInGeneration(Kid),
    /// A key would sign that no relying party can know.
    #[error("key {0} is in the private JWKS but not in the public one; install neither")]
    NotPublished(Kid),
    /// A relying party would encrypt what the node can't open.
    #[error("key {0} is in the public JWKS for encryption but its private half is not in the private one; install neither")]
    NotDecryptable(Kid),
}

impl OutputError {
    /// Says in which file a key is wrong.
    pub(super) fn in_file(file: File) -> impl Fn(CryptoError) -> Self {
        move |why| Self::Key { file, why }
    }
}
