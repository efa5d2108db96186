//! E1: an encryption key is published only when every node in service has confirmed its private half.

use super::bench::*;
use super::r5_adopt::SetBack;
use crate::lifecycle::*;
use crate::types::*;

const STEP: Span = Span::mins(10);

/// 47 hours in: the next key is staged, and nobody has confirmed it.
fn staged() -> Bench {
    let mut bench = Bench::with_profile(ENC, &["a", "b"]);
    bench.pass(Span::mins(46 * 60 + 50), STEP, &["a", "b"]);
    assert_eq!(bench.staged(), None, "its private half is on no node before arm_lead");
    bench.now = bench.now + STEP;
    bench.settle();
    assert!(bench.staged().is_some());
    bench
}

#[test]
fn e1_a_key_is_published_only_when_every_node_in_service_holds_its_private_half() {
    let mut bench = staged();
    let (before, next) = (bench.encrypted_to().unwrap(), bench.staged().unwrap());
    bench.pass(Span::hours(3), STEP, &["a"]);
    assert_eq!(
        bench.encrypted_to(),
        Some(before.clone()),
        "b has not confirmed the private half"
    );
    let waits = |event: &Event| matches!(event, Event::WaitBegan { wait: Wait::Publish(_), nodes } if nodes.first == [name("b")]);
    assert!(bench.when(waits).is_some(), "R7: the wait is recorded and names the node");
    let generation = bench.state.head.generation;
    bench.confirm("b");
    bench.settle();
    assert_eq!(bench.encrypted_to(), Some(next));
    assert_eq!(
        bench.state.head.generation,
        generation.next(),
        "one generation publishes the new key and unpublishes the old one"
    );
    assert!(matches!(bench.state.keys[&before].phase, Phase::Unpublished { .. }));
    assert!(
        bench
            .when(|event| matches!(event, Event::WaitEnded { wait: Wait::Publish(_) }))
            .is_some()
    );
}

#[test]
fn e1_in_quiet_times_a_key_is_published_when_its_time_has_come() {
    let mut bench = staged();
    let next = bench.staged().unwrap();
    bench.pass(Span::mins(59), STEP, &["a", "b"]);
    assert_ne!(bench.encrypted_to().as_ref(), Some(&next), "it is not due");
    bench.pass(Span::mins(1), STEP, &["a", "b"]);
    assert_eq!(bench.encrypted_to(), Some(next));
}

#[test]
fn e1_the_first_key_of_a_profile_is_staged_like_any_other() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    bench.run(&Command::Configure(settings(&[RSA, ENC]))).unwrap();
    bench.settle();
    assert!(bench.staged().is_some() && bench.encrypted_to().is_none());
    bench.confirm("a");
    bench.settle();
    assert!(bench.encrypted_to().is_none());
    bench.confirm("b");
    bench.settle();
    assert!(bench.staged().is_none() && bench.encrypted_to().is_some());
}

#[test]
fn e1_a_node_whose_hooks_failed_has_not_confirmed() {
    let mut bench = staged();
    bench.confirm("a");
    let mut installed = bench.installed("b");
    installed.hooks_succeeded = false;
    bench.report("b", Some(installed));
    bench.pass(Span::hours(2), STEP, &["a"]);
    assert!(bench.staged().is_some());
}

#[test]
fn e1_a_node_that_has_lost_the_private_half_is_waited_for_again() {
    for lost in [true, false] {
        let mut bench = staged();
        let kid = bench.staged().unwrap();
        bench.confirm("a");
        bench.confirm("b");
        let mut installed = bench.installed("b");
        installed.decrypting.remove(&kid);
        bench.report("b", (!lost).then_some(installed));
        bench.pass(Span::hours(2), STEP, &["a"]);
        assert_eq!(bench.staged(), Some(kid));
        bench.confirm("b");
        bench.settle();
        assert_eq!(bench.staged(), None);
    }
}

#[test]
fn e1_a_half_in_the_sealed_cache_alone_opens_nothing() {
    let mut bench = staged();
    let kid = bench.staged().unwrap();
    bench.confirm("a");
    let mut installed = bench.installed("b");
    installed.decrypting.remove(&kid);
    assert!(installed.held.contains(&kid));
    bench.report("b", Some(installed));
    bench.pass(Span::hours(2), STEP, &["a"]);
    assert_eq!(bench.staged(), Some(kid));
}

