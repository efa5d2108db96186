//! Nodes that an operator revokes or removes.

use std::collections::BTreeSet;

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

fn end(node: &str, ending: Ending) -> Command {
    Command::EndNode {
        node: name(node),
        ending,
        comment: Some("on the ninth floor".parse().unwrap()),
    }
}

fn farewell(events: &[Event]) -> &Farewell {
    let of = |event: &'_ Event| matches!(event, Event::NodeRevoked { .. } | Event::NodeRemoved { .. });
    match events.iter().find(|event| of(event)) {
        Some(Event::NodeRevoked { farewell } | Event::NodeRemoved { farewell }) => farewell,
        _ => panic!("no node ended: {events:?}"),
    }
}

#[test]
fn a_node_that_is_taken_out_leaves_service_and_the_node_table_in_one_step() {
    for ending in [Ending::Revoked, Ending::Removed] {
        let mut bench = Bench::with_nodes(&["a", "b"]);
        let tls_key = bench.state.nodes[&name("b")].tls_key;
        let generation = bench.state.head.generation;
        let events = bench.run(&end("b", ending)).unwrap().events;
        let names: Vec<_> = events.iter().map(Event::name).collect();
        assert_eq!(names, ["left_service", &format!("node_{ending}")]);
        assert!(events.iter().all(|event| event.names(&name("b")) && !event.names(&name("a"))));
        assert!(!bench.state.nodes.contains_key(&name("b")));
        assert_eq!(bench.state.ended(tls_key).map(|ended| ended.ending), Some(ending));
        assert_eq!(bench.state.head.generation, generation, "nothing changes for the others");
    }
}

#[test]
fn the_keys_that_it_may_hold_are_named() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    let (active, standby) = (bench.active(), bench.standby());
    let held = |bench: &Bench| {
        let decision = decide(&bench.state, &bench.seen, &end("b", Ending::Revoked), bench.now).unwrap();
        farewell(&decision.events).held.iter().cloned().collect::<BTreeSet<_>>()
    };
    assert_eq!(
        held(&bench),
        BTreeSet::from([active.clone()]),
        "a standby has never left the leader"
    );
    bench.pass(Span::hours(47) + Span::mins(30), Span::mins(10), &["a", "b"]);
    assert_eq!(
        held(&bench),
        BTreeSet::from([active.clone(), standby.clone()]),
        "an armed one has"
    );
    bench.pass(Span::mins(40), Span::mins(10), &["a"]);
    assert_eq!(bench.active(), standby);
    assert_eq!(
        held(&bench),
        BTreeSet::from([active, standby.clone()]),
        "it has not confirmed its switch"
    );
    bench.confirm("b");
    bench.settle();
    assert_eq!(held(&bench), BTreeSet::from([standby]));
}

#[test]
fn a_key_that_came_to_be_long_after_it_was_heard_is_not_among_them() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    bench.pass(Span::hours(200), Span::mins(30), &["a"]);
    let events = bench.run(&end("b", Ending::Removed)).unwrap().events;
    assert_eq!(events.len(), 1, "it was out of service");
    assert!(!farewell(&events).held.contains(&bench.active()));
}

#[test]
fn a_node_that_never_came_holds_nothing() {
    let mut bench = Bench::with_nodes(&["a"]);
    bench.join("late");
    let events = bench.run(&end("late", Ending::Removed)).unwrap().events;
    assert_eq!(farewell(&events).held, []);
}

/// The keys of which a node would be named as the last holder, if it were taken out.
fn last_holder_of(bench: &Bench, node: &str) -> Vec<Kid> {
    let decision = decide(&bench.state, &bench.seen, &end(node, Ending::Removed), bench.now).unwrap();
    farewell(&decision.events).last_holder_of.clone()
}

/// Node `node` reports that it is as it should be, and without this private half.
fn confirm_without(bench: &mut Bench, node: &str, kid: &Kid) {
    let mut installed = bench.installed(node);
    for halves in [&mut installed.held, &mut installed.signing, &mut installed.decrypting] {
        halves.remove(kid);
    }
    bench.report(node, Some(installed));
}

/// The leader is without the private half of the key that is in use, which it has taken over from nodes `a` and `b`; `c` is without it
/// too, and `joining` was never heard.
fn inherited(profile: &str) -> (Bench, Kid) {
    let mut bench = Bench::with_profile(profile, &["a", "b", "c"]);
    let in_use = |phase: &Phase| matches!(phase, Phase::Active { .. } | Phase::Published { .. });
    let kid = bench.kid_in(in_use).unwrap();
    bench.join("joining");
    let key = bench.state.keys.get_mut(&kid).unwrap();
    (key.inherited, key.published_at) = (true, bench.now);
    bench.now = bench.now + Span::secs(1);
    bench.confirm("a");
    bench.confirm("b");
    confirm_without(&mut bench, "c", &kid);
    (bench, kid)
}

