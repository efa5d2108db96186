//! The model check: the real cores in a world of memory, held against every order of events within bounds.
//!
//! `make model DEPTH=1 FAULTS=1` goes that much further than the bounds of each scenario.

mod scenarios;
mod search;
#[path = "../world/mod.rs"]
mod world;

use std::collections::VecDeque;
use std::sync::Mutex;

use jkeys::types::Span;
use scenarios::{Scenario, scenarios};
use search::Found;
use world::act::{Act, B};
use world::{Config, START, World};

#[test]
fn two_months_without_a_fault_break_nothing() {
    let mut world = World::with_nodes(Config::usual(&["main", "other"]), &["a", "b"]);
    world.advance(START + Span::hours(24 * 60));
    assert_eq!(world.oracle.broken, None);
    let made = world.leader.generation().0;
    assert!(made > 100, "a rotation every two days makes four generations: {made}");
}

/// That the searches below get there: a leader that lost two rotations goes on with a key that only its nodes have, and all comes right.
#[test]
fn r5_a_leader_goes_on_with_keys_that_it_does_not_have() {
    let mut world = scenarios::told_of_other_keys();
    Act::Heal(B).perform(&mut world);
    let signing = |world: &World, name: &str| world.nodes[&name.parse().unwrap()].server.signing.clone();
    let before = signing(&world, "a");
    Act::Adopt.perform(&mut world);
    let state = &world.leader.store.state;
    assert_eq!(state.halted, None);
    let inherited: Vec<_> = state
        .keys
        .values()
        .filter(|key| key.inherited)
        .map(|key| key.kid().clone())
        .collect();
    assert!(before.iter().all(|kid| inherited.contains(kid)), "{before:?} {inherited:?}");
    for name in ["a", "b"] {
        assert_eq!(signing(&world, name), before, "it signs where it is");
        let live = world.nodes[&name.parse().unwrap()].disk.live.clone().unwrap();
        assert_eq!(live.id.generation, world.leader.generation());
    }
    world.recover();
    assert_eq!(world.oracle.broken, None);
    assert!(world.leader.store.state.keys.values().all(|key| !key.inherited));
}

/// The environment's `DEPTH` says how many more acts are tried than the bounds of each scenario say, `FAULTS` how many more faults,
/// and `SCENARIO` names the only one to search.
#[test]
fn no_order_of_events_breaks_a_rule() {
    let more = |name: &str| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a number: {text}")),
        Err(_) => 0,
    };
    search_all(more("DEPTH"), more("FAULTS"));
}

/// Searches every scenario, on all processors.
fn search_all(more_depth: u8, more_faults: u8) {
    let further = |mut scenario: Scenario| {
        scenario.depth += usize::from(more_depth);
        scenario.faults += more_faults;
        scenario
    };
    let only = std::env::var("SCENARIO").ok();
    let mut all = scenarios();
    all.retain(|scenario| only.as_deref().is_none_or(|only| scenario.name == only));
    let open = Mutex::new(all.into_iter().map(further).collect::<VecDeque<_>>());
    let (all, counterexamples) = (Mutex::new(0), Mutex::new(Vec::new()));
    println!("{:>8} {:>5} {:>6} {:>8}  scenario", "states", "acts", "faults", "time");
    let work = || {
        while let Some(scenario) = { open.lock().unwrap().pop_front() } {
            let Found {
                states,
                depth,
                took,
                counterexample,
            } = scenario.search();
            let took = took.std().as_secs_f64();
            println!(
                "{states:>8} {depth:>5} {:>6} {took:>7.1}s  {}",
                scenario.faults, scenario.name
            );
            *all.lock().unwrap() += states;
            counterexamples
                .lock()
                .unwrap()
                .extend(counterexample.map(|way| (scenario.name, way)));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    println!("{:>8} states in all", all.into_inner().unwrap());
    let counterexamples = counterexamples.into_inner().unwrap();
    assert!(counterexamples.is_empty(), "{counterexamples:#?}");
}

/// A machine that was enrolled anew in the time that its leader lost is strange to it, and one that is halted enrols nobody: it is enrolled
/// once more after the adoption.
#[test]
fn r5_a_machine_that_was_enrolled_in_the_lost_time_is_enrolled_once_more() {
    let mut world = World::with_nodes(Config::usual(&["main"]), &["a", "b"]);
    world.advance(START + Span::hours(20));
    for act in [Act::CopyLeader, Act::RotateNow(true), Act::Rejoin(B), Act::SetLeaderBack] {
        act.perform(&mut world);
    }
    world.recover();
    assert_eq!(world.oracle.broken, None);
}