#[test]
fn e1_a_node_that_has_left_service_is_waited_for_no_more() {
    let mut bench = staged();
    let next = bench.staged().unwrap();
    bench.pass(Span::hours(23), STEP, &["a"]);
    assert!(bench.in_service("b") && bench.encrypted_to().as_ref() != Some(&next));
    bench.pass(Span::hours(2), STEP, &["a"]);
    assert!(!bench.in_service("b"));
    assert_eq!(bench.encrypted_to(), Some(next));
}

#[test]
fn e1_a_node_comes_into_service_with_every_private_half() {
    let mut bench = staged();
    let next = bench.staged().unwrap();
    bench.confirm("a");
    bench.confirm("b");
    bench.join("c");
    bench.pass(Span::hours(2), STEP, &["a", "b"]);
    assert_eq!(
        bench.encrypted_to(),
        Some(next.clone()),
        "a node that joins is not waited for"
    );
    bench.confirm("c");
    bench.settle();
    let enrolment = bench.state.nodes[&name("c")].enrolment;
    assert!(bench.in_service("c") && bench.seen[&enrolment].decrypting.contains_key(&next));
}

/// A leader that went on after it lost what its nodes publish, and that key.
fn with_a_key_that_only_nodes_have() -> (SetBack, Kid) {
    let fleet = Bench::with_profile(ENC, &["a", "b"]);
    let mut fleet = SetBack::of(fleet, |bench| bench.pass(Span::hours(40), Span::mins(30), &["a", "b"]));
    let lost = fleet.lost.encrypted_to().unwrap();
    fleet.adopt();
    (fleet, lost)
}

/// All that a node should hold, but for the private half of a key.
fn reports_without(fleet: &mut SetBack, node: &str, kid: &Kid) {
    let mut installed = fleet.old.installed(node);
    installed.decrypting.remove(kid);
    installed.held.remove(kid);
    fleet.old.report(node, Some(installed));
}

/// A key that the leader took over from its nodes: a node that joins is never sent its private half.
#[test]
fn e1_a_node_that_can_not_open_what_others_can_comes_into_service_once_it_need_not() {
    let (mut fleet, lost) = with_a_key_that_only_nodes_have();
    fleet.old.join("c");
    let serves = |fleet: &SetBack| matches!(fleet.old.state.nodes[&name("c")].standing, Standing::InService { .. });
    let confirms = |fleet: &mut SetBack| {
        for node in ["a", "b"] {
            fleet.old.confirm(node);
        }
        fleet.old.settle();
        reports_without(fleet, "c", &lost);
        let sighting = &fleet.old.seen[&fleet.enrolment("c")];
        assert_eq!(sighting.confirmed_generation(), fleet.old.state.head.generation);
        fleet.old.settle();
    };
    confirms(&mut fleet);
    assert!(!serves(&fleet), "relying parties encrypt to {lost}");
    fleet.pass(Span::hours(3));
    confirms(&mut fleet);
    assert!(!serves(&fleet), "they may have done so less than `decrypt_window` ago");
    fleet.pass(Span::hours(30));
    assert!(!fleet.old.state.keys.contains_key(&lost));
    confirms(&mut fleet);
    assert!(serves(&fleet));
}

/// The one that comes back in the same moment opens it.
#[test]
fn e1_of_two_nodes_that_come_back_at_once_the_one_that_can_not_open_what_the_other_can_waits() {
    let (mut fleet, lost) = with_a_key_that_only_nodes_have();
    fleet.old.pass(Span::hours(25), Span::mins(30), &[]);
    assert!(!fleet.old.in_service("a") && !fleet.old.in_service("b"));
    assert!(fleet.old.state.keys.contains_key(&lost), "its `decrypt_window` lasts");
    reports_without(&mut fleet, "a", &lost);
    fleet.old.confirm("b");
    fleet.old.settle();
    assert!(fleet.old.in_service("b"));
    assert!(!fleet.old.in_service("a"));
}
