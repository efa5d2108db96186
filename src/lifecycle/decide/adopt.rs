//! `jkeys audit adopt`: going on from a state that is older than what nodes have seen (rule R5).
//!
//! What nodes say is worth this much. A generation that they show is proved: the log's key signed for it, so no node can make one up.
//! That a key is gone is proved where the same node shows a generation without it that is newer than any with it. Otherwise it is the
//! node's word, and an operator must name the node. Numbers are taken as they come, up to a bound.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::emergency::Revocation;
use super::service::departure;
use super::{Decision, Refusal, succession};
use crate::lifecycle::adoption::{Adopt, MAX_GIVEN_UP, Shown, Told, is_further};
use crate::lifecycle::event::{Event, Leaving};
use crate::lifecycle::generation::{Member, Stage};
use crate::lifecycle::sightings::Sightings;
use crate::lifecycle::state::{Key, Node, Phase, Standing, State};
use crate::types::{Enrolment, Epoch, Generation, KeyUse, Kid, NodeName, ProfileName, Reason, Time, TreeHead};

/// No leader comes to so many terms or generations; a node that says more could use them up.
const FARTHEST: u64 = 1 << 40;

/// Goes on above all that nodes have seen.
pub(super) fn adopt(state: &State, seen: &Sightings, request: &Adopt, now: Time) -> Result<Decision, Refusal> {
    if state.halted.is_none() {
        return Err(Refusal::NotHalted);
    }
    let memories = Memories::of(state, request)?;
    let (gone, believed) = memories.gone(state, request)?;
    let newest = memories.newest();
    let mut draft = Draft::new(state, seen, now);
    let unknown: Vec<NodeName> = request.without.iter().chain(memories.mute(state)).cloned().collect();
    memories.tell(&mut draft, state);
    let given_up = memories.given_up(&mut draft);
    draft.push(Event::Adopted {
        epoch: memories.highest_epoch(state).next(),
        generation: memories.highest_generation(state).next(),
        seq: request.seq,
        given_up,
        unknown: unknown.into(),
        believed: believed.into_iter().collect::<Vec<_>>().into(),
        disbelieved: memories.disbelieved.clone(),
        young: memories.young(state, newest, request),
        comment: request.comment.clone(),
    });
    if let Some(shown) = newest {
        put_away_armed(&mut draft, shown);
        let bereft = bereft_of(&draft.state, shown, &gone);
        for member in &shown.set.members {
            if !serves_on(&mut draft, member, &bereft) {
                recover(&mut draft, shown, member, &gone);
            }
        }
    }
    for kid in &gone {
        revoke(&mut draft, kid, request)?;
    }
    let named = request.without.iter().chain(&request.disbelieve);
    for name in named.filter(|name| matches!(state.nodes[*name].standing, Standing::InService { .. })) {
        let left = departure(&draft.state, seen, name, Leaving::LeftBehind, now);
        draft.push(left);
    }
    Ok(draft.decision)
}

/// What nodes have told that are not disbelieved.
struct Memories<'a> {
    told: Vec<(&'a NodeName, &'a Told)>,
    disbelieved: BTreeSet<Enrolment>,
}

