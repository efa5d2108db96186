//! From a view to the bytes of the files that a node shows, and back again. No disk here.
//!
//! A format is a file: how it is written, and how what was read back is parsed.

mod error;
mod jwks;
mod private_jwks;
mod proof;
mod public_jwks;

pub use error::OutputError;
pub use private_jwks::{PrivateKeys, PrivateKids, kids_of_private, private_jwks, private_keys};
pub use proof::{Proved, prove};
pub use public_jwks::{kids_of_public, public_jwks, published_keys};

#[cfg(test)]
mod tests;
