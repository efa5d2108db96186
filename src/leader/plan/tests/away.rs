use super::*;
use crate::rpc::documents::Deadline;

/// How far courses are followed after an absence.
const FOLLOWED: Span = Span::hours(9 * 24);

/// The ages of a fleet at which somebody goes away: each part of a rotation, in minutes.
const AGES: [u64; 9] = [1, 600, 1239, 1260, 2000, 2819, 2821, 2881, 3600];

/// The course in which the leader is away until `back`.
fn leader_away(course: &Course, back: Time) -> Course {
    let mut course = course.clone();
    let (state, last_up) = (course.leader.state().clone(), course.clock);
    let settings = state.settings.clone();
    course.leader = Leader::new(state, course.leader.seen().clone(), Seq(0));
    course.clock = back;
    // It starts without a word of the nodes, and hears them at once.
    course.nodes.values_mut().for_each(|node| node.reported = None);
    course.start(Some(last_up), settings);
    course
}

/// The course in which one node is away until `back`.
fn node_away(course: &Course, back: Time) -> Course {
    let mut course = course.clone();
    let name = "node-2".parse().unwrap();
    course.nodes.remove(&name);
    course.run(back);
    course.nodes.insert(name, course::Ideal::default());
    course
}

/// What happens after `course`, when somebody is away by `goes`.
fn after(course: &Course, since: Time, goes: impl Fn(&Course) -> Course) -> Vec<Seen> {
    let mut other = goes(course);
    other.run(since + FOLLOWED);
    happened(&other, since)
}

/// What matters of it where the leader is away: what nodes have done by their clocks, it only notes.
fn but_notes(seen: &[Seen]) -> Vec<Seen> {
    let is_note = |event| matches!(event, Happening::Retires | Happening::Destroyed);
    seen.iter().filter(|(_, event, _)| !is_note(*event)).cloned().collect()
}

fn signs_only(seen: &[Seen]) -> Vec<Seen> {
    seen.iter()
        .filter(|(_, event, _)| *event == Happening::Signs)
        .cloned()
        .collect()
}

/// Holds a deadline against courses in which somebody is away until then, and a moment longer.
fn check(
    what: &str,
    course: &Course,
    deadline: Option<&Deadline>,
    goes: impl Fn(&Course, Time) -> Course,
    shown: impl Fn(&[Seen]) -> Vec<Seen>,
) {
    let since = course.clock;
    let undisturbed = shown(&after(course, since, Course::clone));
    let until = |back: Time| shown(&after(course, since, |course| goes(course, back)));
    let age = since.since(NOW);
    let Some(deadline) = deadline else {
        let long = since + Span::hours(40);
        assert_eq!(until(long), undisturbed, "{what}, at {age}: nothing should be late");
        return;
    };
    assert_eq!(
        until(deadline.at),
        undisturbed,
        "{what}, at {age}: late though back at {}",
        deadline.at
    );
    let later = until(deadline.at + Span(1));
    assert_ne!(later, undisturbed, "{what}, at {age}: not late after {}", deadline.at);
    let is_late = |seen: &&Seen| seen.1 == deadline.event && seen.2 == deadline.profile && !undisturbed.contains(*seen);
    assert!(
        later.iter().any(|seen| is_late(&seen)),
        "{what}, at {age}: {deadline:?} names something else"
    );
}

#[test]
fn the_leader_may_be_away_until_the_plan_says() {
    for (settings, ages) in [
        (settings(&[("web", 48)]), &AGES[..]),
        (settings(&[("web", 48), ("api", 60)]), &AGES[..4]),
    ] {
        for age in ages {
            let course = fleet(&settings, Span::mins(*age));
            let away = plan_of(&course, Span::hours(24)).leader_away;
            check("all", &course, away.nothing_late.as_ref(), leader_away, but_notes);
            check("rotations", &course, away.rotations_on_time.as_ref(), leader_away, signs_only);
        }
    }
}

#[test]
fn a_node_may_be_away_until_the_plan_says() {
    let impatient = |hours| {
        let mut settings = settings(&[("web", 48)]);
        settings
            .profiles
            .values_mut()
            .for_each(|profile| profile.windows.straggler_after = Span::hours(hours));
        settings
    };
    for settings in [impatient(24), impatient(3), settings(&[("web", 48), ("api", 60)])] {
        for age in AGES {
            let course = fleet(&settings, Span::mins(age));
            let away = plan_of(&course, Span::hours(24)).node_away;
            check("all", &course, away.nothing_late.as_ref(), node_away, <[Seen]>::to_vec);
            check("rotations", &course, away.rotations_on_time.as_ref(), node_away, signs_only);
        }
    }
}

#[test]
fn the_leader_is_needed_at_once_while_a_node_is_silent() {
    let course = fleet(&settings(&[("web", 48)]), Span::hours(20));
    let away = plan_without(&course, "node-2", Span::hours(100)).leader_away;
    let deadline = away.nothing_late.unwrap();
    assert_eq!((deadline.at, deadline.event), (course.clock, Happening::LeavesService));
}
