//! What kind of key a profile asks for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The size of an RSA modulus, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RsaBits {
    /// 2048 bits.
    B2048,
    /// 3072 bits.
    B3072,
    /// 4096 bits.
    B4096,
}

impl RsaBits {
    /// The number of bits.
    #[must_use]
    pub fn bits(self) -> u32 {
        match self {
            Self::B2048 => 2048,
            Self::B3072 => 3072,
            Self::B4096 => 4096,
        }
    }
}

impl TryFrom<u32> for RsaBits {
    type Error = SpecError;

    fn try_from(bits: u32) -> Result<Self, SpecError> {
        match bits {
            2048 => Ok(Self::B2048),
            3072 => Ok(Self::B3072),
            4096 => Ok(Self::B4096),
            other => Err(SpecError::Bits(other)),
        }
    }
}

/// A signing algorithm together with the key that it needs (RFC 7518, section 3.1; RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum KeySpec {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256(RsaBits),
    /// RSASSA-PSS with SHA-256.
    Ps256(RsaBits),
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// ECDSA with P-384 and SHA-384.
    Es384,
    /// Ed25519, written `EdDSA` in `alg`.
    Ed25519,
}

/// What is wrong with an algorithm or a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The algorithm is not one that jkeys makes.
    #[error("alg {0:?} is not known; use RS256, PS256, ES256, ES384 or Ed25519")]
    Alg(String),
    /// RSA in a size that is not made.
    #[error("an RSA key of {0} bits is not made; use 2048, 3072 or 4096")]
    Bits(u32),
    /// A size for an algorithm that has only one.
    #[error("alg {0:?} has one size only; leave the size out")]
    SizeNotAsked(String),
}

impl KeySpec {
    /// From an algorithm's name and a size in bits, which only RSA has (2048 when absent).
    ///
    /// # Errors
    /// An unknown algorithm, a size that is not made, or a size where there is no choice.
    pub fn parse(alg: &str, bits: Option<u32>) -> Result<Self, SpecError> {
        let rsa = || bits.map_or(Ok(RsaBits::B2048), RsaBits::try_from);
        let fixed = match alg {
            "RS256" => return rsa().map(Self::Rs256),
            "PS256" => return rsa().map(Self::Ps256),
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "Ed25519" | "EdDSA" => Self::Ed25519,
            other => return Err(SpecError::Alg(other.to_owned())),
        };
        if bits.is_some() {
            return Err(SpecError::SizeNotAsked(alg.to_owned()));
        }
        Ok(fixed)
    }

    /// The `alg` of a JWK and of a token's header (RFC 7518, section 3.1; RFC 8037, section 3.1).
    #[must_use]
    pub fn jwk_alg(self) -> &'static str {
        match self {
            Self::Rs256(_) => "RS256",
            Self::Ps256(_) => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Ed25519 => "EdDSA",
        }
    }

    /// The RSA size, where there is one.
    #[must_use]
    pub fn rsa_bits(self) -> Option<RsaBits> {
        match self {
            Self::Rs256(bits) | Self::Ps256(bits) => Some(bits),
            Self::Es256 | Self::Es384 | Self::Ed25519 => None,
        }
    }
}

impl fmt::Display for KeySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rsa_bits() {
            Some(bits) => write!(f, "{}/{}", self.jwk_alg(), bits.bits()),
            None if *self == Self::Ed25519 => f.write_str("Ed25519"),
            None => f.write_str(self.jwk_alg()),
        }
    }
}

impl FromStr for KeySpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        match text.split_once('/') {
            None => Self::parse(text, None),
            Some((alg, bits)) => Self::parse(alg, Some(bits.parse().map_err(|_| SpecError::Alg(text.to_owned()))?)),
        }
    }
}

impl TryFrom<String> for KeySpec {
    type Error = SpecError;

    fn try_from(text: String) -> Result<Self, SpecError> {
        text.parse()
    }
}

impl From<KeySpec> for String {
    fn from(spec: KeySpec) -> Self {
        spec.to_string()
    }
}

/// How a new key's kid is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KidFormat {
    /// The RFC 7638 SHA-256 thumbprint.
    #[default]
    Thumbprint,
    /// `connect_<uuid>_sig_<alg>`, as Janssen names its keys.
    Janssen,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spec_survives_its_text() {
        for text in [
            "RS256/2048",
            "RS256/3072",
            "RS256/4096",
            "PS256/2048",
            "ES256",
            "ES384",
            "Ed25519",
        ] {
            assert_eq!(text.parse::<KeySpec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_made_is_refused_in_words() {
        assert_eq!("HS256".parse::<KeySpec>(), Err(SpecError::Alg("HS256".into())));
        assert_eq!(KeySpec::parse("RS256", Some(1024)), Err(SpecError::Bits(1024)));
        assert_eq!(
            KeySpec::parse("ES256", Some(256)),
            Err(SpecError::SizeNotAsked("ES256".into()))
        );
        assert_eq!(KeySpec::parse("RS256", None), Ok(KeySpec::Rs256(RsaBits::B2048)));
    }
}
