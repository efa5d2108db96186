use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::crypto::tests::{all_encryption_specs, all_signing_specs, all_small_specs, key, other_key};
use crate::crypto::{CryptoError, NewKey, sign_token, verify_token};
use crate::lifecycle::{KeySet, Member, Stage, Switches, View, view};
use crate::types::{Curve, Epoch, Generation, KeySpec, KeyUse, Kid, RsaBits, Secret, Span, Time};

const SPEC: KeySpec = KeySpec::Es256;
const NOW: Time = Time(1_795_413_904_123);

fn member(profile: &str, key: &NewKey, stage: Stage) -> Member {
    Member {
        profile: profile.parse().unwrap(),
        public: key.public.clone().into(),
        stage,
        inherited: false,
    }
}

fn set(members: Vec<Member>) -> KeySet {
    KeySet {
        generation: Generation(42),
        epoch: Epoch(1),
        committed_at: NOW,
        clock_skew: Span::mins(5),
        max_age: Span::mins(10),
        straggler_after: Span::hours(24),
        cas: vec![],
        members,
    }
}

fn at_now(set: &KeySet) -> View {
    view(set, &Switches::new(), NOW)
}

fn privates(keys: &[&NewKey]) -> BTreeMap<Kid, Secret> {
    let copy = |key: &&NewKey| (key.public.kid.clone(), Secret::new(key.private.expose().to_vec()));
    keys.iter().map(copy).collect()
}

/// The stage of a key that is used.
fn in_use(key: &NewKey) -> Stage {
    match key.public.spec.key_use() {
        KeyUse::Sig => Stage::Active,
        KeyUse::Enc => Stage::Published,
    }
}

fn kids_of(specs: &[KeySpec]) -> BTreeSet<Kid> {
    specs.iter().map(|spec| key(*spec).public.kid.clone()).collect()
}

/// One key of each kind in use, and the bytes of both files.
fn every_kind() -> (Vec<u8>, Secret) {
    let keys = all_small_specs().map(key);
    let named = |(at, key): (usize, &&NewKey)| member(&format!("profile{at}"), key, in_use(key));
    let set = set(keys.iter().enumerate().map(named).collect());
    let view = at_now(&set);
    let private = private_jwks(&set, &view, &privates(&keys)).unwrap();
    (public_jwks(&set, &view), private)
}

/// The bytes of both files for one key in use.
fn one_kind(key: &NewKey) -> (Vec<u8>, Secret) {
    let set = set(vec![member("default", key, in_use(key))]);
    let view = at_now(&set);
    (
        public_jwks(&set, &view),
        private_jwks(&set, &view, &privates(&[key])).unwrap(),
    )
}

fn changed(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    text.replace(from, to).into_bytes()
}

