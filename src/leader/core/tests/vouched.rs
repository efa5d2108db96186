//! Rule R9: what nodes report counts once most of them, heard since, agree with the leader's clock.

use super::{START, confirm_by, leader_with, name};
use crate::leader::core::r9_tests::{HOUR, YEAR, after, ahead, all_confirm, doubt, make, restarted, rotate};
use crate::leader::core::{Input, LastUp, Leader};
use crate::lifecycle::{Doubt, Phase};
use crate::types::{Kid, Time};

/// What the leader goes by for rule R3: when a node confirmed that it signs with `kid` no more.
fn released(leader: &Leader, node: &str, kid: &str) -> Option<Time> {
    let sighting = leader.sighting(&name(node))?;
    sighting.released.get(&kid.parse::<Kid>().unwrap()).map(|(_, at)| *at)
}

#[test]
fn r9_what_nodes_report_to_a_machine_that_stood_still_counts_from_when_most_agree_with_its_clock() {
    let mut leader = leader_with(&["a", "b", "c"]);
    let effects = leader.step(rotate(), after(HOUR));
    make(&mut leader, &effects, after(HOUR));
    all_confirm(&mut leader, &["b", "c"], START + HOUR, after(HOUR));
    assert_eq!(released(&leader, "b", "first"), Some(START + HOUR), "two of three were heard");
    // The machine stands still from the second hour to the fifth: both of its clocks show two hours.
    let asleep = after(HOUR * 2);
    confirm_by(&mut leader, "a", START + HOUR * 5, asleep);
    assert_eq!(released(&leader, "a", "first"), None, "a alone says that it is later");
    assert_eq!(doubt(&leader), None);
    // The clock is set right, and the others agree with it.
    let right = ahead(asleep, HOUR * 3);
    all_confirm(&mut leader, &["b", "c"], right.wall, right);
    assert_eq!(doubt(&leader), None);
    assert_eq!(released(&leader, "a", "first"), Some(START + HOUR * 5));
    assert_eq!(
        released(&leader, "b", "first"),
        Some(START + HOUR),
        "what was known before stands"
    );
}

#[test]
fn r9_a_start_with_the_clock_of_a_machine_that_stood_still_notes_nothing_before_most_nodes_agree() {
    let mut leader = leader_with(&["a", "b"]);
    let effects = leader.step(rotate(), after(HOUR));
    make(&mut leader, &effects, after(HOUR));
    // Hours later the leader starts anew, and its clock shows when it was last there.
    let (mut next, _) = restarted(&leader, START + HOUR, after(HOUR));
    confirm_by(&mut next, "a", START + HOUR * 9, after(HOUR));
    assert_eq!(released(&next, "a", "first"), None);
    let right = ahead(after(HOUR), HOUR * 8);
    all_confirm(&mut next, &["a", "b"], right.wall, right);
    all_confirm(&mut next, &["a", "b"], right.wall, right);
    assert_eq!(doubt(&next), None);
    assert_eq!(released(&next, "a", "first"), Some(right.wall));
}

#[test]
fn r9_a_node_whose_clock_differs_is_noted_once_others_are_heard_and_from_when_it_was() {
    let mut leader = leader_with(&["a", "b", "c"]);
    let effects = leader.step(rotate(), after(HOUR));
    make(&mut leader, &effects, after(HOUR));
    confirm_by(&mut leader, "a", START + HOUR * 9, after(HOUR));
    assert_eq!(released(&leader, "a", "first"), None);
    confirm_by(&mut leader, "b", START + HOUR * 2, after(HOUR * 2));
    assert_eq!(
        released(&leader, "b", "first"),
        Some(START + HOUR * 2),
        "its own clock agrees"
    );
    assert_eq!(released(&leader, "a", "first"), Some(START + HOUR), "its own moment");
}

#[test]
fn r9_where_nobody_is_in_service_the_nodes_that_were_are_asked() {
    let mut leader = leader_with(&["a", "b"]);
    for hours in 1..=30 {
        leader.step(Input::Woke, after(HOUR * hours));
    }
    assert_eq!(leader.state().in_service().count(), 0);
    let (next, _) = restarted(&leader, START + HOUR * 30, ahead(after(HOUR * 31), YEAR));
    assert_eq!(doubt(&next), Some(Doubt::Unconfirmed));
    assert!(
        next.state().last_record_at < START + HOUR * 32,
        "no record bears the time of that clock"
    );
}

#[test]
fn r9_a_doubt_goes_on_over_a_restart_from_when_it_began() {
    let mut leader = leader_with(&["a", "b"]);
    // Jumped by a day; an operator rotates meanwhile, at the time carried on.
    let now = ahead(after(HOUR), HOUR * 24);
    leader.step(Input::Woke, now);
    let effects = leader.step(rotate(), now);
    make(&mut leader, &effects, now);
    let active = |leader: &Leader| match leader.state().active(&"rs256".parse().unwrap()).unwrap().phase {
        Phase::Active { since, .. } => since,
        ref other => panic!("{other:?}"),
    };
    assert_eq!(active(&leader), START + HOUR);
    let (mut next, _) = restarted(&leader, START + HOUR * 2, ahead(after(HOUR * 2), HOUR * 24));
    assert_eq!(doubt(&next), Some(Doubt::Unconfirmed));
    let right = ahead(after(HOUR * 3), HOUR * 24);
    all_confirm(&mut next, &["a", "b"], right.wall, right);
    all_confirm(&mut next, &["a", "b"], right.wall, right);
    assert_eq!((doubt(&next), active(&next)), (None, right.wall));
}

#[test]
fn r9_what_was_noted_since_the_time_was_last_vouched_for_is_in_doubt_in_the_next_term_too() {
    let mut leader = leader_with(&["a", "b"]);
    // The nodes were heard last at the start. The machine stood still since, for a day, with both of its clocks, and nobody has noticed
    // when an operator rotates.
    let effects = leader.step(rotate(), after(HOUR));
    make(&mut leader, &effects, after(HOUR));
    let active = |leader: &Leader| match leader.state().active(&"rs256".parse().unwrap()).unwrap().phase {
        Phase::Active { since, .. } => since,
        ref other => panic!("{other:?}"),
    };
    assert_eq!(active(&leader), START + HOUR);
    let up = leader.up(after(HOUR * 2));
    assert_eq!(up.at, START + HOUR * 2);
    assert!(up.right_until < START + HOUR, "{up:?}");
    // The next term has the right clock.
    let right = ahead(after(HOUR * 3), HOUR * 24);
    let (mut next, _) = restarted(&leader, up, right);
    all_confirm(&mut next, &["a", "b"], right.wall, right);
    all_confirm(&mut next, &["a", "b"], right.wall, right);
    assert_eq!((doubt(&next), active(&next)), (None, right.wall));
    // Once most nodes have been heard again, the time is right until then.
    assert!(right.wall <= next.up(right).right_until);
}

#[test]
fn r9_where_there_is_nobody_to_ask_the_time_is_right_until_now() {
    let leader = leader_with(&[]);
    let now = after(HOUR);
    assert_eq!(leader.up(now), LastUp::from(now.wall));
}
