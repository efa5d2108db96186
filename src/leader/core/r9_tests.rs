//! Rule R9: clocks that jump, that are wrong from the start, and what ends a doubt.

use super::tests::{START, asked, confirm, confirm_by, enrol, key, leader_with, name, operator, settings};
use super::*;
use crate::lifecycle::{Doubt, Ending, Phase, RotateNow, Wait};
use crate::types::{Kid, Reason};

pub(super) const HOUR: Span = Span::hours(1);
pub(super) const YEAR: Span = Span::hours(365 * 24);

/// Both clocks `passed` after [`START`].
pub(super) fn after(passed: Span) -> Now {
    (START + passed).into()
}

/// The same instant, with the wall clock set to another time.
fn set(now: Now, wall: Time) -> Now {
    Now { wall, ..now }
}

pub(super) fn ahead(now: Now, by: Span) -> Now {
    set(now, now.wall + by)
}

pub(super) fn doubt(leader: &Leader) -> Option<Doubt> {
    let mut waits = leader.state().waits.keys();
    waits.find_map(|wait| match wait {
        Wait::Clock(doubt) => Some(*doubt),
        _ => None,
    })
}

/// Lets the key that is wanted be made.
pub(super) fn make(leader: &mut Leader, effects: &[Effect], now: Now) {
    if let Some(serial) = asked(effects) {
        let (profile, kid) = ("rs256".parse().unwrap(), format!("key-{}-{serial}", now.monotonic.0));
        let key = Box::new(key(&kid));
        leader.step(Input::KeyMade { profile, serial, key }, now);
    }
}

/// Both nodes confirm what there is, with clocks that are right.
pub(super) fn all_confirm(leader: &mut Leader, nodes: &[&str], its_clock: Time, now: Now) {
    for node in nodes {
        let effects = confirm_by(leader, node, its_clock, now);
        make(leader, &effects, now);
    }
}

/// A leader that started anew from the same state, `away` after the clocks stood at `from`.
pub(super) fn restarted(leader: &Leader, last_up: impl Into<LastUp>, now: Now) -> (Leader, Vec<Effect>) {
    let mut next = Leader::new(leader.state().clone(), leader.seen().clone(), Seq(900));
    let start = Input::Start {
        last_up: Some(last_up.into()),
        settings: settings(),
    };
    let effects = next.step(start, now);
    (next, effects)
}

pub(super) fn rotate() -> Input {
    operator(Command::RotateNow(RotateNow {
        profiles: vec![],
        compromised: None,
        take: None,
        force: true,
        reason: Reason::Superseded,
        comment: None,
        destroy: false,
    }))
}

#[test]
fn r9_a_clock_that_jumps_by_hours_days_or_years_is_questioned_and_no_record_bears_its_time() {
    for by in [HOUR, HOUR * 24 * 3, YEAR * 9] {
        for wrong in [after(HOUR).wall + by, after(HOUR).wall - by] {
            let mut leader = leader_with(&["a", "b"]);
            let now = set(after(HOUR), wrong);
            leader.step(Input::Woke, now);
            assert_eq!(doubt(&leader), Some(Doubt::Jumped), "{by}");
            assert_eq!(leader.time(now), START + HOUR);
            let before = leader.state().keys.clone();
            for hours in 2..=60 {
                let now = set(after(HOUR * hours), wrong + HOUR * (hours - 1));
                all_confirm(&mut leader, &["a", "b"], START + HOUR * hours, now);
                assert!(leader.state().last_record_at <= START + HOUR * hours);
            }
            let states =
                |leader: &Leader, before: &BTreeMap<Kid, _>| before.keys().all(|kid| leader.state().keys.contains_key(kid));
            assert!(
                states(&leader, &before) && leader.state().armed(&"rs256".parse().unwrap()).is_none(),
                "nothing is decided"
            );
            assert_eq!(leader.state().in_service().count(), 2);
            let right = after(HOUR * 61);
            all_confirm(&mut leader, &["a", "b"], right.wall, right);
            assert_eq!(doubt(&leader), None, "the clock is back");
            assert!(
                leader.state().armed(&"rs256".parse().unwrap()).is_some(),
                "what was late is made good"
            );
        }
    }
}

