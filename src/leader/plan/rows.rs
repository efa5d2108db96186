//! From what the leader will record to the rows of a plan.

use std::collections::{BTreeMap, BTreeSet};

use super::course::{Course, Moment};
use crate::leader::core::Leader;
use crate::lifecycle::{
    CaEnding, Cause, Event, Keeping, Key, Phase, Publication, Retirement, Staging, Windows, distrusting, unconfirmed,
};
use crate::rpc::documents::{Awaited, Happening, Planned};
use crate::types::{KeySpec, Kid, NodeName, ProfileName, Time};

/// What an event is in a plan; none for what a plan does not show.
pub(super) fn happening(event: &Event) -> Option<Happening> {
    Some(match event {
        Event::Prepublished { .. } => Happening::Published,
        Event::Armed { .. } => Happening::Armed,
        Event::Activated { .. } => Happening::Signs,
        Event::Retired { .. } => Happening::Retires,
        Event::Destroyed { .. } => Happening::Destroyed,
        Event::Removed { .. } => Happening::Removed,
        Event::Staged { .. } => Happening::Staged,
        Event::Published { .. } => Happening::Encrypts,
        Event::Unpublished { .. } => Happening::Unpublished,
        Event::Discarded { .. } => Happening::Discarded,
        Event::RevocationConfirmed { .. } => Happening::RevocationConfirmed,
        Event::EnteredService { .. } => Happening::EntersService,
        Event::LeftService { .. } => Happening::LeavesService,
        Event::CaMade { .. } => Happening::CaMade,
        Event::CaActivated { .. } => Happening::CaSigns,
        Event::CaDropped { .. } => Happening::CaDropped,
        _ => return None,
    })
}

/// What is known of a key beside its events.
#[derive(Debug, Clone)]
struct Known {
    profile: ProfileName,
    spec: KeySpec,
    windows: Windows,
    unpublished: Vec<NodeName>,
    unswitched: Vec<NodeName>,
}

/// The rows of a course in the making.
pub(super) struct Rows<'a> {
    course: &'a Course,
    keys: BTreeMap<Kid, Known>,
    /// What is in use in each profile.
    in_use: BTreeMap<ProfileName, KeySpec>,
    unconfirmed: BTreeMap<Kid, Vec<NodeName>>,
    /// Nodes that do not answer and have not said that they trust the CA that is to sign.
    distrusting: Vec<NodeName>,
    /// Nodes that do not answer and may have a certificate of the CA that goes.
    uncertified: Vec<NodeName>,
    /// Nodes that do not answer.
    away: Vec<NodeName>,
}

impl<'a> Rows<'a> {
    /// The rows of `course`, which began with `leader` among the nodes that answer.
    pub(super) fn of(course: &'a Course, leader: &Leader, answering: &BTreeSet<NodeName>) -> Vec<Planned> {
        let (state, seen) = (leader.state(), leader.seen());
        let absent = |nodes: Vec<NodeName>| nodes.into_iter().filter(|node| !answering.contains(node)).collect();
        let known = |key: &Key| Known {
            profile: key.profile.clone(),
            spec: key.public.spec,
            windows: key.windows,
            unpublished: absent(match key.phase {
                Phase::Staged => Staging::of(state, seen, key).missing,
                _ => Publication::of(state, seen, key).missing,
            }),
            unswitched: match key.phase {
                Phase::Retiring { since, .. } => absent(Retirement::of(state, seen, key, since).missing),
                Phase::Unpublished { .. } => {
                    absent(Keeping::of(state, seen, key).map_or_else(Vec::new, |keeping| keeping.missing))
                }
                _ => Vec::new(),
            },
        };
        let unconfirmed = |kid: &Kid| absent(unconfirmed(state, seen, kid));
        let is_in_use = |key: &&Key| matches!(key.phase, Phase::Active { .. } | Phase::Published { .. });
        let in_use = state.keys.values().filter(is_in_use);
        let mut rows = Self {
            course,
            in_use: in_use.map(|key| (key.profile.clone(), key.public.spec)).collect(),
            keys: state.keys.values().map(|key| (key.kid().clone(), known(key))).collect(),
            unconfirmed: state.revocations.keys().map(|kid| (kid.clone(), unconfirmed(kid))).collect(),
            distrusting: absent(
                state
                    .authority
                    .made()
                    .map_or_else(Vec::new, |ca| distrusting(state, seen, ca)),
            ),
            uncertified: absent(CaEnding::of(state, seen, course.clock).map_or_else(Vec::new, |ending| ending.missing)),
            away: absent(state.nodes.keys().cloned().collect()),
        };
        course.history().iter().filter_map(|moment| rows.row(moment)).collect()
    }

