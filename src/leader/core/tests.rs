//! The core, driven by hand: what it asks for, and in which order.

mod adopting;
mod limits;
mod refusals;
mod vouched;

use std::collections::BTreeMap;

use super::*;
use crate::lifecycle::{Halt, Installed, Profile, Refusal, Report, RotateNow, Settings, Standing, Switches, view};
use crate::types::{Epoch, Generation, KeySpec, Kid, PublicKey, Reason, Span, WitnessKey};

pub(super) const START: Time = Time(1_800_000_000_000);

pub(super) fn settings() -> Settings {
    [Profile::new("rs256".parse().unwrap(), KeySpec::Es256)].into_iter().collect()
}

pub(super) fn key(kid: &str) -> PublicKey {
    let kid: Kid = kid.parse().unwrap();
    let jwk = BTreeMap::from([("kid".to_owned(), kid.to_string())]).try_into().unwrap();
    PublicKey {
        thumbprint: kid.to_string(),
        kid,
        spec: KeySpec::Es256,
        jwk,
        certificate_der: vec![],
    }
}

pub(super) fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

pub(super) fn asked(effects: &[Effect]) -> Option<u64> {
    effects.iter().find_map(|effect| match effect {
        Effect::MakeKey { serial, .. } => Some(*serial),
        _ => None,
    })
}

pub(super) fn operator(command: Command) -> Input {
    let actor = Actor::User {
        uid: 0,
        name: "root".to_owned(),
    };
    Input::Ask(Ask {
        ticket: Ticket(7),
        actor,
        request: "a request".to_owned(),
        command,
    })
}

/// A leader with one active key, one standby and nodes that have confirmed.
pub(super) fn leader_with(nodes: &[&str]) -> Leader {
    let mut leader = Leader::new(State::default(), Sightings::new(), Seq(0));
    let mut effects = leader.step(
        Input::Start {
            last_up: None,
            settings: settings(),
        },
        START,
    );
    for kid in ["first", "second"] {
        let serial = asked(&effects).expect("a key is wanted");
        let profile = "rs256".parse().unwrap();
        effects = leader.step(
            Input::KeyMade {
                profile,
                serial,
                key: Box::new(key(kid)),
            },
            START,
        );
    }
    assert_eq!(asked(&effects), None);
    for node in nodes {
        enrol(&mut leader, node, START);
        confirm(&mut leader, node, START);
    }
    leader
}

pub(super) fn enrol(leader: &mut Leader, node: &str, now: impl Into<Now>) -> Vec<Effect> {
    let now = now.into();
    let token = Digest::of(format!("{node}{}", leader.state().last_enrolment).as_bytes());
    let expires_at = now.wall + Span::hours(1);
    leader.step(
        operator(Command::IssueToken {
            token,
            node: name(node),
            expires_at,
            only_new_name: false,
        }),
        now,
    );
    let (tls_key, witness_key) = (Digest([1; 32]), WitnessKey([2; 32]));
    leader.step(
        operator(Command::Enrol {
            token,
            node: name(node),
            tls_key,
            witness_key,
        }),
        now,
    )
}

pub(super) fn report_of(leader: &Leader, now: Time) -> Report {
    let set = leader.state().key_set();
    let view = view(&set, &Switches::new(), now);
    let installed = Installed::whole(&view);
    let (highest_epoch, highest_generation) = (leader.state().epoch, set.generation);
    Report {
        sent_at: now,
        highest_epoch,
        highest_generation,
        checkpoint: None,
        refused: None,
        gone: std::collections::BTreeSet::new(),
        installed: Some(installed),
        problem: None,
        failing: Vec::new(),
    }
}

pub(super) fn confirm(leader: &mut Leader, node: &str, now: Time) -> Vec<Effect> {
    confirm_by(leader, node, now, now.into())
}

/// A confirmation of a node whose clock shows `its_clock`.
pub(super) fn confirm_by(leader: &mut Leader, node: &str, its_clock: Time, now: Now) -> Vec<Effect> {
    let (enrolment, report) = (leader.state().nodes[&name(node)].enrolment, report_of(leader, its_clock));
    leader.step(
        Input::Report {
            node: name(node),
            enrolment,
            report,
        },
        now,
    );
    leader.step(Input::Settle, now);
    leader.step(Input::Settled, now)
}

