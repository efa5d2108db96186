//! Public JWKs: what they must hold, what they are a key for, and their thumbprint.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwk::Jwk;
use josekit::{JoseError, Value};

use super::CryptoError;
use crate::types::{Curve, Digest, KeyKind, KeySpec, Kid, PublicJwk, RsaBits};

/// The public exponent 65537, the only one that jkeys makes or takes.
const RSA_EXPONENT: &str = "AQAB";

/// The members of a public key by its kind, `kid`, `alg` and `use` aside, in the order of RFC 7638, section 3.2.
pub(super) fn public_members(spec: KeySpec) -> &'static [&'static str] {
    match spec.kind() {
        KeyKind::Rsa(_) => &["e", "kty", "n"],
        KeyKind::Ec(_) => &["crv", "kty", "x", "y"],
        KeyKind::Ed25519 => &["crv", "kty", "x"],
    }
}

/// The public value of a key, as bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeyValue {
    /// The modulus, big-endian without leading zeros; the exponent is 65537.
    Rsa(Vec<u8>),
    /// The uncompressed point (SEC 1, section 2.3.3).
    Ec(Vec<u8>),
    /// The encoded point (RFC 8032, section 5.1.2).
    Ed(Vec<u8>),
}

/// What a JWK says of itself, once every length is right.
pub(super) struct Parsed {
    pub(super) kid: Kid,
    pub(super) spec: KeySpec,
    pub(super) value: KeyValue,
}

/// Reads the public members of a JWK (RFC 7517; RFC 7518, section 6; RFC 8037).
///
/// # Errors
/// What is missing or has the wrong length. The text holds no value.
pub(super) fn parse<'a>(member: impl Fn(&str) -> Option<&'a str>) -> Result<Parsed, &'static str> {
    let kid = member("kid").ok_or("kid is missing")?;
    let kid = kid.parse().map_err(|_| "kid has characters that no kid of jkeys has")?;
    let used_for = member("use").filter(|used_for| ["sig", "enc"].contains(used_for));
    let used_for = used_for.ok_or("use is not \"sig\" or \"enc\"")?;
    let (spec, value) = match member("alg").ok_or("alg is missing")? {
        "RS256" => rsa(&member).map(|(bits, n)| (KeySpec::Rs256(bits), n)),
        "PS256" => rsa(&member).map(|(bits, n)| (KeySpec::Ps256(bits), n)),
        "ES256" => ec(&member, Curve::P256).map(|point| (KeySpec::Es256, point)),
        "ES384" => ec(&member, Curve::P384).map(|point| (KeySpec::Es384, point)),
        "EdDSA" => ed(&member).map(|point| (KeySpec::Ed25519, point)),
        "RSA-OAEP-256" => rsa(&member).map(|(bits, n)| (KeySpec::RsaOaep256(bits), n)),
        "RSA-OAEP" => rsa(&member).map(|(bits, n)| (KeySpec::RsaOaep(bits), n)),
        "RSA1_5" => rsa(&member).map(|(bits, n)| (KeySpec::Rsa15(bits), n)),
        "ECDH-ES" => {
            let curve = if member("crv") == Some("P-384") {
                Curve::P384
            } else {
                Curve::P256
            };
            ec(&member, curve).map(|point| (KeySpec::EcdhEs(curve), point))
        }
        _ => Err("alg is not one that jkeys knows"),
    }?;
    if used_for != spec.key_use().as_str() {
        return Err("use does not fit alg");
    }
    Ok(Parsed { kid, spec, value })
}

/// Reads a public JWK, and what `make` makes of it for its algorithm.
///
/// # Errors
/// [`CryptoError::PublicJwk`] when a member is missing or has the wrong length, or `make` takes no such key.
pub(super) fn read<T>(
    jwk: &PublicJwk,
    make: fn(KeySpec, &PublicJwk) -> Result<T, JoseError>,
) -> Result<(Kid, KeySpec, T), CryptoError> {
    let refused = |why| CryptoError::PublicJwk {
        kid: jwk.member("kid").unwrap_or_default().to_owned(),
        why,
    };
    let Parsed { kid, spec, .. } = parse(|name| jwk.member(name)).map_err(refused)?;
    let key = make(spec, jwk).map_err(|_| refused("OpenSSL finds no key in it"))?;
    Ok((kid, spec, key))
}

