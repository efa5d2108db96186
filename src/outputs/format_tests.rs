//! The formats of `[[output]]`, with every kind of key.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::crypto::NewKey;
use crate::crypto::tests::{all_small_specs, key, other_key};
use crate::lifecycle::{KeySet, Member, Stage, Switches, View, view};
use crate::types::{Epoch, Generation, KeySpec, KeyUse, Kid, Secret, Span, Time};

const NOW: Time = Time(1_795_413_904_123);

fn password(text: &str) -> Password {
    Password::from_file(&secret(text.as_bytes())).unwrap()
}

fn secret(bytes: &[u8]) -> Secret {
    Secret::new(bytes.to_vec())
}

/// A generation of these keys, each active or published in a profile of its own, with a standby that no private file may have.
fn generation(keys: &[&NewKey]) -> (KeySet, View, BTreeMap<Kid, Secret>) {
    let standby = other_key(KeySpec::Es384);
    let stage = |key: &NewKey| match key.public.spec.key_use() {
        KeyUse::Sig => Stage::Active,
        KeyUse::Enc => Stage::Published,
    };
    let member = |(at, (key, stage)): (usize, (&NewKey, Stage))| Member {
        profile: format!("profile{at}").parse().unwrap(),
        public: key.public.clone().into(),
        stage,
        inherited: false,
    };
    let all = keys
        .iter()
        .map(|key| (*key, stage(key)))
        .chain([(standby, Stage::Prepublished)]);
    let set = KeySet {
        generation: Generation(42),
        epoch: Epoch(1),
        committed_at: NOW,
        clock_skew: Span::mins(5),
        max_age: Span::mins(10),
        straggler_after: Span::hours(24),
        cas: vec![],
        members: all.enumerate().map(member).collect(),
    };
    let halves = keys
        .iter()
        .chain([&standby])
        .map(|key| (key.public.kid.clone(), secret(key.private.expose())));
    let view = view(&set, &Switches::new(), NOW);
    let halves = halves.collect();
    (set, view, halves)
}

fn all_formats(password: &Password) -> Vec<Format<'_>> {
    let jwks = [true, false].map(|has_x5c| [Format::Jwks { has_x5c }, Format::PrivateJwks { has_x5c }]);
    let others = [Format::Pem, Format::Pkcs12 { password }];
    jwks.into_iter().flatten().chain(others).collect()
}

#[test]
fn every_format_holds_every_kind_of_key_and_proves_as_it_was_read_back() {
    let keys = all_small_specs().map(key);
    let (set, view, privates) = generation(&keys);
    let password = password("a password\n");
    let in_use: BTreeSet<Kid> = keys.iter().map(|key| key.public.kid.clone()).collect();
    for format in all_formats(&password) {
        let rendered = render(format, &set, &view, &privates).unwrap();
        prove_output(format, &rendered, &set, &view).unwrap();
        let mut expected = in_use.clone();
        if matches!(format, Format::Jwks { .. }) {
            expected.insert(other_key(KeySpec::Es384).public.kid.clone());
        }
        assert_eq!(kids_of(format, &rendered).unwrap(), expected, "{format:?}");
    }
}

#[test]
fn no_format_proves_for_another_view_or_with_the_private_half_of_another_key() {
    let (one, other) = (key(KeySpec::Es256), other_key(KeySpec::Es256));
    let password = password("a password");
    let (set, view, privates) = generation(&[one]);
    let (other_set, other_view, other_privates) = generation(&[other]);
    let mixed = BTreeMap::from([(one.public.kid.clone(), secret(other.private.expose()))]);
    for format in all_formats(&password) {
        let rendered = render(format, &other_set, &other_view, &other_privates).unwrap();
        assert!(
            matches!(prove_output(format, &rendered, &set, &view), Err(OutputError::OtherKeys(_))),
            "{format:?}"
        );
        if !matches!(format, Format::Jwks { .. }) {
            let rendered = render(format, &set, &view, &mixed).unwrap();
            assert!(
                matches!(prove_output(format, &rendered, &set, &view), Err(OutputError::Key { .. })),
                "{format:?}"
            );
            let missing = render(format, &set, &view, &BTreeMap::new()).unwrap_err();
            assert_eq!(missing, OutputError::NoPrivate(one.public.kid.clone()));
        }
    }
    assert!(render(Format::Pem, &set, &view, &privates).is_ok());
}

#[test]
fn the_certificate_of_another_key_is_refused() {
    let (one, other) = (key(KeySpec::Es256), other_key(KeySpec::Es256));
    let password = password("a password");
    let (set, view, privates) = generation(&[one]);
    let mut wrong = set.clone();
    std::sync::Arc::make_mut(&mut wrong.members[0].public)
        .certificate_der
        .clone_from(&other.public.certificate_der);
    for format in all_formats(&password) {
        let has_none = matches!(
            format,
            Format::Jwks { has_x5c: false } | Format::PrivateJwks { has_x5c: false }
        );
        let rendered = render(format, &wrong, &view, &privates).unwrap();
        let proved = prove_output(format, &rendered, &set, &view);
        assert_eq!(
            matches!(proved, Err(OutputError::OtherCertificate { .. })),
            !has_none,
            "{format:?}: {proved:?}"
        );
    }
}