#[test]
fn r9_revocation_and_rotate_now_go_on_at_the_time_carried_on_and_the_raw_clock_is_noted() {
    let mut leader = leader_with(&["a", "b"]);
    let now = ahead(after(HOUR * 30), YEAR);
    leader.step(Input::Woke, now);
    let effects = leader.step(rotate(), now);
    let Some(Effect::Commit(commit)) = effects.iter().find(|effect| matches!(effect, Effect::Commit(_))) else {
        panic!("{effects:?}")
    };
    let record = &commit.records[0];
    assert_eq!((record.time, record.clock), (START + HOUR * 30, Some(now.wall)));
    assert!(matches!(
        leader.state().active(&"rs256".parse().unwrap()).unwrap().phase,
        Phase::Active { since, retire_at } if since == START + HOUR * 30 && retire_at == since + HOUR * 48
    ));
    let kid = "second".parse().unwrap();
    leader.step(
        operator(Command::Revoke {
            kid,
            reason: Reason::Compromised,
            comment: None,
            destroy: false,
        }),
        now,
    );
    confirm_by(&mut leader, "a", START + HOUR * 30, now);
    confirm_by(&mut leader, "b", START + HOUR * 30, now);
    assert!(leader.state().revocations.is_empty(), "confirmations go on");
}

#[test]
fn r9_a_leader_in_doubt_gives_no_node_its_time() {
    let mut leader = leader_with(&["a"]);
    let time = |effects: &[Effect]| {
        let answer = effects.iter().find_map(|effect| match effect {
            Effect::Answer { answer, .. } => Some(answer.leader_time),
            _ => None,
        });
        answer.expect("an answer")
    };
    let effects = confirm(&mut leader, "a", START + HOUR);
    assert_eq!(time(&effects), Some(START + HOUR));
    let now = after(HOUR * 2);
    assert_eq!(time(&confirm_by(&mut leader, "a", now.wall, ahead(now, YEAR))), None);
    assert_eq!(time(&confirm_by(&mut leader, "a", now.wall, now)), Some(now.wall));
}

#[test]
fn r9_a_clock_that_is_slewed_is_followed_and_one_that_is_stepped_again_and_again_is_not() {
    let mut leader = leader_with(&["a"]);
    let mut wall = START;
    for minutes in 1..=600 {
        wall = wall + Span::mins(1) + Span::secs(4);
        let now = set(after(Span::mins(minutes)), wall);
        confirm_by(&mut leader, "a", wall, now);
        assert_eq!(doubt(&leader), None, "after {minutes} minutes");
    }
    let mut leader = leader_with(&["a"]);
    for (minutes, expected) in [(1, None), (2, Some(Doubt::Jumped)), (3, Some(Doubt::Jumped))] {
        let now = after(Span::mins(minutes));
        leader.step(Input::Woke, ahead(now, Span::mins(4 * minutes)));
        assert_eq!(doubt(&leader), expected);
    }
}

#[test]
fn r9_most_nodes_heard_confirm_a_clock_that_was_set_right_and_nobody_leaves_service_for_the_gap() {
    let mut leader = leader_with(&["a", "b", "c"]);
    // The machine stood still for three days, and its monotonic clock with it.
    let now = ahead(after(HOUR), HOUR * 72);
    leader.step(Input::Woke, now);
    assert_eq!(doubt(&leader), Some(Doubt::Jumped));
    confirm_by(&mut leader, "a", now.wall, now);
    assert_eq!(
        doubt(&leader),
        Some(Doubt::Jumped),
        "one of three, two of whom were heard before"
    );
    confirm_by(&mut leader, "b", now.wall, now);
    assert_eq!(doubt(&leader), None);
    assert_eq!(leader.time(now), now.wall);
    assert!(leader.state().absences.iter().any(|absence| absence.until == now.wall));
    let later = Now {
        wall: now.wall + HOUR,
        monotonic: now.monotonic + HOUR,
    };
    leader.step(Input::Woke, later);
    assert_eq!(
        leader.state().in_service().count(),
        3,
        "c was not heard since, and neither was the leader there"
    );
}

