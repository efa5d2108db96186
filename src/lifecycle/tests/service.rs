//! In service, evicted, returned.

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

#[test]
fn a_node_is_in_service_from_its_first_confirmation_of_the_newest_generation() {
    let mut bench = Bench::started(&[RSA]);
    bench.join("a");
    bench.settle();
    assert_eq!(bench.standing("a"), Standing::Joining);
    bench.confirm("a");
    bench.settle();
    assert!(bench.in_service("a"));
}

#[test]
fn no_node_enters_service_before_every_profile_has_its_first_key() {
    let mut bench = Bench::started(&[]);
    bench.run(&Command::Configure(settings(&[RSA, "slow"]))).unwrap();
    let quick = bench.key_made(&profile(RSA));
    bench.run(&quick).unwrap();
    bench.join("a");
    bench.confirm("a");
    bench.run(&Command::Tick).unwrap();
    assert_eq!(bench.standing("a"), Standing::Joining);
    bench.settle();
    assert!(bench.state.active(&profile("slow")).is_some(), "it is bootstrapped too");
    bench.confirm("a");
    bench.settle();
    assert!(bench.in_service("a"));
}

#[test]
fn a_silent_node_is_evicted_after_straggler_after_and_returns_by_confirming() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    bench.pass(Span::hours(24), Span::mins(10), &["a"]);
    assert!(bench.in_service("b"));
    bench.pass(Span::mins(20), Span::mins(10), &["a"]);
    assert!(matches!(bench.standing("b"), Standing::Evicted { .. }));
    assert!(bench.events.iter().any(|(_, event)| matches!(
        event,
        Event::LeftService {
            cause: Leaving::Silent,
            ..
        }
    )));
    bench.confirm("b");
    bench.settle();
    assert!(bench.in_service("b"));
}

#[test]
fn a_node_that_is_heard_but_owes_a_confirmation_is_evicted_too() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    let mut failing = bench.installed("b");
    failing.hooks_succeeded = false;
    let kid = bench.standby();
    bench
        .run(&Command::Revoke {
            kid,
            reason: Reason::Superseded,
            comment: None,
            destroy: false,
        })
        .unwrap();
    for _ in 0..(25 * 6) {
        bench.now = bench.now + Span::mins(10);
        bench.confirm("a");
        bench.report("b", Some(failing.clone()));
        bench.settle();
    }
    assert!(bench.events.iter().any(|(_, event)| matches!(
        event,
        Event::LeftService {
            cause: Leaving::Owing,
            ..
        }
    )));
}

#[test]
fn a_switch_that_is_due_is_owed_as_well() {
    let mut bench = Bench::with_nodes(&["a"]);
    bench.pass(Span::mins(47 * 60 + 30), Span::mins(5), &["a"]);
    let due = bench.armed().unwrap();
    let sighting = bench.seen.values().next().cloned();
    assert_eq!(owing_since(&bench.state, sighting.as_ref(), due - Span(1)), None);
    assert_eq!(owing_since(&bench.state, sighting.as_ref(), due), Some(due));
}

#[test]
fn time_in_which_the_leader_was_away_is_subtracted() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    bench.pass(Span::hours(10), Span::mins(10), &["a"]);
    let last_up = bench.now;
    bench.now = bench.now + Span::hours(20);
    bench.run(&Command::Start { last_up: Some(last_up) }).unwrap();
    bench.pass(Span::hours(13), Span::mins(10), &["a"]);
    assert!(bench.in_service("b"), "silent for 10 + 13 hours of the leader's presence");
    bench.pass(Span::hours(2), Span::mins(10), &["a"]);
    assert!(!bench.in_service("b"));
}

#[test]
fn nobody_is_evicted_in_the_first_start_grace() {
    let mut bench = Bench::with_nodes(&["a"]);
    bench.now = bench.now + Span::hours(30);
    // The leader was there all the time as far as its mark says.
    bench
        .run(&Command::Start {
            last_up: Some(bench.now),
        })
        .unwrap();
    bench.pass(Span::mins(9), Span::mins(1), &[]);
    assert!(bench.in_service("a"));
    bench.pass(Span::mins(2), Span::mins(1), &[]);
    assert!(!bench.in_service("a"));
}

