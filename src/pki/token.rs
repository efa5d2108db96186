//! Join tokens: what an operator carries from the leader to a new node.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::PkiError;
use super::keys::random;
use crate::types::{Digest, HostPort, NodeName, Secret};

const PREFIX: &str = "jkeys-join-";
const VERSION: &str = "1";

/// What is wrong with a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Something else.
    #[error("this is not a join token; paste the whole line that `jkeys node token` printed")]
    NotAToken,
    /// Made by another release.
    #[error("this join token has version {0:?}, and this release knows only version 1; run the same release as the leader")]
    Version(String),
    /// Part of it is lost.
    #[error("the join token is cut short or damaged; paste the whole line, or make a new one with `jkeys node token`")]
    Damaged,
}

/// A token's one-time secret: 256 random bits.
#[derive(Debug)]
pub struct TokenSecret(Secret);

impl TokenSecret {
    /// A new one.
    ///
    /// # Errors
    /// The machine gives no random bytes.
    pub fn generate() -> Result<Self, PkiError> {
        Ok(Self(Secret::new(random::<32>()?.to_vec())))
    }

    /// One that came over the wire.
    ///
    /// # Errors
    /// It hasn't 32 bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, TokenError> {
        let secret = Secret::new(bytes);
        if secret.expose().len() != 32 {
            return Err(TokenError::Damaged);
        }
        Ok(Self(secret))
    }

    /// The one form in which the leader stores it: SHA-256.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(self.0.expose())
    }

    /// The 32 bytes, for the wire.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

/// Everything that a new node must know of its fleet. One line of text, which is secret until it is used.
#[derive(Debug)]
pub struct JoinToken {
    /// Where leaders listen: 1 to 255 of them.
    pub addresses: Vec<HostPort>,
    /// SHA-256 of the CA's `SubjectPublicKeyInfo`.
    pub ca_key: Digest,
    /// The audit log's Ed25519 key.
    pub log_public_key: [u8; 32],
    /// The name that the node will have.
    pub node: NodeName,
    /// What the leader knows the token by.
    pub secret: TokenSecret,
}

impl JoinToken {
    /// The token as one line, without a line's end.
    ///
    /// After the prefix stands base64url of: CA key hash, log key, secret (32 bytes each); node name and each address, each after its length
    /// in one byte; and the first four bytes of the SHA-256 of all that, which tell a paste that was cut short.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "impossible by the types of names and addresses")]
    pub fn line(&self) -> Secret {
        let addresses = self.addresses.iter().map(HostPort::to_string);
        let texts: Vec<String> = std::iter::once(self.node.to_string()).chain(addresses).collect();
        let size = texts.iter().map(|text| text.len() + 1).sum::<usize>() + 100;
        let mut bytes = Zeroizing::new(Vec::with_capacity(size));
        bytes.extend_from_slice(&self.ca_key.0);
        bytes.extend_from_slice(&self.log_public_key);
        bytes.extend_from_slice(self.secret.expose());
        for text in texts {
            bytes.push(u8::try_from(text.len()).expect("names and addresses have at most 255 bytes by their types"));
            bytes.extend_from_slice(text.as_bytes());
        }
        let sum = Digest::of(&bytes);
        bytes.extend_from_slice(&sum.0[..4]);
        let body = Zeroizing::new(URL_SAFE_NO_PAD.encode(&*bytes));
        Secret::new([PREFIX.as_bytes(), VERSION.as_bytes(), b".", body.as_bytes()].concat())
    }

    /// Reads a token. White space around it is ignored.
    ///
    /// # Errors
    /// It isn't a token, is of another version, or part of it is lost.
    pub fn parse(line: &str) -> Result<Self, TokenError> {
        let rest = line.trim().strip_prefix(PREFIX).ok_or(TokenError::NotAToken)?;
        let (version, body) = rest.split_once('.').ok_or(TokenError::Damaged)?;
        if version != VERSION {
            return Err(TokenError::Version(version.chars().take(20).collect()));
        }
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(body).map_err(|_| TokenError::Damaged)?);
        let (covered, sum) = bytes.split_last_chunk::<4>().ok_or(TokenError::Damaged)?;
        if Digest::of(covered).0[..4] != sum[..] {
            return Err(TokenError::Damaged);
        }
        Self::read(covered).ok_or(TokenError::Damaged)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (ca_key, bytes) = bytes.split_first_chunk::<32>()?;
        let (log_public_key, bytes) = bytes.split_first_chunk::<32>()?;
        let (secret, mut bytes) = bytes.split_first_chunk::<32>()?;
        let mut texts = Vec::new();
        while let Some((length, rest)) = bytes.split_first() {
            let (text, rest) = rest.split_at_checked(usize::from(*length))?;
            texts.push(std::str::from_utf8(text).ok()?);
            bytes = rest;
        }
        let (node, addresses) = texts.split_first()?;
        let addresses: Vec<HostPort> = addresses.iter().map(|text| text.parse().ok()).collect::<Option<_>>()?;
        if addresses.is_empty() {
            return None;
        }
        Some(Self {
            addresses,
            ca_key: Digest(*ca_key),
            log_public_key: *log_public_key,
            node: node.parse().ok()?,
            secret: TokenSecret::from_bytes(secret.to_vec()).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> JoinToken {
        JoinToken {
            addresses: vec!["leader.example:7443".parse().unwrap(), "[::1]:7443".parse().unwrap()],
            ca_key: Digest([1; 32]),
            log_public_key: [2; 32],
            node: "vm-1".parse().unwrap(),
            secret: TokenSecret::generate().unwrap(),
        }
    }

    fn line() -> String {
        String::from_utf8(token().line().expose().to_vec()).unwrap()
    }

    #[test]
    fn a_token_survives_its_line() {
        let token = token();
        let line = String::from_utf8(token.line().expose().to_vec()).unwrap();
        let back = JoinToken::parse(&format!("  {line}\n")).unwrap();
        assert_eq!(back.addresses, token.addresses);
        assert_eq!((back.ca_key, back.log_public_key), (token.ca_key, token.log_public_key));
        assert_eq!((&back.node, back.secret.hash()), (&token.node, token.secret.hash()));
    }

    #[test]
    fn a_paste_that_was_cut_short_says_so() {
        let line = line();
        for end in "jkeys-join-1".len()..line.len() {
            assert_eq!(JoinToken::parse(&line[..end]).unwrap_err(), TokenError::Damaged, "{end}");
        }
        let swapped = line.replace(&line[40..41], if &line[40..41] == "A" { "B" } else { "A" });
        assert_eq!(JoinToken::parse(&swapped).unwrap_err(), TokenError::Damaged);
    }

    #[test]
    fn what_is_no_token_or_of_another_version_says_so() {
        assert_eq!(JoinToken::parse("hello").unwrap_err(), TokenError::NotAToken);
        assert_eq!(JoinToken::parse("").unwrap_err(), TokenError::NotAToken);
        let newer = line().replacen("jkeys-join-1.", "jkeys-join-2.", 1);
        assert_eq!(JoinToken::parse(&newer).unwrap_err(), TokenError::Version("2".into()));
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", token());
        assert!(shown.contains("TokenSecret(Secret(32 bytes))"), "{shown}");
    }

    #[test]
    fn a_secret_of_another_length_is_refused() {
        assert!(TokenSecret::from_bytes(vec![0; 31]).is_err());
    }
}
