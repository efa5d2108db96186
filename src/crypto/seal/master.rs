//! The master key: how it is read from its file, and what is derived from it.

use ring::{hkdf, hmac};
use zeroize::Zeroizing;

use super::{Binding, DataKey, KEY_BYTES, MacKey, SealError, random_key};
use crate::types::Secret;

/// Why a file's content is no master key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    /// Neither 32 bytes nor 64 hexadecimal digits.
    #[error(
        "the master key file holds {0} bytes, and no master key: it must hold 64 hexadecimal digits or exactly 32 raw bytes. \
         For a new keystore make one with `openssl rand -hex 32`; for one that exists, bring back its own file"
    )]
    Form(usize),
    /// 32 bytes that someone typed.
    #[error("the master key file holds 32 typed characters; that is a password, not a key. Make one with `openssl rand -hex 32`")]
    Typed,
}

/// Which master key something was sealed under: derived from the key, and says nothing of it.
pub type MasterKeyId = [u8; 16];

/// The key that all others hang on. 32 bytes, from a file or a systemd credential.
#[derive(Debug)]
pub struct MasterKey(Secret);

impl MasterKey {
    /// A new one.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub fn generate() -> Result<Self, SealError> {
        random_key().map(Self)
    }

    /// From the content of its file: 64 hexadecimal digits, a newline after them or not; or exactly 32 raw bytes.
    ///
    /// # Errors
    /// Any other content, in words that say what to do.
    pub fn from_file(content: &Secret) -> Result<Self, MasterKeyError> {
        let bytes = content.expose();
        if bytes.len() == KEY_BYTES {
            if bytes.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
                return Err(MasterKeyError::Typed);
            }
            return Ok(Self(Secret::new(bytes.to_vec())));
        }
        let digits = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let digits = digits.strip_suffix(b"\r").unwrap_or(digits);
        from_hex(digits).map(Self).ok_or(MasterKeyError::Form(bytes.len()))
    }

    /// The content of its file: 64 hexadecimal digits and a newline.
    #[must_use]
    pub fn to_file(&self) -> Secret {
        let mut text = Vec::with_capacity(2 * KEY_BYTES + 1);
        for byte in self.0.expose() {
            text.extend([byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
        }
        text.push(b'\n');
        Secret::new(text)
    }

    /// Which key this is.
    #[must_use]
    pub fn id(&self) -> MasterKeyId {
        let derived = self.derived("id");
        let mut id = MasterKeyId::default();
        id.copy_from_slice(&derived.expose()[..16]);
        id
    }

    /// A key for one purpose, always the same (HKDF-SHA-256, RFC 5869).
    #[must_use]
    pub fn data_key(&self, purpose: &str) -> DataKey {
        DataKey(self.derived(&format!("seal {purpose}")))
    }

    /// A key for one purpose that authenticates and does not hide, always the same.
    #[must_use]
    pub fn mac_key(&self, purpose: &str) -> MacKey {
        let key = self.derived(&format!("mac {purpose}"));
        MacKey(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
    }

    /// The key that seals data keys, always the same.
    #[must_use]
    pub fn wrapping_key(&self) -> WrappingKey {
        WrappingKey(DataKey(self.derived("wrap")))
    }

    fn derived(&self, purpose: &str) -> Secret {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"jkeys master key");
        let mut key = vec![0; KEY_BYTES];
        salt.extract(self.0.expose())
            .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|output| output.fill(&mut key))
            .expect("HKDF-SHA-256 gives up to 8160 bytes");
        Secret::new(key)
    }
}

/// The key that seals data keys: derived from the master key, which need not be kept for it.
#[derive(Debug)]
pub struct WrappingKey(DataKey);

impl WrappingKey {
    /// Seals a data key. Whoever deletes the result has destroyed all that the data key sealed.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub fn wrap(&self, key: &DataKey, binding: &Binding) -> Result<Vec<u8>, SealError> {
        self.0.seal(key.0.expose(), binding)
    }

    /// The data key again.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`], [`SealError::UnknownForm`].
    pub fn unwrap(&self, wrapped: &[u8], binding: &Binding) -> Result<DataKey, SealError> {
        let key = self.0.open(wrapped, binding)?;
        if key.expose().len() == KEY_BYTES {
            Ok(DataKey(key))
        } else {
            Err(SealError::DoesNotOpen)
        }
    }
}

fn from_hex(digits: &[u8]) -> Option<Secret> {
    if digits.len() != 2 * KEY_BYTES {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_BYTES));
    for pair in digits.chunks_exact(2) {
        let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
        bytes.push(u8::try_from(high? << 4 | low?).ok()?);
    }
    Some(Secret::new(std::mem::take(&mut *bytes)))
}