fn why_of<T: std::fmt::Debug>(result: Result<T, OutputError>) -> CryptoError {
    match result {
        Err(OutputError::Key { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_of_every_kind_of_key_are_proved() {
    let (public, private) = every_kind();
    let published = kids_of(&all_small_specs());
    let (signing, decrypting) = (kids_of(&all_signing_specs()), kids_of(&all_encryption_specs()));
    assert_eq!(kids_of_public(&public), Ok(published.clone()));
    let kids = PrivateKids {
        signing: signing.clone(),
        decrypting: decrypting.clone(),
    };
    assert_eq!(kids_of_private(private.expose()), Ok(kids));
    let proved = Proved {
        published,
        signing,
        decrypting,
    };
    assert_eq!(prove(&public, private.expose()), Ok(proved));
}

#[test]
fn tokens_signed_from_the_private_file_verify_against_the_public_one() {
    let (public, private) = every_kind();
    let published = published_keys(&public).unwrap();
    let signing = private_keys(private.expose()).unwrap().signing;
    assert_eq!(signing.len(), all_signing_specs().len());
    for key in signing {
        let token = sign_token(&key, &serde_json::Map::new()).unwrap();
        assert_eq!(verify_token(&published.verifying, &token).unwrap().kid, *key.kid());
    }
}

#[test]
fn what_is_encrypted_to_the_public_file_opens_with_the_private_one() {
    let (public, private) = every_kind();
    let published = published_keys(&public).unwrap();
    let decrypting = private_keys(private.expose()).unwrap().decrypting;
    assert_eq!(decrypting.len(), all_encryption_specs().len());
    for key in decrypting {
        let message = published.encrypting[key.kid()].encrypt(b"a message").unwrap();
        assert_eq!(key.decrypt(&message).unwrap().expose(), b"a message");
    }
}

#[test]
fn every_encryption_key_is_in_the_private_file_and_only_the_published_one_in_the_public_one() {
    let (ecdh, rsa) = (KeySpec::EcdhEs(Curve::P256), KeySpec::RsaOaep256(RsaBits::B2048));
    let keys = [key(ecdh), other_key(ecdh), key(rsa)];
    let stages = [Stage::Unpublished, Stage::Published, Stage::Staged];
    let set = set(keys
        .iter()
        .zip(stages)
        .map(|(key, stage)| member("enc", key, stage))
        .collect());
    let view = at_now(&set);
    let (public, private) = (public_jwks(&set, &view), private_jwks(&set, &view, &privates(&keys)).unwrap());
    let proved = prove(&public, private.expose()).unwrap();
    assert_eq!(proved.published, BTreeSet::from([keys[1].public.kid.clone()]));
    assert_eq!(proved.decrypting, keys.map(|key| key.public.kid.clone()).into());
    assert_eq!(proved.signing, BTreeSet::new());
}

#[test]
fn a_published_key_that_the_node_can_not_decrypt_with_is_not_proved() {
    let ecdh = KeySpec::EcdhEs(Curve::P256);
    let (public, private) = one_kind(key(ecdh));
    let (_, other) = one_kind(other_key(ecdh));
    let kid = &key(ecdh).public.kid;
    let lacking = Err(OutputError::NotDecryptable(kid.clone()));
    assert_eq!(prove(&public, br#"{"keys":[]}"#), lacking);
    assert_eq!(prove(&public, other.expose()), lacking);
    let renamed = changed(other.expose(), other_key(ecdh).public.kid.as_str(), kid.as_str());
    assert_eq!(why_of(prove(&public, &renamed)), CryptoError::NotAPair { kid: kid.clone() });
    assert!(prove(&public, private.expose()).is_ok());
}

#[test]
fn the_public_file_says_what_relying_parties_look_for_in_the_order_of_the_generation() {
    let (active, next) = (key(KeySpec::Ed25519), other_key(KeySpec::Ed25519));
    let set = set(vec![
        member("default", active, Stage::Active),
        member("default", next, Stage::Prepublished),
    ]);
    let x = |key: &NewKey| key.public.jwk.member("x").unwrap().to_owned();
    let jwk = |key: &NewKey| {
        format!(
            r#"{{"alg":"EdDSA","crv":"Ed25519","kid":"{}","kty":"OKP","use":"sig","x":"{}"}}"#,
            key.public.kid,
            x(key)
        )
    };
    let expected = format!(r#"{{"keys":[{},{}]}}"#, jwk(active), jwk(next));
    assert_eq!(String::from_utf8(public_jwks(&set, &at_now(&set))).unwrap(), expected);
}

#[test]
fn the_private_file_holds_selected_keys_only_and_never_an_armed_one() {
    let (old, new) = (key(SPEC), other_key(SPEC));
    let activate_at = NOW + Span(1);
    let set = set(vec![
        member("default", old, Stage::Active),
        member("default", new, Stage::Armed { activate_at }),
    ]);
    let all = privates(&[old, new]);
    let signing = |now| {
        let view = view(&set, &Switches::new(), now);
        kids_of_private(private_jwks(&set, &view, &all).unwrap().expose())
            .unwrap()
            .signing
    };
    assert_eq!(signing(NOW), BTreeSet::from([old.public.kid.clone()]));
    assert_eq!(signing(activate_at), BTreeSet::from([new.public.kid.clone()]));
}

#[test]
fn a_set_without_a_signer_has_an_empty_private_file() {
    let set = set(vec![member("default", key(SPEC), Stage::Prepublished)]);
    let private = private_jwks(&set, &at_now(&set), &privates(&[key(SPEC)])).unwrap();
    assert_eq!(private.expose(), br#"{"keys":[]}"#);
    assert_eq!(kids_of_private(private.expose()), Ok(PrivateKids::default()));
}

#[test]
fn a_key_that_the_view_does_not_publish_is_not_in_the_public_file() {
    let set = set(vec![member("default", key(SPEC), Stage::Active)]);
    let mut view = at_now(&set);
    view.published.clear();
    assert_eq!(public_jwks(&set, &view), br#"{"keys":[]}"#);
}

#[test]
fn a_selected_key_that_was_not_delivered_is_named() {
    let key = key(SPEC);
    let kid = key.public.kid.clone();
    let active = set(vec![member("default", key, Stage::Active)]);
    let missing = private_jwks(&active, &at_now(&active), &BTreeMap::new());
    assert_eq!(missing.unwrap_err(), OutputError::NoPrivate(kid.clone()));
    let unknown = private_jwks(&set(vec![]), &at_now(&active), &privates(&[key]));
    assert_eq!(unknown.unwrap_err(), OutputError::NotInGeneration(kid));
}

#[test]
fn a_private_half_that_is_not_one_is_refused() {
    let key = key(SPEC);
    let active = set(vec![member("default", key, Stage::Active)]);
    let rubbish = BTreeMap::from([(key.public.kid.clone(), Secret::new(vec![1, 2, 3]))]);
    let why = why_of(private_jwks(&active, &at_now(&active), &rubbish));
    assert_eq!(
        why,
        CryptoError::Private {
            kid: key.public.kid.clone(),
            spec: SPEC
        }
    );
}

#[test]
fn a_private_key_of_another_public_half_is_not_proved() {
    let (public, _) = one_kind(key(SPEC));
    let (_, private) = one_kind(other_key(SPEC));
    let unpublished = OutputError::NotPublished(other_key(SPEC).public.kid.clone());
    assert_eq!(prove(&public, private.expose()), Err(unpublished));

    let kid = &key(SPEC).public.kid;
    let renamed = changed(private.expose(), other_key(SPEC).public.kid.as_str(), kid.as_str());
    assert_eq!(why_of(prove(&public, &renamed)), CryptoError::NotAPair { kid: kid.clone() });
}

#[test]
fn a_private_member_in_the_public_file_is_refused() {
    for spec in all_small_specs() {
        let (public, private) = one_kind(key(spec));
        let kid = key(spec).public.kid.to_string();
        assert_eq!(
            kids_of_public(private.expose()),
            Err(OutputError::PrivateMember { kid: kid.clone() }),
            "{spec}"
        );
        assert_eq!(
            prove(private.expose(), private.expose()),
            Err(OutputError::PrivateMember { kid })
        );
        assert!(kids_of_private(&public).is_err(), "{spec}");
    }
}

#[test]
fn kids_that_are_alike_are_refused_in_either_file() {
    let (public, private) = one_kind(key(SPEC));
    let alike = |bytes: &[u8], kid: &str| {
        let text = std::str::from_utf8(bytes).unwrap();
        let one = text
            .strip_prefix(r#"{"keys":["#)
            .and_then(|rest| rest.strip_suffix("]}"))
            .unwrap();
        let other = one.replace(key(SPEC).public.kid.as_str(), kid);
        format!(r#"{{"keys":[{one},{other}]}}"#).into_bytes()
    };
    let kid = key(SPEC).public.kid.as_str();
    let other_case = kid.to_ascii_uppercase();
    for second in [kid, other_case.as_str()] {
        let (public, private) = (alike(&public, second), alike(private.expose(), second));
        assert!(matches!(why_of(kids_of_public(&public)), CryptoError::KidsAlike(..)));
        assert!(matches!(why_of(kids_of_private(&private)), CryptoError::KidsAlike(..)));
    }
}

#[test]
fn what_is_no_jwks_is_refused_without_being_shown() {
    let texts = [
        "",
        "{",
        "null",
        "[]",
        r#""hunter2""#,
        r#"{"keys":"hunter2"}"#,
        r#"{"keys":["hunter2"]}"#,
        r#"{"keys":[{"d":["hunter2"]}]}"#,
        r#"{"hunter2":[]}"#,
        r#"{"keys":[],"hunter2":[]}"#,
        r#"{"keys":[]} hunter2"#,
        r#"{"keys":[],"keys":[]}"#,
    ];
    for text in texts {
        for refused in [
            kids_of_public(text.as_bytes()),
            kids_of_private(text.as_bytes()).map(|kids| kids.signing),
        ] {
            let refused = refused.unwrap_err();
            assert!(
                matches!(refused, OutputError::NotJwks { .. } | OutputError::ListMember(_)),
                "{text}"
            );
            assert!(!format!("{refused} {refused:?}").contains("hunter2"), "{text}");
        }
    }
}

#[test]
fn no_error_shows_a_private_member() {
    for spec in all_small_specs() {
        let (public, private) = one_kind(key(spec));
        let text = std::str::from_utf8(private.expose()).unwrap();
        let d = text.split(r#""d":""#).nth(1).unwrap().split('"').next().unwrap();
        let damaged = changed(private.expose(), d, &d[1..]);
        if let Err(refused) = prove(&public, &damaged) {
            assert!(!format!("{refused} {refused:?}").contains(&d[1..]), "{spec}: {refused}");
        }
        let refused = kids_of_public(private.expose()).unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains(d), "{spec}: {refused}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(prove(&bytes, &bytes).is_err());
        prop_assert!(kids_of_private(&bytes).is_err());
    }

    #[test]
    fn a_damaged_file_never_panics_and_never_proves_another_kid(at in any::<prop::sample::Index>(), byte in any::<u8>(), public_too in any::<bool>()) {
        let (mut public, private) = one_kind(key(SPEC));
        let mut private = private.expose().to_vec();
        let bytes = if public_too { &mut public } else { &mut private };
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(proved) = prove(&public, &private) {
            prop_assert_eq!(proved.signing, BTreeSet::from([key(SPEC).public.kid.clone()]));
        }
    }
}
