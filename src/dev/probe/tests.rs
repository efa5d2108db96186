use std::collections::BTreeMap;

use super::*;
use crate::crypto::NewKey;
use crate::crypto::tests::{key, other_key};
use crate::lifecycle::{KeySet, Member, Stage, Switches, view};
use crate::outputs::{private_jwks, public_jwks};
use crate::types::{Curve, Epoch, Generation, KeySpec, KeyUse};

const START: Time = Time(1_800_000_000_000);
const MIN_PREPUBLISH: Span = Span::secs(5);
const TOKEN_LIFETIME: Span = Span::secs(2);

fn old() -> &'static NewKey {
    key(KeySpec::Ed25519)
}

fn new() -> &'static NewKey {
    other_key(KeySpec::Ed25519)
}

/// The files of a node that publishes these keys and signs with the last of `signing`.
fn files(published: &[&NewKey], signing: &[&NewKey]) -> NodeFiles {
    files_with(published, &[], signing)
}

/// The same with encryption keys that are kept and not published; `privates` are those of all keys that have one there.
fn files_with(published: &[&NewKey], kept: &[&NewKey], privates: &[&NewKey]) -> NodeFiles {
    let signing = privates;
    let signs = |key: &NewKey| signing.iter().any(|signing| signing.public.kid == key.public.kid);
    let member = |key: &&NewKey| Member {
        profile: "web".parse().unwrap(),
        public: key.public.clone().into(),
        stage: match (key.public.spec.key_use(), signs(key)) {
            (KeyUse::Sig, true) => Stage::Active,
            (KeyUse::Sig, false) => Stage::Retiring,
            (KeyUse::Enc, _) if published.iter().any(|published| published.public.kid == key.public.kid) => Stage::Published,
            (KeyUse::Enc, _) => Stage::Unpublished,
        },
        inherited: false,
    };
    let set = KeySet {
        generation: Generation(1),
        epoch: Epoch(1),
        committed_at: START,
        clock_skew: Span(200),
        max_age: Span::secs(1),
        straggler_after: Span::secs(5),
        cas: vec![],
        members: published.iter().chain(kept).map(member).collect(),
    };
    let view = view(&set, &Switches::new(), START);
    let private = |key: &&NewKey| (key.public.kid.clone(), Secret::new(key.private.expose().to_vec()));
    let privates: BTreeMap<_, _> = signing.iter().map(private).collect();
    NodeFiles {
        public: public_jwks(&set, &view),
        private: Some(private_jwks(&set, &view, &privates).unwrap()),
    }
}

/// A probe whose clock the test moves.
struct Bench {
    probe: Probe,
    now: Time,
    revoked: BTreeSet<Kid>,
    excepted: BTreeSet<Kid>,
}

impl Bench {
    fn new() -> Self {
        Self {
            probe: Probe::new(MIN_PREPUBLISH, TOKEN_LIFETIME),
            now: START,
            revoked: BTreeSet::new(),
            excepted: BTreeSet::new(),
        }
    }

    /// A round after `wait`, with the files of node a, node b and so on; none for a node that is not in service.
    fn round(&mut self, wait: Span, nodes: impl IntoIterator<Item = Option<NodeFiles>>) -> Round {
        self.now = self.now + wait;
        let names = ["a", "b", "c"].map(|name| name.parse().unwrap());
        let nodes = names.into_iter().zip(nodes);
        self.probe.round(&Sample {
            began: self.now,
            ended: self.now,
            nodes: nodes.filter_map(|(name, files)| Some((name, files?))).collect(),
            revoked: self.revoked.clone(),
            excepted: self.excepted.clone(),
        })
    }

    fn both(&mut self, wait: Span, published: &[&NewKey], signing: &NewKey) -> Round {
        self.round(wait, [0; 2].map(|_| Some(files(published, &[signing]))))
    }
}

/// The signers, the verifier, the kid and the set of each failure.
fn told(round: &Round) -> Vec<(String, String, Kid, Seen)> {
    let tell = |failure: &Failure| match failure {
        Failure::Token {
            signers,
            verifier,
            kid,
            set,
            ..
        } => {
            let signers: Vec<&str> = signers.iter().map(NodeName::as_str).collect();
            (signers.join(","), verifier.to_string(), kid.clone(), *set)
        }
        Failure::Message {
            readers,
            publisher,
            kid,
            set,
            ..
        } => {
            let readers: Vec<&str> = readers.iter().map(NodeName::as_str).collect();
            (readers.join(","), publisher.to_string(), kid.clone(), *set)
        }
        Failure::File { node, why } => panic!("{node}: {why}"),
    };
    round.failures.iter().map(tell).collect()
}

