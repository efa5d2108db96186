use super::super::fleet::{Consistency, LeaderMessage, Logged};
use super::*;
use crate::audit::testing::Log;
use crate::lifecycle::{Member, Stage};
use crate::types::{Epoch, Generation, KeySpec, PublicJwk, PublicKey, Span, Time};

fn member(kid: &str, stage: Stage) -> Member {
    Member {
        profile: "main".parse().unwrap(),
        public: Arc::new(PublicKey {
            kid: kid.parse().unwrap(),
            spec: KeySpec::Es256,
            jwk: PublicJwk::try_from(BTreeMap::from([("kty".to_owned(), "EC".to_owned())])).unwrap(),
            thumbprint: "t".into(),
            certificate_der: vec![1, 2, 3],
        }),
        stage,
        inherited: false,
    }
}

fn set() -> KeySet {
    KeySet {
        generation: Generation(42),
        epoch: Epoch(3),
        committed_at: Time(1_795_413_904_123),
        clock_skew: Span::mins(5),
        max_age: Span::mins(10),
        straggler_after: Span::hours(24),
        cas: vec![],
        members: vec![
            member("retiring", Stage::Retiring),
            member("active", Stage::Active),
            member("armed", Stage::Armed { activate_at: Time(9) }),
            member("standby", Stage::Prepublished),
        ],
    }
}

fn privates(kids: &[&str]) -> BTreeMap<Kid, Secret> {
    (kids.iter())
        .map(|kid| {
            (
                kid.parse().unwrap(),
                Secret::new(format!("private half of {kid}").into_bytes()),
            )
        })
        .collect()
}

fn bundle() -> Bundle {
    Bundle::new(set(), privates(&["active", "armed"])).unwrap()
}

fn proof() -> RecordProof {
    Log::of(9, "a").prove(8)
}

fn revoked() -> BTreeSet<Kid> {
    BTreeSet::from(["gone".parse().unwrap()])
}

fn outgoing(bundle: &Bundle) -> Outgoing {
    let consistency = Consistency {
        from: 5,
        hashes: Log::of(9, "a").consistency(5),
        adopted: None,
    };
    Outgoing {
        bundle: EncodedBundle::new(bundle, &proof(), &revoked()).unwrap(),
        consistency: consistency.into(),
    }
}

/// What arrives when a leader sends `message` as a generation.
fn arrives(message: &proto::Generation) -> Result<Bundle, BundleError> {
    let logged = Logged::decode(&message.encode_to_vec().into(), Consistency::default())?;
    Ok(logged.bundle)
}

fn wire(set: &[u8], kids: &[&str]) -> proto::Generation {
    proto::Generation {
        public_form: set.to_vec(),
        privates: (kids.iter())
            .map(|kid| proto::PrivateHalf {
                kid: (*kid).to_owned(),
                pkcs8_der: vec![1],
            })
            .collect(),
        record: b"{}".to_vec(),
        record_seq: 8,
        inclusion: vec![vec![1; 32]],
        checkpoint: proof().checkpoint.to_string(),
        revoked: Vec::new(),
    }
}

#[test]
fn a_generation_survives_the_wire() {
    let sent = bundle();
    let update = proto::LeaderUpdate::from(LeaderMessage::Generation(outgoing(&sent)));
    let bytes = update.encode_to_vec();
    let LeaderMessage::Generation(logged) = proto::LeaderUpdate::decode(&*bytes).unwrap().try_into().unwrap() else {
        panic!("a generation");
    };
    assert_eq!(logged.proof, proof());
    assert_eq!(logged.consistency, *outgoing(&sent).consistency);
    assert_eq!(logged.revoked, revoked());
    let came = logged.bundle;
    assert_eq!(
        (&came.set, &came.public_form, came.digest),
        (&sent.set, &sent.public_form, sent.digest)
    );
    assert_eq!(came.digest, Digest::of(&came.public_form));
    assert!(came.privates.iter().all(|(kid, secret)| secret.same(&sent.privates[kid])));
    assert_eq!(came.privates.len(), 2);
}

#[test]
fn more_revoked_keys_than_are_ever_sent_are_refused() {
    let mut message = wire(&bundle().public_form, &["active", "armed"]);
    message.revoked = vec!["k".to_owned(); REPORTED_KIDS + 1];
    assert!(matches!(arrives(&message), Err(BundleError::Revoked)));
    message.revoked = vec!["not a kid\n".to_owned()];
    assert!(matches!(arrives(&message), Err(BundleError::Kid(_))));
}

#[test]
fn all_streams_share_the_bytes_of_one_encoding() {
    let encoded = EncodedBundle::new(&bundle(), &proof(), []).unwrap();
    assert_eq!(encoded.bytes().as_ptr(), encoded.clone().bytes().as_ptr());
    assert!(!format!("{encoded:?}").contains("private half"));
}

