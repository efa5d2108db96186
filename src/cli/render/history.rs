//! Records of the audit log in words, one line each.

use super::text::{list, plain};
use crate::audit::Record;
use crate::lifecycle::{Absence, Cause, Event, Farewell, Grounds, Leaving, NamedNodes, PrivateHalf, Wait, Why};
use crate::types::{Comment, Kid, Reason, Time};

/// `jkeys history`: number, time, actor, action, and the operator's reason and words.
pub(in crate::cli) fn record(record: &Record) -> String {
    let clock = record.clock.map(|clock| format!("  (the clock stood at {clock})"));
    format!(
        "{:>6}  {}  {}  {}{}{}\n",
        record.seq.0,
        record.time,
        record.actor,
        action(&record.event),
        why(&record.event),
        clock.unwrap_or_default()
    )
}

/// What was decided.
fn action(event: &Event) -> String {
    match event {
        Event::Founded { fleet } => format!("fleet {} founded", fleet.trust_domain),
        Event::Started { epoch, absence } => format!("leader started, epoch {epoch}{}", away(absence.as_ref())),
        Event::StoodStill { absence } => format!("leader stood still{}", away(Some(absence))),
        Event::ClockConfirmed { from, to, vote, .. } if vote.heard == 0 => {
            format!("leader's clock believed, with no node left to ask: it is {to}, not {from}")
        }
        Event::ClockConfirmed { from, to, vote, .. } => format!(
            "leader's clock confirmed by {} of {} nodes heard: it is {to}, not {from}",
            vote.heard - vote.differing.min(vote.heard),
            vote.heard
        ),
        Event::Configured { settings } => {
            let profiles: Vec<_> = settings.profiles.keys().collect();
            format!("settings changed, profiles {}", list(&profiles))
        }
        Event::Prepublished { profile, key, .. } => format!("key {} published, profile {profile}, {}", key.kid, key.spec),
        Event::Armed { kid, activate_at, .. } => format!("key {kid} armed, signs from {activate_at}"),
        Event::Activated { kid, cause, .. } => format!("key {kid} activated ({})", because(cause)),
        Event::Retired { kid, successor } => match successor {
            Some(successor) => format!("key {kid} retired, {successor} took over"),
            None => format!("key {kid} retired, nothing took over"),
        },
        Event::Removed { kid, last_signature, .. } => match last_signature {
            Some(at) => format!("key {kid} removed, may have signed until {at}"),
            None => format!("key {kid} removed, it never signed"),
        },
        Event::Staged { profile, key, .. } => format!("key {} staged, profile {profile}, {}", key.kid, key.spec),
        Event::Published { kid, grounds, .. } => format!("key {kid} published, to be encrypted to ({})", allowed(grounds)),
        Event::Unpublished { kid, successor } => match successor {
            Some(successor) => format!("key {kid} unpublished, {successor} took over"),
            None => format!("key {kid} unpublished, nothing took over"),
        },
        Event::Discarded {
            kid, published_until, ..
        } => match published_until {
            Some(at) => format!("key {kid} removed, was published until {at}"),
            None => format!("key {kid} removed, it was never published"),
        },
        Event::Revoked {
            kid,
            private_half: PrivateHalf::Kept,
            ..
        } => format!("key {kid} revoked, its private half kept to decrypt"),
        Event::Revoked { kid, .. } => format!("key {kid} revoked"),
        Event::ReportedCompromised { kid, .. } => format!("key {kid} reported compromised when it was gone already"),
        Event::DistrustedAll => "every key reported compromised".to_owned(),
        Event::Destroyed { kid } => format!("private half of key {kid} destroyed"),
        Event::RevocationConfirmed {
            kid,
            last_confirmation,
            replaced,
            trusted_until,
            ..
        } => format!(
            "revocation of key {kid} confirmed by every node at {last_confirmation}{}, {}",
            never(replaced),
            trusted(*trusted_until)
        ),
        Event::Hastened { profile, .. } => format!("next rotation of profile {profile} asked for"),
        Event::TokenIssued { node, expires_at, .. } => format!("join token for node {node} made, good until {expires_at}"),
        Event::TokenRevoked { node, .. } => format!("join token for node {node} revoked"),
        Event::Enrolled { node, enrolment, .. } => format!("node {node} enrolled, number {enrolment}"),
        Event::EnteredService { node, .. } => format!("node {node} entered service"),
        Event::LeftService { node, cause, .. } => format!("node {node} left service: {}", leaving(*cause)),
        Event::NodeRevoked { farewell } => format!("node {} revoked{}", farewell.node, left_behind(farewell)),
        Event::NodeRemoved { farewell } => format!("node {} removed{}", farewell.node, left_behind(farewell)),
        Event::WaitBegan { wait, nodes } => format!("schedule waits: {}{}", waited(wait), without(nodes)),
        Event::WaitEnded { wait } => format!("schedule waits no more: {}", waited(wait)),
        Event::Halted { halt } => format!("leader decides nothing more: {halt}"),
        Event::Restored { restoration, lost } => format!("leader {restoration}{}", lost_keys(lost)),
        Event::Adopted { .. } | Event::Recovered { .. } => adoption(event),
        Event::BackedUp => "backup handed out".to_owned(),
        Event::Rekeyed { from, to } => format!("keystore written again under another master key, {to} instead of {from}"),
        Event::NodeCloned { node, enrolment } => {
            format!("node {node}, number {enrolment}, was cloned: two machines use its identity")
        }
        Event::LeaderCertified { .. }
        | Event::NodeCertified { .. }
        | Event::CaAsked { .. }
        | Event::CaMade { .. }
        | Event::CaActivated { .. }
        | Event::CaDropped { .. }
        | Event::CaDestroyed { .. } => authority(event),
        Event::Refused { request, refusal } => format!("refused {}: {}", plain(request), plain(refusal)),
    }
}

