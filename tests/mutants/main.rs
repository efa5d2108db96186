//! Each rule, taken out, is missed: the model check finds a counterexample, and so does the simulator. One after the other, because the
//! switch is one for the process.
//!
//! The environment's `SEEDS` says how many seeds the simulator may take for each, none without it; `MUTANT` names the only one to try.

#[path = "../simulator/course.rs"]
#[allow(dead_code, reason = "what the simulator shows of a course")]
mod course;
#[path = "../model/scenarios/mod.rs"]
mod scenarios;
#[path = "../model/search.rs"]
mod search;
#[path = "../simulator/weather.rs"]
#[allow(dead_code, reason = "what the simulator shows of a course")]
mod weather;
#[path = "../world/mod.rs"]
mod world;

use course::Course;
use jkeys::clock::Clock;
use jkeys::lifecycle::mutant::{Mutant, take_out};
use scenarios::{Scenario, scenarios};
use search::Found;
use weather::Bounds;

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
        Mutant::R5Log => "a leader that was set back, and went on alone",
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
        Mutant::R9Unvouched => "a leader's machine that stood still",
        Mutant::R9OneAgrees => "one node agrees with a leader whose clock is wrong",
        Mutant::E1Missing | Mutant::E1Now => "a staged key that a node lacks",
        Mutant::E1Lacking => "a leader that was set back goes on with an encryption key that it does not have",
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

/// Courses that are short, and small enough for the absence of a rule to show soon. What the log would catch shows where nodes do not
/// hold the leader to it.
fn bounds(mutant: Mutant) -> Bounds {
    let behind_the_log = [
        Mutant::R5Epoch,
        Mutant::R5Generation,
        Mutant::R5Altered,
        Mutant::R5GoneKid,
        Mutant::R5Halt,
    ];
    let after_set_backs = [Mutant::R5Log, Mutant::E1Lacking];
    let has_log = !behind_the_log.contains(&mutant);
    Bounds {
        nodes: 5,
        days: 16,
        has_log,
        always_set_back: !has_log || after_set_backs.contains(&mutant),
    }
}

/// The first seed whose course breaks a rule, with what is taken out. The same course breaks none with it, as long as nodes hold the leader
/// to its log; without that one rule alone does not keep a leader that was set back from all harm, and such a course shows nothing.
fn simulate(mutant: Mutant, seeds: u64) -> Option<Course> {
    let bounds = bounds(mutant);
    (0..seeds).find_map(|seed| {
        let found = Some(Course::of(seed, bounds)).filter(|course| course.broken.is_some())?;
        take_out(None);
        let without = Course::of(seed, bounds).broken;
        take_out(Some(mutant));
        assert!(
            without.is_none() || !bounds.has_log,
            "seed {seed} breaks a rule by itself: {without:?}"
        );
        without.is_none().then_some(found)
    })
}

/// What the model says of a mutant: in which theme, after how many states, and how.
fn of_the_model(mutant: Mutant, all: &[Scenario]) -> (String, bool) {
    let named = |scenario: &&Scenario| scenario.name == theme(mutant);
    let scenario = all.iter().find(named).expect("a theme of the model");
    let Found {
        states,
        depth,
        took,
        counterexample,
    } = search(scenario);
    let (is_found, took) = (counterexample.is_some(), took.std().as_secs_f64());
    let how = counterexample.map_or_else(
        || "NOTHING".to_owned(),
        |(acts, broken)| format!("{}: {} ({acts:?})", broken.rule, broken.how),
    );
    let line = format!("{states:>6} states {depth:>2} acts {took:>6.1} s  {}: {how}", scenario.name);
    (line, is_found)
}

/// What the simulator says of it: after how many seeds, and how.
fn of_the_simulator(mutant: Mutant, seeds: u64) -> (String, bool) {
    let clock = Clock::machine();
    let began = clock.monotonic();
    let found = simulate(mutant, seeds);
    let took = (clock.monotonic() - began).std().as_secs_f64();
    let Some(course) = found else {
        return (format!("{seeds:>6} seeds {took:>14.1} s  NOTHING"), false);
    };
    let (seeds, broken) = (course.seed + 1, course.broken.expect("it is found"));
    (
        format!("{seeds:>6} seeds {took:>14.1} s  {}: {}", broken.rule, broken.how),
        true,
    )
}

#[test]
fn every_rule_that_is_taken_out_is_missed() {
    let all: Vec<Scenario> = scenarios();
    let only = std::env::var("MUTANT").ok();
    let is_asked = |mutant: &Mutant| only.as_deref().is_none_or(|name| name == mutant.name());
    let seeds = std::env::var("SEEDS")
        .ok()
        .map(|text| text.parse().expect("SEEDS is a number"));
    let mut unseen = Vec::new();
    for mutant in Mutant::ALL.iter().copied().filter(is_asked) {
        take_out(Some(mutant));
        let mut missed = vec![of_the_model(mutant, &all)];
        missed.extend(seeds.map(|seeds| of_the_simulator(mutant, seeds)));
        take_out(None);
        for (line, is_missed) in missed {
            println!("{:<20} {line}", mutant.name());
            if !is_missed {
                unseen.push(mutant.name());
            }
        }
    }
    assert!(unseen.is_empty(), "taken out, these are not missed: {unseen:?}");
}
