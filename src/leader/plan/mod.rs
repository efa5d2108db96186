//! What comes, told beforehand: the leader's own core in virtual time, on a copy of its state. Pure.
//!
//! A plan can't disagree with what the leader does, because the leader does it. Nodes that answer now are taken to go on confirming
//! at once, and keys to be made at once; a node that does not answer stays silent.

mod away;
mod cas;
mod course;
mod rows;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use self::course::Course;
use self::rows::Rows;
use crate::leader::core::Leader;
use crate::lifecycle::{Command, Settings, Standing, State, check, owing_since};
use crate::rpc::documents::{Away, BrokenRule, Happening, JwksSize, Plan, Planned, ProfileSize, Subject};
use crate::types::{Enrolment, NodeName, Now, ProfileName, Seq, Span, Time};

/// The plan of a running leader for `span` from `now` on. `connected` are the enrolments that have a stream.
#[must_use]
pub fn of_leader(leader: &Leader, connected: &BTreeSet<Enrolment>, now: Now, span: Span) -> Plan {
    let clock = now.wall;
    let answering = answering(leader, connected, leader.time(now));
    let state = leader.state();
    let is_absent = |name: &NodeName| !answering.contains(name);
    let joined = state.nodes.iter().filter(|(_, node)| node.standing != Standing::Joining);
    let absent: Vec<NodeName> = joined.map(|(name, _)| name).filter(|name| is_absent(name)).cloned().collect();
    let run = |answering: &BTreeSet<NodeName>| {
        let mut course = Course::new(leader.clone(), answering, now);
        course.run(clock + looked_at(&state.settings, span));
        let rows = Rows::of(&course, leader, answering);
        (course, rows)
    };
    let (course, mut rows) = run(&answering);
    if !absent.is_empty() {
        let all = answering.iter().chain(&absent).cloned().collect();
        rows::compare(&mut rows, &run(&all).1);
    }
    let (epoch, generation) = (state.epoch, state.head.generation);
    let subject = Subject::Leader { epoch, generation };
    Plan {
        halted: state.halted.clone(),
        absent,
        ..written(subject, &course, rows, (clock, span), &state.settings)
    }
}

/// The plan of `settings` for a fleet that is founded at `clock` with so many nodes. Where they break a timing rule that is all it
/// says, as no leader would start.
#[must_use]
pub fn of_settings(settings: &Settings, nodes: u16, clock: Time, span: Span) -> Plan {
    let subject = Subject::Configuration { nodes };
    let broken = check(settings).into_iter().map(|violation| BrokenRule {
        rule: format!("{:?}", violation.rule),
        profile: violation.profile.clone(),
        text: violation.to_string(),
    });
    let violations: Vec<BrokenRule> = broken.collect();
    if !violations.is_empty() {
        return Plan {
            violations,
            until: clock,
            ..nothing(subject, clock)
        };
    }
    let mut course = Course::founded(settings, nodes, clock);
    course.run(clock + looked_at(settings, span));
    let nobody = Leader::new(State::default(), [].into(), Seq(0));
    let rows = Rows::of(&course, &nobody, &BTreeSet::new());
    written(subject, &course, rows, (clock, span), settings)
}

/// What follows when `command` is carried out at `now`: the events of the profiles in `waiting`, until each has a new key in use, as
/// far as that comes within three intervals.
#[must_use]
pub fn following(
    leader: &Leader,
    answering: &BTreeSet<NodeName>,
    command: &Command,
    mut waiting: BTreeSet<ProfileName>,
    now: Now,
) -> Vec<Planned> {
    let mut course = Course::new(leader.clone(), answering, now);
    course.ask(command.clone());
    course.run(now.wall + looked_at(&leader.state().settings, Span(0)));
    let mut follows = |row: &Planned| {
        let Some(profile) = row.profile.as_ref().filter(|profile| waiting.contains(*profile)) else {
            return false;
        };
        if matches!(row.event, Happening::Signs | Happening::Encrypts) {
            waiting.remove(&profile.clone());
        }
        true
    };
    Rows::of(&course, leader, answering)
        .into_iter()
        .filter(|row| follows(row))
        .collect()
}

/// The nodes that can be expected to confirm: they have a stream, and do not owe a confirmation that something keeps them from.
#[must_use]
pub fn answering(leader: &Leader, connected: &BTreeSet<Enrolment>, now: Time) -> BTreeSet<NodeName> {
    let state = leader.state();
    let is_stuck = |name: &NodeName| {
        let sighting = leader.sighting(name);
        let hindered = sighting.is_some_and(|sighting| sighting.problem.is_some());
        hindered && owing_since(state, sighting, now).is_some()
    };
    let nodes = state.nodes.iter().filter(|(_, node)| connected.contains(&node.enrolment));
    nodes.map(|(name, _)| name).filter(|name| !is_stuck(name)).cloned().collect()
}

/// How far a plan looks for the fullest JWKS and the next rotations, however little of it is shown.
fn looked_at(settings: &Settings, span: Span) -> Span {
    let intervals = settings.profiles.values().map(|profile| profile.windows.interval);
    intervals.max().map_or(span, |longest| span.max(longest * 3))
}

fn written(subject: Subject, course: &Course, rows: Vec<Planned>, (now, span): (Time, Span), settings: &Settings) -> Plan {
    let until = (now + span).min(course.clock);
    let (profiles, most) = course.fullest();
    let profiles = profiles.iter().map(|(profile, most)| ProfileSize {
        profile: profile.clone(),
        most: *most,
    });
    let jwks = JwksSize {
        until: course.clock,
        most,
        profiles: profiles.collect(),
    };
    Plan {
        until,
        jwks,
        leader_away: away::of_leader(&rows, now),
        node_away: away::of_node(&rows, now, settings.straggler_after()),
        events: rows.into_iter().filter(|row| row.at <= until).collect(),
        ..nothing(subject, now)
    }
}

fn nothing(subject: Subject, now: Time) -> Plan {
    Plan {
        subject,
        now,
        until: now,
        violations: Vec::new(),
        halted: None,
        absent: Vec::new(),
        events: Vec::new(),
        jwks: JwksSize::default(),
        leader_away: Away::default(),
        node_away: Away::default(),
    }
}