fn lost_keys(lost: &[Kid]) -> String {
    if lost.is_empty() {
        return String::new();
    }
    format!("; removed, because the private half is lost: {}", list(lost))
}

/// How the leader went on from an older state.
fn adoption(event: &Event) -> String {
    match event {
        Event::Adopted {
            epoch,
            generation,
            given_up,
            unknown,
            believed,
            ..
        } => {
            let heads: Vec<String> = given_up.iter().map(|head| format!("{} records", head.size)).collect();
            let heads = if heads.is_empty() { "none".to_owned() } else { list(&heads) };
            let by_word = if believed.is_empty() {
                String::new()
            } else {
                format!(", by the word of {believed}")
            };
            let unknown = if unknown.is_empty() {
                String::new()
            } else {
                format!(", what {unknown} hold is not known")
            };
            format!(
                "leader goes on from an older state: epoch {epoch}, generation {generation}, checkpoints given up: {heads}{by_word}{unknown}"
            )
        }
        Event::Recovered {
            profile, key, inherited, ..
        } if *inherited => format!(
            "key {} of profile {profile} taken over from nodes, the leader is without its private half",
            key.kid
        ),
        Event::Recovered { profile, key, .. } => format!("key {} of profile {profile} is as nodes have it", key.kid),
        _ => String::new(),
    }
}

/// Certificates, and the CAs that sign them.
fn authority(event: &Event) -> String {
    match event {
        Event::LeaderCertified { by, good_until } => {
            format!("leader has another certificate, of CA {}, good until {good_until}", by.number)
        }
        Event::NodeCertified {
            node, by, good_until, ..
        } => format!("node {node} has another certificate, of CA {by}, good until {good_until}"),
        Event::CaAsked { number, .. } => format!("CA {number} is to take over"),
        Event::CaMade { facts, .. } => format!(
            "CA {} made, good until {}: nodes are told to trust it, and nothing is signed with it yet",
            facts.number, facts.good_until
        ),
        Event::CaActivated { number, .. } => format!("CA {number} signs: every node in service trusts it"),
        Event::CaDropped { number, .. } => format!("CA {number} is trusted no more: nobody can show a certificate of it"),
        Event::CaDestroyed { number } => format!("private half of CA {number} destroyed"),
        _ => String::new(),
    }
}

fn away(absence: Option<&Absence>) -> String {
    absence.map_or_else(String::new, |Absence { from, until }| {
        format!(", there was none from {from} to {until}")
    })
}

