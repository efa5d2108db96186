use std::collections::BTreeMap;

use super::*;
use crate::cli::samples::{NOW, kid, names};
use crate::lifecycle::{Doubt, Evidence, Halt, Settings, Vote, Windows};
use crate::types::{
    Actor, Digest, Enrolment, Epoch, Generation, KeySpec, MasterKeyName, PublicJwk, PublicKey, Seq, Span, WitnessKey,
};

fn evidence() -> Evidence {
    Evidence {
        count: 2,
        exceptions: NamedNodes::default(),
        digest: Digest([0; 32]),
    }
}

fn why(reason: Reason, comment: &str) -> Why {
    Why {
        reason: Some(reason),
        comment: Some(comment.parse().unwrap()),
    }
}

/// What stands behind the actor.
fn words(event: Event) -> String {
    let line = record(&Record {
        schema: 1,
        seq: Seq(7),
        time: NOW,
        clock: None,
        actor: Actor::Schedule,
        event,
        generation: Generation(1),
        digest: Digest([0; 32]),
    });
    let words = line.strip_prefix("     7  2026-11-23T06:05:04.000Z  schedule  ").unwrap();
    words.strip_suffix('\n').unwrap().to_owned()
}

#[test]
fn a_clock_that_counts_again_says_who_agreed_with_it() {
    let confirmed = |heard, differing| {
        words(Event::ClockConfirmed {
            doubted_since: NOW,
            from: NOW,
            to: NOW + Span::hours(1),
            vote: Vote { heard, differing },
        })
    };
    let (from, to) = (NOW, NOW + Span::hours(1));
    assert_eq!(
        confirmed(3, 1),
        format!("leader's clock confirmed by 2 of 3 nodes heard: it is {to}, not {from}")
    );
    assert_eq!(
        confirmed(0, 0),
        format!("leader's clock believed, with no node left to ask: it is {to}, not {from}")
    );
}

#[test]
fn an_adoption_says_what_it_gives_up_and_what_it_does_not_know() {
    let adopted = |unknown: &[&str], believed: &[&str], sizes: &[u64]| {
        words(Event::Adopted {
            epoch: Epoch(9),
            generation: Generation(51),
            seq: Seq(7),
            given_up: sizes
                .iter()
                .map(|size| crate::types::TreeHead {
                    size: *size,
                    root: Digest([1; 32]),
                })
                .collect(),
            unknown: names(unknown).into(),
            believed: names(believed).into(),
            disbelieved: [].into(),
            young: [].into(),
            comment: "Monday's copy".parse().unwrap(),
        })
    };
    assert_eq!(
        adopted(&[], &[], &[]),
        "leader goes on from an older state: epoch 9, generation 51, checkpoints given up: none  [\"Monday's copy\"]"
    );
    assert_eq!(
        adopted(&["vm-3"], &["vm-1"], &[90, 80]),
        "leader goes on from an older state: epoch 9, generation 51, checkpoints given up: 90 records, 80 records, by the word of vm-1, \
         what vm-3 hold is not known  [\"Monday's copy\"]"
    );
}

#[test]
fn a_line_says_who_when_and_what_the_clock_showed() {
    let shown = record(&Record {
        schema: 1,
        seq: Seq(123_456),
        time: NOW,
        clock: Some(NOW - Span::mins(1)),
        actor: Actor::User {
            uid: 1000,
            name: "ada".to_owned(),
        },
        event: Event::Revoked {
            kid: kid("a"),
            reason: Reason::Compromised,
            comment: Some("laptop stolen".parse().unwrap()),
            private_half: PrivateHalf::Destroyed,
        },
        generation: Generation(1),
        digest: Digest([0; 32]),
    });
    assert_eq!(
        shown,
        "123456  2026-11-23T06:05:04.000Z  1000/ada  key a revoked  [compromised: \"laptop stolen\"]  \
         (the clock stood at 2026-11-23T06:04:04.000Z)\n"
    );
}

#[test]
fn the_life_of_a_key_in_words() {
    let key = PublicKey {
        kid: kid("a"),
        spec: KeySpec::Es256,
        jwk: PublicJwk::try_from(std::collections::BTreeMap::new()).unwrap(),
        thumbprint: "a".to_owned(),
        certificate_der: vec![],
    };
    let published = Event::Prepublished {
        profile: "main".parse().unwrap(),
        key: Box::new(key),
        windows: Windows::default(),
    };
    assert_eq!(words(published), "key a published, profile main, ES256");
    let armed = Event::Armed {
        kid: kid("a"),
        activate_at: NOW,
        evidence: evidence(),
    };
    assert_eq!(words(armed), "key a armed, signs from 2026-11-23T06:05:04.000Z");
    let retired = |successor| Event::Retired {
        kid: kid("a"),
        successor,
    };
    assert_eq!(words(retired(Some(kid("b")))), "key a retired, b took over");
    assert_eq!(words(retired(None)), "key a retired, nothing took over");
    let removed = |last_signature| Event::Removed {
        kid: kid("a"),
        last_signature,
        evidence: evidence(),
    };
    assert_eq!(
        words(removed(Some(NOW))),
        "key a removed, may have signed until 2026-11-23T06:05:04.000Z"
    );
    assert_eq!(words(removed(None)), "key a removed, it never signed");
    assert_eq!(words(Event::Destroyed { kid: kid("a") }), "private half of key a destroyed");
}

