//! R1, publish before sign.

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

fn publication(bench: &Bench) -> Publication {
    Publication::of(&bench.state, &bench.seen, &bench.state.keys[&bench.standby()])
}

/// A fleet that has just published a new standby which nobody has confirmed.
fn with_unconfirmed_standby(nodes: &[&str]) -> Bench {
    let mut bench = Bench::with_nodes(nodes);
    bench.pass(Span::hours(1), Span::mins(10), nodes);
    let kid = bench.standby();
    let reason = Reason::Compromised;
    bench
        .run(&Command::Revoke {
            kid,
            reason,
            comment: None,
            destroy: false,
        })
        .unwrap();
    bench.settle();
    bench
}

#[test]
fn r1_no_key_is_armed_before_every_node_in_service_has_confirmed_it() {
    let mut bench = with_unconfirmed_standby(&["a", "b"]);
    // Node b goes on reporting the generation before, so it is heard, and owes.
    let old = {
        let mut installed = bench.installed("b");
        installed.generation = Generation(installed.generation.0 - 1);
        installed.published.remove(&bench.standby());
        installed
    };
    for _ in 0..(23 * 6) {
        bench.now = bench.now + Span::mins(10);
        bench.confirm("a");
        bench.report("b", Some(old.clone()));
        bench.settle();
    }
    assert_eq!(publication(&bench).missing, [name("b")]);
    bench
        .run(&Command::Hasten {
            profiles: vec![],
            why: Why::default(),
        })
        .unwrap();
    bench.settle();
    assert_eq!(bench.armed(), None);
    assert!(bench.state.waits.contains_key(&Wait::Arm(profile(RSA))));
}

#[test]
fn r1_the_last_confirmation_starts_min_prepublish() {
    let mut bench = with_unconfirmed_standby(&["a", "b"]);
    bench.confirm("a");
    bench.now = bench.now + Span::hours(3);
    bench.confirm("b");
    assert_eq!(publication(&bench).ready_at, bench.now + Span::hours(26));
    assert!(publication(&bench).missing.is_empty());
}

#[test]
fn r1_a_node_that_left_without_the_key_counts_to_the_moment_it_left() {
    let mut bench = with_unconfirmed_standby(&["a", "b"]);
    bench.pass(Span::hours(25), Span::mins(10), &["a"]);
    let left = bench
        .when(|event| matches!(event, Event::LeftService { .. }))
        .expect("b was evicted");
    assert!(publication(&bench).missing.is_empty());
    assert_eq!(publication(&bench).ready_at, left + Span::hours(26));
}

#[test]
fn r1_a_new_node_that_comes_with_the_key_delays_nothing() {
    let mut bench = with_unconfirmed_standby(&["a"]);
    bench.confirm("a");
    let ready_at = publication(&bench).ready_at;
    bench.now = bench.now + Span::hours(20);
    bench.join("new");
    bench.confirm("new");
    bench.settle();
    assert!(bench.in_service("new"));
    assert_eq!(publication(&bench).ready_at, ready_at);
}

#[test]
fn r1_a_name_enrolled_anew_takes_no_confirmation_of_the_old_node_and_what_that_left_behind_stands() {
    let mut bench = with_unconfirmed_standby(&["a", "b"]);
    bench.confirm("a");
    bench.now = bench.now + Span::hours(2);
    bench.join("b");
    assert_eq!(publication(&bench).ready_at, bench.now + Span::hours(26));
    let enrolment = bench.state.nodes[&name("b")].enrolment;
    assert!(!bench.seen.contains_key(&enrolment));
    assert!(!bench.in_service("b"));
}

#[test]
fn r1_a_report_that_lacks_a_confirmed_key_withdraws_it() {
    let mut bench = with_unconfirmed_standby(&["a"]);
    bench.confirm("a");
    assert!(publication(&bench).missing.is_empty());
    let mut damaged = bench.installed("a");
    damaged.published.remove(&bench.standby());
    bench.report("a", Some(damaged));
    assert_eq!(publication(&bench).missing, [name("a")]);
    bench.now = bench.now + Span::hours(1);
    bench.confirm("a");
    assert_eq!(publication(&bench).ready_at, bench.now + Span::hours(26));
}

#[test]
fn r1_nothing_is_confirmed_before_the_hooks_succeed() {
    let mut bench = with_unconfirmed_standby(&["a"]);
    let mut installed = bench.installed("a");
    installed.hooks_succeeded = false;
    bench.report("a", Some(installed));
    assert_eq!(publication(&bench).missing, [name("a")]);
}