#[test]
fn a_rotation_by_the_rules_never_fails() {
    let mut bench = Bench::new();
    let steps = [
        (Span(0), vec![old()], old(), 4),
        (Span::secs(1), vec![old(), new()], old(), 8),
        (MIN_PREPUBLISH - Span::secs(1), vec![old(), new()], new(), 4),
        (TOKEN_LIFETIME, vec![new()], new(), 4),
    ];
    for (wait, published, signing, probes) in steps {
        let round = bench.both(wait, &published, signing);
        assert_eq!((round.probes, &told(&round)), (probes, &vec![]));
    }
}

#[test]
fn r1_a_key_that_another_node_does_not_publish_is_found() {
    let mut bench = Bench::new();
    let nodes = [Some(files(&[old(), new()], &[new()])), Some(files(&[old()], &[old()]))];
    let round = bench.round(Span(0), nodes);
    let kid = new().public.kid.clone();
    assert_eq!(told(&round), [("a".into(), "b".into(), kid, Seen::Now)]);
    assert_eq!((round.probes, round.failed()), (4, 1));
    let words = round.failures[0].to_string();
    assert!(
        words.contains(" a signed ") && words.contains(" on b,") && words.contains("as it is now"),
        "{words}"
    );
}

#[test]
fn r1_a_key_that_signs_before_min_prepublish_has_passed_is_found() {
    let mut bench = Bench::new();
    bench.both(Span(0), &[old()], old());
    bench.both(Span(1), &[old(), new()], old());
    let early = MIN_PREPUBLISH - Span(2);
    let round = bench.both(early, &[old(), new()], new());
    let kid = new().public.kid.clone();
    let ago = Seen::Ago(MIN_PREPUBLISH - Span(1));
    assert_eq!(
        told(&round),
        [
            ("a,b".into(), "a".into(), kid.clone(), ago),
            ("a,b".into(), "b".into(), kid, ago)
        ]
    );
    assert_eq!(round.failed(), 4);
    assert!(bench.both(Span(1), &[old(), new()], new()).failures.is_empty());
}

#[test]
fn r1_the_last_set_of_a_node_that_left_service_counts() {
    let mut bench = Bench::new();
    bench.both(Span(0), &[old()], old());
    bench.round(Span(1), [Some(files(&[old(), new()], &[old()])), None]);
    let mut only_a = |wait| bench.round(wait, [Some(files(&[old(), new()], &[new()])), None]);
    let verifiers = told(&only_a(Span(1))).into_iter().map(|failure| failure.1);
    assert_eq!(verifiers.collect::<Vec<_>>(), ["a", "b"]);
    let later = only_a(MIN_PREPUBLISH - Span(2));
    assert_eq!((later.failed(), later.probes), (0, 1), "b is read no more");
}

#[test]
fn r3_a_key_that_is_removed_while_its_tokens_live_is_found() {
    let mut bench = Bench::new();
    bench.both(Span(0), &[old(), new()], old());
    let round = bench.both(TOKEN_LIFETIME - Span(1), &[new()], new());
    let kid = old().public.kid.clone();
    assert_eq!(
        told(&round),
        [
            ("a,b".into(), "a".into(), kid.clone(), Seen::Now),
            ("a,b".into(), "b".into(), kid, Seen::Now)
        ]
    );
    assert!(bench.both(Span(1), &[new()], new()).failures.is_empty());
}

#[test]
fn a_private_half_that_is_not_the_published_one_is_found() {
    // The same kid, another key: as if one node had made its own.
    let impostor = NewKey {
        public: crate::types::PublicKey {
            kid: old().public.kid.clone(),
            ..new().public.clone()
        },
        private: Secret::new(new().private.expose().to_vec()),
    };
    let mut bench = Bench::new();
    let public = files(&[old()], &[old()]).public;
    let private = files(&[&impostor], &[&impostor]).private;
    let round = bench.round(Span(0), [Some(NodeFiles { public, private })]);
    let kid = old().public.kid.clone();
    assert_eq!(told(&round), [("a".into(), "a".into(), kid.clone(), Seen::Now)]);
    assert!(matches!(&round.failures[0], Failure::Token { why: CryptoError::NotVerified(k), .. } if *k == kid));
}

#[test]
fn files_that_can_not_be_read_are_found() {
    let mut bench = Bench::new();
    let round = bench.round(
        Span(0),
        [
            Some(NodeFiles {
                public: b"{}".to_vec(),
                ..files(&[old()], &[old()])
            }),
            Some(NodeFiles {
                private: Some(Secret::new(b"[".to_vec())),
                ..files(&[old()], &[old()])
            }),
        ],
    );
    let words: Vec<String> = round.failures.iter().map(ToString::to_string).collect();
    assert_eq!(round.failed(), 2);
    assert!(
        words[0].starts_with("a: the public JWKS") && words[1].starts_with("b: the private JWKS"),
        "{words:?}"
    );
}

