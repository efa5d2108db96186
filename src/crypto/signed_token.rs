//! A token that somebody else signed, taken apart (RFC 7515, section 7.1; RFC 7519): before its signature is verified nothing of it is
//! believed, and of its claims only the times are kept.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::VerifyingKey;
use crate::types::{Kid, Secret, Time};

/// Far more than any token that a server sends in a header.
const MOST_BYTES: usize = 64 * 1024;
/// The longest name of an algorithm that is repeated.
const LONGEST_ALG: usize = 24;

/// A signed token in compact form. Whoever holds it may be let in by it, so it shows its algorithm and its key's id only.
pub struct SignedToken {
    alg: String,
    named: NamedKey,
    issued_at: Option<Time>,
    expires_at: Option<Time>,
    message: Secret,
    signature: Secret,
}

/// The key that a token's header names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedKey {
    /// None.
    Nobody,
    /// This one.
    Key(Kid),
    /// Something that is no kid of jkeys.
    Stranger,
}

/// Why a text is no token that can be looked at. No message holds anything of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is longer than any.
    #[error("it is longer than {MOST_BYTES} bytes; give one token and nothing else")]
    TooLong,
    /// It is JSON.
    #[error("it is in the JSON form of JWS; give it in the compact form, header.claims.signature")]
    JsonForm,
    /// It is encrypted.
    #[error(
        "it has five parts, so it is encrypted (JWE) and says who signed it only to its receiver; decrypt it there and give what is \
         inside"
    )]
    Encrypted,
    /// It has another number of parts.
    #[error("it has {0} parts with dots between, and a signed token has three, header.claims.signature; give it whole")]
    Parts(usize),
    /// A part is not base64url.
    #[error("its {0} is not base64url without padding: it was cut, or changed on its way; give it as it was sent")]
    Base64(&'static str),
    /// A part is not a JSON object.
    #[error("its {0} is not a JSON object: it is no JWT, or was changed on its way")]
    Json(&'static str),
    /// Its header has no `alg`.
    #[error("its header has no alg, so it is no JWS (RFC 7515, section 4.1.1); refuse it")]
    NoAlg,
    /// It says that it is not signed.
    #[error("its header says alg none: it is not signed, and whoever made it can say anything in it; refuse it")]
    Unsigned,
    /// It says that it must not be read as jkeys reads it.
    #[error("its header has crit: what it names must be understood (RFC 7515, section 4.1.11), and jkeys does not know it")]
    Critical,
    /// A time that is no number.
    #[error("its {0} is not a number of seconds (RFC 7519, section 4.1); whoever issues such tokens should mend that")]
    NoTime(&'static str),
}

#[derive(Deserialize)]
struct Header {
    alg: Option<String>,
    kid: Option<serde_json::Value>,
    crit: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    iat: Option<serde_json::Value>,
    exp: Option<serde_json::Value>,
}

impl SignedToken {
    /// Takes a token apart.
    ///
    /// # Errors
    /// It is no signed token in compact form.
    pub fn parse(text: &Secret) -> Result<Self, TokenError> {
        let bytes = text.expose().trim_ascii();
        if bytes.len() > MOST_BYTES {
            return Err(TokenError::TooLong);
        }
        if bytes.first() == Some(&b'{') {
            return Err(TokenError::JsonForm);
        }
        let parts: Vec<&[u8]> = bytes.split(|byte| *byte == b'.').collect();
        let [header, claims, signature] = parts[..] else {
            return Err(if parts.len() == 5 {
                TokenError::Encrypted
            } else {
                TokenError::Parts(if bytes.is_empty() { 0 } else { parts.len() })
            });
        };
        let Header { alg, kid, crit } = json("header", header)?;
        let alg = alg.ok_or(TokenError::NoAlg)?;
        if alg.eq_ignore_ascii_case("none") {
            return Err(TokenError::Unsigned);
        }
        if crit.is_some() {
            return Err(TokenError::Critical);
        }
        let Claims { iat, exp } = json("claims part", claims)?;
        let message = &bytes[..header.len() + 1 + claims.len()];
        Ok(Self {
            alg,
            named: named(kid),
            issued_at: iat.map(|value| seconds("iat", &value)).transpose()?,
            expires_at: exp.map(|value| seconds("exp", &value)).transpose()?,
            message: Secret::new(message.to_vec()),
            signature: decoded("signature", signature)?,
        })
    }

    /// The key that its header names.
    #[must_use]
    pub fn named(&self) -> &NamedKey {
        &self.named
    }

    /// The algorithm that its header names, where that is a name.
    #[must_use]
    pub fn alg(&self) -> &str {
        let is_name = self.alg.len() <= LONGEST_ALG && self.alg.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if is_name { &self.alg } else { "of no known name" }
    }

    /// When it says that it was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<Time> {
        self.issued_at
    }

    /// When it says that it ends to be good.
    #[must_use]
    pub fn expires_at(&self) -> Option<Time> {
        self.expires_at
    }

    /// Whether its header names the algorithm of `key`. `Ed25519` (RFC 9864) is `EdDSA` with such a key.
    #[must_use]
    pub fn is_of_the_algorithm_of(&self, key: &VerifyingKey) -> bool {
        let alg = key.spec().jwk_alg();
        self.alg == alg || (alg == "EdDSA" && self.alg == "Ed25519")
    }

    /// Whether `key` signed it, with the algorithm that its header names.
    #[must_use]
    pub fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        self.is_of_the_algorithm_of(key) && key.verifies(self.message.expose(), self.signature.expose())
    }
}