#[test]
fn each_cause_of_an_activation_in_words() {
    let activated = |cause, why| {
        words(Event::Activated {
            kid: kid("a"),
            since: NOW,
            retire_at: NOW,
            cause,
            why,
        })
    };
    let (ready_at, missing) = (NOW, names(&["vm-1", "vm-2"]).into());
    assert_eq!(activated(Cause::Scheduled, Why::default()), "key a activated (scheduled)");
    assert_eq!(
        activated(Cause::Bootstrap, Why::default()),
        "key a activated (bootstrap: the first key of its profile)"
    );
    assert_eq!(
        activated(Cause::Emergency { evidence: evidence() }, why(Reason::Superseded, "drill")),
        "key a activated (emergency)  [superseded: \"drill\"]"
    );
    assert_eq!(
        activated(Cause::Forced { ready_at, missing }, Why::default()),
        "key a activated (forced, before 2026-11-23T06:05:04.000Z, without vm-1, vm-2)"
    );
    let missing = NamedNodes::default();
    assert_eq!(
        activated(Cause::Compromised { ready_at, missing }, Why::default()),
        "key a activated (its predecessor is compromised, before 2026-11-23T06:05:04.000Z)"
    );
}

#[test]
fn the_end_of_a_node_in_words() {
    let kids = |names: &[&str]| names.iter().map(|name| kid(name)).collect();
    let farewell = |held: &[&str], last: &[&str], comment: Option<&str>| Farewell {
        node: "vm-1".parse().unwrap(),
        enrolment: Enrolment(7),
        comment: comment.map(|comment| comment.parse().unwrap()),
        held: kids(held),
        last_holder_of: kids(last),
        unconfirmed: vec![],
    };
    let revoked = Event::NodeRevoked {
        farewell: farewell(&["a", "b"], &[], Some("stolen")),
    };
    assert_eq!(
        words(revoked),
        "node vm-1 revoked, it may hold the private halves of a, b  [\"stolen\"]"
    );
    let removed = Event::NodeRemoved {
        farewell: farewell(&[], &[], None),
    };
    assert_eq!(words(removed), "node vm-1 removed, it held no private half");
    let last = Event::NodeRemoved {
        farewell: farewell(&["a", "b"], &["b"], None),
    };
    assert_eq!(
        words(last),
        "node vm-1 removed, it may hold the private halves of a, b, and was the last that is known to hold b"
    );
}

#[test]
fn what_operators_report_in_words() {
    let comment = Some("found on a forum".parse().unwrap());
    assert_eq!(
        words(Event::ReportedCompromised { kid: kid("a"), comment }),
        "key a reported compromised when it was gone already  [\"found on a forum\"]"
    );
    assert_eq!(words(Event::DistrustedAll), "every key reported compromised");
    assert_eq!(words(Event::BackedUp), "backup handed out");
    let [from, to] = [[0; 16], [1; 16]].map(MasterKeyName::of);
    assert_eq!(
        words(Event::Rekeyed { from, to }),
        "keystore written again under another master key, AQEBAQEBAQEBAQEBAQEBAQ== instead of AAAAAAAAAAAAAAAAAAAAAA=="
    );
    let confirmed = |trusted_until| Event::RevocationConfirmed {
        kid: kid("a"),
        last_confirmation: NOW,
        replaced: NamedNodes::default(),
        trusted_until,
        evidence: evidence(),
    };
    assert_eq!(
        words(confirmed(Some(NOW + Span::mins(10)))),
        "revocation of key a confirmed by every node at 2026-11-23T06:05:04.000Z, trusted until 2026-11-23T06:15:04.000Z at the latest"
    );
    assert!(words(confirmed(None)).ends_with(", until when it is trusted is not known"));
    let hastened = Event::Hastened {
        profile: "main".parse().unwrap(),
        why: Why {
            reason: Some(Reason::Unspecified),
            comment: None,
        },
    };
    assert_eq!(words(hastened), "next rotation of profile main asked for  [unspecified]");
    let refused = Event::Refused {
        request: "rotate --now".to_owned(),
        refusal: "two\nlines".to_owned(),
    };
    assert_eq!(words(refused), "refused rotate --now: two lines");
}

