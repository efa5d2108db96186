//! The state of the fleet as a document for operators. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cas::node_papers;
use super::transition;
use crate::leader::core::Leader;
use crate::lifecycle::{
    Cause, Decision, Event, Grounds, Keeping, Key, NextUp, Node, Phase, PrivateHalf, Publication, Retirement, Sightings, Staging,
    Standing, State, is_unknown, may_hold_keys, owing_since, ready_first, unconfirmed,
};
use crate::rpc::documents::{
    ClockStatus, Decided, InheritedKey, KeyStatus, NextChange, NodeStatus, ProfileStatus, RevocationStatus, StandbyStatus,
    Status, Waiting,
};
use crate::types::{Generation, KeyUse, NodeName, Now, ProfileName, Time};

/// Why it is not known until when a revoked key is trusted, though every node has confirmed (rule R8).
pub const NO_SERVED_MAX_AGE: &str =
    "how long verifiers cache the JWKS is not known: set served_max_age to what its server tells them";

/// What `jkeys status` shows at this reading of the clocks.
#[must_use]
pub fn status(leader: &Leader, clocks: Now) -> Status {
    let (state, seen) = (leader.state(), leader.seen());
    let now = leader.time(clocks);
    let mut keys: Vec<&Key> = state.keys.values().collect();
    keys.sort_by_key(|key| (&key.profile, key.published_at));
    Status {
        now,
        clock: clock_status(leader, clocks),
        epoch: state.epoch,
        started_at: state.started_at,
        generation: state.head.generation,
        committed_at: state.head.committed_at,
        halted: state.halted.clone(),
        refused_enrolments: leader.refused_enrolments(),
        backup: None,
        keystore_bytes: None,
        waits: state
            .waits
            .iter()
            .map(|(wait, since)| Waiting {
                wait: wait.clone(),
                since: *since,
            })
            .collect(),
        profiles: state
            .settings
            .profiles
            .keys()
            .map(|name| profile_status(state, seen, name, now))
            .collect(),
        leaving: transition::leaving(state, seen),
        inherited: inherited(state, seen, now),
        keys: keys.into_iter().map(|key| key_status(state, seen, key)).collect(),
        nodes: state
            .nodes
            .iter()
            .map(|(name, node)| node_status(state, seen, name, node, now))
            .collect(),
        revocations: revocations(state, seen),
    }
}

fn clock_status(leader: &Leader, clocks: Now) -> ClockStatus {
    let vote = leader.vote(clocks);
    ClockStatus {
        shows: clocks.wall,
        doubt: leader.reading(clocks).doubt_in(leader.state()),
        nodes_heard: vote.heard,
        nodes_differing: vote.differing,
    }
}

fn profile_status(state: &State, seen: &Sightings, profile: &ProfileName, now: Time) -> ProfileStatus {
    let spec = state.settings.profiles[profile].spec;
    let (active, standby) = match spec.key_use() {
        KeyUse::Sig => (state.active(profile), standby(state, seen, profile, now)),
        KeyUse::Enc => (
            state.encrypted_to(profile).map(|(key, _)| key),
            staged(state, seen, profile, now),
        ),
    };
    ProfileStatus {
        profile: profile.clone(),
        spec,
        active: active.map(|key| key.kid().clone()),
        standby,
        rotating: transition::rotating(state, seen, profile, now),
    }
}

fn standby(state: &State, seen: &Sightings, profile: &ProfileName, now: Time) -> StandbyStatus {
    match ready_first(state, seen, profile, now).map(|key| (key.kid().clone(), Publication::of(state, seen, key))) {
        Some((kid, publication)) if publication.holds_at(now) => StandbyStatus::Ready { kid },
        Some((kid, Publication { missing, ready_at })) => StandbyStatus::Young { kid, ready_at, missing },
        None => StandbyStatus::None,
    }
}

fn staged(state: &State, seen: &Sightings, profile: &ProfileName, now: Time) -> StandbyStatus {
    if let Some(key) = state.staged(profile).next() {
        let (kid, Staging { missing }) = (key.kid().clone(), Staging::of(state, seen, key));
        return StandbyStatus::Staged { kid, missing };
    }
    let due_at = state
        .encrypted_to(profile)
        .map(|(key, replace_at)| replace_at - key.windows.arm_lead);
    match due_at.filter(|due_at| now < *due_at) {
        Some(due_at) => StandbyStatus::NotDue { due_at },
        None => StandbyStatus::None,
    }
}