#[test]
fn r8_a_revoked_key_does_not_count() {
    let mut bench = Bench::new();
    bench.both(Span(0), &[old(), new()], old());
    bench.revoked.insert(old().public.kid.clone());
    let round = bench.round(
        Span(1),
        [Some(files(&[new()], &[new()])), Some(files(&[old(), new()], &[old()]))],
    );
    assert_eq!(told(&round), []);
    assert_eq!(round.probes, 2, "only the token of the other key");
    bench.revoked.clear();
    let round = bench.both(Span(1), &[new()], new());
    assert_eq!(told(&round), [], "its tokens were forgotten");
}

#[test]
fn an_excepted_key_is_held_against_the_sets_now() {
    let mut bench = Bench::new();
    bench.both(Span(0), &[old()], old());
    bench.excepted.insert(new().public.kid.clone());
    let laggard = || Some(files(&[old()], &[old()]));
    let round = bench.round(Span(1), [Some(files(&[old(), new()], &[new()])), laggard()]);
    assert_eq!(
        told(&round),
        [],
        "b has not heard of it, which is what the exception is about"
    );
    assert!(bench.both(Span(1), &[old(), new()], new()).failures.is_empty());
    let round = bench.round(Span(1), [Some(files(&[old(), new()], &[new()])), laggard()]);
    assert!(!told(&round).is_empty(), "b has published it once");
}

#[test]
fn many_nodes_with_the_same_bytes_are_counted_one_by_one() {
    let mut bench = Bench::new();
    let round = bench.round(Span(0), [0; 3].map(|_| Some(files(&[old()], &[old()]))));
    assert_eq!((round.probes, round.failed()), (9, 0));
    assert_eq!(bench.round(Span(1), [None, None, None]).probes, 0);
}

fn ecdh() -> &'static NewKey {
    key(KeySpec::EcdhEs(Curve::P256))
}

fn next_ecdh() -> &'static NewKey {
    other_key(KeySpec::EcdhEs(Curve::P256))
}

#[test]
fn what_is_encrypted_to_a_cached_key_opens_on_every_node() {
    let mut bench = Bench::new();
    let before = || Some(files(&[ecdh()], &[ecdh()]));
    let after = || Some(files_with(&[next_ecdh()], &[ecdh()], &[ecdh(), next_ecdh()]));
    let staged = || Some(files_with(&[ecdh()], &[next_ecdh()], &[ecdh(), next_ecdh()]));
    for (nodes, probes) in [
        ([before(), before()], 2),
        ([staged(), staged()], 2),
        ([after(), staged()], 4),
        ([after(), after()], 4),
    ] {
        let round = bench.round(Span::secs(1), nodes);
        assert_eq!((round.probes, told(&round)), (probes, vec![]));
    }
    let later = bench.round(MIN_PREPUBLISH, [0; 2].map(|_| Some(files(&[next_ecdh()], &[next_ecdh()]))));
    assert_eq!((later.probes, told(&later)), (2, vec![]), "nobody has the old key any more");
}

#[test]
fn a_key_that_is_published_before_every_node_holds_it_fails() {
    let mut bench = Bench::new();
    let round = bench.round(
        Span(0),
        [
            Some(files_with(&[ecdh()], &[next_ecdh()], &[ecdh(), next_ecdh()])),
            Some(files(&[ecdh()], &[ecdh()])),
        ],
    );
    assert_eq!(told(&round), []);
    let round = bench.round(
        Span(0),
        [
            Some(files_with(&[next_ecdh()], &[ecdh()], &[ecdh(), next_ecdh()])),
            Some(files(&[ecdh()], &[ecdh()])),
        ],
    );
    let kid = next_ecdh().public.kid.clone();
    assert_eq!(told(&round), [("b".to_owned(), "a".to_owned(), kid, Seen::Now)]);
    assert!(
        round.failures[0].to_string().starts_with("a message to "),
        "{}",
        round.failures[0]
    );
}

#[test]
fn a_key_that_goes_while_relying_parties_have_it_fails_unless_it_was_destroyed_on_demand() {
    for destroyed in [false, true] {
        let mut bench = Bench::new();
        bench.round(Span(0), [Some(files(&[ecdh()], &[ecdh()]))]);
        bench.revoked.extend(destroyed.then(|| ecdh().public.kid.clone()));
        let wait = MIN_PREPUBLISH - Span(1);
        let round = bench.round(wait, [Some(files(&[next_ecdh()], &[next_ecdh()]))]);
        let failed = ("a".to_owned(), "a".to_owned(), ecdh().public.kid.clone(), Seen::Ago(wait));
        assert_eq!(told(&round), if destroyed { vec![] } else { vec![failed] });
    }
}

#[test]
fn a_node_without_a_private_file_opens_nothing() {
    let mut bench = Bench::new();
    let mut without = files(&[ecdh()], &[ecdh()]);
    without.private = None;
    let round = bench.round(Span(0), [Some(without)]);
    assert_eq!(round.failures.len(), 1);
}
