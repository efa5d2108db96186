//! `jkeys status`: the leader, what needs attention, then profiles, keys and nodes.

use super::nodes::{clock, failed, nodes};
use super::table::Table;
use super::text::{elapsed, list, plain, relative, size};
use super::{history::waited, keys::keys, text};
use crate::lifecycle::Doubt;
use crate::rpc::documents::{BackupProblem, ClockStatus, InheritedKey, NodeStatus, Rotating, StandbyStatus, Status};
use crate::types::{KeyUse, NodeName, Time};

pub(in crate::cli) fn status(status: &Status, columns: Option<usize>) -> String {
    let sections = [
        leader(status),
        loud(status),
        under_way(status),
        profiles(status),
        keys(status, columns),
        nodes(status),
    ];
    let sections: Vec<String> = sections.into_iter().filter(|section| !section.is_empty()).collect();
    sections.join("\n")
}

fn leader(status: &Status) -> String {
    format!(
        "leader  epoch {} for {}; generation {}, committed {}{}\n",
        status.epoch,
        elapsed(status.started_at, status.now),
        status.generation,
        relative(status.committed_at, status.now),
        status
            .keystore_bytes
            .map(|bytes| format!("; keystore {}", size(bytes)))
            .unwrap_or_default()
    )
}

/// What needs attention, a line each.
fn loud(status: &Status) -> String {
    let now = status.now;
    let halted = status
        .halted
        .iter()
        .map(|halt| format!("the leader decides nothing more: {halt}; {}", halt.advice()));
    let waits = status.waits.iter().map(|waiting| {
        format!(
            "the schedule waits for {}: {}",
            elapsed(waiting.since, now),
            waited(&waiting.wait)
        )
    });
    let clock = status.clock.doubt.map(|doubt| questioned(&status.clock, doubt, now));
    let unsigned = status.profiles.iter().filter(|profile| profile.active.is_none());
    let unsigned = unsigned.map(|profile| match profile.spec.key_use() {
        KeyUse::Sig => format!("profile {} has no key that signs", profile.profile),
        KeyUse::Enc => format!("profile {} publishes no key to encrypt to", profile.profile),
    });
    let inherited = status.inherited.iter().map(|key| outside(key, now));
    let revocations = status.revocations.iter().map(|revocation| {
        format!(
            "key {} was revoked {} ({}), {}",
            revocation.kid,
            relative(revocation.at, now),
            revocation.reason,
            not_confirmed(&revocation.missing, status)
        )
    });
    let unknown: Vec<&NodeName> = unknown(status).collect();
    let unknown = (!unknown.is_empty()).then(|| {
        format!(
            "what {} hold and have confirmed is not known: the leader was put back, and they have not reported since",
            list(&unknown)
        )
    });
    let nodes = status.nodes.iter().flat_map(|node| troubles(node, now));
    let refused = Some(status.refused_enrolments).filter(|count| *count > 0);
    let refused = refused.map(|count| format!("{count} join tokens refused since the leader started"));
    let backup = status.backup.iter().filter_map(|backup| {
        let BackupProblem { at, why } = backup.problem.as_ref()?;
        let before = backup
            .succeeded_at
            .map_or("it has not succeeded since the leader started".to_owned(), |at| {
                format!("it succeeded {}", relative(at, now))
            });
        Some(format!(
            "the backup hook failed {}: {}; {before}",
            relative(*at, now),
            plain(why)
        ))
    });
    let lines = halted
        .chain(backup)
        .chain(refused)
        .chain(clock)
        .chain(waits)
        .chain(unsigned)
        .chain(inherited)
        .chain(unknown)
        .chain(revocations)
        .chain(nodes);
    text::lines(lines.map(|line| format!("! {line}")))
}

/// What is outside the rules' promise after an adoption, and until when.
fn outside(key: &InheritedKey, now: Time) -> String {
    let until = match key.until {
        Some(until) => format!("until {until} ({})", relative(until, now)),
        None => "until its successor is made and every node has confirmed it".to_owned(),
    };
    let nodes = list(&key.lacking);
    let lacking = if key.lacking.is_empty() {
        String::new()
    } else if key.is_encrypted_to {
        format!("; {nodes} can't open what is encrypted to it; who of them is out of service stays so until then (rule E1)")
    } else {
        format!("; {nodes} serve without it")
    };
    format!(
        "key {} of profile {} ({}) was taken over from the nodes that hold it, and the leader can't send it to others, {until}{lacking}",
        key.kid, key.profile, key.state
    )
}