#[test]
fn the_last_node_with_a_private_half_that_the_leader_is_without_is_named_as_that() {
    for profile in ["web", "enc"] {
        let (mut bench, kid) = inherited(profile);
        for node in ["a", "b", "c", "joining"] {
            assert_eq!(last_holder_of(&bench, node), [], "{node}: another has it");
        }
        bench.run(&end("b", Ending::Revoked)).unwrap();
        assert_eq!(last_holder_of(&bench, "a"), std::slice::from_ref(&kid));
        let mut whole = bench.clone();
        whole.state.keys.get_mut(&kid).unwrap().inherited = false;
        assert_eq!(last_holder_of(&whole, "a"), [], "the leader has it");

        bench.run(&end("a", Ending::Revoked)).unwrap();
        assert_eq!(last_holder_of(&bench, "c"), [], "it has said that it is without it");
        assert_eq!(last_holder_of(&bench, "joining"), [], "it never had a view");
    }
}

#[test]
fn only_a_node_that_has_said_so_since_counts_as_another_holder() {
    let (mut bench, kid) = inherited("web");
    confirm_without(&mut bench, "b", &kid);
    assert_eq!(last_holder_of(&bench, "a"), std::slice::from_ref(&kid), "it has lost it");
    bench.confirm("b");
    assert_eq!(last_holder_of(&bench, "a"), []);
    bench.report("b", None);
    assert_eq!(last_holder_of(&bench, "a"), std::slice::from_ref(&kid), "it holds no view");
    bench.confirm("b");
    bench.state.keys.get_mut(&kid).unwrap().published_at = bench.now;
    bench.now = bench.now + Span::secs(1);
    bench.confirm("a");
    let last = last_holder_of(&bench, "a");
    assert_eq!(
        last,
        std::slice::from_ref(&kid),
        "it was not heard since the key was taken over"
    );
}

#[test]
fn a_log_that_calls_a_node_the_last_holder_of_what_the_leader_has_is_refused() {
    let (bench, kid) = inherited("web");
    let mut events = bench.diverged().run(&end("a", Ending::Removed)).unwrap().events;
    bench.state.clone().replay(&events, bench.now).unwrap();
    let Some(Event::NodeRemoved { farewell }) = events.last_mut() else {
        panic!("{events:?}");
    };
    farewell.last_holder_of = vec![kid.clone()];
    bench.state.clone().replay(&events, bench.now).unwrap();
    let mut whole = bench.state.clone();
    whole.keys.get_mut(&kid).unwrap().inherited = false;
    let why = whole.replay(&events, bench.now).unwrap_err().to_string();
    assert!(why.contains("was not on nodes only"), "{why}");
}

/// The leader is restored from a copy that has the state, and nothing of what nodes had reported.
fn put_back(bench: &mut Bench) {
    let restoration = Restoration {
        version: Version(7),
        taken_at: bench.now,
        records: 9,
        later: 0,
    };
    let lost = Vec::new();
    bench.state.apply(&[Event::Restored { restoration, lost }], bench.now);
    bench.state.halted = None;
    bench.seen.clear();
}

#[test]
fn r8_of_a_node_that_was_not_heard_since_a_restore_nothing_is_known() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    bench.join("joining");
    bench.pass(Span::hours(200), Span::mins(30), &["a", "b"]);
    let active = bench.active();
    put_back(&mut bench);
    bench.now = bench.now + Span::mins(1);
    bench.join("new");
    let unknown = |bench: &Bench| {
        let nodes = bench.state.nodes.iter();
        let unknown = nodes.filter(|(_, node)| is_unknown(&bench.state, &bench.seen, node));
        unknown.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(unknown(&bench), [name("a"), name("b"), name("joining")]);
    for (node, holds) in [("b", true), ("joining", true), ("new", false)] {
        let decision = decide(&bench.state, &bench.seen, &end(node, Ending::Revoked), bench.now).unwrap();
        let held = &farewell(&decision.events).held;
        assert_eq!(held.contains(&active), holds, "{node}: it came to be long after it joined");
    }
    let revoke = Command::Revoke {
        kid: active.clone(),
        reason: Reason::Compromised,
        comment: None,
        destroy: false,
    };
    let decision = decide(&bench.state, &bench.seen, &revoke, bench.now).unwrap();
    bench.state.apply(&decision.events, bench.now);
    let missing = unconfirmed(&bench.state, &bench.seen, &active);
    assert_eq!(missing, [name("a"), name("b"), name("joining")]);
    bench.confirm("b");
    bench.settle();
    assert_eq!(unknown(&bench), [name("a"), name("joining")]);
}