impl<'a> Memories<'a> {
    /// Refused while a node in service has not said what it remembers and is not named.
    fn of(state: &'a State, request: &'a Adopt) -> Result<Self, Refusal> {
        let named = request.without.iter().chain(&request.believe).chain(&request.disbelieve);
        if let Some(name) = named.into_iter().find(|name| !state.nodes.contains_key(*name)) {
            return Err(Refusal::NoNode(name.clone()));
        }
        let told = |node: &Node| request.told.get(&node.enrolment);
        let has_said = |node: &Node| told(node).is_some_and(|told| told.is_complete(state));
        if let Some(name) = request.without.iter().find(|name| has_said(&state.nodes[*name])) {
            return Err(Refusal::Heard(name.clone()));
        }
        let passed_over = |name: &NodeName| request.without.contains(name) || request.disbelieve.contains(name);
        let silent = state
            .in_service()
            .filter(|(name, node, _)| !passed_over(name) && !has_said(node));
        let silent: Vec<NodeName> = silent.map(|(name, ..)| name.clone()).collect();
        if !silent.is_empty() {
            return Err(Refusal::Unheard(silent));
        }
        let is_believed =
            |name: &NodeName, node: &Node| !request.disbelieve.contains(name) && !state.disbelieved.contains(&node.enrolment);
        let believed = state.nodes.iter().filter(|(name, node)| is_believed(name, node));
        let memories = Self {
            told: believed.filter_map(|(name, node)| Some((name, told(node)?))).collect(),
            disbelieved: request.disbelieve.iter().map(|name| state.nodes[name].enrolment).collect(),
        };
        match memories
            .told
            .iter()
            .find(|(_, told)| told.epoch.0.max(told.generation.0) > FARTHEST)
        {
            Some((name, told)) => Err(Refusal::Beyond {
                node: (*name).clone(),
                epoch: told.epoch,
                generation: told.generation,
            }),
            None => Ok(memories),
        }
    }

    fn highest_epoch(&self, state: &State) -> Epoch {
        self.told.iter().map(|(_, told)| told.epoch).fold(state.epoch, Epoch::max)
    }

    fn highest_generation(&self, state: &State) -> Generation {
        self.told
            .iter()
            .map(|(_, told)| told.generation)
            .fold(state.head.generation, Generation::max)
    }

    /// The checkpoints that nodes remember and the log does not hold, the longest logs first.
    fn given_up(&self, draft: &mut Draft) -> Vec<TreeHead> {
        let foreign: BTreeSet<TreeHead> = self.told.iter().filter_map(|(_, told)| told.foreign).collect();
        if foreign.len() > MAX_GIVEN_UP {
            draft.remark(format!(
                "nodes remember {} checkpoints that are not in the log, and one record gives up {MAX_GIVEN_UP}: the others will stop the \
                 leader again; adopt once more then",
                foreign.len()
            ));
        }
        foreign.into_iter().rev().take(MAX_GIVEN_UP).collect()
    }

