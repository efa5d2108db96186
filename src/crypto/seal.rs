//! Sealing: AES-256-GCM under a master key, through data keys that can be destroyed one by one.
//!
//! A sealed thing is `version (1 byte) || nonce (12) || ciphertext || tag (16)`. The associated data is a [`Binding`], so what was
//! sealed for one place does not open in another. Nonces are random: a key may seal 2^32 things (NIST SP 800-38D, section 8.3), so
//! what is written often, and is no secret, gets a [`MacKey`] instead.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::{Zeroize as _, Zeroizing};

use crate::types::Secret;

mod master;
#[cfg(test)]
mod tests;

pub use master::{MasterKey, MasterKeyError, MasterKeyId, WrappingKey};

/// The first byte of everything sealed.
const FORM: u8 = 1;
const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

/// By how much sealing makes a thing longer.
pub const OVERHEAD_BYTES: usize = 1 + NONCE_LEN + TAG_BYTES;

/// What went wrong in sealing or opening. It never says anything of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
    /// More than AES-GCM can seal at once.
    #[error("a value of more than 64 GiB can't be sealed")]
    TooLong,
    /// Changed, cut short, sealed under another key, or sealed for another place.
    #[error("a sealed value does not open: it was changed, or it was sealed under another key or for another place")]
    DoesNotOpen,
    /// Sealed in a form that this version does not know.
    #[error("a sealed value has form {0}, which this version of jkeys does not know: use a newer one")]
    UnknownForm(u8),
}

/// Where a sealed value belongs: a purpose and the names of the place. Two different bindings never have the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding(Vec<u8>);

impl Binding {
    /// A binding to a purpose.
    #[must_use]
    pub fn new(purpose: &str) -> Self {
        Self(Vec::new()).with(purpose.as_bytes())
    }

    /// The same place, named more closely.
    #[must_use]
    pub fn with(mut self, part: &[u8]) -> Self {
        self.0.extend((part.len() as u64).to_be_bytes());
        self.0.extend(part);
        self
    }

    /// The same place, named more closely by a number.
    #[must_use]
    pub fn with_number(self, number: u64) -> Self {
        self.with(&number.to_be_bytes())
    }
}

/// A key that seals: random, one for each private half; or derived from the master key for a purpose.
#[derive(Debug)]
pub struct DataKey(Secret);

impl DataKey {
    /// A new one.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub fn generate() -> Result<Self, SealError> {
        random_key().map(Self)
    }

    /// Seals `plain` for the place that `binding` names.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`], [`SealError::TooLong`].
    pub fn seal(&self, plain: &[u8], binding: &Binding) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
        let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD_BYTES);
        sealed.push(FORM);
        sealed.extend(nonce);
        sealed.extend(plain);
        let (_, text) = sealed.split_at_mut(1 + NONCE_LEN);
        let tag = self
            .key()
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&binding.0), text)
            .map_err(|_| SealError::TooLong)?;
        sealed.extend(tag.as_ref());
        Ok(sealed)
    }

    /// What was sealed for that place.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`], [`SealError::UnknownForm`].
    pub fn open(&self, sealed: &[u8], binding: &Binding) -> Result<Secret, SealError> {
        let (form, rest) = sealed.split_first().ok_or(SealError::DoesNotOpen)?;
        if *form != FORM {
            return Err(SealError::UnknownForm(*form));
        }
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError::DoesNotOpen)?;
        let mut text = Zeroizing::new(text.to_vec());
        let plain = self
            .key()
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(&binding.0), &mut text)
            .map_err(|_| SealError::DoesNotOpen)?
            .len();
        text[plain..].zeroize();
        text.truncate(plain);
        Ok(Secret::new(std::mem::take(&mut *text)))
    }

    // ring does not erase its own form of a key, so it lives for one call only.
    fn key(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, self.0.expose()).expect("a data key has the 32 bytes of AES-256"))
    }
}

/// A key that authenticates: HMAC-SHA-256.
#[derive(Debug)]
pub struct MacKey(hmac::Key);

impl MacKey {
    /// The code of `content` in the place that `binding` names.
    #[must_use]
    pub fn code(&self, content: &[u8], binding: &Binding) -> [u8; 32] {
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(&(binding.0.len() as u64).to_be_bytes());
        mac.update(&binding.0);
        mac.update(content);
        let mut code = [0; 32];
        code.copy_from_slice(mac.sign().as_ref());
        code
    }
}

fn random_key() -> Result<Secret, SealError> {
    let mut bytes = vec![0; KEY_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| SealError::NoRandomness)?;
    Ok(Secret::new(bytes))
}
