//! What a node holds at an instant.

use std::collections::{BTreeMap, BTreeSet};

use super::generation::{KeySet, Stage};
use super::mutant::{Mutant, is_out};
use crate::types::{Generation, Kid, ProfileName, Time};

/// The switches that a node has made within one generation: the armed keys that it already signs with.
///
/// They are remembered durably and never undone within the generation.
pub type Switches = BTreeSet<Kid>;

/// What a node holds at an instant: a pure function of (generation, switches made, now).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The generation that this is a view of.
    pub generation: Generation,
    /// The switches made so far, those due now included.
    pub switches: Switches,
    /// The kids in the JWKS, in the generation's order.
    pub published: Vec<Kid>,
    /// The one key that signs, for each profile that has one (rule R4: a map holds one).
    pub selected: BTreeMap<ProfileName, Kid>,
    /// The encryption keys whose private half is ready to decrypt, published or not.
    pub decrypting: BTreeSet<Kid>,
    /// The kids whose private half is on the node in any form: selected keys, those that decrypt, and armed ones in the sealed
    /// cache.
    pub held: BTreeSet<Kid>,
}

impl View {
    /// The place of this view among its generation's: 1 before any switch.
    #[must_use]
    pub fn step(&self) -> usize {
        self.switches.len() + 1
    }

    /// The same on a node that is without the private halves of these keys: it does not sign or decrypt with them.
    #[must_use]
    pub fn lacking(mut self, kids: &BTreeSet<Kid>) -> Self {
        self.selected.retain(|_, kid| !kids.contains(kid));
        self.decrypting.retain(|kid| !kids.contains(kid));
        self.held.retain(|kid| !kids.contains(kid));
        self
    }

    /// The kids that sign.
    #[must_use]
    pub fn signing(&self) -> BTreeSet<Kid> {
        self.selected.values().cloned().collect()
    }
}

/// The view of `set` at `now`, for a node that has already made `switches`.
///
/// A state written in the generation holds whatever the clock says; the clock only carries an armed key on to active. A switch
/// already made stands even if the clock was put back since.
#[must_use]
pub fn view(set: &KeySet, switches: &Switches, now: Time) -> View {
    let members = set.members.iter();
    let members = members.map(|member| (&member.profile, &member.public.kid, member.stage));
    view_of(set.generation, members, switches, now)
}

/// The view of a generation whose members are given by profile, kid and stage alone.
pub(super) fn view_of<'a>(
    generation: Generation,
    members: impl Iterator<Item = (&'a ProfileName, &'a Kid, Stage)>,
    switches: &Switches,
    now: Time,
) -> View {
    let mut view = View {
        generation,
        switches: Switches::new(),
        published: Vec::new(),
        selected: BTreeMap::new(),
        decrypting: BTreeSet::new(),
        held: BTreeSet::new(),
    };
    let mut armed = Vec::new();
    for (profile, kid, stage) in members {
        if !matches!(stage, Stage::Staged | Stage::Unpublished) {
            view.published.push(kid.clone());
        }
        match stage {
            Stage::Prepublished | Stage::Retiring => {}
            Stage::Unpublished if is_out(Mutant::E2Unsent) => {}
            Stage::Staged | Stage::Published | Stage::Unpublished => {
                view.decrypting.insert(kid.clone());
                view.held.insert(kid.clone());
            }
            Stage::Active => {
                view.selected.insert(profile.clone(), kid.clone());
                view.held.insert(kid.clone());
            }
            Stage::Armed { activate_at } => {
                view.held.insert(kid.clone());
                if activate_at <= now || switches.contains(kid) {
                    armed.push((activate_at, profile, kid));
                }
            }
        }
    }
    armed.sort_by_key(|(activate_at, ..)| *activate_at);
    for (_, profile, kid) in armed {
        view.switches.insert(kid.clone());
        if let Some(before) = view.selected.insert(profile.clone(), kid.clone()) {
            view.held.remove(&before);
        }
    }
    view
}
