//! R3, keep until expired.

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

/// A fleet at the instant of its first activation, with the leader's generation committed and no node's confirmation of it.
fn just_rotated(nodes: &[&str]) -> (Bench, Kid) {
    let mut bench = Bench::with_nodes(nodes);
    let first = bench.active();
    bench.pass(Span::mins(47 * 60 + 55), Span::mins(5), nodes);
    bench.now = bench.armed().unwrap();
    bench.settle();
    assert!(matches!(bench.state.keys[&first].phase, Phase::Retiring { .. }));
    (bench, first)
}

fn removed(bench: &Bench, kid: &Kid) -> Option<Time> {
    bench.when(|event| matches!(event, Event::Removed { kid: removed, .. } if removed == kid))
}

#[test]
fn r3_a_key_stays_for_a_token_lifetime_and_skew_after_the_last_confirmed_switch() {
    let (mut bench, first) = just_rotated(&["a", "b"]);
    bench.confirm("a");
    bench.now = bench.now + Span::mins(30);
    bench.confirm("b");
    let last_switch = bench.now;
    bench.pass(Span::mins(64), Span::mins(1), &["a", "b"]);
    assert!(bench.published().contains(&first));
    bench.pass(Span::mins(2), Span::mins(1), &["a", "b"]);
    assert_eq!(removed(&bench, &first), Some(last_switch + Span::hours(1) + Span::mins(5)));
}

#[test]
fn r3_a_node_that_has_not_switched_keeps_the_key_published() {
    let (mut bench, first) = just_rotated(&["a", "b"]);
    // Node b is heard, and still holds the generation before.
    let mut stuck = bench.installed("b");
    stuck.generation = Generation(stuck.generation.0 - 1);
    stuck.held.insert(first.clone());
    for _ in 0..(20 * 6) {
        bench.now = bench.now + Span::mins(10);
        bench.confirm("a");
        bench.report("b", Some(stuck.clone()));
        bench.settle();
    }
    assert!(bench.published().contains(&first));
    assert!(bench.state.waits.contains_key(&Wait::Remove(first.clone())));
}

#[test]
fn r3_a_node_that_left_counts_to_the_moment_it_left() {
    let (mut bench, first) = just_rotated(&["a", "b"]);
    bench.pass(Span::hours(27), Span::mins(5), &["a"]);
    let left = bench
        .when(|event| matches!(event, Event::LeftService { .. }))
        .expect("b was evicted");
    assert_eq!(removed(&bench, &first), Some(left + Span::hours(1) + Span::mins(5)));
}

#[test]
fn r3_a_confirmed_arming_is_not_a_switch() {
    let mut bench = Bench::with_nodes(&["a"]);
    let first = bench.active();
    bench.pass(Span::mins(47 * 60 + 30), Span::mins(5), &["a"]);
    assert!(bench.armed().is_some());
    bench.confirm("a");
    let sighting = bench.seen.values().next().unwrap();
    assert!(!sighting.released.contains_key(&first));
}

#[test]
fn r3_a_switch_by_the_clock_is_confirmed_before_the_leader_has_committed_it() {
    let mut bench = Bench::with_nodes(&["a"]);
    let first = bench.active();
    bench.pass(Span::mins(47 * 60 + 55), Span::mins(5), &["a"]);
    bench.now = bench.armed().unwrap();
    bench.confirm("a");
    let sighting = bench.seen.values().next().unwrap();
    let key = &bench.state.keys[&first];
    assert_eq!(sighting.released(&bench.state, key), Some(bench.now));
}

#[test]
fn r3_a_node_that_joined_later_never_had_the_key_and_is_not_waited_for() {
    let (mut bench, first) = just_rotated(&["a"]);
    bench.confirm("a");
    bench.now = bench.now + Span::mins(30);
    bench.join("new");
    bench.confirm("new");
    bench.settle();
    bench.pass(Span::mins(36), Span::mins(1), &["a", "new"]);
    assert!(removed(&bench, &first).is_some());
}

#[test]
fn r3_a_switch_that_was_confirmed_late_stands_when_its_node_leaves() {
    let (mut bench, first) = just_rotated(&["a", "b"]);
    bench.confirm("a");
    bench.now = bench.now + Span::hours(20);
    bench.confirm("b");
    let last_switch = bench.now;
    bench.join("b");
    bench.settle();
    assert!(
        bench.published().contains(&first),
        "tokens that b signed a moment ago live on"
    );
    bench.pass(Span::mins(66), Span::mins(1), &["a"]);
    assert_eq!(removed(&bench, &first), Some(last_switch + Span::hours(1) + Span::mins(5)));
}

#[test]
fn r3_a_switch_by_the_clock_does_not_count_once_the_key_was_sent_out_again() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    let first = bench.active();
    bench.pass(Span::mins(47 * 60 + 55), Span::mins(5), &["a", "b"]);
    let (armed, activate_at) = bench
        .state
        .armed(&profile(RSA))
        .map(|(key, at)| (key.kid().clone(), at))
        .unwrap();
    // The clock of node b is ahead: it switches, and the leader then revokes what it switched to.
    bench.now = activate_at;
    let early = bench.installed("b");
    bench.now = activate_at - Span::mins(2);
    bench.report("b", Some(early));
    bench
        .run(&Command::Revoke {
            kid: armed,
            reason: Reason::Superseded,
            comment: None,
            destroy: false,
        })
        .unwrap();
    let forced = RotateNow {
        profiles: vec![],
        compromised: None,
        take: None,
        force: true,
        reason: Reason::Superseded,
        comment: None,
        destroy: false,
    };
    bench.run(&Command::RotateNow(forced)).unwrap();
    let key = &bench.state.keys[&first];
    let Phase::Retiring { since, .. } = key.phase else {
        panic!("{key:?}");
    };
    let retirement = Retirement::of(&bench.state, &bench.seen, key, since);
    assert_eq!(retirement.missing, [name("a"), name("b")]);
}

#[test]
fn r3_an_armed_key_that_is_passed_over_stays_until_no_node_can_sign_with_it() {
    for put_away in [false, true] {
        let mut bench = Bench::with_nodes(&["a", "b"]);
        bench.pass(Span::mins(47 * 60 + 10), Span::mins(5), &["a", "b"]);
        let (armed, standby) = (
            bench.kid_in(|phase| matches!(phase, Phase::Armed { .. })).unwrap(),
            bench.standby(),
        );
        let command = if put_away {
            Command::Configure(settings(&["ec"]))
        } else {
            Command::RotateNow(RotateNow {
                profiles: vec![],
                compromised: None,
                take: Some(standby),
                force: true,
                reason: Reason::Superseded,
                comment: None,
                destroy: false,
            })
        };
        bench.run(&command).unwrap();
        bench.pass(Span::hours(5), Span::mins(10), &["a"]);
        assert!(
            bench.published().contains(&armed),
            "node b is cut off and signs with it by its clock"
        );
        bench.confirm("b");
        bench.pass(Span::mins(66), Span::mins(1), &["a", "b"]);
        assert!(!bench.published().contains(&armed));
    }
}

#[test]
fn r3_every_margin_allows_for_the_clock_that_another_profile_tolerates() {
    let mut bench = Bench::started(&[RSA]);
    let mut two = settings(&[RSA, "ec"]);
    two.profiles.get_mut(&profile("ec")).unwrap().windows.clock_skew = Span::mins(9);
    bench.run(&Command::Configure(two)).unwrap();
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
    assert!(bench.state.keys.values().all(|key| key.windows.clock_skew == Span::mins(9)));
    assert_eq!(bench.state.keys.len(), 4);
}