    fn shown(&self) -> impl Iterator<Item = &'a Shown> {
        self.told.iter().filter_map(|(_, told)| told.shown.as_ref())
    }

    /// Standbys that the newest generation shown does not have: where anything was lost, nodes may not have them either.
    fn young(&self, state: &State, newest: Option<&Shown>, request: &Adopt) -> BTreeSet<Kid> {
        let is_lost = self.told.iter().any(|(_, told)| is_ahead(state, told));
        let shows = |kid: &Kid| newest.is_some_and(|shown| shown.set.member(kid).is_some());
        let standbys = state.keys.values().filter(|key| key.phase == Phase::Prepublished);
        let unsure = standbys.filter(|_| is_lost || !request.without.is_empty());
        unsure.map(|key| key.kid().clone()).filter(|kid| !shows(kid)).collect()
    }

    /// The generation that is furthest on of those that nodes showed.
    fn newest(&self) -> Option<&'a Shown> {
        self.shown()
            .max_by_key(|shown| (shown.set.epoch, shown.set.generation, shown.set.committed_at))
    }

    /// Nodes that have seen what the leader has not, and can't show it.
    fn mute(&self, state: &'a State) -> impl Iterator<Item = &'a NodeName> {
        let mute = self
            .told
            .iter()
            .filter(|(_, told)| is_ahead(state, told) && told.shown.is_none());
        mute.map(|(name, _)| *name).collect::<Vec<_>>().into_iter()
    }

    /// The keys of the leader's that nodes know as gone, and the nodes that an operator had to name for that.
    fn gone(&self, state: &State, request: &Adopt) -> Result<(BTreeSet<Kid>, BTreeSet<NodeName>), Refusal> {
        let (mut gone, mut believed) = (BTreeSet::new(), BTreeSet::new());
        for key in state.keys.values() {
            let tellers = || self.told.iter().filter(|(_, told)| told.gone.contains(key.kid()));
            if tellers().next().is_none() {
                continue;
            }
            if !tellers().any(|(_, told)| self.proves_gone(told, key)) {
                let named: Vec<_> = tellers().filter(|(name, _)| request.believe.contains(*name)).collect();
                if named.is_empty() {
                    return Err(Refusal::WordOnly {
                        kid: key.kid().clone(),
                        nodes: tellers().map(|(name, _)| (*name).clone()).collect(),
                    });
                }
                believed.extend(named.into_iter().map(|(name, _)| (*name).clone()));
            }
            gone.insert(key.kid().clone());
        }
        Ok((gone, believed))
    }

    /// Whether what the node shows is without the key and newer than all that is with it: the leader's own state, and what others show.
    fn proves_gone(&self, told: &Told, key: &Key) -> bool {
        let Some(shown) = &told.shown else { return false };
        let age = |shown: &Shown| (shown.set.committed_at, shown.set.epoch, shown.set.generation);
        let is_newer = |other: &Shown| other.set.member(key.kid()).is_none() || age(other) < age(shown);
        shown.set.member(key.kid()).is_none() && key.published_at <= shown.set.committed_at && self.shown().all(is_newer)
    }

    /// Says what each node has told, where that is news.
    fn tell(&self, draft: &mut Draft, state: &State) {
        for (name, told) in &self.told {
            let mut parts = Vec::new();
            if told.epoch > state.epoch || told.generation > state.head.generation {
                parts.push(format!("has seen epoch {} and generation {}", told.epoch, told.generation));
            }
            parts.extend(
                told.foreign
                    .map(|head| format!("remembers a checkpoint of {} records that is not in this log", head.size)),
            );
            let gone: Vec<&str> = told.gone.iter().map(Kid::as_str).collect();
            parts.extend((!gone.is_empty()).then(|| format!("knows as removed or revoked: {}", gone.join(" "))));
            let unknown = told
                .shown
                .iter()
                .flat_map(|shown| shown.set.members.iter().map(|member| &member.public.kid));
            let unknown: Vec<&str> = unknown.filter(|kid| !state.keys.contains_key(kid)).map(Kid::as_str).collect();
            parts.extend((!unknown.is_empty()).then(|| format!("holds what this leader does not know: {}", unknown.join(" "))));
            if !parts.is_empty() {
                draft.remark(format!("node {name} {}", parts.join("; it ")));
            }
        }
        for name in self.mute(state) {
            draft.remark(format!(
                "node {name} can't show what it holds: keys that only it has are lost to the leader"
            ));
        }
    }
}

/// Whether a node has accepted what this leader has not made.
fn is_ahead(state: &State, told: &Told) -> bool {
    told.generation > state.head.generation || told.foreign.is_some()
}

/// A key that this leader armed and that nodes know nothing of, or where they have armed another, does not take over.
fn put_away_armed(draft: &mut Draft, shown: &Shown) {
    let armed: Vec<(Kid, ProfileName)> = draft
        .state
        .keys
        .values()
        .filter(|key| matches!(key.phase, Phase::Armed { .. }))
        .map(|key| (key.kid().clone(), key.profile.clone()))
        .collect();
    for (kid, profile) in armed {
        let arms_another = |member: &Member| {
            member.profile == profile && member.public.kid != kid && matches!(member.stage, Stage::Armed { .. })
        };
        if shown.set.member(&kid).is_none() || shown.set.members.iter().any(arms_another) {
            succession::retire(draft, kid, None);
        }
    }
}

/// Whether a key of the newest generation shown is gone for good.
fn is_gone(state: &State, shown: &Shown, kid: &Kid, gone: &BTreeSet<Kid>) -> bool {
    gone.contains(kid) || !state.keys.contains_key(kid) && shown.gone_here.contains(kid)
}

/// The profiles in which nodes have gone on to a key that is gone for good.
fn bereft_of(state: &State, shown: &Shown, gone: &BTreeSet<Kid>) -> BTreeSet<ProfileName> {
    let serves = |member: &&Member| matches!(member.stage, Stage::Active | Stage::Published);
    let of_gone = |member: &&Member| is_gone(state, shown, &member.public.kid, gone);
    let members = shown.set.members.iter().filter(serves).filter(of_gone);
    members.map(|member| member.profile.clone()).collect()
}