impl fmt::Debug for SignedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedToken({}, {:?})", self.alg(), self.named)
    }
}

fn decoded(part: &'static str, text: &[u8]) -> Result<Secret, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Base64(part))?;
    Ok(Secret::new(bytes))
}

fn json<T: DeserializeOwned>(part: &'static str, text: &[u8]) -> Result<T, TokenError> {
    let bytes = decoded(part, text)?;
    // serde reads a struct out of an array too.
    let is_object = bytes.expose().trim_ascii_start().first() == Some(&b'{');
    let read = serde_json::from_slice(bytes.expose()).map_err(|_| TokenError::Json(part));
    read.and_then(|value| is_object.then_some(value).ok_or(TokenError::Json(part)))
}

fn named(kid: Option<serde_json::Value>) -> NamedKey {
    match kid {
        None => NamedKey::Nobody,
        Some(serde_json::Value::String(kid)) => kid.parse().map_or(NamedKey::Stranger, NamedKey::Key),
        Some(_) => NamedKey::Stranger,
    }
}

/// A time as claims have it: `NumericDate` (RFC 7519, section 2).
fn seconds(claim: &'static str, value: &serde_json::Value) -> Result<Time, TokenError> {
    let seconds = value
        .as_f64()
        .filter(|seconds| *seconds >= 0.0)
        .ok_or(TokenError::NoTime(claim))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it stops at the ends")]
    Ok(Time((seconds * 1000.0) as u64))
}

#[cfg(test)]
mod tests {
    use josekit::Map;
    use proptest::prelude::*;

    use super::super::tests::{all_signing_specs, key, other_key};
    use super::super::{SigningKey, sign_token};
    use super::*;
    use crate::types::KeySpec;

    fn parse(text: &str) -> Result<SignedToken, TokenError> {
        SignedToken::parse(&Secret::new(text.as_bytes().to_vec()))
    }

    fn signed(spec: KeySpec, claims: &str) -> String {
        let key = key(spec);
        let signing = SigningKey::from_pkcs8(&key.public.kid, spec, &key.private).unwrap();
        let claims: Map<String, serde_json::Value> = serde_json::from_str(claims).unwrap();
        sign_token(&signing, &claims).unwrap()
    }

    fn with_header(header: &str, token: &str) -> String {
        let (_, rest) = token.split_once('.').unwrap();
        format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
    }

