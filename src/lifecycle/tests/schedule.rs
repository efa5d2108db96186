//! The two-day schedule as a whole.

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

#[test]
fn two_days_after_two_days_the_key_changes_and_a_standby_is_always_there() {
    let mut bench = Bench::with_nodes(&["a", "b", "c"]);
    let mut active = vec![bench.active()];
    for _ in 0..(10 * 24 * 6) {
        bench.pass(Span::mins(10), Span::mins(10), &["a", "b", "c"]);
        let now = bench.active();
        if *active.last().unwrap() != now {
            active.push(now);
        }
        assert!(bench.state.keys.len() <= 4, "{:?}", bench.published());
        if bench.now > START + Span::hours(27) {
            let ready = |key: &Key| Publication::of(&bench.state, &bench.seen, key).holds_at(bench.now);
            assert!(
                bench.state.prepublished(&profile(RSA)).any(ready),
                "no standby at {}",
                bench.now
            );
        }
    }
    assert_eq!(active.len(), 6, "five rotations in ten days: {active:?}");
}

#[test]
fn each_rotation_falls_on_its_planned_instant() {
    let mut bench = Bench::with_nodes(&["a"]);
    bench.pass(Span::hours(200), Span::mins(7), &["a"]);
    let times: Vec<Time> = bench
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Activated { since, .. } => Some(*since),
            _ => None,
        })
        .collect();
    let planned: Vec<Time> = (0..5).map(|n| START + Span::hours(48) * n).collect();
    assert_eq!(times, planned);
}

#[test]
fn a_private_half_is_destroyed_once_its_key_retires() {
    let mut bench = Bench::with_nodes(&["a"]);
    let first = bench.active();
    bench.pass(Span::hours(49), Span::mins(10), &["a"]);
    let retired = bench
        .when(|event| matches!(event, Event::Retired { kid, .. } if *kid == first))
        .unwrap();
    let destroyed = bench
        .when(|event| matches!(event, Event::Destroyed { kid } if *kid == first))
        .unwrap();
    assert!(destroyed >= retired);
    assert!(bench.state.doomed.is_empty());
}

#[test]
fn a_new_setting_never_retimes_a_key_that_stands_but_a_longer_token_lifetime_reaches_it() {
    let mut bench = Bench::with_nodes(&["a"]);
    let Phase::Active { retire_at: planned, .. } = bench.state.active(&profile(RSA)).unwrap().phase else {
        panic!("the active key is active");
    };
    let mut new = settings(&[RSA]);
    let windows = &mut new.profiles.get_mut(&profile(RSA)).unwrap().windows;
    windows.interval = Span::hours(96);
    windows.token_lifetime = Span::hours(5);
    bench.run(&Command::Configure(new.clone())).unwrap();
    let key = bench.state.active(&profile(RSA)).unwrap().clone();
    assert!(matches!(key.phase, Phase::Active { retire_at, .. } if retire_at == planned));
    assert_eq!(key.windows.interval, Span::hours(48));
    assert_eq!(key.windows.token_lifetime, Span::hours(5));
    new.profiles.get_mut(&profile(RSA)).unwrap().windows.token_lifetime = Span::hours(1);
    bench.run(&Command::Configure(new)).unwrap();
    assert_eq!(
        bench.state.active(&profile(RSA)).unwrap().windows.token_lifetime,
        Span::hours(5)
    );
}

#[test]
fn an_unsafe_setting_is_refused_with_every_broken_rule() {
    let mut bench = Bench::with_nodes(&["a"]);
    let mut unsafe_settings = settings(&[RSA]);
    let windows = &mut unsafe_settings.profiles.get_mut(&profile(RSA)).unwrap().windows;
    windows.min_prepublish = Span::hours(60);
    windows.token_lifetime = Span(0);
    let before = bench.state.clone();
    let refusal = bench.run(&Command::Configure(unsafe_settings)).unwrap_err().to_string();
    assert!(refusal.contains("T1") && refusal.contains("T3"), "{refusal}");
    assert_eq!(bench.state, before);
}

#[test]
fn a_profile_that_is_gone_has_its_keys_put_away() {
    let mut bench = Bench::started(&[RSA, "ec"]);
    bench.join("a");
    bench.confirm("a");
    bench.settle();
    bench.run(&Command::Configure(settings(&[RSA]))).unwrap();
    bench.pass(Span::hours(2), Span::mins(10), &["a"]);
    assert_eq!(bench.state.keys_of(&profile("ec")).count(), 0);
    assert_eq!(bench.state.keys_of(&profile(RSA)).count(), 2);
}

#[test]
fn a_profile_added_to_a_live_fleet_is_not_a_bootstrap() {
    let mut bench = Bench::with_nodes(&["a"]);
    bench.run(&Command::Configure(settings(&[RSA, "ec"]))).unwrap();
    bench.pass(Span::hours(25), Span::mins(10), &["a"]);
    assert!(
        bench.state.active(&profile("ec")).is_none(),
        "rule R1 holds for its first key too"
    );
    bench.pass(Span::hours(3), Span::mins(10), &["a"]);
    assert!(bench.state.active(&profile("ec")).is_some());
}
