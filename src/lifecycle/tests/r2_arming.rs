//! R2, two steps; and R4, one signer.

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

/// A fleet whose standby is armed.
fn armed(nodes: &[&str]) -> Bench {
    let mut bench = Bench::with_nodes(nodes);
    bench.pass(Span::mins(47 * 60 + 10), Span::mins(5), nodes);
    assert!(bench.armed().is_some());
    bench
}

#[test]
fn r2_the_standby_is_armed_arm_lead_before_its_time() {
    let bench = armed(&["a"]);
    let armed_at = bench.when(|event| matches!(event, Event::Armed { .. })).unwrap();
    assert_eq!(armed_at, START + Span::hours(47));
    assert_eq!(bench.armed(), Some(START + Span::hours(48)));
}

#[test]
fn r2_an_instant_is_only_set_where_r1_will_hold() {
    let mut bench = Bench::with_nodes(&["a"]);
    bench
        .run(&Command::Hasten {
            profiles: vec![],
            why: Why::default(),
        })
        .unwrap();
    bench.pass(Span::hours(24), Span::mins(10), &["a"]);
    assert_eq!(bench.armed(), None, "the standby is published for 24 h only");
    bench.pass(Span::mins(90), Span::mins(10), &["a"]);
    assert!(
        bench.armed().is_some_and(|at| at >= START + Span::hours(26)),
        "{:?}",
        bench.armed()
    );
}

#[test]
fn r2_a_node_that_is_ahead_by_clock_skew_signs_no_earlier_than_r1_allows() {
    let mut bench = Bench::with_nodes(&["a"]);
    let (profiles, why) = (vec![], Why::default());
    bench.run(&Command::Hasten { profiles, why }).unwrap();
    bench.pass(Span::hours(26), Span::mins(1), &["a"]);
    let windows = Windows::default();
    let earliest = START + windows.min_prepublish + windows.clock_skew;
    assert!(bench.armed().is_some_and(|at| at >= earliest), "{:?}", bench.armed());
}

#[test]
fn r2_a_node_switches_by_its_own_clock_without_the_leader() {
    let bench = armed(&["a"]);
    let set = bench.state.key_set();
    let (active, successor) = (bench.active(), bench.state.armed(&profile(RSA)).unwrap().0.kid().clone());
    let activate_at = bench.armed().unwrap();
    let before = view(&set, &Switches::new(), activate_at - Span(1));
    assert_eq!(before.signing(), [active.clone()].into());
    assert_eq!(before.held, [active.clone(), successor.clone()].into());
    let after = view(&set, &Switches::new(), activate_at);
    assert_eq!(after.signing(), [successor.clone()].into());
    assert_eq!(
        after.held,
        [successor.clone()].into(),
        "the private half of the predecessor goes in the switch"
    );
    assert!(after.published.contains(&active));
    let clock_put_back = view(&set, &after.switches, START);
    assert_eq!(clock_put_back, after, "a switch made is never undone within a generation");
}

#[test]
fn r4_a_view_never_selects_two_keys_of_a_profile() {
    let mut bench = Bench::with_nodes(&["a"]);
    for _ in 0..600 {
        bench.pass(Span::mins(10), Span::mins(10), &["a"]);
        let set = bench.state.key_set();
        for offset in [Span(0), Span::hours(1), Span::hours(100)] {
            let view = view(&set, &Switches::new(), bench.now + offset);
            assert_eq!(view.selected.len(), 1);
            assert!(view.held.len() <= 2);
        }
        let active = bench
            .state
            .keys
            .values()
            .filter(|key| matches!(key.phase, Phase::Active { .. }));
        assert_eq!(active.count(), 1);
    }
}

#[test]
fn r2_the_leader_retires_the_predecessor_in_the_same_generation() {
    let mut bench = armed(&["a"]);
    let (before, generation) = (bench.active(), bench.state.head.generation);
    bench.now = bench.armed().unwrap();
    bench.run(&Command::Tick).unwrap();
    assert_eq!(bench.state.head.generation, generation.next());
    assert!(matches!(bench.state.keys[&before].phase, Phase::Retiring { .. }));
    assert_ne!(bench.active(), before);
    assert!(!bench.state.key_set().member(&before).unwrap().stage.carries_private());
}