#[test]
fn r1_an_emergency_rotation_is_refused_for_a_young_standby_and_names_nodes_and_time() {
    let mut bench = with_unconfirmed_standby(&["a", "b"]);
    bench.confirm("a");
    let request = RotateNow {
        profiles: vec![],
        compromised: None,
        take: None,
        force: false,
        reason: Reason::Superseded,
        comment: None,
        destroy: false,
    };
    let before = bench.state.clone();
    let refusal = bench.run(&Command::RotateNow(request.clone())).unwrap_err();
    let text = refusal.to_string();
    assert!(text.contains("not confirmed by b") && text.contains("--force"), "{text}");
    assert_eq!(bench.state, before);
    let forced = RotateNow { force: true, ..request };
    let decision = bench.run(&Command::RotateNow(forced)).unwrap();
    let recorded = |event: &Event| matches!(event, Event::Activated { cause: Cause::Forced { missing, .. }, .. } if missing.first == [name("b")]);
    assert!(decision.events.iter().any(recorded), "{:?}", decision.events);
}

#[test]
fn r1_bootstrap_is_only_while_no_node_has_ever_confirmed_anything() {
    let bench = Bench::started(&[RSA]);
    let bootstraps = bench.events.iter().filter(|(_, event)| {
        matches!(
            event,
            Event::Activated {
                cause: Cause::Bootstrap,
                ..
            }
        )
    });
    assert_eq!(bootstraps.count(), 1);
    assert!(!bench.state.ever_confirmed);
    assert!(Bench::with_nodes(&["a"]).state.ever_confirmed);
}

#[test]
fn r1_a_late_confirmation_stands_when_its_node_leaves() {
    let mut bench = with_unconfirmed_standby(&["a", "b"]);
    bench.confirm("a");
    bench.now = bench.now + Span::hours(20);
    bench.confirm("b");
    let confirmed = bench.now;
    bench.now = bench.now + Span::mins(1);
    bench.join("b");
    assert_eq!(publication(&bench).ready_at, confirmed + Span::hours(26));
}

#[test]
fn r1_what_a_node_lacked_before_it_was_evicted_stands_when_it_returns() {
    let mut bench = with_unconfirmed_standby(&["a", "b"]);
    bench.confirm("a");
    bench.now = bench.now + Span::hours(2);
    bench.confirm("b");
    let confirmed = bench.now;
    bench.pass(Span::hours(25), Span::mins(10), &["a"]);
    assert!(!bench.in_service("b"));
    bench.confirm("b");
    bench.settle();
    assert!(bench.in_service("b"));
    assert_eq!(publication(&bench).ready_at, confirmed + Span::hours(26));
}

#[test]
fn r1_a_profile_that_comes_back_publishes_before_it_signs() {
    let mut bench = Bench::with_nodes(&["a"]);
    bench.run(&Command::Configure(settings(&["ec"]))).unwrap();
    bench.pass(Span::hours(1), Span::mins(10), &["a"]);
    bench.run(&Command::Configure(settings(&[RSA]))).unwrap();
    bench.pass(Span::hours(25), Span::mins(10), &["a"]);
    assert!(bench.state.active(&profile(RSA)).is_none());
    bench.pass(Span::hours(3), Span::mins(10), &["a"]);
    assert!(bench.state.active(&profile(RSA)).is_some());
}

#[test]
fn r1_a_standby_that_stood_long_enough_is_not_used_while_a_node_has_lost_it() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    bench.pass(Span::hours(30), Span::mins(10), &["a", "b"]);
    let standby = bench.standby();
    let mut damaged = bench.installed("b");
    damaged.published.remove(&standby);
    bench.report("b", Some(damaged));
    let request = RotateNow {
        profiles: vec![],
        compromised: None,
        take: None,
        force: false,
        reason: Reason::Superseded,
        comment: None,
        destroy: false,
    };
    let refused = bench.run(&Command::RotateNow(request));
    assert!(
        matches!(&refused, Err(Refusal::NotPublished { missing, .. }) if *missing == [name("b")]),
        "{refused:?}"
    );
    let (profiles, why) = (vec![], Why::default());
    bench.run(&Command::Hasten { profiles, why }).unwrap();
    bench.settle();
    assert_eq!(bench.armed(), None);
    assert!(bench.state.waits.contains_key(&Wait::Arm(profile(RSA))));
}
