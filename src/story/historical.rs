//! The keys that were, for whoever verifies what they signed long ago: the document of OpenID Federation 1.0, section 8.7.2
//! ("Federation Historical Keys Response"), with the reasons of section 8.7.3.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::key::{End, KeyStory};
use crate::audit::Sign;
use crate::crypto::thumbprint;
use crate::lifecycle::Event;
use crate::types::{Issuer, KeyUse, PublicJwk, Reason, Time, WitnessKey};

/// The `typ` of the document; one with another `typ` must be rejected.
const TYP: &str = "jwk-set+jwt";

/// The claims of the document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HistoricalKeys {
    iss: Issuer,
    iat: u64,
    keys: Vec<HistoricalKey>,
}

/// A key that was: a JWK with its times.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct HistoricalKey {
    #[serde(flatten)]
    jwk: PublicJwk,
    /// When it was published.
    iat: u64,
    /// When it ended to be good: its time in the JWKS, which rule R3 stretches over the life of what it signed last.
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<Revocation>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Revocation {
    revoked_at: u64,
    reason: Reason,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    kid: &'a str,
    typ: &'a str,
}

impl HistoricalKeys {
    /// No key yet.
    #[must_use]
    pub fn new(issuer: Issuer, now: Time) -> Self {
        Self {
            iss: issuer,
            iat: seconds(now),
            keys: Vec::new(),
        }
    }

    /// Takes in a key if it is one that was, and was still good at `since`: one that signed and signs no more, or that is revoked. A
    /// key that never signed and was not revoked has nothing to verify, so it is not named.
    pub fn take(&mut self, story: &KeyStory, since: Option<Time>, now: Time) {
        if story.key.spec.key_use() != KeyUse::Sig {
            return;
        }
        let revocation = revocation(story);
        let signed_and_ended = !matches!(story.signs_until(now), End::Never | End::Open);
        if !signed_and_ended && revocation.is_none() {
            return;
        }
        let end = ended(story, now);
        if since.is_some_and(|since| end < since) {
            return;
        }
        self.keys.push(HistoricalKey {
            jwk: story.key.jwk.clone(),
            iat: seconds(story.born().time),
            exp: seconds(end).max(seconds(story.born().time) + 1),
            revoked: revocation,
        });
    }

    /// How many keys there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.keys.len()
    }
}

/// The document as a JWS in compact form, signed by the log's key, whose public half is `public`.
///
/// # Panics
/// Never: our own types have string keys.
#[must_use]
pub fn signed(keys: &HistoricalKeys, public: WitnessKey, sign: &Sign<'_>) -> String {
    let kid = thumbprint(&jwk_of(public)).unwrap_or_default();
    let header = Header {
        alg: "EdDSA",
        kid: &kid,
        typ: TYP,
    };
    let part = |json: Result<Vec<u8>, _>| URL_SAFE_NO_PAD.encode(json.expect("our own types have string keys"));
    let message = format!("{}.{}", part(serde_json::to_vec(&header)), part(serde_json::to_vec(keys)));
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// The log's public key as a JWK (RFC 8037), with its thumbprint as kid: what a verifier of the document needs.
///
/// # Panics
/// Never: none of its members is private.
#[must_use]
pub fn verifier(public: WitnessKey) -> PublicJwk {
    let jwk = jwk_of(public);
    let kid = thumbprint(&jwk).unwrap_or_default();
    let more = [("kid", kid.as_str()), ("alg", "EdDSA"), ("use", "sig")];
    let members = jwk.members().chain(more);
    let members: BTreeMap<String, String> = members.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    members.try_into().expect("no member is private")
}

fn jwk_of(public: WitnessKey) -> PublicJwk {
    let x = URL_SAFE_NO_PAD.encode(public.0);
    let members = [("kty", "OKP"), ("crv", "Ed25519"), ("x", &x)];
    let members: BTreeMap<String, String> = members.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    members.try_into().expect("no member is private")
}

/// When the key went out of the JWKS. One that is in it still goes when what it signed has expired.
fn ended(story: &KeyStory, now: Time) -> Time {
    let gone = story.removed().or(story.revoked()).map(|record| record.time);
    gone.unwrap_or_else(|| {
        let expires = |last: Time| last + story.windows.token_lifetime + story.windows.clock_skew;
        match story.signs_until(now) {
            // A node may still sign with it.
            End::Since(_) | End::Open => expires(now),
            End::At(last) => expires(last),
            End::Never => now,
        }
    })
}

/// One that was gone when it was reported compromised is revoked from that report on.
fn revocation(story: &KeyStory) -> Option<Revocation> {
    let reported = story.reported();
    let revoked = story.revoked();
    let reason = match revoked.map(|record| &record.event) {
        Some(Event::Revoked { reason, .. }) if reported.is_none() => *reason,
        _ => Reason::Compromised,
    };
    let revoked_at = seconds(revoked.or(reported)?.time);
    Some(Revocation { revoked_at, reason })
}

/// Seconds since the epoch (RFC 7519, `NumericDate`).
fn seconds(time: Time) -> u64 {
    time.0 / 1000
}