#[test]
fn r9_a_clock_set_back_with_the_nodes_agreement_rests_until_it_gets_to_the_last_record() {
    let mut leader = leader_with(&["a", "b"]);
    for hours in 1..=10 {
        all_confirm(&mut leader, &["a", "b"], START + HOUR * hours, after(HOUR * hours));
    }
    leader.step(rotate(), after(HOUR * 10));
    let recorded = leader.state().last_record_at;
    // All clocks were four hours ahead, and are set right.
    let now = set(after(HOUR * 11), START + HOUR * 7);
    for heard in 1..=4 {
        assert_eq!(doubt(&leader).is_some(), heard > 1);
        all_confirm(&mut leader, &["a", "b"], now.wall, now);
    }
    assert_eq!(doubt(&leader), Some(Doubt::Behind));
    let caught_up = (leader.state().last_record_at - Span::mins(5)).since(now.wall);
    assert_eq!(leader.wakes_in(now), Some(caught_up), "it looks again then");
    let later = set(after(HOUR * 15), START + HOUR * 11);
    all_confirm(&mut leader, &["a", "b"], later.wall, later);
    assert_eq!(doubt(&leader), None);
    assert!(leader.state().last_record_at < recorded + HOUR * 2);
}

#[test]
fn r9_a_clock_that_differs_from_most_nodes_is_questioned() {
    let mut leader = leader_with(&["a", "b", "c"]);
    let now = after(HOUR);
    for (node, its_clock, expected) in [
        ("a", now.wall + HOUR, None),
        ("b", now.wall + HOUR, Some(Doubt::Outvoted)),
        ("c", now.wall, Some(Doubt::Outvoted)),
        ("b", now.wall, Some(Doubt::Outvoted)),
        ("b", now.wall, Some(Doubt::Outvoted)),
        ("b", now.wall, Some(Doubt::Outvoted)),
        ("b", now.wall, None),
    ] {
        confirm_by(&mut leader, node, its_clock, now);
        assert_eq!(doubt(&leader), expected, "{node}");
    }
}

/// Found by the simulator (small bounds, seed 67).
#[test]
fn r9_who_was_taken_out_is_not_asked_for_the_time_in_the_same_step() {
    let (mut leader, now) = (leader_with(&["a", "b"]), after(HOUR));
    all_confirm(&mut leader, &["a"], now.wall, now);
    all_confirm(&mut leader, &["b"], now.wall + HOUR, now);
    assert_eq!(doubt(&leader), None, "one agrees, and one does not");
    let end = Command::EndNode {
        node: name("a"),
        ending: Ending::Removed,
        comment: None,
    };
    leader.step(operator(end), now);
    assert_eq!(doubt(&leader), Some(Doubt::Outvoted));
}

#[test]
fn r9_a_report_that_was_held_up_on_its_way_casts_no_doubt() {
    let mut leader = leader_with(&["a", "b"]);
    for minute in 1..10 {
        let (sent, now) = (START + Span::mins(minute), after(Span::mins(minute)));
        let is_held_up = minute % 4 != 0;
        let now = if is_held_up {
            after(Span::mins(minute) + Span::mins(7))
        } else {
            now
        };
        all_confirm(&mut leader, &["a", "b"], sent, now);
        assert_eq!(doubt(&leader), None, "{minute}");
    }
}

#[test]
fn r9_what_a_silent_node_said_of_the_time_counts_no_more_after_straggler_after() {
    let mut leader = leader_with(&["a"]);
    confirm_by(&mut leader, "a", START + HOUR * 9, after(HOUR));
    assert_eq!(doubt(&leader), Some(Doubt::Outvoted));
    for hours in 2..=25 {
        leader.step(Input::Woke, after(HOUR * hours));
        assert!(doubt(&leader).is_some());
    }
    assert_eq!(leader.wakes_in(after(HOUR * 25)), Some(Span(1)));
    leader.step(Input::Woke, after(HOUR * 25 + Span(1)));
    assert_eq!(doubt(&leader), None);
}

