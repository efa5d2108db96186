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

/// What keys are for: `use` in a JWK (RFC 7517, section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyUse {
    /// Nodes sign, relying parties verify.
    Sig,
    /// Relying parties encrypt, nodes decrypt.
    Enc,
}

impl KeyUse {
    /// The value of `use`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sig => "sig",
            Self::Enc => "enc",
        }
    }
}

/// The curve of an EC key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Curve {
    /// P-256, also secp256r1.
    P256,
    /// P-384, also secp384r1.
    P384,
}

impl Curve {
    /// The size of a coordinate, in bits.
    #[must_use]
    pub fn bits(self) -> u32 {
        match self {
            Self::P256 => 256,
            Self::P384 => 384,
        }
    }
}

/// What a key is, whatever it is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// RSA of that size.
    Rsa(RsaBits),
    /// EC on that curve.
    Ec(Curve),
    /// Ed25519.
    Ed25519,
}

/// An algorithm together with the key that it needs: for signing (RFC 7518, section 3.1; RFC 8037) or for the management of
/// encryption keys (RFC 7518, section 4.1). The algorithm says what the key is used for.
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
    /// RSAES-OAEP with SHA-256 and MGF1 with SHA-256.
    RsaOaep256(RsaBits),
    /// RSAES-OAEP with SHA-1, the default parameters of RFC 8017.
    RsaOaep(RsaBits),
    /// RSAES-PKCS1-v1_5: open to padding oracles (RFC 8725, section 3.2).
    Rsa15(RsaBits),
    /// Ephemeral-static Diffie-Hellman with the Concat KDF.
    EcdhEs(Curve),
}

/// What is wrong with an algorithm or a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The algorithm is not one that jkeys makes.
    #[error("alg {0:?} is not known; use RS256, PS256, ES256, ES384 or Ed25519, or RSA-OAEP-256 or ECDH-ES to encrypt")]
    Alg(String),
    /// RSA in a size that is not made.
    #[error("an RSA key of {0} bits is not made; use 2048, 3072 or 4096")]
    Bits(u32),
    /// A curve that is not taken.
    #[error("an ECDH-ES key of {0} bits is not made; use 256 or 384")]
    CurveBits(u32),
    /// A size for an algorithm that has only one.
    #[error("alg {0:?} has one size only; leave the size out")]
    SizeNotAsked(String),
}

impl KeySpec {
    /// From an algorithm's name and a size in bits, which only RSA (2048 when absent) and ECDH-ES (256 when absent) have.
    ///
    /// # Errors
    /// An unknown algorithm, a size that is not made, or a size where there is no choice.
    pub fn parse(alg: &str, bits: Option<u32>) -> Result<Self, SpecError> {
        let rsa = || bits.map_or(Ok(RsaBits::B2048), RsaBits::try_from);
        let fixed = match alg {
            "RS256" => return rsa().map(Self::Rs256),
            "PS256" => return rsa().map(Self::Ps256),
            "RSA-OAEP-256" => return rsa().map(Self::RsaOaep256),
            "RSA-OAEP" => return rsa().map(Self::RsaOaep),
            "RSA1_5" => return rsa().map(Self::Rsa15),
            "ECDH-ES" => return curve(bits).map(Self::EcdhEs),
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

    /// What the key is used for.
    #[must_use]
    pub fn key_use(self) -> KeyUse {
        match self {
            Self::Rs256(_) | Self::Ps256(_) | Self::Es256 | Self::Es384 | Self::Ed25519 => KeyUse::Sig,
            Self::RsaOaep256(_) | Self::RsaOaep(_) | Self::Rsa15(_) | Self::EcdhEs(_) => KeyUse::Enc,
        }
    }

    /// What the key is.
    #[must_use]
    pub fn kind(self) -> KeyKind {
        match self {
            Self::Rs256(bits) | Self::Ps256(bits) | Self::RsaOaep256(bits) | Self::RsaOaep(bits) | Self::Rsa15(bits) => {
                KeyKind::Rsa(bits)
            }
            Self::Es256 => KeyKind::Ec(Curve::P256),
            Self::Es384 => KeyKind::Ec(Curve::P384),
            Self::EcdhEs(curve) => KeyKind::Ec(curve),
            Self::Ed25519 => KeyKind::Ed25519,
        }
    }

    /// The `alg` of a JWK and of a token's header (RFC 7518, sections 3.1 and 4.1; RFC 8037, section 3.1).
    #[must_use]
    pub fn jwk_alg(self) -> &'static str {
        match self {
            Self::Rs256(_) => "RS256",
            Self::Ps256(_) => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Ed25519 => "EdDSA",
            Self::RsaOaep256(_) => "RSA-OAEP-256",
            Self::RsaOaep(_) => "RSA-OAEP",
            Self::Rsa15(_) => "RSA1_5",
            Self::EcdhEs(_) => "ECDH-ES",
        }
    }

    /// The RSA size, where there is one.
    #[must_use]
    pub fn rsa_bits(self) -> Option<RsaBits> {
        match self.kind() {
            KeyKind::Rsa(bits) => Some(bits),
            KeyKind::Ec(_) | KeyKind::Ed25519 => None,
        }
    }
}

fn curve(bits: Option<u32>) -> Result<Curve, SpecError> {
    match bits {
        None | Some(256) => Ok(Curve::P256),
        Some(384) => Ok(Curve::P384),
        Some(other) => Err(SpecError::CurveBits(other)),
    }
}

impl fmt::Display for KeySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.rsa_bits()) {
            (_, Some(bits)) => write!(f, "{}/{}", self.jwk_alg(), bits.bits()),
            (Self::EcdhEs(curve), None) => write!(f, "{}/{}", self.jwk_alg(), curve.bits()),
            (Self::Ed25519, None) => f.write_str("Ed25519"),
            (_, None) => f.write_str(self.jwk_alg()),
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
    /// `connect_<uuid>_<use>_<alg>`, as Janssen names its keys.
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
            "RSA-OAEP-256/2048",
            "RSA-OAEP/3072",
            "RSA1_5/2048",
            "ECDH-ES/256",
            "ECDH-ES/384",
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
        assert_eq!(KeySpec::parse("ECDH-ES", Some(521)), Err(SpecError::CurveBits(521)));
        assert_eq!(KeySpec::parse("ECDH-ES", None), Ok(KeySpec::EcdhEs(Curve::P256)));
        assert_eq!(KeySpec::parse("RS256", None), Ok(KeySpec::Rs256(RsaBits::B2048)));
    }
}
