//! From a view to the bytes of the files that a node shows, and back again. No disk here.
//!
//! A format is a file: how it is written, and how what was read back is parsed.

mod error;
mod format;
mod jwks;
mod pem;
mod pkcs12;
mod private_jwks;
mod proof;
mod public_jwks;

pub use error::OutputError;
pub use format::{Format, Rendered, kids_of, prove_output, render};
pub use pkcs12::Password;
pub use private_jwks::{PrivateKeys, PrivateKids, kids_of_private, private_jwks, private_keys};
pub use proof::{Proved, prove};
pub use public_jwks::{kids_of_public, public_jwks, published_keys};

use format::used;
use private_jwks::private_jwks_with;
use public_jwks::public_jwks_with;

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod tests;
