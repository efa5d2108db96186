//! What operators do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jkeys::lifecycle::{Adopt, Command, Compromised, Ending, Key, Phase, Refusal, RotateNow, Settings, Why, check};
use jkeys::types::{Digest, Kid, NodeName, ProfileName, Reason, Seq, Span, Time, WitnessKey};

use super::World;
use super::disk::Mood;
use super::leader::Answer;
use super::node::Node;
use super::settings::Change;

impl World {
    /// Sets a machine up under this name and enrols it. One that goes by the name already is thrown away with its disk. Says whether
    /// the leader was there to do it.
    pub fn join(&mut self, name: &NodeName) -> bool {
        let Some(tls_key) = self.enrol(name) else { return false };
        self.nodes.insert(name.clone(), Node::new(name.clone(), tls_key, self.now));
        self.start_agent(name);
        true
    }

    /// Enrols a machine that is there once more, under its name and with new keys: `jkeys enroll`, and a start of its agent.
    pub fn enrol_again(&mut self, name: &NodeName) {
        if let Some(tls_key) = self.enrol(name) {
            self.crash_agent(name);
            if let Some(node) = self.nodes.get_mut(name) {
                node.tls_key = tls_key;
            }
            self.start_agent(name);
        }
    }

    /// Lets a machine with a new key in under this name, if the leader is there to do it.
    fn enrol(&mut self, name: &NodeName) -> Option<Digest> {
        let tag = format!("{name}/{}", self.leader.store.next_seq);
        let (token, tls_key) = (Digest::of(tag.as_bytes()), Digest::of(format!("tls {tag}").as_bytes()));
        let expires_at = self.leader.clock(self.now) + Span::hours(1);
        let node = name.clone();
        self.ask(&Command::IssueToken {
            token,
            node,
            expires_at,
            only_new_name: false,
        });
        self.witness();
        let enrolled = self.ask(&Command::Enrol {
            token,
            node: name.clone(),
            tls_key,
            witness_key: WitnessKey([1; 32]),
        });
        enrolled?.ok().map(|_| tls_key)
    }

    /// `jkeys node revoke`, or `remove`.
    pub fn end_node(&mut self, name: &NodeName, ending: Ending) -> Option<Answer> {
        self.ask(&Command::EndNode {
            node: name.clone(),
            ending,
            comment: None,
        })
    }

    /// `jkeys rotate --now`.
    pub fn rotate_now(&mut self, compromised: Option<Compromised>, force: bool) -> Option<Answer> {
        let reason = if compromised.is_some() {
            Reason::Compromised
        } else {
            Reason::Superseded
        };
        self.ask(&Command::RotateNow(RotateNow {
            profiles: vec![],
            compromised,
            take: None,
            force,
            destroy: false,
            reason,
            comment: None,
        }))
    }

    /// `jkeys rotate`.
    pub fn hasten(&mut self) -> Option<Answer> {
        let why = Why::default();
        self.ask(&Command::Hasten { profiles: vec![], why })
    }

    /// `jkeys revoke`, with or without `--destroy`.
    pub fn revoke(&mut self, kid: Kid, destroy: bool) -> Option<Answer> {
        let (reason, comment) = (Reason::Superseded, None);
        self.ask(&Command::Revoke {
            kid,
            reason,
            comment,
            destroy,
        })
    }

    /// `jkeys audit adopt`: without the nodes that can't be heard, and with the word of those that can prove nothing.
    pub fn adopt(&mut self) -> Option<Answer> {
        let mut request = Adopt {
            comment: "the leader was set back".parse().expect("a comment"),
            without: BTreeSet::new(),
            believe: BTreeSet::new(),
            disbelieve: BTreeSet::new(),
            told: BTreeMap::new(),
            seq: Seq(0),
        };
        loop {
            let answer = self.ask(&Command::Adopt(request.clone()));
            match answer {
                Some(Err(Refusal::Unheard(nodes))) => request.without.extend(nodes),
                Some(Err(Refusal::WordOnly { nodes, .. })) => request.believe.extend(nodes),
                answer => return answer,
            }
        }
    }

    /// A change of configuration and a reload. The leader is started with it from now on, too.
    pub fn configure(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut Arc::make_mut(&mut self.config).settings);
        let settings = self.config.settings.clone();
        drop(self.ask(&Command::Configure(settings)));
    }

    /// The same, with a change that may not be safe: then the leader must refuse it, and nobody leaves it in the file.
    pub fn reload(&mut self, change: Change) {
        let settings = change.of(&self.config.settings);
        if check(&settings).is_empty() {
            return self.configure(|current| *current = settings);
        }
        if let Some(Ok(_)) = self.ask(&Command::Configure(settings)) {
            self.oracle.breaks("T", "settings that are not safe were taken".to_owned());
        }
    }
}