/// In such a profile the key that serves here goes on, also where nodes have put it away: nothing else would.
fn serves_on(draft: &mut Draft, member: &Member, bereft: &BTreeSet<ProfileName>) -> bool {
    let kid = &member.public.kid;
    let serves = |key: &Key| matches!(key.phase, Phase::Active { .. } | Phase::Published { .. });
    let goes_on = bereft.contains(&member.profile) && draft.state.keys.get(kid).is_some_and(serves);
    if goes_on {
        draft.remark(format!(
            "key {kid} of profile {} serves on: the key that nodes went on to is gone for good",
            member.profile
        ));
    }
    goes_on
}

/// One key of the newest generation shown becomes what that says of it, where the leader is not as far.
fn recover(draft: &mut Draft, shown: &Shown, member: &Member, gone: &BTreeSet<Kid>) {
    let kid = &member.public.kid;
    let known = draft.state.keys.get(kid);
    if is_gone(&draft.state, shown, kid, gone) {
        return draft.remark(format!(
            "key {kid}, which nodes hold, is gone by this log or by another node: it goes there too"
        ));
    }
    let stage = stage_of(&draft.state, member);
    if known.is_some_and(|known| !is_further(stage, known) || known.public != member.public) {
        return;
    }
    if known.is_none() && matches!(stage, Stage::Prepublished | Stage::Staged) {
        return draft.remark(format!(
            "key {kid} of profile {} is lost: its private half was on the leader only, or served nobody yet",
            member.profile
        ));
    }
    let inherited = known.is_none_or(|known| known.inherited);
    make_way(draft, member, stage);
    let settings = &draft.state.settings;
    let mut windows = settings
        .profiles
        .get(&member.profile)
        .map(|profile| profile.windows)
        .unwrap_or_default();
    windows.clock_skew = settings.clock_skew().max(shown.set.clock_skew);
    draft.push(Event::Recovered {
        profile: member.profile.clone(),
        key: Box::new((*member.public).clone()),
        stage,
        since: shown.set.committed_at.min(draft.now),
        windows,
        inherited,
    });
    if inherited && stage.carries_private() {
        draft.remark(format!(
            "key {kid} of profile {} stays where its private half is, until another can take over; the leader does not have it",
            member.profile
        ));
    }
}

/// What a generation says of a key; one of a profile that is configured no more, or for the other use, serves no longer.
fn stage_of(state: &State, member: &Member) -> Stage {
    let profile = state.settings.profiles.get(&member.profile);
    let serves = profile.is_some_and(|profile| profile.spec.key_use() == member.stage.key_use());
    match member.stage {
        Stage::Armed { .. } | Stage::Active if !serves => Stage::Retiring,
        Stage::Published if !serves => Stage::Unpublished,
        other => other,
    }
}

/// Rule R4: what nodes sign with, or publish, takes the place of what the leader thought.
fn make_way(draft: &mut Draft, member: &Member, stage: Stage) {
    let successor = Some(member.public.kid.clone());
    let before = match stage {
        Stage::Active => draft.state.active(&member.profile),
        Stage::Published => draft.state.encrypted_to(&member.profile).map(|(key, _)| key),
        _ => None,
    };
    let Some(kid) = before.map(|key| key.kid().clone()) else {
        return;
    };
    match stage.key_use() {
        KeyUse::Sig => draft.push(Event::Retired { kid, successor }),
        KeyUse::Enc => draft.push(Event::Unpublished { kid, successor }),
    }
}

/// A key that is gone on a node is gone everywhere (rule R8); nodes don't say whether it was removed or revoked.
fn revoke(draft: &mut Draft, kid: &Kid, request: &Adopt) -> Result<(), Refusal> {
    let revocation = Revocation {
        kid,
        reason: Reason::Unspecified,
        comment: Some(&request.comment),
        destroy: true,
    };
    revocation.carry_out(draft, None)
}
