//! Signed notes (C2SP `signed-note`): a text, and Ed25519 signatures under it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};

use crate::types::{Digest, WitnessKey};

/// The most bytes that a note may have: a checkpoint with the cosignatures of 10,000 nodes.
pub const MAX_NOTE_BYTES: usize = 4 * 1024 * 1024;

/// What a key signs, which is part of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum NoteKind {
    /// The text of a note.
    Note = 1,
    /// A checkpoint that was seen, with the time (C2SP `tlog-cosignature`).
    Cosignature = 4,
}

/// A name and a public key. Written as `name+id+key`, the form of C2SP's verifier keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteKey {
    pub(super) name: String,
    pub(super) kind: NoteKind,
    pub(super) public: WitnessKey,
}

/// A text that is no verifier key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no verifier key of a log; write it as name+id+key, whole and without spaces")]
pub struct NoteKeyError(String);

/// A text that is no signed note.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no signed note: {0}; give the file as jkeys wrote it")]
pub struct NoteError(&'static str);

/// Signs a message with a private half that only its keeper holds: 64 bytes of Ed25519.
pub type Sign<'a> = dyn Fn(&[u8]) -> [u8; 64] + 'a;

/// How the keeper of a key pair signs.
pub fn signer(pair: &Ed25519KeyPair) -> impl Fn(&[u8]) -> [u8; 64] {
    |message| {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(pair.sign(message).as_ref());
        bytes
    }
}

impl NoteKey {
    /// The key that signs checkpoints of the log `origin`.
    #[must_use]
    pub fn of_log(origin: &str, public: WitnessKey) -> Self {
        Self {
            name: origin.to_owned(),
            kind: NoteKind::Note,
            public,
        }
    }

    /// The key with which a witness cosigns.
    #[must_use]
    pub fn of_witness(name: &str, public: WitnessKey) -> Self {
        Self {
            name: name.to_owned(),
            kind: NoteKind::Cosignature,
            public,
        }
    }

    /// Its name: for a log's key the log's origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> WitnessKey {
        self.public
    }

    /// The first four bytes of the SHA-256 of name, kind and public half.
    pub(super) fn id(&self) -> [u8; 4] {
        let bytes = [self.name.as_bytes(), b"\n", &[self.kind as u8], &self.public.0].concat();
        let [a, b, c, d, ..] = Digest::of(&bytes).0;
        [a, b, c, d]
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.public.0)
            .verify(message, signature)
            .is_ok()
    }
}

/// Whether a text can name a key: not empty, no white space, no plus sign.
fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.kind as u8], &self.public.0[..]].concat();
        write!(
            f,
            "{}+{:08x}+{}",
            self.name,
            u32::from_be_bytes(self.id()),
            STANDARD.encode(key)
        )
    }
}

impl FromStr for NoteKey {
    type Err = NoteKeyError;

    fn from_str(text: &str) -> Result<Self, NoteKeyError> {
        let parse = || {
            let mut parts = text.splitn(3, '+');
            let (name, id, key) = (parts.next()?, parts.next()?, STANDARD.decode(parts.next()?).ok()?);
            let (kind, public) = key.split_first()?;
            let kind = match kind {
                1 => NoteKind::Note,
                4 => NoteKind::Cosignature,
                _ => return None,
            };
            let key = Self {
                name: name.to_owned(),
                kind,
                public: WitnessKey(public.try_into().ok()?),
            };
            let id_matches = id == format!("{:08x}", u32::from_be_bytes(key.id()));
            (is_name(name) && id_matches).then_some(key)
        };
        parse().ok_or_else(|| NoteKeyError(text.chars().take(200).collect()))
    }
}

/// A signature line of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    pub(super) name: String,
    pub(super) id: [u8; 4],
    pub(super) bytes: Vec<u8>,
}

impl NoteSignature {
    /// The signature of `key` in these bytes, which are not looked at.
    #[must_use]
    pub fn new(key: &NoteKey, bytes: Vec<u8>) -> Self {
        Self {
            name: key.name.clone(),
            id: key.id(),
            bytes,
        }
    }

    /// Its bytes, without the key's id.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn is_of(&self, key: &NoteKey) -> bool {
        self.name == key.name && self.id == key.id()
    }

    fn parse(line: &str) -> Option<Self> {
        let (name, base64) = line.strip_prefix("— ")?.split_once(' ')?;
        let bytes = STANDARD.decode(base64).ok()?;
        let (id, bytes) = bytes.split_first_chunk()?;
        (is_name(name) && !bytes.is_empty()).then(|| Self {
            name: name.to_owned(),
            id: *id,
            bytes: bytes.to_vec(),
        })
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.id[..], &self.bytes].concat();
        write!(f, "— {} {}", self.name, STANDARD.encode(bytes))
    }
}

/// A text with signatures under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    /// Ends in a newline.
    pub(super) text: String,
    pub(super) signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// Whether `key` signed the text: some signature is its, and every one that says so verifies.
    #[must_use]
    pub fn is_signed_by(&self, key: &NoteKey) -> bool {
        let mut own = self.signatures.iter().filter(|signature| signature.is_of(key)).peekable();
        own.peek().is_some() && own.all(|signature| key.verifies(self.text.as_bytes(), &signature.bytes))
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl FromStr for SignedNote {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        if text.len() > MAX_NOTE_BYTES {
            return Err(NoteError("it is longer than any that jkeys writes"));
        }
        if text.contains(|c: char| c.is_control() && c != '\n') {
            return Err(NoteError("it has control characters"));
        }
        let (text, lines) = text
            .rsplit_once("\n\n")
            .ok_or(NoteError("no blank line before the signatures"))?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError("its last line has no end"))?;
        let signatures: Option<Vec<_>> = lines.split('\n').map(NoteSignature::parse).collect();
        Ok(Self {
            text: format!("{text}\n"),
            signatures: signatures.ok_or(NoteError("a line below the blank one is no signature"))?,
        })
    }
}