    #[test]
    fn a_token_of_each_algorithm_is_its_keys_and_no_others() {
        for spec in all_signing_specs() {
            let token = parse(&format!(
                "{}\n",
                signed(spec, r#"{"iat":1800000000.5,"exp":1800003600,"sub":"x"}"#)
            ))
            .unwrap();
            let [own, other] = [key(spec), other_key(spec)].map(|key| VerifyingKey::new(&key.public.jwk).unwrap());
            assert!(token.is_signed_by(&own) && !token.is_signed_by(&other), "{spec}");
            assert_eq!(token.named(), &NamedKey::Key(own.kid().clone()));
            let times = (token.issued_at(), token.expires_at());
            assert_eq!(times, (Some(Time(1_800_000_000_500)), Some(Time(1_800_003_600_000))));
            for other in all_signing_specs()
                .into_iter()
                .filter(|other| other.jwk_alg() != spec.jwk_alg())
            {
                let other = VerifyingKey::new(&key(other).public.jwk).unwrap();
                assert!(!token.is_of_the_algorithm_of(&other) && !token.is_signed_by(&other), "{spec}");
            }
        }
    }

    #[test]
    fn the_key_and_not_the_header_decides_on_the_algorithm() {
        let spec = KeySpec::Es256;
        let (token, own) = (signed(spec, "{}"), VerifyingKey::new(&key(spec).public.jwk).unwrap());
        for alg in ["HS256", "ES384", "RS256", "\\u001b[2J"] {
            let token = parse(&with_header(&format!(r#"{{"alg":"{alg}"}}"#), &token)).unwrap();
            assert!(!token.is_signed_by(&own), "{alg}");
            assert!(!token.alg().contains('\u{1b}'));
        }
    }

    #[test]
    fn what_is_no_signed_token_is_said_in_words_that_hold_nothing_of_it() {
        let token = signed(KeySpec::Es256, r#"{"iat":1}"#);
        let claims = |claims: &str| {
            format!(
                "{}.{}.AA",
                URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#),
                URL_SAFE_NO_PAD.encode(claims)
            )
        };
        for (text, why) in [
            (String::new(), TokenError::Parts(0)),
            ("hunter2".to_owned(), TokenError::Parts(1)),
            (token.rsplit_once('.').unwrap().0.to_owned(), TokenError::Parts(2)),
            (format!("{token}.x"), TokenError::Parts(4)),
            ("a.b.c.d.e".to_owned(), TokenError::Encrypted),
            ("{\"payload\":1}".to_owned(), TokenError::JsonForm),
            ("a".repeat(MOST_BYTES + 1), TokenError::TooLong),
            (format!("={token}"), TokenError::Base64("header")),
            (format!("{token}="), TokenError::Base64("signature")),
            (with_header("no json", &token), TokenError::Json("header")),
            (with_header("[\"ES256\",null,null]", &token), TokenError::Json("header")),
            (with_header(r#"{"alg":7}"#, &token), TokenError::Json("header")),
            (with_header("{}", &token), TokenError::NoAlg),
            (with_header(r#"{"alg":"none"}"#, &token), TokenError::Unsigned),
            (with_header(r#"{"alg":"NONE"}"#, "x.e30."), TokenError::Unsigned),
            (with_header(r#"{"alg":"ES256","crit":["b64"]}"#, &token), TokenError::Critical),
            (claims("[1,2]"), TokenError::Json("claims part")),
            (claims("7"), TokenError::Json("claims part")),
            (claims(r#"{"iat":"yesterday"}"#), TokenError::NoTime("iat")),
            (claims(r#"{"iat":-1}"#), TokenError::NoTime("iat")),
            (claims(r#"{"exp":{}}"#), TokenError::NoTime("exp")),
        ] {
            let refused = parse(&text).unwrap_err();
            assert_eq!(refused, why);
            assert!(text.len() < 6 || !refused.to_string().contains(&text), "{refused}");
        }
    }

    #[test]
    fn a_header_may_name_nobody_or_something_that_is_no_kid() {
        let token = signed(KeySpec::Es256, "{}");
        let named = |header: &str| parse(&with_header(header, &token)).unwrap().named().clone();
        assert_eq!(named(r#"{"alg":"ES256"}"#), NamedKey::Nobody);
        assert_eq!(named(r#"{"alg":"ES256","kid":"../x"}"#), NamedKey::Stranger);
        assert_eq!(named(r#"{"alg":"ES256","kid":7}"#), NamedKey::Stranger);
        let shown = format!("{:?}", parse(&token).unwrap());
        assert!(shown.starts_with("SignedToken(ES256, Key(") && shown.len() < 100, "{shown}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~]{0,80}", header in r#"\{"(kid|alg|crit)":("a"|1|null|\[1\])\}"#) {
            let _ = parse(&text);
            let _ = parse(&format!("{}.{}.{text}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(&text)));
        }
    }
}
