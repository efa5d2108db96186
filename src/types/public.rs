//! The public side of a key, and digests.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{KeySpec, Kid};

/// A public JWK (RFC 7517): string members only, which is all that a public key of ours has.
///
/// Members that hold private material (`d`, `p`, `q`, `dp`, `dq`, `qi`, `k`) can't be put in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct PublicJwk(BTreeMap<String, String>);

impl PublicJwk {
    /// The member of that name.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All members, by name.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// As it stands: `serde(into)` would copy it first, each time that a log is checked.
impl Serialize for PublicJwk {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl TryFrom<BTreeMap<String, String>> for PublicJwk {
    type Error = String;

    fn try_from(members: BTreeMap<String, String>) -> Result<Self, String> {
        const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];
        match PRIVATE.iter().find(|name| members.contains_key(**name)) {
            Some(name) => Err(format!("the member {name:?} is private and has no place in a public JWK")),
            None => Ok(Self(members)),
        }
    }
}

impl From<PublicJwk> for BTreeMap<String, String> {
    fn from(jwk: PublicJwk) -> Self {
        jwk.0
    }
}

/// Everything public that is made together with a key, and travels with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// The key's id.
    pub kid: Kid,
    /// Algorithm and size.
    pub spec: KeySpec,
    /// The public JWK, with `kid`, `alg` and `use`.
    pub jwk: PublicJwk,
    /// The RFC 7638 SHA-256 thumbprint, base64url.
    pub thumbprint: String,
    /// The self-signed certificate, DER.
    #[serde(with = "standard_base64")]
    pub certificate_der: Vec<u8>,
}

macro_rules! bytes32 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                let bytes = URL_SAFE_NO_PAD.decode(text).map_err(serde::de::Error::custom)?;
                bytes.try_into().map(Self).map_err(|_| serde::de::Error::custom("32 bytes are needed"))
            }
        }
    };
}

bytes32!(
    /// A SHA-256 digest. Shown in hex, stored in base64url.
    Digest
);
bytes32!(
    /// A node's public Ed25519 key, with which it cosigns checkpoints. Shown in hex, stored in base64url.
    WitnessKey
);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
        let mut own = [0; 32];
        own.copy_from_slice(digest.as_ref());
        Self(own)
    }
}

mod standard_base64 {
    use base64::Engine as _;

    use super::{Deserialize, Deserializer, STANDARD, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_jwk_takes_no_private_member() {
        let refused = serde_json::from_str::<PublicJwk>(r#"{"kty":"OKP","x":"a","d":"b"}"#);
        assert!(refused.unwrap_err().to_string().contains("\"d\""));
    }

    #[test]
    fn a_digest_survives_json() {
        let digest = Digest([7; 32]);
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
    }
}
