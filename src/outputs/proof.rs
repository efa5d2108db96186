//! Proving that the files of a view, as they were read back, belong together.

use std::collections::BTreeSet;

use super::error::File;
use super::{OutputError, signing_keys, verifying_keys};
use crate::types::Kid;

/// What two files hold, once they were proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// The kids of the public JWKS.
    pub published: BTreeSet<Kid>,
    /// The kids of the private JWKS.
    pub signing: BTreeSet<Kid>,
}

/// Proves a view by the bytes of its two files: both parse, no public key holds a private member, no two kids in a file are the
/// same or differ only by case, and every private key signs what its public half in the public file verifies.
///
/// # Errors
/// The first thing that does not hold.
pub fn prove(public: &[u8], private: &[u8]) -> Result<Proved, OutputError> {
    let published = verifying_keys(public)?;
    let signing = signing_keys(private)?;
    for key in &signing {
        let half = published.get(key.kid());
        let half = half.ok_or_else(|| OutputError::NotPublished(key.kid().clone()))?;
        key.prove(half).map_err(OutputError::in_file(File::PrivateJwks))?;
    }
    Ok(Proved {
        published: published.kids(),
        signing: signing.iter().map(|key| key.kid().clone()).collect(),
    })
}