/// The form in which josekit takes a public JWK.
pub(super) fn josekit_jwk(jwk: &PublicJwk) -> Result<Jwk, JoseError> {
    let members = jwk.members();
    let map: josekit::Map<String, Value> = members.map(|(name, value)| (name.to_owned(), value.into())).collect();
    Jwk::from_map(map)
}

fn rsa<'a>(member: impl Fn(&str) -> Option<&'a str>) -> Result<(RsaBits, KeyValue), &'static str> {
    const SIZE: &str = "n is not a number of 2048, 3072 or 4096 bits";
    expect(&member, "kty", "RSA", "kty is not \"RSA\"")?;
    expect(&member, "e", RSA_EXPONENT, "e is not 65537")?;
    let n = bytes(&member, "n", "n is missing or not base64url")?;
    if n.first().is_none_or(|first| first & 0x80 == 0) {
        return Err(SIZE);
    }
    let bits = u32::try_from(n.len() * 8).map_err(|_| SIZE)?;
    Ok((RsaBits::try_from(bits).map_err(|_| SIZE)?, KeyValue::Rsa(n)))
}

fn ec<'a>(member: impl Fn(&str) -> Option<&'a str>, curve: Curve) -> Result<KeyValue, &'static str> {
    let (crv, length) = match curve {
        Curve::P256 => ("P-256", 32),
        Curve::P384 => ("P-384", 48),
    };
    expect(&member, "kty", "EC", "kty is not \"EC\"")?;
    expect(&member, "crv", crv, "crv does not fit alg")?;
    let x = bytes(&member, "x", "x is missing or not base64url")?;
    let y = bytes(&member, "y", "y is missing or not base64url")?;
    if x.len() != length || y.len() != length {
        return Err("x or y has not the length of the curve");
    }
    Ok(KeyValue::Ec([&[4], x.as_slice(), y.as_slice()].concat()))
}

fn ed<'a>(member: impl Fn(&str) -> Option<&'a str>) -> Result<KeyValue, &'static str> {
    expect(&member, "kty", "OKP", "kty is not \"OKP\"")?;
    expect(&member, "crv", "Ed25519", "crv is not \"Ed25519\"")?;
    let x = bytes(&member, "x", "x is missing or not base64url")?;
    if x.len() != 32 {
        return Err("x has not 32 bytes");
    }
    Ok(KeyValue::Ed(x))
}

fn expect<'a>(
    member: impl Fn(&str) -> Option<&'a str>,
    name: &str,
    value: &str,
    otherwise: &'static str,
) -> Result<(), &'static str> {
    if member(name) == Some(value) { Ok(()) } else { Err(otherwise) }
}

fn bytes<'a>(member: impl Fn(&str) -> Option<&'a str>, name: &str, otherwise: &'static str) -> Result<Vec<u8>, &'static str> {
    let text = member(name).ok_or(otherwise)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| otherwise)
}

