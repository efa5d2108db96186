//! Making keys, their kids and certificates, proving that two halves belong together, and sealing.
//!
//! Keys are made and used, for signing and for decrypting, by josekit. Everything that comes from elsewhere is checked here, by length and by ring's
//! strict parsers, before josekit sees it: its DER reader trusts the lengths that it is given.

mod certificate;
mod decrypt;
mod encrypt;
mod error;
mod generate;
mod jwk;
mod kid;
mod pair;
mod private_jwk;
mod proof;
mod published;
pub mod seal;
mod sign;
mod signed_token;
mod token;
mod verify;

pub use certificate::{CertificateLife, certified_since};
pub use decrypt::DecryptingKey;
pub use encrypt::EncryptingKey;
pub use error::CryptoError;
pub use generate::{NewKey, make_key};
pub use jwk::thumbprint;
pub use kid::distinct_kids;
pub use private_jwk::PrivateJwk;
pub use proof::{check_public, prove_pair};
pub use published::PublishedKeys;
pub use sign::SigningKey;
pub use signed_token::{NamedKey, SignedToken, TokenError};
pub use token::{Verified, sign_token, verify_token};
pub use verify::{VerifyingKey, VerifyingKeys};

#[cfg(test)]
pub(crate) mod tests;
