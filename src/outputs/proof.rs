//! Proving that the files of a view, as they were read back, belong together.

use std::collections::{BTreeMap, BTreeSet};

use super::error::File;
use super::{OutputError, private_keys, published_keys};
use crate::crypto::{DecryptingKey, PublishedKeys};
use crate::types::Kid;

/// What two files hold, once they were proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// The kids of the public JWKS.
    pub published: BTreeSet<Kid>,
    /// The kids of the private JWKS that sign.
    pub signing: BTreeSet<Kid>,
    /// Those that decrypt.
    pub decrypting: BTreeSet<Kid>,
}

/// Proves a view by the bytes of its two files: both parse, no public key holds a private member, no two kids in a file are the
/// same or differ only by case, every private key that signs signs what its public half in the public file verifies, and what is
/// encrypted to any key of the public file, the private file opens. An encryption key need not be in the public file.
///
/// # Errors
/// The first thing that does not hold.
pub fn prove(public: &[u8], private: &[u8]) -> Result<Proved, OutputError> {
    let published = published_keys(public)?;
    let private = private_keys(private)?;
    for key in &private.signing {
        let half = published.verifying.get(key.kid());
        let half = half.ok_or_else(|| OutputError::NotPublished(key.kid().clone()))?;
        key.prove(half).map_err(OutputError::in_file(File::PrivateJwks))?;
    }
    let decrypting = private.decrypting.iter().map(|key| (key.kid(), key)).collect();
    prove_decryption(&published, &decrypting)?;
    Ok(Proved {
        published: published.kids(),
        signing: private.signing.iter().map(|key| key.kid().clone()).collect(),
        decrypting: decrypting.into_keys().cloned().collect(),
    })
}

fn prove_decryption(published: &PublishedKeys, decrypting: &BTreeMap<&Kid, &DecryptingKey>) -> Result<(), OutputError> {
    for (kid, half) in &published.encrypting {
        let key = decrypting.get(kid).ok_or_else(|| OutputError::NotDecryptable(kid.clone()))?;
        key.prove(half).map_err(OutputError::in_file(File::PrivateJwks))?;
    }
    Ok(())
}
