//! How long the leader, or a node, may be away before something is late: by rule, from the rows of a plan.
//!
//! What follows the rules here is held against courses in which the leader, or a node, really is away.

use crate::rpc::documents::{Awaited, Away, Deadline, Happening, Planned};
use crate::types::{Span, Time};

/// How long the leader may be away from `now` on.
///
/// Keys switch by the clocks of the nodes; everything else is a decision of the leader, and is late by as much as it is. It must be
/// there at a switch to hear that nodes have made it: the key before stays published for so long from then on (rule R3).
pub(super) fn of_leader(rows: &[Planned], now: Time) -> Away {
    // A silent node leaves service after so long a silence as the leader was there to notice.
    let straggler = rows.iter().find(|row| row.event == Happening::LeavesService);
    let straggler = straggler.map(|row| Deadline { at: now, ..due(row) });
    let decided = rows.iter().filter(|row| row.at > now).find_map(|row| match row.event {
        Happening::Published
        | Happening::Armed
        | Happening::Removed
        | Happening::Staged
        | Happening::Encrypts
        | Happening::Discarded
        | Happening::CaMade
        | Happening::CaSigns
        | Happening::CaDropped => Some(due(row)),
        Happening::Retires => Some(removal(row)),
        _ => None,
    });
    let armed = armings(rows, now).map(|arming| {
        let at = arming.published_by.unwrap_or(arming.armed_at);
        late_rotation(&arming, if arming.is_held_up { now } else { at })
    });
    Away {
        nothing_late: straggler.or(decided),
        rotations_on_time: armed.chain(publications(rows, now)).min_by_key(|deadline| deadline.at),
    }
}

/// The publications of encryption keys to come: each is a decision of the leader, which waits for every node (rule E1).
fn publications(rows: &[Planned], now: Time) -> impl Iterator<Item = Deadline> {
    let to_come = rows
        .iter()
        .filter(move |row| row.at > now && row.event == Happening::Encrypts);
    to_come.map(due)
}

/// How long a node that answers at `now` may be away from then on, where silent nodes leave service after `straggler_after`.
///
/// A key that is published meanwhile waits for the node (rule R1). A switch that the node makes meanwhile is made on time, but the
/// key before it stays published until the node has confirmed it (rule R3).
pub(super) fn of_node(rows: &[Planned], now: Time, straggler_after: Span) -> Away {
    let leaves_at = now + straggler_after;
    let leaves = Deadline {
        at: leaves_at,
        profile: None,
        key: None,
        event: Happening::LeavesService,
    };
    let rotations = armings(rows, now).filter_map(|arming| {
        let at = arming.published_by?.min(arming.armed_at);
        (at <= leaves_at).then(|| late_rotation(&arming, at))
    });
    let published = publications(rows, now).filter(|deadline| deadline.at <= leaves_at);
    let rotations_on_time = rotations.chain(published).min_by_key(|deadline| deadline.at);
    let to_come = rows.iter().filter(|row| row.at > now);
    let removals = to_come.filter_map(|row| match row.event {
        Happening::Retires => Some(removal(row)),
        Happening::Unpublished => Some(Deadline {
            event: Happening::Discarded,
            ..due(row)
        }),
        // It signs once the node trusts it.
        Happening::CaMade => Some(Deadline {
            event: Happening::CaSigns,
            ..due(row)
        }),
        _ => None,
    });
    let all = removals.chain(rotations_on_time.clone()).chain([leaves]);
    Away {
        nothing_late: all.min_by_key(|deadline| deadline.at),
        rotations_on_time,
    }
}

/// The arming of one key.
struct Arming<'a> {
    row: &'a Planned,
    armed_at: Time,
    /// When every node must publish it at the latest, so that rule R1 holds when it is to sign; none for one that stands published.
    published_by: Option<Time>,
    /// Whether it waits for nodes that do not answer.
    is_held_up: bool,
}

/// The armings to come of which the rows say when the key signs.
fn armings(rows: &[Planned], now: Time) -> impl Iterator<Item = Arming<'_>> {
    let to_come = rows.iter().filter(move |row| row.at > now && row.event == Happening::Armed);
    to_come.filter_map(move |row| {
        let of_same_key = |other: &&Planned| other.profile == row.profile && other.key == row.key;
        let of_key = |event| rows.iter().filter(of_same_key).find(move |other| other.event == event);
        let signs = of_key(Happening::Signs)?;
        let Awaited::Publication { span, missing } = &row.waits_for else {
            return None;
        };
        let published = of_key(Happening::Published).filter(|published| published.at > now);
        Some(Arming {
            row,
            armed_at: row.at,
            published_by: published.map(|_| signs.at - *span),
            is_held_up: !missing.is_empty(),
        })
    })
}

fn late_rotation(arming: &Arming<'_>, at: Time) -> Deadline {
    Deadline {
        at,
        event: Happening::Signs,
        ..due(arming.row)
    }
}

/// The removal of a key, which a switch that is not confirmed delays.
fn removal(retires: &Planned) -> Deadline {
    Deadline {
        event: Happening::Removed,
        ..due(retires)
    }
}

fn due(row: &Planned) -> Deadline {
    Deadline {
        at: row.at,
        profile: row.profile.clone(),
        key: row.key.clone(),
        event: row.event,
    }
}