impl World {
    /// Everything works again, for as long as two rotations take; by then both must have happened.
    pub fn recover(&mut self) {
        self.wake_leader();
        self.set_leader_clock(0);
        self.leader.fuse = None;
        self.leader.makes_keys = true;
        for node in self.nodes.values_mut() {
            (node.link.is_cut, node.link.is_held, node.hooks_fail) = (false, false, false);
            (node.ahead_ms, node.fuse, node.disk.mood) = (0, None, Mood::Works);
        }
        if self.leader.core.is_none() {
            self.start_leader();
        }
        for name in self.names() {
            self.resume(&name);
            self.start_agent(&name);
        }
        // A leader that was set back is told so by its nodes, and its operator has it go on: once more for each that comes later. One
        // that is halted enrols nobody.
        for _ in 0..=self.nodes.len() {
            for name in self.names() {
                self.enrol_anew_if_unknown(&name);
            }
            self.advance(self.now + Span::mins(1));
            if self.leader.store.state.halted.is_some() {
                drop(self.adopt());
            }
        }
        self.remove_what_is_gone();
        let healed_at = self.now;
        let profiles = self.config.settings.profiles.values().map(|profile| profile.windows);
        let keys = self.leader.store.state.keys.values().map(|key| key.windows);
        let enough = profiles
            .chain(keys)
            .map(|windows| windows.interval * 2 + windows.straggler_after + windows.min_prepublish + windows.decrypt_window);
        self.advance(healed_at + enough.max().unwrap_or_default());
        self.check_recovered(healed_at);
    }

    /// Where all nodes in service are machines that are gone, nobody can tell the leader that its clock is right, or that it was not set
    /// back: its operator takes them out of the fleet.
    fn remove_what_is_gone(&mut self) {
        let in_service: Vec<NodeName> = self.leader.store.state.in_service().map(|(name, ..)| name.clone()).collect();
        if !in_service.iter().any(|name| self.nodes.contains_key(name)) {
            for name in in_service {
                drop(self.end_node(&name, Ending::Removed));
            }
        }
    }

    /// A machine that the leader does not know, because an enrolment was cut off or the leader was set back, is enrolled once more.
    fn enrol_anew_if_unknown(&mut self, name: &NodeName) {
        let key = self.nodes[name].tls_key;
        let is_known = self
            .leader
            .core
            .as_ref()
            .is_some_and(|core| core.welcomes(name, key).is_some());
        if !is_known {
            self.join(name);
        }
    }

    fn check_recovered(&mut self, healed_at: Time) {
        if !self.nodes.is_empty()
            && let Some(how) = self.unrecovered(healed_at)
        {
            self.oracle.breaks("liveness", how);
        }
    }

    /// What has not come right since then.
    fn unrecovered(&self, healed_at: Time) -> Option<String> {
        let state = &self.leader.store.state;
        let turned =
            |key: &Key| matches!(key.phase, Phase::Active { since, .. } | Phase::Published { since, .. } if since > healed_at);
        let stuck = |profile: &&ProfileName| !state.keys_of(profile).any(turned);
        if let Some(profile) = state.settings.profiles.keys().find(stuck) {
            return Some(format!("no key has taken over in {profile} since {healed_at}"));
        }
        let lingers = |key: &&Key| matches!(key.phase, Phase::Retiring { since, .. } | Phase::Unpublished { since, .. } if since < healed_at);
        if let Some(key) = state.keys.values().find(lingers) {
            return Some(format!(
                "{} is past its time since before {healed_at}, and still there",
                key.kid()
            ));
        }
        let set = state.key_set();
        let published: BTreeSet<&Kid> = set
            .members
            .iter()
            .filter(|member| member.stage.is_published())
            .map(|member| &member.public.kid)
            .collect();
        let is_current = |node: &Node| {
            let live = node.disk.live.as_ref();
            live.is_some_and(|live| live.id.generation == set.generation && live.published.iter().eq(published.iter().copied()))
        };
        if let Some(node) = self.nodes.values().find(|node| !is_current(node)) {
            return Some(format!("node {} has not come to the newest generation", node.name));
        }
        let serves = |name: &NodeName| state.in_service().any(|(in_service, ..)| in_service == name);
        if let Some(name) = self.nodes.keys().find(|name| !serves(name)) {
            return Some(format!("node {name} has not come back into service"));
        }
        // A machine that was thrown away confirms nothing any more, and stays named (rule R8).
        let all_are_there = state.nodes.keys().all(|name| self.nodes.contains_key(name));
        let kid = state.revocations.keys().next().filter(|_| all_are_there)?;
        Some(format!("the revocation of {kid} has not been confirmed"))
    }
}
