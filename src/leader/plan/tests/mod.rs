//! Plans, held against courses that go otherwise.

mod absent;
mod away;
mod cas;
mod schedule;

use super::*;
use crate::lifecycle::Profile;
use crate::rpc::documents::{Happening, PlannedKey};
use crate::types::{KeySpec, ProfileName};

const NOW: Time = Time(1_800_000_000_000);

/// Profiles with the two-day schedule, and these intervals in hours.
fn settings(profiles: &[(&str, u64)]) -> Settings {
    let profile = |(name, interval): &(&str, u64)| {
        let mut profile = Profile::new(name.parse().unwrap(), KeySpec::Es256);
        profile.windows.interval = Span::hours(*interval);
        profile
    };
    profiles.iter().map(profile).collect()
}

/// A fleet of two nodes, so long after it was founded.
fn fleet(settings: &Settings, age: Span) -> Course {
    let mut course = Course::founded(settings, 2, NOW);
    course.run(NOW + age);
    // Every node is heard at that very moment.
    course.nodes.values_mut().for_each(|node| node.reported = None);
    course.run(course.clock);
    course
}

fn plan_of(course: &Course, span: Span) -> Plan {
    let nodes = course.leader.state().nodes.values();
    let connected = nodes.map(|node| node.enrolment).collect();
    of_leader(&course.leader, &connected, course.clock.into(), span)
}

/// The plan of a fleet in which only these nodes answer.
fn plan_without(course: &Course, silent: &str, span: Span) -> Plan {
    let nodes = course.leader.state().nodes.iter();
    let connected = nodes
        .filter(|(name, _)| name.as_str() != silent)
        .map(|(_, node)| node.enrolment);
    of_leader(&course.leader, &connected.collect(), course.clock.into(), span)
}

type Seen = (Time, Happening, Option<ProfileName>);

/// What happens in a course after `since`: when, what, in which profile.
fn happened(course: &Course, since: Time) -> Vec<Seen> {
    let rows = Rows::of(course, &nobody(), &BTreeSet::new());
    let rows = rows.into_iter().filter(|row| row.at > since);
    rows.map(|row| (row.at, row.event, row.profile)).collect()
}

fn nobody() -> Leader {
    Leader::new(State::default(), [].into(), Seq(0))
}