#[test]
fn r7_a_generation_is_published_and_a_caller_answered_only_after_the_commit() {
    let mut leader = leader_with(&["a"]);
    let (kid, reason) = ("second".parse().unwrap(), Reason::Compromised);
    let effects = leader.step(
        operator(Command::Revoke {
            kid,
            reason,
            comment: None,
            destroy: false,
        }),
        START,
    );
    let place = |is: fn(&Effect) -> bool| effects.iter().position(is).unwrap();
    let commit = place(|effect| matches!(effect, Effect::Commit(_)));
    assert!(commit < place(|effect| matches!(effect, Effect::Publish)));
    assert!(commit < place(|effect| matches!(effect, Effect::Reply { .. })));
}

#[test]
fn r7_a_refused_caller_leaves_a_record() {
    let mut leader = leader_with(&["a"]);
    let (kid, reason) = ("nobody".parse().unwrap(), Reason::Compromised);
    let effects = leader.step(
        operator(Command::Revoke {
            kid,
            reason,
            comment: None,
            destroy: false,
        }),
        START,
    );
    let Effect::Commit(commit) = &effects[0] else {
        panic!("{effects:?}")
    };
    let [record] = &commit.records[..] else {
        panic!("{:?}", commit.records)
    };
    assert!(matches!(&record.event, Event::Refused { refusal, .. } if refusal.contains("nobody")));
    assert!(matches!(
        &effects[1],
        Effect::Reply {
            answer: Err(Refusal::NoKey(_)),
            ..
        }
    ));
}

#[test]
fn records_are_numbered_without_a_gap_and_say_what_nodes_must_hold() {
    let mut leader = Leader::new(State::default(), Sightings::new(), Seq(40));
    let mut seqs = Vec::new();
    let mut effects = leader.step(
        Input::Start {
            last_up: None,
            settings: settings(),
        },
        START,
    );
    let serial = asked(&effects).unwrap();
    effects.extend(leader.step(
        Input::KeyMade {
            profile: "rs256".parse().unwrap(),
            serial,
            key: Box::new(key("first")),
        },
        START,
    ));
    for effect in &effects {
        if let Effect::Commit(commit) = effect {
            seqs.extend(commit.records.iter().map(|record| record.seq.0));
            let (_, digest) = public_form(&commit.state.key_set());
            assert!(commit.records.iter().all(|record| record.digest == digest));
        }
    }
    assert_eq!(seqs, (40..40 + seqs.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_confirmation_counts_only_once_it_is_durable() {
    let mut leader = leader_with(&[]);
    enrol(&mut leader, "a", START);
    let (enrolment, report) = (leader.state().nodes[&name("a")].enrolment, report_of(&leader, START));
    leader.step(
        Input::Report {
            node: name("a"),
            enrolment,
            report,
        },
        START,
    );
    assert!(leader.sighting(&name("a")).is_none());
    let effects = leader.step(Input::Settle, START);
    assert!(matches!(&effects[..], [Effect::Observe(rows)] if rows.len() == 1));
    assert_eq!(leader.state().nodes[&name("a")].standing, Standing::Joining);
    let effects = leader.step(Input::Settled, START);
    assert!(matches!(
        leader.state().nodes[&name("a")].standing,
        Standing::InService { .. }
    ));
    let answered = effects
        .iter()
        .any(|effect| matches!(effect, Effect::Answer { answer, .. } if answer.in_service));
    assert!(answered, "{effects:?}");
}

#[test]
fn r5_a_node_that_is_further_on_halts_the_leader() {
    let mut leader = leader_with(&["a"]);
    let enrolment = leader.state().nodes[&name("a")].enrolment;
    let mut report = report_of(&leader, START);
    report.highest_generation = Generation(99);
    leader.step(
        Input::Report {
            node: name("a"),
            enrolment,
            report,
        },
        START,
    );
    assert!(leader.state().halted.is_some());
    let late = START + Span::hours(60);
    assert!(leader.step(Input::Woke, late).is_empty());
    let hasten = Command::Hasten {
        profiles: vec![],
        why: crate::lifecycle::Why::default(),
    };
    let effects = leader.step(operator(hasten), late);
    assert!(effects.iter().any(|effect| matches!(
        effect,
        Effect::Reply {
            answer: Err(Refusal::Halted(_)),
            ..
        }
    )));
}

#[test]
fn r5_a_higher_epoch_halts_it_too() {
    let mut leader = leader_with(&["a"]);
    let enrolment = leader.state().nodes[&name("a")].enrolment;
    let mut report = report_of(&leader, START);
    report.highest_epoch = Epoch(99);
    leader.step(
        Input::Report {
            node: name("a"),
            enrolment,
            report,
        },
        START,
    );
    assert!(leader.state().halted.is_some());
}

#[test]
fn an_enrolment_that_has_ended_is_forgotten_whether_it_was_seen_or_not_and_not_heard() {
    for mut leader in [leader_with(&["a"]), leader_with(&[])] {
        if !leader.state().nodes.contains_key(&name("a")) {
            enrol(&mut leader, "a", START);
        }
        let (enrolment, report) = (leader.state().nodes[&name("a")].enrolment, report_of(&leader, START));
        let node = name("a");
        leader.step(Input::Report { node, enrolment, report }, START);
        let effects = enrol(&mut leader, "a", START);
        let forgotten = |effect: &Effect| matches!(effect, Effect::Forget(old) if *old == enrolment);
        assert!(effects.iter().any(forgotten), "{effects:?}");
        let (node, report) = (name("a"), report_of(&leader, START));
        leader.step(Input::Report { node, enrolment, report }, START);
        assert!(leader.step(Input::Settle, START).is_empty());
        assert!(leader.sighting(&name("a")).is_none());
    }
}

#[test]
fn a_key_in_the_making_is_dropped_when_everything_is_reported_compromised() {
    let mut leader = Leader::new(State::default(), Sightings::new(), Seq(0));
    let effects = leader.step(
        Input::Start {
            last_up: None,
            settings: settings(),
        },
        START,
    );
    let serial = asked(&effects).unwrap();
    let all = RotateNow {
        profiles: vec![],
        compromised: Some(crate::lifecycle::Compromised::All),
        take: None,
        force: false,
        reason: Reason::Compromised,
        comment: None,
        destroy: false,
    };
    let effects = leader.step(operator(Command::RotateNow(all)), START);
    let again = asked(&effects).expect("a new one is asked for");
    assert_ne!(serial, again);
    let profile = "rs256".parse().unwrap();
    let effects = leader.step(
        Input::KeyMade {
            profile,
            serial,
            key: Box::new(key("old")),
        },
        START,
    );
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Drop(kid) if kid.as_str() == "old"))
    );
    assert!(leader.state().keys.is_empty());
}