#[test]
fn a_join_token_works_once_for_its_node_and_not_after_its_time() {
    let mut bench = Bench::started(&[RSA]);
    let token = Digest([9; 32]);
    let expires_at = bench.now + Span::hours(1);
    bench.issue(token, name("a"), expires_at);
    let enrol = |token, node: &str| Command::Enrol {
        token,
        node: name(node),
        tls_key: Digest([1; 32]),
        witness_key: WitnessKey([2; 32]),
    };
    assert_eq!(bench.run(&enrol(Digest([8; 32]), "a")), Err(Refusal::NoToken));
    assert_eq!(bench.run(&enrol(token, "b")), Err(Refusal::TokenForAnother(name("a"))));
    bench.run(&enrol(token, "a")).unwrap();
    assert_eq!(bench.run(&enrol(token, "a")), Err(Refusal::TokenUsed));
    let late = Digest([7; 32]);
    bench.issue(late, name("c"), expires_at);
    bench.now = expires_at;
    assert_eq!(bench.run(&enrol(late, "c")), Err(Refusal::TokenExpired(expires_at)));
}

#[test]
fn a_confirmation_that_is_withdrawn_is_owed_from_then_on() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    bench.pass(Span::hours(40), Span::mins(10), &["a", "b"]);
    bench.report("b", None);
    let withdrawn = bench.now;
    bench.settle();
    assert!(bench.in_service("b"), "it owes nothing for longer than a moment");
    while bench.in_service("b") {
        bench.now = bench.now + Span::mins(10);
        bench.confirm("a");
        bench.report("b", None);
        bench.settle();
    }
    assert_eq!(bench.now, withdrawn + Span::hours(24) + Span::mins(10));
}

#[test]
fn a_node_that_owes_is_evicted_however_many_generations_are_made() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    let old = bench.installed("b");
    for _ in 0..(25 * 6) {
        let (kid, reason) = (bench.standby(), Reason::Superseded);
        bench
            .run(&Command::Revoke {
                kid,
                reason,
                comment: None,
                destroy: false,
            })
            .unwrap();
        bench.now = bench.now + Span::mins(10);
        bench.settle();
        bench.confirm("a");
        bench.report("b", Some(old.clone()));
        bench.settle();
    }
    assert!(!bench.in_service("b"));
    assert!(bench.state.recent.len() < 400, "{}", bench.state.recent.len());
}

#[test]
fn an_absence_counts_however_long_a_later_one_was() {
    let mut bench = Bench::with_nodes(&["a"]);
    for away in [30, 100] {
        bench.now = bench.now + Span::hours(1);
        let last_up = bench.now;
        bench.now = bench.now + Span::hours(away);
        bench.run(&Command::Start { last_up: Some(last_up) }).unwrap();
    }
    bench.pass(Span::mins(30), Span::mins(5), &[]);
    assert!(
        bench.in_service("a"),
        "silent for two and a half hours of the leader's presence"
    );
}

#[test]
fn no_stretch_of_absence_is_counted_twice() {
    let mut bench = Bench::with_nodes(&["a"]);
    bench.now = bench.now + Span::hours(2);
    let last_up = bench.now;
    for _ in 0..3 {
        // The leader dies before it can note that it was there again.
        bench.now = bench.now + Span::hours(10);
        bench.run(&Command::Start { last_up: Some(last_up) }).unwrap();
    }
    assert_eq!(bench.state.present_for(START, bench.now), Span::hours(2));
}

#[test]
fn nobody_is_evicted_for_a_debt_in_the_first_start_grace_either() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    let old = bench.installed("b");
    let (kid, reason, comment) = (bench.standby(), Reason::Superseded, None);
    bench
        .run(&Command::Revoke {
            kid,
            reason,
            comment,
            destroy: false,
        })
        .unwrap();
    bench.settle();
    bench.now = bench.now + Span::mins(24 * 60 - 2);
    let last_up = Some(bench.now);
    bench.run(&Command::Start { last_up }).unwrap();
    for (mins, in_service) in [(5, true), (6, false)] {
        bench.now = bench.now + Span::mins(mins);
        bench.confirm("a");
        bench.report("b", Some(old.clone()));
        bench.settle();
        assert_eq!(bench.in_service("b"), in_service);
    }
}

#[test]
fn a_node_enters_service_only_with_the_newest_generation() {
    let mut bench = Bench::with_nodes(&["a"]);
    bench.join("new");
    let old = bench.installed("new");
    let (kid, reason, comment) = (bench.standby(), Reason::Superseded, None);
    bench
        .run(&Command::Revoke {
            kid,
            reason,
            comment,
            destroy: false,
        })
        .unwrap();
    bench.report("new", Some(old));
    bench.settle();
    assert_eq!(bench.standing("new"), Standing::Joining);
}