/// The RFC 7638 SHA-256 thumbprint of a public JWK, base64url; nothing where a required member is missing or `kty` is not
/// `RSA`, `EC` or `OKP` (RFC 7638, section 3.2; RFC 8037, section 2).
#[must_use]
pub fn thumbprint(jwk: &PublicJwk) -> Option<String> {
    let names: &[&str] = match jwk.member("kty")? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let required: Option<BTreeMap<&str, &str>> = names.iter().map(|name| Some((*name, jwk.member(name)?))).collect();
    let canonical = serde_json::to_vec(&required?).ok()?;
    Some(URL_SAFE_NO_PAD.encode(Digest::of(&canonical).0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwk(json: &str) -> PublicJwk {
        serde_json::from_str(json).unwrap()
    }

    fn parse_json(json: &str) -> Result<KeySpec, &'static str> {
        let jwk = jwk(json);
        parse(|name| jwk.member(name)).map(|parsed| parsed.spec)
    }

    #[test]
    fn the_thumbprint_of_rfc_7638_section_3_1() {
        let jwk = jwk(concat!(
            r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRX"#,
            r#"jBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZH"#,
            r#"zu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnq"#,
            r#"DKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#
        ));
        assert_eq!(thumbprint(&jwk).unwrap(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn the_thumbprint_of_rfc_8037_appendix_a_3() {
        let jwk = jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#);
        assert_eq!(thumbprint(&jwk).unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_thumbprint_needs_every_member() {
        assert_eq!(thumbprint(&jwk(r#"{"kty":"OKP","crv":"Ed25519"}"#)), None);
        assert_eq!(thumbprint(&jwk(r#"{"kty":"oct"}"#)), None);
        assert_eq!(thumbprint(&jwk("{}")), None);
    }

    #[test]
    fn a_jwk_that_says_too_little_or_too_much_is_refused() {
        let x = URL_SAFE_NO_PAD.encode([1; 32]);
        let short = URL_SAFE_NO_PAD.encode([1; 31]);
        let n = URL_SAFE_NO_PAD.encode([0x80; 256]);
        let low = URL_SAFE_NO_PAD.encode([0x7f; 256]);
        let odd = URL_SAFE_NO_PAD.encode([0x80; 200]);
        for (json, why) in [
            ("{}".to_owned(), "kid is missing"),
            (r#"{"kid":"../a"}"#.to_owned(), "kid has characters that no kid of jkeys has"),
            (r#"{"kid":"a"}"#.to_owned(), "use is not \"sig\" or \"enc\""),
            (r#"{"kid":"a","use":"wrap"}"#.to_owned(), "use is not \"sig\" or \"enc\""),
            (
                format!(r#"{{"kid":"a","use":"enc","alg":"RS256","kty":"RSA","e":"AQAB","n":"{n}"}}"#),
                "use does not fit alg",
            ),
            (
                format!(r#"{{"kid":"a","use":"sig","alg":"RSA-OAEP","kty":"RSA","e":"AQAB","n":"{n}"}}"#),
                "use does not fit alg",
            ),
            (r#"{"kid":"a","use":"sig"}"#.to_owned(), "alg is missing"),
            (
                r#"{"kid":"a","use":"sig","alg":"none"}"#.to_owned(),
                "alg is not one that jkeys knows",
            ),
            (
                format!(r#"{{"kid":"a","use":"sig","alg":"ES256","kty":"OKP","crv":"P-256","x":"{x}","y":"{x}"}}"#),
                "kty is not \"EC\"",
            ),
            (
                format!(r#"{{"kid":"a","use":"sig","alg":"ES256","kty":"EC","crv":"P-384","x":"{x}","y":"{x}"}}"#),
                "crv does not fit alg",
            ),
            (
                format!(r#"{{"kid":"a","use":"sig","alg":"ES256","kty":"EC","crv":"P-256","x":"{x}","y":"{short}"}}"#),
                "x or y has not the length of the curve",
            ),
            (
                format!(r#"{{"kid":"a","use":"sig","alg":"EdDSA","kty":"OKP","crv":"Ed25519","x":"{short}"}}"#),
                "x has not 32 bytes",
            ),
            (
                r#"{"kid":"a","use":"sig","alg":"EdDSA","kty":"OKP","crv":"Ed25519","x":"=="}"#.to_owned(),
                "x is missing or not base64url",
            ),
            (
                format!(r#"{{"kid":"a","use":"sig","alg":"RS256","kty":"RSA","e":"Aw","n":"{n}"}}"#),
                "e is not 65537",
            ),
            (
                format!(r#"{{"kid":"a","use":"sig","alg":"RS256","kty":"RSA","e":"AQAB","n":"{low}"}}"#),
                "n is not a number of 2048, 3072 or 4096 bits",
            ),
            (
                format!(r#"{{"kid":"a","use":"sig","alg":"PS256","kty":"RSA","e":"AQAB","n":"{odd}"}}"#),
                "n is not a number of 2048, 3072 or 4096 bits",
            ),
        ] {
            assert_eq!(parse_json(&json), Err(why), "{json}");
        }
        let right = format!(r#"{{"kid":"a","use":"sig","alg":"RS256","kty":"RSA","e":"AQAB","n":"{n}"}}"#);
        assert_eq!(parse_json(&right), Ok(KeySpec::Rs256(RsaBits::B2048)));
    }
}
