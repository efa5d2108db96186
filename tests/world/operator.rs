//! What operators do.

use jkeys::lifecycle::{Command, Compromised, Phase, RotateNow, Why};
use jkeys::types::{Digest, Kid, NodeName, Reason, Span, Time, WitnessKey};

use super::World;
use super::disk::Mood;
use super::leader::Answer;
use super::node::Node;

impl World {
    /// Sets a machine up under this name and enrols it. One that goes by the name already is thrown away with its disk. Says whether
    /// the leader was there to do it.
    pub fn join(&mut self, name: &NodeName) -> bool {
        let tag = format!("{name}/{}", self.leader.store.next_seq);
        let (token, tls_key) = (Digest::of(tag.as_bytes()), Digest::of(format!("tls {tag}").as_bytes()));
        let expires_at = self.leader.clock(self.now) + Span::hours(1);
        let node = name.clone();
        self.ask(&Command::IssueToken { token, node, expires_at });
        self.witness();
        let enrolled = self.ask(&Command::Enrol {
            token,
            node: name.clone(),
            tls_key,
            witness_key: WitnessKey([1; 32]),
        });
        if enrolled.is_none_or(|answer| answer.is_err()) {
            return false;
        }
        self.nodes.insert(name.clone(), Node::new(name.clone(), tls_key, self.now));
        self.start_agent(name);
        true
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

    /// `jkeys revoke`.
    pub fn revoke(&mut self, kid: Kid) -> Option<Answer> {
        let (reason, comment) = (Reason::Superseded, None);
        let destroy = false;
        self.ask(&Command::Revoke {
            kid,
            reason,
            comment,
            destroy,
        })
    }
}

impl World {
    /// Everything works again, for as long as two rotations take; by then both must have happened.
    pub fn recover(&mut self) {
        self.leader.ahead_ms = 0;
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
        let healed_at = self.now;
        let windows = self.config.settings.profiles.values().map(|profile| profile.windows);
        let enough = windows.map(|windows| windows.interval * 2 + windows.straggler_after + windows.min_prepublish);
        self.advance(healed_at + enough.max().unwrap_or_default());
        self.check_recovered(healed_at);
    }

    fn check_recovered(&mut self, healed_at: Time) {
        let state = &self.leader.store.state;
        if state.halted.is_some() {
            return;
        }
        let turned = |profile| matches!(state.active(profile).map(|key| &key.phase), Some(Phase::Active { since, .. }) if *since > healed_at);
        let stuck = state.settings.profiles.keys().find(|profile| !turned(profile)).cloned();
        let behind = self.nodes.values().find(|node| {
            let live = node.disk.live.as_ref().map(|live| live.id.generation);
            live != Some(state.head.generation)
        });
        let behind = behind.map(|node| node.name.clone());
        let unconfirmed = state.revocations.keys().next().cloned();
        if let Some(profile) = stuck {
            self.oracle
                .breaks("liveness", format!("no key has taken over in {profile} since {healed_at}"));
        }
        if let Some(node) = behind {
            self.oracle
                .breaks("liveness", format!("node {node} has not come to the newest generation"));
        }
        if let Some(kid) = unconfirmed {
            self.oracle
                .breaks("liveness", format!("the revocation of {kid} has not been confirmed"));
        }
    }
}