fn key_status(state: &State, seen: &Sightings, key: &Key) -> KeyStatus {
    let next = match key.phase {
        Phase::Prepublished => arming(state, seen, key).or_else(|| transition::giving_way(state, seen, key)),
        Phase::Armed { activate_at } => Some(change("active", activate_at, vec![])),
        Phase::Active { retire_at, .. } => Some(change("retiring", retirement_at(state, key, retire_at), vec![])),
        Phase::Retiring { since, .. } => {
            let Retirement { missing, expired_at, .. } = Retirement::of(state, seen, key, since);
            Some(change("removed", expired_at, missing))
        }
        Phase::Staged if !state.asks_for(key) => transition::giving_way(state, seen, key),
        Phase::Staged => {
            let replace_at = state.encrypted_to(&key.profile).map(|(_, replace_at)| replace_at);
            let missing = Staging::of(state, seen, key).missing;
            Some(change("active", replace_at.unwrap_or(key.published_at), missing))
        }
        Phase::Published { replace_at, .. } => Some(change("retiring", replace_at, vec![])),
        Phase::Unpublished { .. } => {
            Keeping::of(state, seen, key).map(|Keeping { missing, kept_until, .. }| change("removed", kept_until, missing))
        }
    };
    let public = &key.public;
    KeyStatus {
        kid: public.kid.clone(),
        profile: key.profile.clone(),
        spec: public.spec,
        state: key.phase.name().to_owned(),
        published_at: key.published_at,
        next,
        thumbprint: public.thumbprint.clone(),
        jwk: public.jwk.clone(),
        x5c: STANDARD.encode(&public.certificate_der),
    }
}

/// The keys in use that nodes have and the leader does not.
fn inherited(state: &State, seen: &Sightings, now: Time) -> Vec<InheritedKey> {
    let mut keys: Vec<&Key> = state.keys.values().collect();
    keys.retain(|key| key.inherited && !matches!(key.phase, Phase::Retiring { .. }));
    keys.sort_by_key(|key| (&key.profile, key.published_at));
    let row = |key: &Key| {
        let until = match key.phase {
            Phase::Active { retire_at, .. } => state.armed(&key.profile).map(|(_, at)| at).or_else(|| {
                let next = NextUp::of(state, seen, &key.profile, retire_at, now)?;
                next.publication.missing.is_empty().then_some(next.activate_at)
            }),
            Phase::Unpublished { .. } => Keeping::of(state, seen, key).map(|keeping| keeping.kept_until),
            _ => None,
        };
        let lacks = |node: &Node| {
            seen.get(&node.enrolment)
                .is_some_and(|sighting| sighting.lacking.contains(key.kid()))
        };
        let lacking = state.nodes.iter().filter(|(_, node)| lacks(node));
        InheritedKey {
            kid: key.kid().clone(),
            profile: key.profile.clone(),
            state: key.phase.name().to_owned(),
            until,
            lacking: lacking.map(|(name, _)| name.clone()).collect(),
            is_encrypted_to: key.key_use() == KeyUse::Enc,
        }
    };
    keys.into_iter().map(row).collect()
}

/// The key that is next is armed before its predecessor's time is over; when the others are is not decided yet.
fn arming(state: &State, seen: &Sightings, key: &Key) -> Option<NextChange> {
    let Phase::Active { retire_at, .. } = state.active(&key.profile)?.phase else {
        return None;
    };
    let next = NextUp::of(state, seen, &key.profile, retire_at, Time::default())?;
    if next.key.kid() != key.kid() || state.armed(&key.profile).is_some() {
        return None;
    }
    let at = next.activate_at - key.windows.arm_lead;
    Some(change("armed", at, next.publication.missing))
}

fn retirement_at(state: &State, key: &Key, planned: Time) -> Time {
    state.armed(&key.profile).map_or(planned, |(_, activate_at)| activate_at)
}

fn change(to: &str, at: Time, missing: Vec<NodeName>) -> NextChange {
    NextChange {
        to: to.to_owned(),
        at,
        missing,
    }
}

/// How a node stands, in a word, and since when.
pub(super) fn standing(node: &Node) -> (&'static str, Time) {
    match node.standing {
        Standing::Joining => ("joining", node.enrolled_at),
        Standing::InService { since } => ("in_service", since),
        Standing::Evicted { at } => ("evicted", at),
    }
}