#[test]
fn a_private_half_is_destroyed_after_it_retired_and_before_that_is_recorded() {
    let mut leader = leader_with(&["a"]);
    let mut all = Vec::new();
    for hours in 1..=49 {
        let now = START + Span::hours(hours);
        let mut effects = confirm(&mut leader, "a", now);
        effects.extend(leader.step(Input::Woke, now));
        while let Some(serial) = asked(&effects) {
            let profile = "rs256".parse().unwrap();
            let kid = format!("key-{serial}");
            effects = leader.step(
                Input::KeyMade {
                    profile,
                    serial,
                    key: Box::new(key(&kid)),
                },
                now,
            );
        }
        all.extend(effects);
    }
    let first: Kid = "first".parse().unwrap();
    let records = |effect: &Effect, is: fn(&Event, &Kid) -> bool| match effect {
        Effect::Commit(commit) => commit.records.iter().any(|record| is(&record.event, &first)),
        _ => false,
    };
    let retired = |event: &Event, first: &Kid| matches!(event, Event::Retired { kid, .. } if kid == first);
    let recorded = |event: &Event, first: &Kid| matches!(event, Event::Destroyed { kid } if kid == first);
    let destroys = |effect: &Effect| matches!(effect, Effect::Destroy(kids) if kids.contains(&first));
    let order = [
        all.iter().position(|effect| records(effect, retired)).expect("it retired"),
        all.iter().position(destroys).expect("it was destroyed"),
        all.iter()
            .position(|effect| records(effect, recorded))
            .expect("that was recorded"),
    ];
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(all.iter().filter(|effect| matches!(effect, Effect::Destroy(_))).count(), 1);
}
