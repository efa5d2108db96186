//! Each rule, taken out, is missed: the model check finds a counterexample. One after the other, because the switch is one for the
//! process.

#[path = "../model/act.rs"]
mod act;
#[path = "../model/scenarios/mod.rs"]
mod scenarios;
#[path = "../model/search.rs"]
mod search;
#[path = "../world/mod.rs"]
mod world;

use jkeys::lifecycle::mutant::{Mutant, take_out};
use scenarios::{Scenario, scenarios};
use search::Found;

/// The theme in which the absence of a rule shows.
fn theme(mutant: Mutant) -> &'static str {
    match mutant {
        Mutant::R1 | Mutant::R2ArmEarly | Mutant::R7PublishFirst => "a young standby",
        Mutant::R1Confirmed | Mutant::R1Evicted | Mutant::R1Replaced => "a node that lacks the standby",
        Mutant::R1Missing => "a node that is waited for",
        Mutant::R1Bootstrap => "a profile is added",
        Mutant::R2Clock => "a tight switch",
        Mutant::R3Departed => "a node that signs on by itself",
        Mutant::R3Wait | Mutant::R3Missing | Mutant::R3ConfirmedSwitch | Mutant::R4TwoActive => "a node that does not switch",
        Mutant::R5Epoch => "a leader that was set back by two terms",
        Mutant::R5Generation | Mutant::R5Altered | Mutant::R5Halt => "a leader that was set back",
        Mutant::R5GoneKid => "a leader that was set back before a revocation",
        Mutant::R5Durable => "a crash at each write",
        Mutant::R10CacheLate => "a crash while a key is armed",
        Mutant::R5StartGrace => "a start before the nodes are back",
        Mutant::R7ReplyFirst | Mutant::R7Observed | Mutant::R8Waits => "crashes of the leader",
        Mutant::R8OutOfService => "a revocation and a node that was evicted",
        Mutant::R9ClockBack | Mutant::R9RecordTime => "a clock of the leader put back",
        Mutant::R6HalfCounts => "half a view on a node that comes back",
        Mutant::R6NotRead => "half a view",
        Mutant::R9Jumped => "a clock of the leader put forward",
        Mutant::R9Unconfirmed => "a clock that is wrong at a start, and nobody to ask",
        Mutant::R9Outvoted => "most clocks of the nodes differ",
        Mutant::R9OneAgrees => "one node agrees with a leader whose clock is wrong",
        Mutant::E1Missing | Mutant::E1Now => "a staged key that a node lacks",
        Mutant::E1Cached => "a staged key that is in the cache only",
        Mutant::E1Taint | Mutant::E2Revoked => "a stolen encryption key",
        Mutant::E2Window | Mutant::E2Unsent => "a key is unpublished",
        Mutant::E2Missing | Mutant::E2Confirmed | Mutant::E2Departed => "a node that publishes an unpublished key",
        Mutant::R10SwitchForgotten | Mutant::R10NeedsLeader => "a switch without the leader",
    }
}

/// With as few faults as it takes: most mutants are found with one, among far fewer states.
fn search(scenario: &Scenario) -> Found {
    let with = |faults: u8| {
        let bounded = Scenario {
            faults,
            look_into: 0,
            ..scenario.clone()
        };
        bounded.search()
    };
    let mut found = with(0);
    for faults in 1..=scenario.faults {
        if found.counterexample.is_some() {
            break;
        }
        let further = with(faults);
        found = Found {
            states: found.states + further.states,
            took: found.took + further.took,
            ..further
        };
    }
    found
}

#[test]
fn every_rule_that_is_taken_out_is_missed() {
    let all: Vec<Scenario> = scenarios();
    let only = std::env::var("MUTANT").ok();
    println!(
        "{:<22} {:>8} {:>5} {:>8}  the model found",
        "mutant", "states", "acts", "time"
    );
    let mut unseen = Vec::new();
    for mutant in Mutant::ALL
        .iter()
        .copied()
        .filter(|mutant| only.as_deref().is_none_or(|name| name == mutant.name()))
    {
        let scenario = all
            .iter()
            .find(|scenario| scenario.name == theme(mutant))
            .expect("a theme of the model");
        take_out(Some(mutant));
        let found = search(scenario);
        take_out(None);
        let (name, states, depth, took) = (mutant.name(), found.states, found.depth, found.took.std().as_secs_f64());
        let seen = found
            .counterexample
            .map(|(acts, broken)| format!("{}: {} ({acts:?})", broken.rule, broken.how));
        if seen.is_none() {
            unseen.push(name);
        }
        let seen = seen.unwrap_or_else(|| "NOTHING".to_owned());
        println!("{name:<22} {states:>8} {depth:>5} {took:>7.1}s  in {}, {seen}", scenario.name);
    }
    assert!(unseen.is_empty(), "taken out, these are not missed: {unseen:?}");
}
