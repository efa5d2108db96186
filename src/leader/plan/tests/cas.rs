use super::*;
use crate::lifecycle::{CaFacts, Event, Fleet, Papers};
use crate::rpc::documents::{Awaited, Planned};
use crate::types::{CERTIFICATE_LIFE, Digest, WitnessKey};

const DAY: Span = Span::hours(24);

/// The fleet, with a first CA that the schedule replaces in so many days. The nodes renew their certificates in five days and in eight.
fn with_ca(due_in: u64) -> Course {
    let mut course = fleet(&settings(&[("web", 48)]), Span::hours(20));
    let (mut state, mut seen) = (course.leader.state().clone(), course.leader.seen().clone());
    let founded = Event::Founded {
        fleet: Fleet {
            trust_domain: "op.example".parse().unwrap(),
            ca_certificate: String::new(),
            ca_number: 1,
            log_public_key: WitnessKey([0; 32]),
        },
    };
    let by = CaFacts {
        number: 1,
        key: Digest([1; 32]),
        good_until: course.clock + DAY * due_in + state.settings.ca_rotate_before,
    };
    let good_until = course.clock + CERTIFICATE_LIFE;
    state.apply(&[founded, Event::LeaderCertified { by, good_until }], course.clock);
    for (sighting, days) in seen.values_mut().zip([2, 5]) {
        sighting.papers = Some(Papers {
            trusts: [by.key].into(),
            certified_by: by.key,
            good_until: good_until - DAY * days,
        });
    }
    course.leader = Leader::new(state, seen, Seq(1000));
    course.start(Some(course.clock), settings(&[("web", 48)]));
    course.run(course.clock);
    course
}

fn of_cas(plan: &Plan) -> Vec<&Planned> {
    plan.events.iter().filter(|row| row.ca.is_some()).collect()
}

fn what(rows: &[&Planned]) -> Vec<(Happening, u32, Time)> {
    rows.iter().map(|row| (row.event, row.ca.unwrap(), row.at)).collect()
}

#[test]
fn the_replacement_of_a_ca_is_planned_step_by_step() {
    let course = with_ca(3);
    let due = course.clock + DAY * 3;
    let plan = plan_of(&course, DAY * 14);
    let rows = of_cas(&plan);
    let renewed = course.clock + DAY * 8;
    assert_eq!(
        what(&rows),
        [
            (Happening::CaMade, 2, due),
            (Happening::CaSigns, 2, due),
            (Happening::CaDropped, 1, renewed),
        ]
    );
    let missing = Vec::new();
    assert_eq!(rows[0].waits_for, Awaited::Ca);
    assert_eq!(
        rows[1].waits_for,
        Awaited::Trust {
            missing: missing.clone()
        }
    );
    assert_eq!(rows[2].waits_for, Awaited::Certificates { missing });
    assert!(of_cas(&plan_of(&course, DAY * 2)).is_empty(), "it is not due before");

    // One node renews before that CA signs, and again ten days after.
    let course = with_ca(6);
    let dropped = of_cas(&plan_of(&course, DAY * 20))[2].at;
    assert_eq!(dropped, course.clock + DAY * 15);
}

#[test]
fn a_ca_that_is_in_the_making_when_the_plan_is_made_is_in_it() {
    let mut course = with_ca(100);
    course.ask(Command::RotateCa { comment: None });
    assert_eq!(course.leader.ca_in_the_making(), Some(2));
    let plan = plan_of(&course, DAY * 14);
    assert_eq!(what(&of_cas(&plan))[0], (Happening::CaMade, 2, course.clock));
}

#[test]
fn a_silent_node_keeps_a_ca_from_signing_and_the_one_before_from_going() {
    let course = with_ca(1);
    let due = course.clock + DAY;
    let plan = plan_without(&course, "node-2", DAY * 120);
    let leaves = plan
        .events
        .iter()
        .find(|row| row.event == Happening::LeavesService)
        .unwrap()
        .at;
    let rows = of_cas(&plan);
    let signs = leaves.max(due);
    let dropped = signs + DAY * 90 + Span::mins(1);
    assert_eq!(
        what(&rows),
        [
            (Happening::CaMade, 2, due),
            (Happening::CaSigns, 2, signs),
            (Happening::CaDropped, 1, dropped),
        ]
    );
    let missing = vec!["node-2".parse().unwrap()];
    let trust = Awaited::Trust {
        missing: missing.clone(),
    };
    assert_eq!(rows[1].waits_for, trust);
    assert_eq!(rows[2].waits_for, Awaited::Certificates { missing });
    let answered = rows[2].if_answered.unwrap();
    assert!(answered < course.clock + DAY * 12, "{answered}");
}

#[test]
fn whom_a_replacement_that_is_under_way_waits_for_is_named() {
    let missing = vec!["node-2".parse().unwrap()];
    let mut waiting = with_ca(1);
    waiting.run(waiting.clock + Span::hours(20));
    let silent = waiting.nodes.remove(&missing[0]).unwrap();
    waiting.run(waiting.clock + Span::hours(5));
    let plan = plan_without(&waiting, "node-2", DAY * 3);
    let signs = of_cas(&plan)[0];
    assert_eq!((signs.event, signs.ca), (Happening::CaSigns, Some(2)));
    assert_eq!(
        signs.waits_for,
        Awaited::Trust {
            missing: missing.clone()
        }
    );

    waiting.nodes.insert(missing[0].clone(), silent);
    waiting.run(waiting.clock + Span::hours(1));
    let plan = plan_without(&waiting, "node-2", DAY * 120);
    let dropped = of_cas(&plan)[0];
    assert_eq!((dropped.event, dropped.ca), (Happening::CaDropped, Some(1)));
    assert_eq!(dropped.waits_for, Awaited::Certificates { missing });
}
