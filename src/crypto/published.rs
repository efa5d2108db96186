//! A whole published key set, of both uses.

use std::collections::{BTreeMap, BTreeSet};

use super::{CryptoError, EncryptingKey, VerifyingKey, VerifyingKeys, distinct_kids};
use crate::types::{KeyUse, Kid, PublicJwk};

/// Every key that relying parties find: those that they verify with, and those that they encrypt to.
#[derive(Debug, Default)]
pub struct PublishedKeys {
    /// Verify with these.
    pub verifying: VerifyingKeys,
    /// Encrypt to these.
    pub encrypting: BTreeMap<Kid, EncryptingKey>,
}

impl PublishedKeys {
    /// Reads every key of a set.
    ///
    /// # Errors
    /// A key that can't be read, or two whose kids are alike.
    pub fn new<'a>(jwks: impl IntoIterator<Item = &'a PublicJwk>) -> Result<Self, CryptoError> {
        let (mut verifying, mut encrypting) = (Vec::new(), Vec::new());
        for jwk in jwks {
            if jwk.member("use") == Some(KeyUse::Enc.as_str()) {
                encrypting.push(EncryptingKey::new(jwk)?);
            } else {
                verifying.push(VerifyingKey::new(jwk)?);
            }
        }
        let kids = verifying.iter().map(VerifyingKey::kid);
        distinct_kids(kids.chain(encrypting.iter().map(EncryptingKey::kid)))?;
        Ok(Self {
            verifying: verifying.into_iter().collect(),
            encrypting: encrypting.into_iter().map(|key| (key.kid().clone(), key)).collect(),
        })
    }

    /// The kids of the set.
    #[must_use]
    pub fn kids(&self) -> BTreeSet<Kid> {
        let mut kids = self.verifying.kids();
        kids.extend(self.encrypting.keys().cloned());
        kids
    }
}