#[test]
fn an_altered_public_form_is_refused_or_has_another_digest() {
    let good = bundle();
    let text = String::from_utf8(good.public_form.clone()).unwrap();
    let other = text.replace("\"generation\":42", "\"generation\":43");
    assert_ne!(other, text);
    assert_ne!(
        arrives(&wire(other.as_bytes(), &["active", "armed"])).unwrap().digest,
        good.digest
    );

    let broken = arrives(&wire(&good.public_form[1..], &["active", "armed"])).unwrap_err();
    assert!(matches!(broken, BundleError::PublicForm(_)), "{broken}");
}

#[test]
fn a_public_form_that_is_not_canonical_is_refused() {
    let text = String::from_utf8(bundle().public_form).unwrap();
    let with_space = text.replacen(',', ", ", 1);
    let with_member = text.replacen('{', "{\"aaa\":1,", 1);
    let doubled = text.replacen('{', "{\"epoch\":3,", 1);
    for altered in [with_space, with_member, doubled] {
        let refused = arrives(&wire(altered.as_bytes(), &["active", "armed"])).unwrap_err();
        assert!(
            matches!(refused, BundleError::NotCanonical | BundleError::PublicForm(_)),
            "{refused}"
        );
    }
}

#[test]
fn private_halves_must_be_exactly_those_that_the_states_demand() {
    let form = bundle().public_form;
    let refused = |kids: &[&str]| arrives(&wire(&form, kids)).unwrap_err();
    assert!(matches!(refused(&["active"]), BundleError::PrivateMissing(kid) if kid.as_str() == "armed"));
    assert!(matches!(refused(&["armed"]), BundleError::PrivateMissing(kid) if kid.as_str() == "active"));
    for extra in ["retiring", "standby", "stranger"] {
        assert!(matches!(refused(&["active", "armed", extra]), BundleError::PrivateExtra(kid) if kid.as_str() == extra));
    }
    assert!(matches!(refused(&["active", "armed", "active"]), BundleError::Twice(_)));
    assert!(matches!(refused(&["active", "armed", "../x"]), BundleError::Kid(_)));
}

#[test]
fn a_leader_can_not_make_what_a_node_would_refuse() {
    assert!(matches!(
        Bundle::new(set(), privates(&["active"])),
        Err(BundleError::PrivateMissing(_))
    ));
    let mut twice = set();
    twice.members.push(member("standby", Stage::Prepublished));
    assert!(matches!(
        Bundle::new(twice, privates(&["active", "armed"])),
        Err(BundleError::Twice(_))
    ));
}

#[test]
fn a_generation_that_names_what_is_no_ca_is_refused() {
    let domain = "op.example".parse().unwrap();
    let ca = crate::pki::Ca::new(&domain, Time(1_800_000_000_000)).unwrap().certificate;
    let naming = |ca: String| KeySet { cas: vec![ca], ..set() };
    let named = Bundle::new(naming(ca.to_base64()), privates(&["active", "armed"])).unwrap();
    let form = wire(&named.public_form, &["active", "armed"]);
    assert_eq!(arrives(&form).unwrap().set.cas, named.set.cas);
    for wrong in ["", "AAAA", &ca.to_base64()[4..]] {
        let refused = Bundle::new(naming(wrong.to_owned()), privates(&["active", "armed"])).unwrap_err();
        assert!(refused.to_string().contains("names a CA that can't be read"), "{refused}");
    }
}

#[test]
fn absurd_sizes_are_refused() {
    let huge = arrives(&wire(&vec![b' '; PUBLIC_FORM_BYTES + 1], &[])).unwrap_err();
    assert!(matches!(huge, BundleError::TooLarge { part: "public form", .. }), "{huge}");
    let mut message = wire(&bundle().public_form, &["active", "armed"]);
    message.privates[0].pkcs8_der = vec![0; PRIVATE_HALF_BYTES + 1];
    let huge = arrives(&message).unwrap_err();
    assert!(
        matches!(
            huge,
            BundleError::TooLarge {
                part: "private half",
                ..
            }
        ),
        "{huge}"
    );
}

#[test]
fn rubbish_is_refused() {
    let refused = Logged::decode(&Bytes::from_static(b"\xff\xff\xff"), Consistency::default()).unwrap_err();
    assert!(matches!(refused, BundleError::Malformed(_)));
}

#[test]
fn a_proof_that_is_none_is_refused_in_words() {
    type Change = fn(&mut proto::Generation);
    let good = wire(&bundle().public_form, &["active", "armed"]);
    let changes: [(Change, &str); 5] = [
        (|sent| sent.inclusion = vec![vec![1; 31]], "any log needs"),
        (
            |sent| sent.inclusion = vec![vec![1; 32]; MAX_PROOF_HASHES + 1],
            "any log needs",
        ),
        (|sent| sent.checkpoint = "none".to_owned(), "checkpoint can't be read"),
        (|sent| sent.checkpoint = "x".repeat(CHECKPOINT_BYTES + 1), "checkpoint has"),
        (|sent| sent.record = vec![b' '; RECORD_BYTES + 1], "record has"),
    ];
    assert!(arrives(&good).is_ok());
    for (change, words) in changes {
        let mut sent = good.clone();
        change(&mut sent);
        let refused = arrives(&sent).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }
}
