//! R7: what the schedule waits for is recorded when it begins and when it ends; a log of events rebuilds the state.

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

#[test]
fn r7_a_wait_is_recorded_once_when_it_begins_and_once_when_it_ends() {
    let mut bench = Bench::with_nodes(&["a"]);
    bench
        .run(&Command::Hasten {
            profiles: vec![],
            why: Why::default(),
        })
        .unwrap();
    bench.pass(Span::hours(27), Span::mins(10), &["a"]);
    let wait = Wait::Arm(profile(RSA));
    let of_wait = |began: bool| {
        let is = |event: &Event| match event {
            Event::WaitBegan { wait: found, .. } => began && *found == wait,
            Event::WaitEnded { wait: found } => !began && *found == wait,
            _ => false,
        };
        bench.events.iter().filter(|(_, event)| is(event)).count()
    };
    assert_eq!((of_wait(true), of_wait(false)), (1, 1));
}

#[test]
fn r7_a_wait_goes_on_while_a_started_leader_decides_nothing() {
    let mut bench = Bench::with_nodes(&["a"]);
    let (profiles, why) = (vec![], Why::default());
    bench.run(&Command::Hasten { profiles, why }).unwrap();
    bench.settle();
    let wait = Wait::Arm(profile(RSA));
    assert!(bench.state.waits.contains_key(&wait));
    bench.run(&Command::Start { last_up: None }).unwrap();
    bench.settle();
    assert!(bench.state.waits.contains_key(&Wait::Start));
    assert!(bench.state.waits.contains_key(&wait));
}

#[test]
fn r7_the_events_alone_rebuild_the_state() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    bench.pass(Span::hours(100), Span::mins(10), &["a", "b"]);
    assert_eq!(bench.rebuilt(), bench.state);
}

#[test]
fn r7_the_state_survives_its_stored_form() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    bench.pass(Span::hours(70), Span::mins(10), &["a"]);
    for wait in [
        Wait::Start,
        Wait::Clock(Doubt::Behind),
        Wait::Arm(profile(RSA)),
        Wait::Remove(bench.active()),
    ] {
        bench.state.waits.insert(wait, START);
    }
    bench.join("joining");
    let stored = crate::audit::canonical(&bench.state);
    assert_eq!(serde_json::from_slice::<State>(&stored).unwrap(), bench.state);
    let stored = serde_json::to_string(&bench.seen).unwrap();
    assert_eq!(serde_json::from_str::<Sightings>(&stored).unwrap(), bench.seen);
}
