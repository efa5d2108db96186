use std::collections::BTreeMap;

use super::fake::Fake;
use super::*;
use crate::audit::{Record, canonical};
use crate::crypto::tests::{key, other_key};
use crate::crypto::{NewKey, SigningKey, sign_token};
use crate::lifecycle::{Cause, Event, Why, Windows};
use crate::types::{Actor, Digest, Generation, KeySpec, Kid, Seq, Span, Time};

/// The key's records: published 30 hours ago, signing for four.
fn life(key: &NewKey, first: u64) -> Vec<String> {
    let kid = key.public.kid.clone();
    let published = Event::Prepublished {
        profile: "main".parse().unwrap(),
        key: Box::new(key.public.clone()),
        windows: Windows::default(),
    };
    let since = NOW - Span::hours(4);
    let activated = Event::Activated {
        kid,
        since,
        retire_at: NOW + Span::hours(44),
        cause: Cause::Scheduled,
        why: Why::default(),
    };
    let record = |seq, time: Time, event| {
        let record = canonical(&Record {
            schema: 1,
            seq: Seq(seq),
            time,
            clock: None,
            actor: Actor::Schedule,
            event,
            generation: Generation(seq),
            digest: Digest([0; 32]),
        });
        String::from_utf8(record).unwrap()
    };
    vec![
        record(first, NOW - Span::hours(30), published),
        record(first + 1, since, activated),
    ]
}

/// A token that was issued so long ago, under that kid.
fn token(key: &NewKey, kid: &Kid, ago: Span) -> String {
    let signing = SigningKey::from_pkcs8(kid, key.public.spec, &key.private).unwrap();
    let issued = (NOW - ago).0 / 1000;
    let claims = format!(r#"{{"sub":"hunter2","iat":{issued},"exp":{}}}"#, issued + 1800);
    sign_token(&signing, &serde_json::from_str(&claims).unwrap()).unwrap()
}

/// The same token with another header, whose signature is then wrong.
fn with_header(header: &str, token: &str) -> String {
    use base64::Engine as _;
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header))
}

fn fake(keys: &[&NewKey]) -> Fake {
    let lives = (0..).zip(keys).flat_map(|(at, key)| life(key, at * 2));
    Fake {
        log: lives.collect(),
        ..Fake::default()
    }
}

#[tokio::test]
async fn a_token_is_explained_with_the_numbers_of_the_records() {
    let own = key(KeySpec::Es256);
    let served = fake(&[own]).serve();
    let text = token(own, &own.public.kid, Span::mins(10));
    let shown = jkeys(&served, &format!("explain {text}")).await;
    let expected = format!(
        "key             {}\n\
         profile         main, ES256\n\
         signature       verifies\n\
         issued          2026-11-23T05:55:04.000Z (10m ago); the key was active\n\
         expires         2026-11-23T06:25:04.000Z (in 20m)\n\
         key now         active, by the log until 2026-11-23T06:05:04.000Z\n\
         published       since 2026-11-22T00:05:04.000Z (1d 6h ago) by schedule, record 0, generation 0\n\
         signed from     2026-11-23T02:05:04.000Z (scheduled), record 1\n",
        own.public.kid
    );
    assert_eq!(shown.out, expected);
    assert!(shown.notes.contains("process list"), "{}", shown.notes);
    assert_eq!(shown.outcome.unwrap(), Exit::Done);
    let json = jkeys(&served, &format!("explain {text} --json")).await.out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["verified"], &json["state_then"]), (&true.into(), &"active".into()));
    assert_eq!(
        (&json["published"]["record"], &json["faults"]),
        (&0.into(), &serde_json::json!([]))
    );
}

#[tokio::test]
async fn a_token_that_names_no_key_is_tried_with_all() {
    let keys: BTreeMap<u8, &NewKey> = [
        (0, key(KeySpec::Ed25519)),
        (1, key(KeySpec::Es256)),
        (2, other_key(KeySpec::Es256)),
    ]
    .into();
    let keys: Vec<&NewKey> = keys.into_values().collect();
    let (own, stranger) = (keys[2], key(KeySpec::Es384));
    // josekit always writes a kid here, so the header is signed as it should be read.
    let nameless = |key: &NewKey| {
        use base64::Engine as _;
        let base64 = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let signing = SigningKey::from_pkcs8(&key.public.kid, key.public.spec, &key.private).unwrap();
        let header = format!(r#"{{"alg":"{}"}}"#, key.public.spec.jwk_alg());
        let claims = format!(r#"{{"iat":{}}}"#, NOW.0 / 1000);
        let message = format!("{}.{}", base64.encode(header), base64.encode(claims));
        format!("{message}.{}", base64.encode(signing.sign(message.as_bytes()).unwrap()))
    };
    let shown = jkeys(&fake(&keys).serve(), &format!("explain {}", nameless(own))).await;
    assert!(
        shown.out.starts_with(&format!("key             {}\n", own.public.kid)),
        "{}",
        shown.out
    );
    assert!(shown.out.contains("names no key (no kid)"), "{}", shown.out);
    shown.outcome.unwrap();
    let refused = jkeys(&fake(&keys).serve(), &format!("explain {}", nameless(stranger)))
        .await
        .refused();
    assert!(
        refused.contains("none of the 3 signing keys in the log verifies it with alg ES384"),
        "{refused}"
    );
}

#[tokio::test]
async fn each_bad_token_ends_with_1_in_words_that_hold_nothing_of_it() {
    let (own, stranger) = (key(KeySpec::Es256), other_key(KeySpec::Es256));
    let served = fake(&[own]).serve();
    let kid = &own.public.kid;
    let good = token(own, kid, Span::mins(10));
    let future = token(own, kid, Span(0)).replace('\n', "");
    let named = |alg: &str| with_header(&format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#), &good);
    let unknown = &stranger.public.kid;
    for (text, words) in [
        ("hunter2.hunter2".to_owned(), "it has 2 parts"),
        (format!("{good}="), "its signature is not base64url"),
        (with_header("hunter2", &good), "its header is not a JSON object"),
        (named("none"), "it is not signed"),
        (named("HS256"), "its header says alg HS256, and the key signs with ES256"),
        (token(stranger, kid, Span::mins(10)), "its signature is not one of this key"),
        (token(stranger, unknown, Span::mins(10)), "the log tells of no key"),
        (with_header(r#"{"alg":"ES256","kid":"../hunter2"}"#, &good), "no kid of jkeys"),
        (
            token(own, kid, Span::hours(5)),
            "the key signed only from 2026-11-23T02:05:04.000Z on",
        ),
        (format!("{good} {future}"), "more than one token was given"),
    ] {
        let refused = jkeys(&served, &format!("explain {text}")).await.refused();
        assert!(refused.contains(words), "{words}: {refused}");
        assert!(!refused.contains("hunter2") && !refused.contains(&good[..40]), "{refused}");
    }
    let unsound = jkeys(&served, &format!("explain {}", named("HS256"))).await.out;
    assert!(
        unsound.contains("signature       does not verify") && unsound.contains("WRONG "),
        "{unsound}"
    );
}

#[tokio::test]
async fn the_token_reaches_no_leader() {
    let own = key(KeySpec::Es256);
    let fake = fake(&[own]);
    let text = token(own, &own.public.kid, Span::mins(10));
    jkeys(&fake.serve(), &format!("explain {text}")).await.outcome.unwrap();
    let asked = format!("{:?}", fake.asked.lock().unwrap().pages);
    assert!(asked.contains(own.public.kid.as_str()));
    let parts = text.split('.');
    for part in parts {
        assert!(!asked.contains(part), "{asked}");
    }
}