#[test]
fn r9_a_start_with_a_clock_years_ahead_does_not_poison_the_log() {
    let mut leader = leader_with(&["a", "b"]);
    confirm(&mut leader, "a", START + HOUR);
    let wrong = ahead(after(HOUR + Span::mins(20)), YEAR * 3);
    let (mut next, effects) = restarted(&leader, START + HOUR, wrong);
    assert!(effects.iter().any(
        |effect| matches!(effect, Effect::Commit(commit) if commit.records[0].time == START + HOUR
        && commit.records[0].clock == Some(wrong.wall))
    ));
    assert_eq!(doubt(&next), Some(Doubt::Unconfirmed));
    assert!(asked(&effects).is_none() && next.state().absences.is_empty());
    for minutes in 0..120 {
        let true_time = START + HOUR + Span::mins(20 + minutes);
        let now = ahead(true_time.into(), YEAR * 3);
        all_confirm(&mut next, &["a", "b"], true_time, now);
        assert!(next.state().last_record_at <= true_time);
        assert!(doubt(&next).is_some());
    }
    let right = after(HOUR * 4);
    all_confirm(&mut next, &["a", "b"], right.wall, right);
    assert_eq!(doubt(&next), None, "the nodes agree with the clock that was set right");
    assert_eq!(next.time(right), right.wall);
    assert_eq!(next.state().in_service().count(), 2);
}

#[test]
fn r9_a_start_after_a_long_absence_goes_on_once_most_nodes_agree() {
    let mut leader = leader_with(&["a", "b"]);
    confirm(&mut leader, "a", START + HOUR);
    let now = after(HOUR * 60);
    let (mut next, _) = restarted(&leader, START + HOUR, now);
    assert_eq!(doubt(&next), Some(Doubt::Unconfirmed));
    confirm_by(&mut next, "b", now.wall, now);
    assert_eq!(doubt(&next), None);
    assert_eq!(next.state().started_at, now.wall);
    assert!(next.state().waits.contains_key(&Wait::Start), "rule R5: a has not reported");
    assert_eq!(next.state().absences.len(), 1);
}

#[test]
fn r9_a_short_absence_needs_no_node_and_neither_does_a_fleet_without_one() {
    let leader = leader_with(&["a"]);
    let (next, _) = restarted(&leader, START, after(Span::mins(4)));
    assert_eq!(doubt(&next), None);
    assert_eq!(next.state().started_at, START + Span::mins(4));
    let leader = leader_with(&[]);
    let (next, _) = restarted(&leader, START, after(YEAR));
    assert_eq!((doubt(&next), next.state().started_at), (None, START + YEAR));
}

/// It was away for less than `clock_skew`: what the clock then leaves by counts from where it stands, not from when it was last there.
#[test]
fn r9_a_clock_that_jumps_after_a_short_absence_is_questioned() {
    let before = leader_with(&["a"]);
    let skew = before.state().settings.clock_skew();
    let (start, last_up) = (after(HOUR), after(HOUR).wall - (skew - Span(1)));
    let (mut leader, _) = restarted(&before, last_up, start);
    assert_eq!(doubt(&leader), None);
    let now = after(HOUR + Span::mins(1));
    leader.step(Input::Woke, set(now, now.wall - (skew + Span(1))));
    assert_eq!(doubt(&leader), Some(Doubt::Jumped));
}

/// What was noted while the clock was in doubt is moved on when that ends, so it does not end with the last node that was in service.
#[test]
fn r9_a_doubt_outlasts_the_only_node_and_a_restart_and_ends_when_the_next_one_agrees() {
    let mut leader = leader_with(&["a"]);
    let now = ahead(after(HOUR), HOUR * 60);
    leader.step(Input::Woke, now);
    enrol(&mut leader, "a", now);
    assert_eq!(leader.state().in_service().count(), 0);
    let (mut next, _) = restarted(&leader, leader.state().last_record_at, now);
    assert_eq!(doubt(&next), Some(Doubt::Unconfirmed), "the doubt goes on");
    confirm_by(&mut next, "a", now.wall, now);
    assert_eq!(doubt(&next), None);
    assert_eq!(next.state().started_at, now.wall, "what was noted is moved on");
}

