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
    assert_eq!(sighting.released.get(&first), Some(&bench.now));
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