pub(super) fn node_status(state: &State, seen: &Sightings, name: &NodeName, node: &Node, now: Time) -> NodeStatus {
    let (sighting, unknown) = (seen.get(&node.enrolment), is_unknown(state, seen, node));
    let (standing, since) = standing(node);
    let confirmed = sighting.and_then(|sighting| sighting.confirmed.as_ref());
    let skew = i64::try_from(state.settings.clock_skew().0).unwrap_or(i64::MAX);
    NodeStatus {
        node: name.clone(),
        standing: standing.to_owned(),
        since,
        confirmed: confirmed.map(|confirmed| confirmed.generation),
        confirmed_at: confirmed.map(|confirmed| confirmed.at),
        on_disk: sighting.and_then(|sighting| sighting.on_disk),
        heard_at: sighting.map(|sighting| sighting.heard_at),
        unknown,
        owing_since: owing_since(state, sighting, now).filter(|_| !unknown),
        clock_wrong_by_ms: sighting
            .map(|sighting| sighting.clock_ahead_ms)
            .filter(|ahead| ahead.abs() > skew),
        problem: sighting.and_then(|sighting| sighting.problem.clone()),
        failing: sighting.map(|sighting| sighting.failing.clone()).unwrap_or_default(),
        papers: sighting
            .and_then(|sighting| sighting.papers.as_ref())
            .map(|papers| node_papers(state, papers)),
        is_cloned: node.is_cloned,
    }
}

fn revocations(state: &State, seen: &Sightings) -> Vec<RevocationStatus> {
    let row = |(kid, revocation): (_, &crate::lifecycle::Revocation)| RevocationStatus {
        kid: Clone::clone(kid),
        at: revocation.at,
        reason: revocation.reason,
        generation: revocation.generation,
        missing: unconfirmed(state, seen, kid),
    };
    state.revocations.iter().map(row).collect()
}

/// What an operator is told of a decision, once it is durable.
#[must_use]
pub fn decided(leader: &Leader, decision: &Decision, generation: Generation) -> Decided {
    let state = leader.state();
    let revoked = decision.events.iter().filter_map(|event| match event {
        Event::Revoked { kid, .. } => Some(kid.clone()),
        _ => None,
    });
    let concerned = state
        .nodes
        .iter()
        .filter(|(_, node)| may_hold_keys(state, leader.seen(), node));
    let changes_nodes = decision.events.iter().any(Event::changes_nodes);
    Decided {
        generation,
        at: state.last_record_at,
        changes: decision.events.iter().map(change_in_words).collect(),
        remarks: decision.remarks.clone(),
        revoked: revoked.collect(),
        nodes: if changes_nodes {
            concerned.map(|(name, _)| name.clone()).collect()
        } else {
            Vec::new()
        },
    }
}

fn change_in_words(event: &Event) -> String {
    match event {
        Event::Activated { kid, cause, .. } => format!("key {kid} signs from now on{}", exception(cause)),
        Event::Retired { kid, .. } => format!("key {kid} signs no more and stays published until its tokens have expired"),
        Event::Removed { kid, .. } => format!("key {kid} is taken out before it was used"),
        Event::Published { kid, grounds, .. } => format!("relying parties encrypt to key {kid} from now on{}", risk(grounds)),
        Event::Unpublished { kid, .. } => format!("key {kid} is published no more and still decrypts"),
        Event::Discarded { kid, .. } => format!("key {kid} is taken out before it was published"),
        Event::Revoked {
            kid,
            reason,
            private_half: PrivateHalf::Kept,
            ..
        } => format!("key {kid} is revoked ({reason}): published no more, it still decrypts"),
        Event::Revoked { kid, reason, .. } => format!("key {kid} is revoked ({reason})"),
        Event::ReportedCompromised { kid, .. } => format!("key {kid} was gone already: the report is recorded"),
        Event::DistrustedAll => "every key that existed is distrusted".to_owned(),
        Event::Adopted { epoch, given_up, .. } => format!(
            "the leader goes on from an older state, in epoch {epoch}; checkpoints given up: {}",
            given_up.len()
        ),
        Event::Recovered {
            key, inherited: true, ..
        } => {
            format!(
                "key {} stays where nodes hold it; the leader is without its private half",
                key.kid
            )
        }
        Event::Recovered { key, .. } => format!("key {} becomes what it is on the nodes", key.kid),
        Event::LeftService { node, .. } => format!("node {node} is out of service until it confirms the new generation"),
        Event::Hastened { profile, .. } => format!("profile {profile} rotates as soon as the rules allow"),
        other => other.name().replace('_', " "),
    }
}

fn risk(grounds: &Grounds) -> &'static str {
    match grounds {
        Grounds::Scheduled { .. } | Grounds::Emergency { .. } => "",
        Grounds::Forced { .. } => " (forced: an exception to rule E1)",
    }
}

fn exception(cause: &Cause) -> &'static str {
    match cause {
        Cause::Scheduled | Cause::Emergency { .. } => "",
        Cause::Bootstrap => " (bootstrap: an exception to rule R1)",
        Cause::Forced { .. } => " (forced: an exception to rule R1)",
        Cause::Compromised { .. } => " (its predecessor is compromised: an exception to rule R1)",
    }
}
