//! What happened, in words for people.

use super::TOLD_FAILURES;
use crate::audit::Record;
use crate::dev::Summary;
use crate::dev::probe::Round;
use crate::lifecycle::{Cause, Event, Leaving};
use crate::types::{Kid, Span, Time};

/// How much of a kid is enough to tell it from others.
const SHORT_KID: usize = 12;

/// The end of a run.
pub(super) fn summary(summary: &Summary) -> String {
    let Summary {
        rotations,
        probes,
        failed_probes,
    } = summary;
    format!("{rotations} rotations, {probes} probes, {failed_probes} failed probes")
}

/// The failures of one round; only so many.
pub(super) fn failures(round: &Round) -> Vec<String> {
    let told = round.failures.iter().take(TOLD_FAILURES);
    let mut lines: Vec<String> = told.map(|failure| format!("FAILED: {failure}")).collect();
    let more = round.failures.len().saturating_sub(TOLD_FAILURES);
    lines.extend((more > 0).then(|| format!("FAILED: and {more} more")));
    lines
}

/// The beginning of a kid.
pub(super) fn short(kid: &Kid) -> String {
    let kid = kid.as_str();
    if kid.len() <= SHORT_KID {
        kid.to_owned()
    } else {
        format!("{}…", &kid[..SHORT_KID])
    }
}

/// A length of time in seconds, as far as anybody wants to read it.
pub(super) fn seconds(span: Span) -> String {
    if span >= Span::mins(2) {
        return Span::secs(span.0 / 1000).to_string();
    }
    format!("{}.{} s", span.0 / 1000, span.0 % 1000 / 100)
}

/// What was decided, if it is about a key, a node or a wait.
pub(super) fn decided(record: &Record, now: Time) -> Option<String> {
    Some(match &record.event {
        Event::Prepublished { profile, key, .. } => format!("{profile}: {} is published", short(&key.kid)),
        Event::Armed { kid, activate_at, .. } => {
            format!("{} is armed, to sign in {}", short(kid), seconds(activate_at.since(now)))
        }
        Event::Activated { kid, cause, .. } => format!("{} signs ({})", short(kid), why(cause)),
        Event::Retired { kid, .. } => format!("{} signs no more", short(kid)),
        Event::Removed { kid, .. } => format!("{} is removed", short(kid)),
        Event::Revoked { kid, reason, .. } => format!("{} is revoked ({reason})", short(kid)),
        Event::EnteredService { node, .. } => format!("{node} is in service"),
        Event::LeftService { node, cause, .. } => format!("{node} left service ({})", left(*cause)),
        Event::NodeRevoked { farewell } => format!("{} is revoked", farewell.node),
        Event::NodeRemoved { farewell } => format!("{} is removed", farewell.node),
        Event::WaitBegan { nodes, .. } if nodes.is_empty() => "the schedule waits for its time".to_owned(),
        Event::WaitBegan { nodes, .. } => format!("the schedule waits for {nodes}"),
        Event::WaitEnded { .. } => "the schedule goes on".to_owned(),
        Event::Halted { halt } => format!("the leader decides nothing more: {} has seen a newer one", halt.node),
        Event::Refused { request, refusal } => format!("`{request}` was refused: {refusal}"),
        _ => return None,
    })
}

fn why(cause: &Cause) -> &'static str {
    match cause {
        Cause::Scheduled => "scheduled",
        Cause::Emergency { .. } => "emergency",
        Cause::Bootstrap => "the first",
        Cause::Forced { .. } => "forced",
        Cause::Compromised { .. } => "its predecessor is compromised",
    }
}

fn left(cause: Leaving) -> &'static str {
    match cause {
        Leaving::Silent => "silent",
        Leaving::Owing => "owes a confirmation",
        Leaving::LeftBehind => "the leader went on without it",
        Leaving::Replaced => "enrolled anew",
        Leaving::Revoked => "revoked",
        Leaving::Removed => "removed",
    }
}