#[test]
fn r3_what_it_may_have_signed_with_stays_until_it_expires() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    bench.pass(Span::hours(48) + Span::mins(10), Span::mins(10), &["a", "b"]);
    let retiring = bench.state.keys.values().find(|key| key.phase.name() == "retiring");
    let kid = retiring.unwrap().kid().clone();
    // The last that is known of it is that it holds the key.
    let sighting = bench.state.nodes[&name("b")].enrolment;
    bench.seen.get_mut(&sighting).unwrap().released.clear();
    bench.now = bench.now + Span::mins(20);
    bench.run(&end("b", Ending::Revoked)).unwrap();
    let ended_at = bench.now;
    bench.pass(Span::hours(3), Span::mins(5), &["a"]);
    let removed_at = bench.when(|event| matches!(event, Event::Removed { kid: removed, .. } if *removed == kid));
    let expired_at = ended_at + Span::hours(1) + Span::mins(5);
    assert!(removed_at.is_some_and(|at| at >= expired_at), "{removed_at:?} {expired_at}");
}

#[test]
fn r1_what_it_may_have_served_counts_from_its_end() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    let old = bench.installed("b");
    let kid = bench.standby();
    let revoke = Command::Revoke {
        kid,
        reason: Reason::Superseded,
        comment: None,
        destroy: false,
    };
    bench.run(&revoke).unwrap();
    bench.settle();
    bench.confirm("a");
    bench.settle();
    let standby = bench.standby();
    for _ in 0..20 {
        bench.now = bench.now + Span::hours(1);
        bench.confirm("a");
        bench.report("b", Some(old.clone()));
        bench.settle();
    }
    bench.run(&end("b", Ending::Removed)).unwrap();
    assert_eq!(bench.state.keys[&standby].unpublished_until, bench.now);
}

#[test]
fn r8_a_revocation_names_a_node_that_ended_before_it_confirmed() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    let stolen = bench.active();
    bench
        .run(&Command::RotateNow(compromised(Compromised::Key(stolen.clone()), false)))
        .unwrap();
    bench.settle();
    bench.confirm("a");
    bench.settle();
    let events = bench.run(&end("b", Ending::Revoked)).unwrap().events;
    assert_eq!(farewell(&events).unconfirmed, std::slice::from_ref(&stolen));
    bench.settle();
    let confirmed = bench.events.iter().find_map(|(_, event)| match event {
        Event::RevocationConfirmed {
            replaced, trusted_until, ..
        } => Some((replaced.clone(), *trusted_until)),
        _ => None,
    });
    assert_eq!(confirmed, Some((vec![name("b")].into(), None)), "what it holds is not known");
}

#[test]
fn its_tokens_let_nobody_in() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    let token = Digest::of(b"a spare token");
    let expires_at = bench.now + Span::hours(1);
    let node = name("b");
    bench.issue(token, node, expires_at);
    bench.run(&end("b", Ending::Revoked)).unwrap();
    let enrol = Command::Enrol {
        token,
        node: name("b"),
        tls_key: Digest::of(b"a thief"),
        witness_key: WitnessKey([7; 32]),
    };
    assert_eq!(bench.run(&enrol), Err(Refusal::NoToken));
}

#[test]
fn it_comes_back_by_a_new_enrolment_and_what_is_remembered_of_it_ends_in_time() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    let (tls_key, enrolment) = (bench.state.nodes[&name("b")].tls_key, bench.state.nodes[&name("b")].enrolment);
    bench.state.disbelieved.insert(enrolment);
    bench.run(&end("b", Ending::Revoked)).unwrap();
    assert!(bench.state.disbelieved.is_empty());
    let again = bench.run(&end("b", Ending::Removed)).unwrap_err().to_string();
    assert!(again.contains("node b was revoked at"), "{again}");
    assert!(matches!(bench.run(&end("c", Ending::Removed)), Err(Refusal::NoNode(_))));
    bench.join("b");
    bench.confirm("b");
    bench.settle();
    assert!(bench.in_service("b"));
    assert!(
        bench.state.ended(tls_key).is_some(),
        "the key that was let in before is known still"
    );
    bench.pass(Span::hours(91 * 24), Span::hours(6), &["a", "b"]);
    bench.run(&end("b", Ending::Removed)).unwrap();
    assert!(bench.state.ended(tls_key).is_none());
    assert_eq!(bench.state.ended.len(), 1);
}