/// Profiles that come to another algorithm, or leave: nothing is wrong, and an operator waits for it.
fn under_way(status: &Status) -> String {
    let at = |time: Time| format!("{time} ({})", relative(time, status.now));
    let rotating = status.profiles.iter().filter_map(|profile| {
        let Rotating { from, at: planned } = profile.rotating?;
        let into = format!("profile {} rotates from {from} into {}", profile.profile, profile.spec);
        Some(match planned {
            Some(planned) => format!("{into} at {}", at(planned)),
            None => format!("{into}, once its key is made and every node has confirmed it"),
        })
    });
    let leaving = status.leaving.iter().map(|leaving| {
        let waits = if leaving.missing.is_empty() { "" } else { ", waits for " };
        let (profile, until) = (&leaving.profile, at(leaving.until.max(status.now)));
        format!(
            "profile {profile} is removed: its keys stay until {until}{waits}{}",
            list(&leaving.missing)
        )
    });
    text::lines(rotating.chain(leaving))
}

/// What is wrong with the leader's clock, and what ends that.
fn questioned(clock: &ClockStatus, doubt: Doubt, now: Time) -> String {
    let agreeing = clock.nodes_heard.saturating_sub(clock.nodes_differing);
    let advice = match doubt {
        Doubt::Behind => format!("the schedule rests until the clock gets to {now}"),
        Doubt::Jumped | Doubt::Unconfirmed if clock.nodes_heard == 0 => {
            "set the clock right; if it is right, let a node in service be heard: \
             those that are gone for good are taken out with `jkeys node remove NAME`"
                .to_owned()
        }
        Doubt::Jumped | Doubt::Unconfirmed => {
            "set the clock right; if it is right, the schedule goes on once most nodes heard agree with it".to_owned()
        }
        Doubt::Outvoted => "set the leader's clock right, or those of the nodes".to_owned(),
    };
    format!(
        "{doubt}: it shows {}, the leader goes by {now}, and {agreeing} of {} nodes heard agree with the clock; revocation and \
         rotate --now go on; {advice}",
        clock.shows, clock.nodes_heard
    )
}

fn troubles(node: &NodeStatus, now: Time) -> impl Iterator<Item = String> {
    let evicted = (node.standing == "evicted").then(|| format!("out of service for {}", elapsed(node.since, now)));
    let problem = node.problem.as_deref().map(plain);
    let name = node.node.clone();
    let failing = node.failing.iter().map(move |failing| failed(failing, now));
    let troubles = [evicted, clock(node), problem].into_iter().flatten().chain(failing);
    troubles.map(move |trouble| format!("node {name}: {trouble}"))
}

fn profiles(status: &Status) -> String {
    let mut table = Table::new(&["PROFILE", "ALG", "IN USE", "NEXT"]);
    for profile in &status.profiles {
        table.row([
            profile.profile.to_string(),
            profile.spec.to_string(),
            profile
                .active
                .as_ref()
                .map_or_else(|| "nothing".to_owned(), ToString::to_string),
            standby(&profile.standby, status),
        ]);
    }
    table.to_string()
}

/// The nodes of which a leader that was put back does not know what they have confirmed.
fn unknown(status: &Status) -> impl Iterator<Item = &NodeName> {
    status.nodes.iter().filter(|node| node.unknown).map(|node| &node.node)
}

/// Who has not confirmed something, and of whom that is not known.
fn not_confirmed(missing: &[NodeName], status: &Status) -> String {
    let (unknown, missing): (Vec<&NodeName>, Vec<_>) = missing
        .iter()
        .partition(|name| unknown(status).any(|unknown| unknown == *name));
    let missing = (!missing.is_empty()).then(|| format!("not confirmed by {}", list(&missing)));
    let unknown = (!unknown.is_empty()).then(|| format!("not known of {}", list(&unknown)));
    missing.into_iter().chain(unknown).collect::<Vec<_>>().join(", ")
}

fn standby(standby: &StandbyStatus, status: &Status) -> String {
    let now = status.now;
    match standby {
        StandbyStatus::Ready { kid } => format!("{kid} ready"),
        StandbyStatus::Young { kid, ready_at, missing } if missing.is_empty() => {
            format!("{kid} ready {}", relative(*ready_at, now))
        }
        StandbyStatus::Young { kid, ready_at, missing } => {
            let floor = (*ready_at > now).then(|| format!(", ready {} at the earliest", relative(*ready_at, now)));
            format!("{kid} {}{}", not_confirmed(missing, status), floor.unwrap_or_default())
        }
        StandbyStatus::None => "being made".to_owned(),
        StandbyStatus::Staged { kid, missing } if missing.is_empty() => format!("{kid} ready"),
        StandbyStatus::Staged { kid, missing } => format!("{kid} {}", not_confirmed(missing, status)),
        StandbyStatus::NotDue { due_at } => format!("made {}", relative(*due_at, now)),
    }
}
