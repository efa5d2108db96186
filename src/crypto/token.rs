//! Tokens: signed JWTs in compact form (RFC 7515, section 3.1; RFC 7519).

use josekit::Map;
use josekit::Value;
use josekit::jws::{self, JwsHeader};

use super::{CryptoError, SigningKey, VerifyingKeys};
use crate::types::Kid;

/// What a token said, once its signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The key that signed it.
    pub kid: Kid,
    /// The claims. Their times are not checked here.
    pub claims: Map<String, Value>,
}

/// Signs `claims` as a JWT with `typ`, `alg` and `kid` in its header.
///
/// # Errors
/// [`CryptoError::NotSigned`] when OpenSSL fails.
pub fn sign_token(key: &SigningKey, claims: &Map<String, Value>) -> Result<String, CryptoError> {
    let not_signed = || CryptoError::NotSigned(key.kid().clone());
    let mut header = JwsHeader::new();
    header.set_token_type("JWT");
    header.set_key_id(key.kid().as_str());
    let payload = serde_json::to_vec(claims).map_err(|_| not_signed())?;
    jws::serialize_compact(&payload, &header, key.signer()).map_err(|_| not_signed())
}

/// Verifies a token against the key of `keys` that its header names. The key, not the header, decides on the algorithm.
///
/// # Errors
/// It is no token, its key is not in the set, or its signature is wrong.
pub fn verify_token(keys: &VerifyingKeys, token: &str) -> Result<Verified, CryptoError> {
    let header = josekit::jwt::decode_header(token).map_err(|_| CryptoError::NotAToken)?;
    let named = header.claim("kid").and_then(Value::as_str).ok_or(CryptoError::NotAToken)?;
    let unknown = || CryptoError::UnknownKid(named.chars().take(80).collect());
    let kid: Kid = named.parse().map_err(|_| unknown())?;
    let key = keys.get(&kid).ok_or_else(unknown)?;
    let (payload, _) = jws::deserialize_compact(token, key.verifier()).map_err(|_| CryptoError::NotVerified(kid.clone()))?;
    let claims = serde_json::from_slice(&payload).map_err(|_| CryptoError::NotAToken)?;
    Ok(Verified { kid, claims })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use super::super::NewKey;
    use super::super::tests::{all_signing_specs, key, other_key};
    use super::*;
    use crate::types::KeySpec;

    fn claims() -> Map<String, Value> {
        serde_json::from_str(r#"{"sub":"somebody","exp":1}"#).unwrap()
    }

    fn pair(key: &NewKey) -> (SigningKey, VerifyingKeys) {
        let signing = SigningKey::from_pkcs8(&key.public.kid, key.public.spec, &key.private).unwrap();
        (signing, VerifyingKeys::new([&key.public.jwk]).unwrap())
    }

    #[test]
    fn a_token_is_verified_with_the_key_that_it_names() {
        let keys = all_signing_specs().into_iter().map(key).collect::<Vec<_>>();
        let set = VerifyingKeys::new(keys.iter().map(|key| &key.public.jwk)).unwrap();
        for key in keys {
            let signing = SigningKey::from_pkcs8(&key.public.kid, key.public.spec, &key.private).unwrap();
            let token = sign_token(&signing, &claims()).unwrap();
            let verified = verify_token(&set, &token).unwrap();
            assert_eq!((verified.kid, verified.claims), (key.public.kid.clone(), claims()));
        }
    }

    #[test]
    fn the_header_says_typ_alg_and_kid() {
        let (signing, _) = pair(key(KeySpec::Ed25519));
        let token = sign_token(&signing, &claims()).unwrap();
        let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(
            header,
            serde_json::json!({"typ": "JWT", "alg": "EdDSA", "kid": signing.kid().as_str()})
        );
    }

    #[test]
    fn a_token_of_a_key_that_is_not_in_the_set_is_refused() {
        let ((signing, _), (_, others)) = (pair(key(KeySpec::Es256)), pair(other_key(KeySpec::Es256)));
        let token = sign_token(&signing, &claims()).unwrap();
        let kid = signing.kid().to_string();
        assert_eq!(verify_token(&others, &token), Err(CryptoError::UnknownKid(kid)));
    }

    #[test]
    fn a_token_that_was_changed_is_refused() {
        let (signing, set) = pair(key(KeySpec::Es256));
        let token = sign_token(&signing, &claims()).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let refused = Err(CryptoError::NotVerified(signing.kid().clone()));
        let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"somebody else"}"#);
        assert_eq!(verify_token(&set, &[parts[0], &claims, parts[2]].join(".")), refused);
        for alg in ["none", "HS256", "ES384"] {
            let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}","kid":"{}"}}"#, signing.kid()));
            assert_eq!(verify_token(&set, &[&header, parts[1], parts[2]].join(".")), refused, "{alg}");
            assert_eq!(verify_token(&set, &[&header, parts[1], ""].join(".")), refused, "{alg}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let (signing, set) = pair(key(KeySpec::Es256));
        let no_kid = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#);
        let numeric_kid = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":7}"#);
        for text in [
            "",
            ".",
            "..",
            "a.b",
            "a.b.c.d",
            &format!("{no_kid}.e30.AA"),
            &format!("{numeric_kid}.e30.AA"),
        ] {
            assert_eq!(verify_token(&set, text), Err(CryptoError::NotAToken), "{text}");
        }
        let mut header = JwsHeader::new();
        header.set_key_id(signing.kid().as_str());
        let not_claims = jws::serialize_compact(b"[]", &header, signing.signer()).unwrap();
        assert_eq!(verify_token(&set, &not_claims), Err(CryptoError::NotAToken));
    }

    proptest! {
        #[test]
        fn any_text_is_refused(text in "[a-zA-Z0-9._=-]{0,120}", header in r#"\{"(kid|alg|crit|b64)":("a"|1|null|\[1\])\}"#) {
            let set = VerifyingKeys::new([]).unwrap();
            prop_assert!(verify_token(&set, &text).is_err());
            let framed = format!("{}.{text}.", URL_SAFE_NO_PAD.encode(header));
            prop_assert!(verify_token(&set, &framed).is_err());
        }
    }
}