    fn row(&mut self, moment: &Moment) -> Option<Planned> {
        let event = happening(&moment.event)?;
        self.learn(moment);
        let into = self.change_of_algorithm(&moment.event);
        let kid = moment.event.kid();
        let key = kid.and_then(|kid| self.keys.get(kid));
        Some(Planned {
            at: match moment.event {
                // By then the nodes sign with it, whenever the leader notes it.
                Event::Activated { since, .. } => since,
                _ => moment.at,
            },
            profile: key.map(|key| key.profile.clone()),
            key: kid.map(|kid| self.course.name_of(kid)),
            node: match &moment.event {
                Event::EnteredService { node, .. } | Event::LeftService { node, .. } => Some(node.clone()),
                _ => None,
            },
            ca: match &moment.event {
                Event::CaMade { facts, .. } => Some(facts.number),
                Event::CaActivated { number, .. } | Event::CaDropped { number, .. } => Some(*number),
                _ => None,
            },
            event,
            into,
            waits_for: self.condition(&moment.event, event, key),
            if_answered: None,
        })
    }

    /// What a key is that comes or takes over, where the one in use is of another algorithm.
    fn change_of_algorithm(&mut self, event: &Event) -> Option<KeySpec> {
        let key = self.keys.get(event.kid()?)?;
        let (profile, spec) = (key.profile.clone(), key.spec);
        let before = match event {
            Event::Prepublished { .. } | Event::Staged { .. } => self.in_use.get(&profile).copied(),
            Event::Activated { .. } | Event::Published { .. } => self.in_use.insert(profile, spec),
            _ => None,
        };
        before.filter(|before| *before != spec).map(|_| spec)
    }

    fn learn(&mut self, moment: &Moment) {
        match &moment.event {
            Event::Prepublished { profile, key, windows } | Event::Staged { profile, key, windows } => {
                let known = Known {
                    profile: profile.clone(),
                    spec: key.spec,
                    windows: *windows,
                    unpublished: moment.absent.clone(),
                    unswitched: Vec::new(),
                };
                self.keys.insert(key.kid.clone(), known);
            }
            Event::Retired { kid, .. } | Event::Unpublished { kid, .. } => {
                if let Some(key) = self.keys.get_mut(kid) {
                    key.unswitched.clone_from(&moment.absent);
                }
            }
            Event::CaMade { .. } => self.distrusting.clone_from(&moment.absent),
            Event::CaActivated { .. } => self.uncertified.clone_from(&self.away),
            _ => {}
        }
    }

    fn condition(&self, event: &Event, happening: Happening, key: Option<&Known>) -> Awaited {
        match (happening, key) {
            (Happening::Published | Happening::Staged, _) => Awaited::Key,
            // It never served: another takes its place.
            (Happening::Removed | Happening::Discarded, _) if never_served(event) => Awaited::Successor,
            (Happening::Encrypts, Some(key)) => Awaited::Halves {
                missing: key.unpublished.clone(),
            },
            (Happening::Discarded, Some(key)) => Awaited::Window {
                span: key.windows.decrypt_window,
                missing: key.unswitched.clone(),
            },
            (Happening::Armed, Some(key)) => Awaited::Publication {
                span: key.windows.min_prepublish,
                missing: key.unpublished.clone(),
            },
            (Happening::Signs, _) => match event {
                Event::Activated { cause, .. } if *cause != Cause::Scheduled => Awaited::Time,
                _ => Awaited::Hour,
            },
            (Happening::Retires | Happening::Unpublished | Happening::Destroyed, _) => Awaited::Successor,
            (Happening::Removed, Some(key)) => Awaited::Expiry {
                span: key.windows.token_lifetime + key.windows.clock_skew,
                missing: key.unswitched.clone(),
            },
            (Happening::RevocationConfirmed | Happening::EntersService, _) => Awaited::Confirmation {
                missing: event
                    .kid()
                    .and_then(|kid| self.unconfirmed.get(kid))
                    .cloned()
                    .unwrap_or_default(),
            },
            (Happening::LeavesService, _) => Awaited::Silence,
            (Happening::CaMade, _) => Awaited::Ca,
            (Happening::CaSigns, _) => Awaited::Trust {
                missing: self.distrusting.clone(),
            },
            (Happening::CaDropped, _) => Awaited::Certificates {
                missing: self.uncertified.clone(),
            },
            (Happening::Armed | Happening::Removed | Happening::Encrypts | Happening::Discarded, None) => Awaited::Time,
        }
    }
}

fn never_served(event: &Event) -> bool {
    match event {
        Event::Removed { last_signature, .. } => last_signature.is_none(),
        Event::Discarded { published_until, .. } => published_until.is_none(),
        _ => false,
    }
}

/// Writes into `rows` when each would come if all nodes answered, where `best` is the course of that.
pub(super) fn compare(rows: &mut [Planned], best: &[Planned]) {
    let name = |row: &Planned| (row.event, row.profile.clone(), row.key.clone(), row.node.clone(), row.ca);
    let mut earliest: BTreeMap<_, Vec<Time>> = BTreeMap::new();
    for row in best.iter().rev() {
        earliest.entry(name(row)).or_default().push(row.at);
    }
    for row in rows {
        let at = earliest.get_mut(&name(row)).and_then(Vec::pop);
        row.if_answered = at.filter(|at| *at != row.at);
    }
}
