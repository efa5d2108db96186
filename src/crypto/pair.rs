//! josekit's key pairs, behind one type: made, or taken from a private JWK, and written as PKCS#8.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::ed::{EdCurve, EdKeyPair};
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jwk::{Jwk, KeyPair};
use josekit::{JoseError, Value};
use zeroize::{Zeroize as _, Zeroizing};

use super::CryptoError;
use crate::types::{Curve, KeyKind, KeySpec, Secret};

/// A key pair in OpenSSL's hands, which clears it when it is dropped.
pub(super) struct Pair(Box<dyn KeyPair>);

impl Pair {
    /// Makes a new key. RSA takes from a tenth of a second to several seconds.
    pub(super) fn generate(spec: KeySpec) -> Result<Self, CryptoError> {
        let made: Result<Box<dyn KeyPair>, JoseError> = match spec.kind() {
            // Always a plain RSA key: the padding is the algorithm's matter (RFC 7518, section 3.5).
            KeyKind::Rsa(bits) => RsaKeyPair::generate(bits.bits()).map(boxed),
            KeyKind::Ec(Curve::P256) => EcKeyPair::generate(EcCurve::P256).map(boxed),
            KeyKind::Ec(Curve::P384) => EcKeyPair::generate(EcCurve::P384).map(boxed),
            KeyKind::Ed25519 => EdKeyPair::generate(EdCurve::Ed25519).map(boxed),
        };
        made.map(Self).map_err(|_| CryptoError::NotMade(spec))
    }

    /// From PKCS#8 DER that was checked before: josekit's reader trusts the lengths in it.
    pub(super) fn from_checked_pkcs8(spec: KeySpec, pkcs8: &Secret) -> Option<Self> {
        let der = pkcs8.expose();
        let read: Result<Box<dyn KeyPair>, JoseError> = match spec.kind() {
            KeyKind::Rsa(_) => RsaKeyPair::from_der(der).map(boxed),
            KeyKind::Ec(_) => EcKeyPair::from_der(der, None).map(boxed),
            KeyKind::Ed25519 => EdKeyPair::from_der(der).map(boxed),
        };
        read.map(Self).ok()
    }

    /// From a private JWK whose public members were checked before.
    pub(super) fn from_jwk(spec: KeySpec, jwk: &WipedJwk) -> Option<Self> {
        let read: Result<Box<dyn KeyPair>, JoseError> = match spec.kind() {
            KeyKind::Rsa(_) => RsaKeyPair::from_jwk(&jwk.0).map(boxed),
            KeyKind::Ec(_) => EcKeyPair::from_jwk(&jwk.0).map(boxed),
            KeyKind::Ed25519 => EdKeyPair::from_jwk(&jwk.0).map(boxed),
        };
        read.map(Self).ok()
    }

    /// The private half as PKCS#8 DER (RFC 5958).
    pub(super) fn pkcs8(&self) -> Secret {
        // josekit's DER form of an EC key is SEC 1; its PEM form is PKCS#8 for every kind.
        let pem = Zeroizing::new(self.0.to_pem_private_key());
        let mut base64 = Zeroizing::new(Vec::with_capacity(pem.len()));
        for line in pem.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"-----")) {
            base64.extend(line.iter().filter(|byte| !byte.is_ascii_whitespace()));
        }
        let mut der = Vec::with_capacity(base64.len());
        STANDARD
            .decode_vec(base64.as_slice(), &mut der)
            .expect("OpenSSL writes base64 in its PEM");
        Secret::new(der)
    }

    /// The public JWK, as josekit writes it.
    pub(super) fn public_jwk(&self) -> Jwk {
        self.0.to_jwk_public_key()
    }

    /// The JWK of both halves, as josekit writes it.
    pub(super) fn private_jwk(&self) -> WipedJwk {
        WipedJwk(self.0.to_jwk_key_pair())
    }
}

fn boxed<P: KeyPair + 'static>(pair: P) -> Box<dyn KeyPair> {
    Box::new(pair)
}

/// A private JWK of josekit. josekit itself shows it in `Debug` and does not clear it: this shows nothing, and clears it.
pub(super) struct WipedJwk(Jwk);

impl WipedJwk {
    /// From members that are text.
    pub(super) fn from_members<'a>(members: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let mut jwk = Self(Jwk::new(""));
        for (name, text) in members {
            jwk.0.set_parameter(name, Some(Value::String(text.to_owned()))).ok()?;
        }
        Some(jwk)
    }

    /// The member of that name, where it is text.
    pub(super) fn member(&self, name: &str) -> Option<&str> {
        self.0.parameter(name).and_then(Value::as_str)
    }
}

impl Drop for WipedJwk {
    fn drop(&mut self) {
        let jwk = std::mem::replace(&mut self.0, Jwk::new(""));
        let mut members: josekit::Map<String, Value> = jwk.into();
        for value in members.values_mut() {
            if let Value::String(text) = value {
                text.zeroize();
            }
        }
    }
}