#[test]
fn r9_a_leader_whose_last_node_is_gone_believes_its_clock_and_records_that() {
    let mut leader = leader_with(&["a"]);
    let (node, comment, ending) = (name("a"), None, Ending::Removed);
    leader.step(operator(Command::EndNode { node, ending, comment }), after(HOUR));
    let (next, effects) = restarted(&leader, START, after(YEAR));
    assert_eq!((doubt(&next), next.state().started_at), (None, START + YEAR));
    assert!(was_confirmed(&effects));
}

fn was_confirmed(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| {
        matches!(effect, Effect::Commit(commit)
        if commit.records.iter().any(|record| matches!(record.event, Event::ClockConfirmed { .. })))
    })
}

#[test]
fn r1_what_is_confirmed_while_the_clock_is_in_doubt_counts_from_when_it_is_not() {
    let mut next = leader_with(&["a", "b"]);
    let profile: ProfileName = "rs256".parse().unwrap();
    let now = ahead(after(HOUR), HOUR * 60);
    all_confirm(&mut next, &["a", "b"], START + HOUR, now);
    let effects = next.step(rotate(), now);
    make(&mut next, &effects, now);
    all_confirm(&mut next, &["a", "b"], START + HOUR, now);
    assert_eq!(doubt(&next), Some(Doubt::Jumped));
    let standby = next
        .state()
        .prepublished(&profile)
        .next()
        .expect("a new standby")
        .kid()
        .clone();
    all_confirm(&mut next, &["a", "b"], now.wall, now);
    all_confirm(&mut next, &["a", "b"], now.wall, now);
    assert_eq!(doubt(&next), None);
    let ready = crate::lifecycle::Publication::of(next.state(), next.seen(), &next.state().keys[&standby]);
    assert_eq!((ready.missing.len(), ready.ready_at), (0, now.wall + HOUR * 26));
    assert!(matches!(
        next.state().active(&profile).unwrap().phase,
        Phase::Active { since, retire_at } if since == now.wall && retire_at == now.wall + HOUR * 48
    ));
}

#[test]
fn r1_a_node_that_confirms_an_older_key_while_the_clock_is_in_doubt_has_it_from_when_that_ends() {
    let mut leader = leader_with(&["a", "b"]);
    let effects = leader.step(rotate(), after(HOUR));
    make(&mut leader, &effects, after(HOUR));
    let standby = leader
        .state()
        .prepublished(&"rs256".parse().unwrap())
        .next()
        .unwrap()
        .kid()
        .clone();
    confirm(&mut leader, "a", START + HOUR);
    let first: Kid = "first".parse().unwrap();
    // The machine stood still for two days; b confirms before the leader knows that.
    let now = ahead(after(HOUR * 2), HOUR * 48);
    leader.step(Input::Woke, now);
    confirm_by(&mut leader, "b", START + HOUR * 2, now);
    assert_eq!(doubt(&leader), Some(Doubt::Jumped));
    all_confirm(&mut leader, &["a", "b"], now.wall, now);
    all_confirm(&mut leader, &["a", "b"], now.wall, now);
    assert_eq!(doubt(&leader), None);
    let ready = crate::lifecycle::Publication::of(leader.state(), leader.seen(), &leader.state().keys[&standby]);
    assert_eq!(ready.ready_at, now.wall + HOUR * 26, "rule R1");
    assert!(
        leader.state().keys.contains_key(&first),
        "rule R3: b may have signed until then"
    );
}

#[test]
fn a_machine_that_was_suspended_evicts_nobody_for_its_own_silence() {
    let mut leader = leader_with(&["a", "b"]);
    let now = after(HOUR * 40);
    let effects = leader.step(Input::Woke, now);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Commit(commit)
        if matches!(commit.records[0].event, Event::StoodStill { .. }))));
    assert_eq!(leader.state().in_service().count(), 2);
    assert!(leader.state().nodes.contains_key(&name("a")));
    for hours in 41..=64 {
        leader.step(Input::Woke, after(HOUR * hours));
    }
    assert_eq!(leader.state().in_service().count(), 2);
    leader.step(Input::Woke, after(HOUR * 65));
    assert_eq!(
        leader.state().in_service().count(),
        0,
        "then they were silent for too long while it was there"
    );
}
