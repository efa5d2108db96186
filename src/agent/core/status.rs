//! What a node shows of itself to its operator.

use std::sync::Arc;

use super::{Link, Now, Silence, State};
use crate::lifecycle::{Failing, Installed, Member};
use crate::types::{Epoch, Generation, ProfileName, PublicKey, Span, Time};

/// The state of a node at one instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether a stream to the leader stands.
    pub connected: bool,
    /// Whether the node has been without its leader for longer than `straggler_after` (rule R10).
    pub stale: bool,
    /// Whether a view has been in place since the start.
    pub ready: bool,
    /// Whether the node knows the generation that it is to hold: from its leader, or from its sealed cache.
    pub has_generation: bool,
    /// What the leader last said: whether the node is in service.
    pub in_service: Option<bool>,
    /// The highest epoch that the node has durably accepted.
    pub highest_epoch: Epoch,
    /// The highest generation that the node has durably accepted.
    pub highest_generation: Generation,
    /// What was read back from the disk.
    pub installed: Option<Installed>,
    /// When an armed key becomes active next.
    pub next_change: Option<Time>,
    /// What verifiers are told to cache, by the newest generation; none before there is one.
    pub max_age: Option<Span>,
    /// What the leader's clock shows, as far as it was measured since the start.
    pub leader_time: Option<Time>,
    /// How long the leader has not answered; none before the start.
    pub silence: Option<Silence>,
    /// The keys that sign, by what was read back.
    pub signers: Vec<Signer>,
    /// What keeps the node from going on.
    pub problem: Option<String>,
    /// Its hooks and probes that have failed and not succeeded since.
    pub failing: Vec<Failing>,
    /// How long after the swap the live view was found served; none before, and without a probe.
    pub served_after: Option<Span>,
    /// The CAs that the node's generation names, as far as that is durable; none before the start.
    pub cas: Option<NamedCas>,
    /// Why there is no stream to the leader, and what to do, as the last attempt found; none before one has failed.
    pub no_stream: Option<String>,
}

/// A key that signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Its profile.
    pub profile: ProfileName,
    /// Its public half, and its certificate.
    pub public: Arc<PublicKey>,
}

/// Whom to trust, by the newest durable generation that says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedCas {
    /// That generation; 0 where none has said so yet.
    pub generation: Generation,
    /// The certificates of the CAs, DER in base64, oldest first.
    pub certificates: Vec<String>,
}

impl State {
    /// What is in the sealed cache is durable.
    pub(super) fn note_cas(&mut self) {
        let Some(content) = &self.content else { return };
        let (set, digest) = (&content.bundle.set, content.bundle.digest);
        let is_durable = self.cache.as_ref().is_some_and(|cache| cache.digest == digest);
        if is_durable && !set.cas.is_empty() {
            self.cas = NamedCas {
                generation: set.generation,
                certificates: set.cas.clone(),
            };
        }
    }

    /// What signs, as far as the newest generation still knows it.
    fn signers(&self) -> Vec<Signer> {
        let Some((installed, content)) = self.installed.as_ref().zip(self.content.as_ref()) else {
            return Vec::new();
        };
        let members = content.bundle.set.members.iter();
        let signing = members.filter(|member| installed.signing.contains(&member.public.kid));
        let signer = |member: &Member| Signer {
            profile: member.profile.clone(),
            public: member.public.clone(),
        };
        signing.map(signer).collect()
    }

    /// Whether work on the disk is under way.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        self.disk.busy
    }

    /// What the node shows of itself.
    #[must_use]
    pub fn status(&self, now: Now) -> Status {
        Status {
            connected: matches!(self.link, Link::Up { .. }),
            stale: self.stale,
            ready: self.ready,
            has_generation: self.content.is_some(),
            in_service: self.in_service,
            highest_epoch: self.durable.epoch,
            highest_generation: self.durable.generation(),
            installed: self.installed_as_reported(),
            next_change: self.next_change(),
            max_age: self.content.as_ref().map(|content| content.bundle.set.max_age),
            leader_time: self.contact.leader_time(now),
            silence: Some(self.contact.silence()),
            signers: self.signers(),
            problem: self.problem(),
            failing: self.failing(),
            served_after: self.served_after,
            cas: Some(self.cas.clone()),
            no_stream: None,
        }
    }
}

impl Status {
    /// Whether traffic may be sent to the node (rule R10); why not, in words. `stale_is_unready`: silence of the leader is a reason too.
    ///
    /// # Errors
    /// Why not.
    pub fn readiness(&self, stale_is_unready: bool) -> Result<(), &'static str> {
        let Some(installed) = self.installed.as_ref().filter(|_| self.ready) else {
            return Err("no view is in place yet; the agent's log says what it waits for");
        };
        // A generation without a key that signs is one all the same: rule R8 comes before R4.
        if installed.held.is_empty() && !self.has_generation {
            return Err(
                "this node holds no private key: it was taken out of its fleet; enroll it anew with a new token of `jkeys node token`",
            );
        }
        if self.in_service == Some(false) {
            return Err(
                "the leader says that this node is out of service until it has confirmed the newest generation; `jkeys node show` there says what it lacks",
            );
        }
        if self.stale && stale_is_unready {
            return Err(
                "the leader has not answered for longer than straggler_after; look at the agent's log, and at the leader",
            );
        }
        Ok(())
    }

    /// For how long the JWKS may be cached from `now` on: no longer than until the next change, but never for less than `shortest`.
    #[must_use]
    pub fn cacheable_for(&self, now: Time, shortest: Span) -> Span {
        let until_change = self.next_change.map(|at| at.since(now));
        let longest = self.max_age.into_iter().chain(until_change).min();
        longest.unwrap_or(shortest).max(shortest)
    }
}