pub(super) fn because(cause: &Cause) -> String {
    match cause {
        Cause::Scheduled => "scheduled".to_owned(),
        Cause::Emergency { .. } => "emergency".to_owned(),
        Cause::Bootstrap => "bootstrap: the first key of its profile".to_owned(),
        Cause::Forced { ready_at, missing } => format!("forced, before {ready_at}{}", without(missing)),
        Cause::Compromised { ready_at, missing } => {
            format!("its predecessor is compromised, before {ready_at}{}", without(missing))
        }
    }
}

fn never(replaced: &NamedNodes) -> String {
    if replaced.is_empty() {
        return String::new();
    }
    format!(", but never by what was enrolled as {replaced} when it was decided")
}

fn left_behind(farewell: &Farewell) -> String {
    let Farewell {
        held,
        last_holder_of,
        unconfirmed,
        ..
    } = farewell;
    let kids: Vec<&Kid> = held.iter().chain(unconfirmed).collect();
    if kids.is_empty() {
        return ", it held no private half".to_owned();
    }
    let last: Vec<&Kid> = last_holder_of.iter().collect();
    let last = if last.is_empty() {
        String::new()
    } else {
        format!(", and was the last that is known to hold {}", list(&last))
    };
    format!(", it may hold the private halves of {}{last}", list(&kids))
}

fn allowed(grounds: &Grounds) -> String {
    match grounds {
        Grounds::Scheduled { .. } => "scheduled".to_owned(),
        Grounds::Emergency { .. } => "emergency".to_owned(),
        Grounds::Forced { missing } => format!("forced{}", without(missing)),
    }
}

fn trusted(until: Option<Time>) -> String {
    until.map_or_else(
        || "until when it is trusted is not known".to_owned(),
        |until| format!("trusted until {until} at the latest"),
    )
}

fn leaving(cause: Leaving) -> &'static str {
    match cause {
        Leaving::Silent => "silent",
        Leaving::Owing => "it owed a confirmation",
        Leaving::Replaced => "its name was enrolled anew",
        Leaving::LeftBehind => "the leader went on from an older state without it",
        Leaving::Revoked => "it is revoked",
        Leaving::Removed => "it is removed",
    }
}

/// What the schedule waits for.
pub(super) fn waited(wait: &Wait) -> String {
    match wait {
        Wait::Start => "nodes have not reported since the leader's start (rule R5)".to_owned(),
        Wait::Clock(doubt) => format!("{doubt} (rule R9)"),
        Wait::Arm(profile) => format!("the standby of profile {profile} is due, but not everywhere for long enough (rule R1)"),
        Wait::Remove(kid) => format!("key {kid} could be removed, but a node has not confirmed its switch (rule R3)"),
        Wait::Publish(profile) => {
            format!("the staged key of profile {profile} is due, but a node has not confirmed its private half (rule E1)")
        }
        Wait::Discard(kid) => {
            format!("key {kid} could be removed, but a node has not confirmed that it publishes it no more (rule E2)")
        }
        Wait::TrustCa(number) => format!("CA {number} is made, but a node has not confirmed that it trusts it"),
        Wait::EndCa(number) => format!("CA {number} signs no more, but certificates or join tokens of it may still be shown"),
    }
}

fn without(nodes: &NamedNodes) -> String {
    if nodes.is_empty() {
        return String::new();
    }
    format!(", without {nodes}")
}

/// The operator's reason and words.
fn why(event: &Event) -> String {
    let (reason, comment) = match event {
        Event::Activated { why, .. } | Event::Published { why, .. } | Event::Hastened { why, .. } => given(why),
        Event::Revoked { reason, comment, .. } => (Some(*reason), comment.as_ref()),
        Event::Adopted { comment, .. } => (None, Some(comment)),
        Event::ReportedCompromised { comment, .. } | Event::CaAsked { comment, .. } => (None, comment.as_ref()),
        other => (None, other.farewell().and_then(|farewell| farewell.comment.as_ref())),
    };
    let reason = reason.map(|reason| reason.to_string());
    let comment = comment.map(|comment| format!("\"{comment}\""));
    let parts: Vec<String> = reason.into_iter().chain(comment).collect();
    if parts.is_empty() {
        return String::new();
    }
    format!("  [{}]", parts.join(": "))
}

fn given(why: &Why) -> (Option<Reason>, Option<&Comment>) {
    (why.reason, why.comment.as_ref())
}

#[cfg(test)]
mod tests;
