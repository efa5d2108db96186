//! Sealing: AES-256-GCM under a master key, through data keys that can be destroyed one by one.
//!
//! A sealed thing is `version (1 byte) || nonce (12) || ciphertext || tag (16)`. The associated data is a [`Binding`], so what was
//! sealed for one place does not open in another. Nonces are random: a key may seal 2^32 things (NIST SP 800-38D, section 8.3), so
//! what is written often, and is no secret, gets a [`MacKey`] instead.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{hkdf, hmac};
use zeroize::{Zeroize as _, Zeroizing};

use crate::types::Secret;

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

    /// Seals a data key. Whoever deletes the result has destroyed all that the data key sealed.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub fn wrap(&self, key: &DataKey, binding: &Binding) -> Result<Vec<u8>, SealError> {
        self.data_key("wrap").seal(key.0.expose(), binding)
    }

    /// The data key again.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`], [`SealError::UnknownForm`].
    pub fn unwrap(&self, wrapped: &[u8], binding: &Binding) -> Result<DataKey, SealError> {
        let key = self.data_key("wrap").open(wrapped, binding)?;
        if key.expose().len() == KEY_BYTES {
            Ok(DataKey(key))
        } else {
            Err(SealError::DoesNotOpen)
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(bytes: &[u8]) -> Secret {
        Secret::new(bytes.to_vec())
    }

    #[test]
    fn what_is_sealed_opens_again() {
        let key = DataKey::generate().unwrap();
        let binding = Binding::new("key").with(b"kid");
        for plain in [&b""[..], b"x", &[7; 5000]] {
            let sealed = key.seal(plain, &binding).unwrap();
            assert_eq!(sealed.len(), plain.len() + OVERHEAD_BYTES);
            assert_eq!(key.open(&sealed, &binding).unwrap().expose(), plain);
        }
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_found() {
        let key = DataKey::generate().unwrap();
        let binding = Binding::new("key");
        let sealed = key.seal(b"a private half", &binding).unwrap();
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 0x10;
            assert!(key.open(&changed, &binding).is_err(), "byte {place}");
            assert!(key.open(&sealed[..place], &binding).is_err(), "cut at {place}");
        }
    }

    #[test]
    fn a_sealed_thing_opens_only_in_its_own_place_and_under_its_own_key() {
        let key = DataKey::generate().unwrap();
        let sealed = key.seal(b"x", &Binding::new("key").with(b"ab")).unwrap();
        for other in [
            Binding::new("key").with(b"a").with(b"b"),
            Binding::new("key").with(b"abc"),
            Binding::new("keyab"),
            Binding::new("key").with(b"ab").with(b""),
            Binding::new("ca").with(b"ab"),
        ] {
            assert_eq!(key.open(&sealed, &other).unwrap_err(), SealError::DoesNotOpen, "{other:?}");
        }
        let other = DataKey::generate().unwrap();
        assert!(other.open(&sealed, &Binding::new("key").with(b"ab")).is_err());
    }

    #[test]
    fn two_sealings_of_one_thing_differ() {
        let key = DataKey::generate().unwrap();
        let seal = || key.seal(b"x", &Binding::new("key")).unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn a_form_of_the_future_is_named() {
        let key = DataKey::generate().unwrap();
        assert_eq!(
            key.open(&[9; 60], &Binding::new("key")).unwrap_err(),
            SealError::UnknownForm(9)
        );
    }

    #[test]
    fn a_wrapped_key_comes_back_only_under_its_master_key_and_binding() {
        let (master, other) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
        let (key, binding) = (DataKey::generate().unwrap(), Binding::new("data key").with(b"kid"));
        let wrapped = master.wrap(&key, &binding).unwrap();
        assert!(master.unwrap(&wrapped, &binding).unwrap().0.same(&key.0));
        assert!(other.unwrap(&wrapped, &binding).is_err());
        assert!(master.unwrap(&wrapped, &Binding::new("data key").with(b"other")).is_err());
    }

    #[test]
    fn a_master_key_is_read_from_text_and_from_raw_bytes() {
        let master = MasterKey::generate().unwrap();
        let text = master.to_file();
        let digits = &text.expose()[..64];
        for content in [
            text.expose().to_vec(),
            digits.to_vec(),
            [digits, b"\r\n"].concat(),
            digits.to_ascii_uppercase(),
        ] {
            assert!(MasterKey::from_file(&Secret::new(content)).unwrap().0.same(&master.0));
        }
        let raw = [0xA5; 32];
        assert_eq!(MasterKey::from_file(&secret(&raw)).unwrap().0.expose(), raw);
    }

    #[test]
    fn what_is_no_master_key_is_refused_in_words() {
        let digits = [b'a'; 66];
        for wrong in [
            &b""[..],
            b"short",
            &digits[..63],
            &digits[..65],
            &[0xA5; 31],
            &[0xA5; 33],
            &[b'g'; 64],
        ] {
            let error = MasterKey::from_file(&secret(wrong)).unwrap_err();
            assert_eq!(error, MasterKeyError::Form(wrong.len()));
            assert!(error.to_string().contains("openssl rand -hex 32"));
        }
        let typed = secret(b"correct horse battery staple 123");
        assert_eq!(MasterKey::from_file(&typed).unwrap_err(), MasterKeyError::Typed);
    }

    #[test]
    fn keys_for_two_purposes_differ_and_stay_the_same() {
        let master = MasterKey::generate().unwrap();
        assert!(master.data_key("a").0.same(&master.data_key("a").0));
        assert!(!master.data_key("a").0.same(&master.data_key("b").0));
        assert_ne!(master.id(), MasterKey::generate().unwrap().id());
        let code = |purpose| master.mac_key(purpose).code(b"x", &Binding::new("here"));
        assert_eq!(code("a"), code("a"));
        assert_ne!(code("a"), code("b"));
    }
}