#[test]
fn x5c_is_one_certificate_in_standard_base64_and_only_where_it_was_asked_for() {
    let (set, view, privates) = generation(&[key(KeySpec::Es256)]);
    for (with, without) in [
        (Format::Jwks { has_x5c: true }, Format::Jwks { has_x5c: false }),
        (Format::PrivateJwks { has_x5c: true }, Format::PrivateJwks { has_x5c: false }),
    ] {
        let (certified, plain) = (
            render(with, &set, &view, &privates).unwrap(),
            render(without, &set, &view, &privates).unwrap(),
        );
        let Rendered::File(bytes) = &certified else { panic!("a file") };
        let json: serde_json::Value = serde_json::from_slice(bytes.expose()).unwrap();
        let x5c = json["keys"][0]["x5c"].as_array().unwrap();
        let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, x5c[0].as_str().unwrap()).unwrap();
        assert_eq!((x5c.len(), &der), (1, &key(KeySpec::Es256).public.certificate_der));
        assert!(kids_of(with, &plain).unwrap_err().to_string().contains("without the x5c"));
        assert!(
            kids_of(without, &certified)
                .unwrap_err()
                .to_string()
                .contains("not asked for")
        );
    }
    // No other member may be a list.
    let list = Rendered::File(secret(br#"{"keys":[{"kid":["a"]}]}"#));
    assert!(matches!(
        kids_of(Format::Jwks { has_x5c: false }, &list),
        Err(OutputError::ListMember(_))
    ));
}

fn names(rendered: &Rendered) -> Vec<String> {
    let Rendered::Folder(files) = rendered else {
        panic!("a folder")
    };
    files.keys().cloned().collect()
}

#[test]
fn the_key_that_signs_has_a_name_of_its_own_which_is_no_guess() {
    let (first, second) = (key(KeySpec::Es256), key(KeySpec::Ed25519));
    let sorted = |names: &[&str]| {
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        names.sort();
        names
    };
    let file = |key: &NewKey| format!("{}.pem", key.public.kid);
    let (set, view, privates) = generation(&[first]);
    let one = render(Format::Pem, &set, &view, &privates).unwrap();
    assert_eq!(names(&one), sorted(&["active.pem", "active.profile0.pem", &file(first)]));
    let (set, view, privates) = generation(&[first, second]);
    let two = render(Format::Pem, &set, &view, &privates).unwrap();
    let expected = ["active.profile0.pem", "active.profile1.pem", &file(first), &file(second)];
    assert_eq!(names(&two), sorted(&expected));
}

#[test]
fn a_folder_whose_active_key_is_another_or_missing_or_too_many_is_refused() {
    let (first, second) = (key(KeySpec::Es256), key(KeySpec::Ed25519));
    let (set, view, privates) = generation(&[first, second]);
    let changed = |change: fn(&mut BTreeMap<String, Secret>)| {
        let Ok(Rendered::Folder(mut files)) = render(Format::Pem, &set, &view, &privates) else {
            panic!("a folder")
        };
        change(&mut files);
        prove_output(Format::Pem, &Rendered::Folder(files), &set, &view)
    };
    assert_eq!(changed(|_| {}), Ok(()));
    let refused: [fn(&mut BTreeMap<String, Secret>); 3] = [
        |files| drop(files.remove("active.profile0.pem")),
        |files| {
            let other = secret(files["active.profile1.pem"].expose());
            files.insert("active.profile0.pem".to_owned(), other);
        },
        |files| {
            let other = secret(files["active.profile1.pem"].expose());
            files.insert("active.pem".to_owned(), other);
        },
    ];
    assert!(refused.into_iter().all(|change| changed(change).is_err()));
}

#[test]
fn a_pkcs12_file_opens_with_its_password_only() {
    let (set, view, privates) = generation(&[key(KeySpec::Es256)]);
    let (right, wrong) = (password("right password"), password("wrong password"));
    let rendered = render(Format::Pkcs12 { password: &right }, &set, &view, &privates).unwrap();
    let why = kids_of(Format::Pkcs12 { password: &wrong }, &rendered)
        .unwrap_err()
        .to_string();
    assert!(why.contains("does not open with the password"), "{why}");
    assert_eq!(format!("{right:?}"), "Password");
}

#[test]
fn a_password_that_java_would_not_take_is_refused() {
    for given in ["", "\n", "short", "pass\u{e4}word", "two\nlines here", "tab\tin it"] {
        let refused = Password::from_file(&secret(given.as_bytes())).unwrap_err();
        assert_eq!(refused, OutputError::Password, "{given:?}");
    }
    for given in ["changeit", "changeit\n", "changeit\r\n", "with spaces in it"] {
        assert!(Password::from_file(&secret(given.as_bytes())).is_ok(), "{given:?}");
    }
}
