//! Private halves that a generation does not bring, or that a view has no more use for.

use std::collections::BTreeSet;

use super::State;
use crate::lifecycle::{Member, Stage, Switches};
use crate::rpc::fleet::Bundle;
use crate::types::{Kid, ProfileName, Secret};

impl State {
    /// With the private halves that the leader does not have and this node does.
    pub(super) fn with_inherited(&self, mut bundle: Bundle) -> Bundle {
        let Some(held) = &self.content else { return bundle };
        for member in bundle
            .set
            .members
            .iter()
            .filter(|member| member.inherited && member.stage.carries_private())
        {
            if let Some(secret) = held.bundle.privates.get(&member.public.kid) {
                let own = || Secret::new(secret.expose().to_vec());
                bundle.privates.entry(member.public.kid.clone()).or_insert_with(own);
            }
        }
        bundle
    }
}

/// The switches that a cache shows: it is without the private half of a key that another has taken over from. The write that would have
/// remembered them had yet to come when the agent crashed.
pub(super) fn switched(bundle: &Bundle) -> Switches {
    let members = &bundle.set.members;
    let is_retired = |active: &Member, profile: &ProfileName| {
        let lacks = active.carries_private() && !bundle.privates.contains_key(&active.public.kid);
        lacks && active.stage == Stage::Active && active.profile == *profile
    };
    let armed = members.iter().filter(|member| matches!(member.stage, Stage::Armed { .. }));
    let switched = armed.filter(|armed| members.iter().any(|active| is_retired(active, &armed.profile)));
    switched.map(|member| member.public.kid.clone()).collect()
}

/// The keys whose private half neither the leader has nor this node.
pub(super) fn lacking(bundle: &Bundle) -> BTreeSet<Kid> {
    let inherited = bundle.set.inherited().filter(|kid| !bundle.privates.contains_key(*kid));
    inherited.cloned().collect()
}

/// The same generation with these private halves only.
pub(super) fn only(bundle: &Bundle, held: &BTreeSet<Kid>) -> Bundle {
    let kept = bundle.privates.iter().filter(|(kid, _)| held.contains(*kid));
    Bundle {
        set: bundle.set.clone(),
        public_form: bundle.public_form.clone(),
        digest: bundle.digest,
        privates: kept
            .map(|(kid, secret)| (kid.clone(), Secret::new(secret.expose().to_vec())))
            .collect(),
    }
}