#[test]
fn what_happens_to_nodes_in_words() {
    let node = || "vm-1".parse().unwrap();
    let issued = Event::TokenIssued {
        ca: None,
        token: Digest([0; 32]),
        node: node(),
        expires_at: NOW,
    };
    assert_eq!(
        words(issued),
        "join token for node vm-1 made, good until 2026-11-23T06:05:04.000Z"
    );
    let revoked = Event::TokenRevoked {
        token: Digest([0; 32]),
        node: node(),
    };
    assert_eq!(words(revoked), "join token for node vm-1 revoked");
    let enrolled = Event::Enrolled {
        ca: None,
        node: node(),
        enrolment: Enrolment(3),
        token: Digest([0; 32]),
        tls_key: Digest([0; 32]),
        witness_key: WitnessKey([0; 32]),
        unconfirmed: vec![],
    };
    assert_eq!(words(enrolled), "node vm-1 enrolled, number 3");
    let entered = Event::EnteredService {
        node: node(),
        enrolment: Enrolment(3),
    };
    assert_eq!(words(entered), "node vm-1 entered service");
    let left = |cause| {
        words(Event::LeftService {
            node: node(),
            enrolment: Enrolment(3),
            cause,
            lacked_until: BTreeMap::new(),
            signed_until: BTreeMap::new(),
            served_until: BTreeMap::new(),
        })
    };
    assert_eq!(left(Leaving::Silent), "node vm-1 left service: silent");
    assert_eq!(left(Leaving::Owing), "node vm-1 left service: it owed a confirmation");
    assert_eq!(left(Leaving::Replaced), "node vm-1 left service: its name was enrolled anew");
}

#[test]
fn what_the_leader_goes_through_in_words() {
    let started = |absence| {
        words(Event::Started {
            epoch: Epoch(3),
            absence,
        })
    };
    assert_eq!(started(None), "leader started, epoch 3");
    let absence = Absence {
        from: NOW,
        until: NOW + Span::secs(1),
    };
    assert_eq!(
        started(Some(absence)),
        "leader started, epoch 3, there was none from 2026-11-23T06:05:04.000Z to 2026-11-23T06:05:05.000Z"
    );
    let settings = Settings::from_iter([crate::lifecycle::Profile::new("main".parse().unwrap(), KeySpec::Es256)]);
    assert_eq!(words(Event::Configured { settings }), "settings changed, profiles main");
    let began = Event::WaitBegan {
        wait: Wait::Remove(kid("a")),
        nodes: names(&["vm-2"]).into(),
    };
    assert_eq!(
        words(began),
        "schedule waits: key a could be removed, but a node has not confirmed its switch (rule R3), without vm-2"
    );
    assert_eq!(
        words(Event::WaitEnded {
            wait: Wait::Clock(Doubt::Behind)
        }),
        "schedule waits no more: the leader's clock stands before the last record (rule R9)"
    );
    let halt = Halt {
        node: "vm-1".parse().unwrap(),
        epoch: Epoch(4),
        generation: Generation(50),
        checkpoint: None,
    };
    assert_eq!(
        words(Event::Halted { halt }),
        "leader decides nothing more: node vm-1 has seen epoch 4 and generation 50"
    );
}

#[test]
fn a_restoration_in_words() {
    let words_of = |lost| {
        let restoration = crate::lifecycle::Restoration {
            version: crate::types::Version(41),
            taken_at: NOW,
            records: 90,
            later: 2,
        };
        words(Event::Restored { restoration, lost })
    };
    let of = "leader restored from version 41 of 2026-11-23T06:05:04.000Z, with 90 records and 2 later ones";
    assert_eq!(words_of(vec![]), of);
    assert_eq!(
        words_of(vec![kid("a")]),
        format!("{of}; removed, because the private half is lost: a")
    );
}

#[test]
fn the_life_of_an_encryption_key_in_words() {
    let published = |grounds| {
        let (kid, replace_at, why) = (kid("a"), NOW, Why::default());
        words(Event::Published {
            kid,
            replace_at,
            grounds,
            why,
        })
    };
    let scheduled = Grounds::Scheduled { evidence: evidence() };
    assert_eq!(published(scheduled), "key a published, to be encrypted to (scheduled)");
    let missing = vec!["vm-1".parse().unwrap()].into();
    assert_eq!(
        published(Grounds::Forced { missing }),
        "key a published, to be encrypted to (forced, without vm-1)"
    );
    let unpublished = |successor| {
        words(Event::Unpublished {
            kid: kid("a"),
            successor,
        })
    };
    assert_eq!(unpublished(Some(kid("b"))), "key a unpublished, b took over");
    assert_eq!(unpublished(None), "key a unpublished, nothing took over");
    let discarded = |published_until| {
        words(Event::Discarded {
            kid: kid("a"),
            published_until,
            evidence: evidence(),
        })
    };
    assert_eq!(discarded(None), "key a removed, it was never published");
    assert_eq!(
        discarded(Some(NOW)),
        "key a removed, was published until 2026-11-23T06:05:04.000Z"
    );
    let kept = Event::Revoked {
        kid: kid("a"),
        reason: Reason::Superseded,
        comment: None,
        private_half: PrivateHalf::Kept,
    };
    assert_eq!(words(kept), "key a revoked, its private half kept to decrypt  [superseded]");
    let waits = |wait| words(Event::WaitEnded { wait });
    assert!(waits(Wait::Publish("enc".parse().unwrap())).ends_with("(rule E1)"));
    assert!(waits(Wait::Discard(kid("a"))).ends_with("(rule E2)"));
}
