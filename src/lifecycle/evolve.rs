//! How events change the state. Total: an event that does not fit changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ended::Ending;
use super::event::{Cause, Event};
use super::halted::{Halted, Restoration};
use super::mutant::{Mutant, is_out};
use super::settings::{Settings, Windows};
use super::state::{Absence, JoinToken, Key, Node, Phase, PrivateHalf, Revocation, Standing, State};
use crate::types::{Kid, NodeName, ProfileName, PublicKey, Reason, Time};

impl State {
    /// An absence matters as long as the leader was there for less than a node may be silent since.
    fn forget_old_absences(&mut self, now: Time) {
        let limit = self.settings.straggler_after() * 2;
        let matters = |absence: &Absence| self.present_for(absence.until, now) <= limit;
        self.absences = self.absences.iter().copied().filter(matters).collect();
    }

    /// Applies one event, without making a generation of it.
    pub(super) fn evolve(&mut self, event: &Event, at: Time) {
        match event {
            Event::Prepublished { .. }
            | Event::Armed { .. }
            | Event::Activated { .. }
            | Event::Retired { .. }
            | Event::Removed { .. }
            | Event::Revoked { .. }
            | Event::Destroyed { .. }
            | Event::RevocationConfirmed { .. }
            | Event::Hastened { .. } => self.evolve_keys(event, at),
            Event::Staged { .. } | Event::Published { .. } | Event::Unpublished { .. } | Event::Discarded { .. } => {
                self.evolve_encryption(event, at);
            }
            Event::TokenIssued { .. } | Event::Enrolled { .. } | Event::EnteredService { .. } | Event::LeftService { .. } => {
                self.evolve_nodes(event, at);
            }
            Event::NodeRevoked { farewell } => self.end_node(farewell, Ending::Revoked, at),
            Event::NodeRemoved { farewell } => self.end_node(farewell, Ending::Removed, at),
            Event::TokenRevoked { token, .. } => drop(self.tokens.remove(token)),
            Event::Founded { .. }
            | Event::Started { .. }
            | Event::StoodStill { .. }
            | Event::ClockConfirmed { .. }
            | Event::Configured { .. }
            | Event::DistrustedAll
            | Event::WaitBegan { .. }
            | Event::WaitEnded { .. }
            | Event::Halted { .. }
            | Event::Restored { .. } => self.evolve_leader(event, at),
            Event::Adopted { .. } | Event::Recovered { .. } => self.evolve_adoption(event, at),
            Event::ReportedCompromised { .. } | Event::BackedUp | Event::Rekeyed { .. } | Event::Refused { .. } => {}
            Event::CaActivated { number, .. } => self.hand_over(*number, at),
            Event::NodeCloned { node, .. } => self.nodes.get_mut(node).into_iter().for_each(|row| row.is_cloned = true),
            Event::LeaderCertified { .. }
            | Event::NodeCertified { .. }
            | Event::CaAsked { .. }
            | Event::CaMade { .. }
            | Event::CaDropped { .. }
            | Event::CaDestroyed { .. } => self.evolve_authority(event),
        }
    }

    fn evolve_keys(&mut self, event: &Event, at: Time) {
        match event {
            Event::Prepublished { profile, key, windows } => {
                self.owed_standby.remove(profile);
                self.add_key(profile, key, *windows, Phase::Prepublished, at);
            }
            Event::Armed { kid, activate_at, .. } => {
                let activate_at = *activate_at;
                self.set_phase(kid, Phase::Armed { activate_at });
            }
            Event::Activated {
                kid,
                since,
                retire_at,
                cause,
                ..
            } => self.activate(kid, *since, *retire_at, cause),
            Event::Retired { kid, successor } => {
                let generation = self.head.generation;
                self.set_phase(
                    kid,
                    Phase::Retiring {
                        since: at,
                        generation,
                        successor: successor.clone(),
                    },
                );
                self.doom(kid);
            }
            Event::Removed { kid, last_signature, .. } => {
                if last_signature.is_none() {
                    self.doom(kid);
                }
                self.keys.remove(kid);
            }
            Event::Revoked {
                kid,
                reason,
                private_half,
                ..
            } => self.revoke(kid, *reason, *private_half, at),
            Event::Destroyed { kid } => {
                self.doomed.remove(kid);
            }
            Event::RevocationConfirmed { kid, .. } => {
                self.revocations.remove(kid);
            }
            Event::Hastened { profile, .. } => self.hasten(profile, at),
            _ => {}
        }
    }

    fn evolve_encryption(&mut self, event: &Event, at: Time) {
        match event {
            Event::Staged { profile, key, windows } => self.add_key(profile, key, *windows, Phase::Staged, at),
            Event::Published { kid, replace_at, .. } => {
                let (since, replace_at) = (at, *replace_at);
                self.set_phase(kid, Phase::Published { since, replace_at });
                self.activated.extend(self.keys.get(kid).map(|key| key.profile.clone()));
            }
            Event::Unpublished { kid, .. } => self.unpublish(kid, false, at),
            Event::Discarded { kid, .. } => {
                self.doom(kid);
                self.keys.remove(kid);
            }
            _ => {}
        }
    }

    /// A key that is unpublished already keeps its times; it can only become revoked besides.
    fn unpublish(&mut self, kid: &Kid, by_revocation: bool, at: Time) {
        let generation = self.head.generation;
        let Some(key) = self.keys.get_mut(kid) else { return };
        match &mut key.phase {
            Phase::Unpublished { revoked, .. } => *revoked |= by_revocation,
            phase => {
                *phase = Phase::Unpublished {
                    since: at,
                    generation,
                    served_until: at,
                    revoked: by_revocation,
                };
            }
        }
    }

    fn evolve_nodes(&mut self, event: &Event, at: Time) {
        match event {
            Event::TokenIssued {
                token,
                node,
                expires_at,
                ca,
            } => {
                self.tokens.retain(|_, token| token.expires_at > at);
                let row = JoinToken {
                    node: node.clone(),
                    expires_at: *expires_at,
                    used: false,
                    ca: *ca,
                };
                self.tokens.insert(*token, row);
            }
            Event::Enrolled {
                node,
                enrolment,
                token,
                tls_key,
                witness_key,
                unconfirmed,
                ca,
            } => {
                if let Some(token) = self.tokens.get_mut(token) {
                    token.used = true;
                }
                self.last_enrolment = *enrolment;
                if let Some(before) = self.nodes.get(node) {
                    self.disbelieved.remove(&before.enrolment);
                }
                self.leave_unconfirmed(node, unconfirmed);
                let (tls_key, witness_key, standing) = (*tls_key, *witness_key, Standing::Joining);
                let row = Node {
                    enrolment: *enrolment,
                    enrolled_at: at,
                    tls_key,
                    witness_key,
                    standing,
                    ca: *ca,
                    is_cloned: false,
                };
                self.nodes.insert(node.clone(), row);
            }
            Event::EnteredService { node, .. } => {
                self.ever_confirmed = true;
                self.set_standing(node, Standing::InService { since: at });
            }
            Event::LeftService {
                node,
                lacked_until,
                signed_until,
                served_until,
                ..
            } => {
                self.leave(node, lacked_until, signed_until, at);
                self.stop_serving(served_until);
            }
            _ => {}
        }
    }

    fn evolve_leader(&mut self, event: &Event, at: Time) {
        match event {
            Event::Founded { fleet } => self.fleet = Some(fleet.clone()),
            Event::Started { epoch, absence } => {
                self.epoch = *epoch;
                self.started_at = at;
                self.absences.extend(absence);
                self.forget_old_absences(at);
                self.tokens.retain(|_, token| token.expires_at > at);
            }
            Event::StoodStill { absence } => self.absences.push(*absence),
            Event::ClockConfirmed {
                doubted_since, from, to, ..
            } if from < to => self.move_on(*doubted_since, *from, *to),
            Event::Configured { settings } => self.configure(settings),
            Event::DistrustedAll => self.distrust_before = at,
            Event::WaitBegan { wait, .. } => {
                self.waits.insert(wait.clone(), at);
            }
            Event::WaitEnded { wait } => {
                self.waits.remove(wait);
            }
            Event::Halted { halt } => self.halted = Some(Halted::NodeAhead(halt.clone())),
            Event::Restored { restoration, lost } => {
                self.put_back_at = Some(at);
                self.restore(restoration, lost);
            }
            _ => {}
        }
    }

    /// Only a key that no node was ever meant to use goes because its private half is lost.
    fn restore(&mut self, restoration: &Restoration, lost: &[Kid]) {
        // A leader may be restored again before it has gone on.
        let before = self.halted.iter().flat_map(|halted| halted.lost().to_vec());
        self.halted = Some(Halted::Restored {
            lost: before.chain(lost.iter().cloned()).collect(),
            restoration: restoration.clone(),
        });
        for kid in lost {
            if self.keys.get(kid).is_some_and(Key::is_unused) {
                self.doom(kid);
                self.keys.remove(kid);
            }
        }
    }

    fn revoke(&mut self, kid: &Kid, reason: Reason, private_half: PrivateHalf, at: Time) {
        let Some(key) = self.keys.get(kid) else { return };
        if matches!(key.phase, Phase::Active { .. }) {
            self.bereft.insert(key.profile.clone(), reason);
        }
        match private_half {
            PrivateHalf::Kept => self.unpublish(kid, true, at),
            PrivateHalf::Destroyed => {
                // A retiring key was doomed when it retired, and may be without its private half by now.
                if !matches!(key.phase, Phase::Retiring { .. }) {
                    self.doom(kid);
                }
                self.keys.remove(kid);
            }
        }
        let revocation = Revocation {
            generation: self.head.generation,
            at,
            reason,
            private_half,
            replaced: BTreeSet::new(),
        };
        self.revocations.insert(kid.clone(), revocation);
    }

    /// The leader has the private half of this key to destroy, if it has it.
    fn doom(&mut self, kid: &Kid) {
        if self.keys.get(kid).is_some_and(|key| !key.inherited) {
            self.doomed.insert(kid.clone());
        }
    }

    /// New settings are for new keys. Only a longer `token_lifetime`, `decrypt_window` or `clock_skew` reaches keys that stand. A
    /// profile that is gone, or comes back for another use, is forgotten: its first key is a first key.
    fn configure(&mut self, settings: &Settings) {
        for key in self.keys.values_mut() {
            if let Some(profile) = settings.profiles.get(&key.profile) {
                let new = &profile.windows;
                key.windows.token_lifetime = key.windows.token_lifetime.max(new.token_lifetime);
                key.windows.decrypt_window = key.windows.decrypt_window.max(new.decrypt_window);
            }
            key.windows.clock_skew = key.windows.clock_skew.max(settings.clock_skew());
        }
        let key_use =
            |settings: &Settings, profile: &ProfileName| settings.profiles.get(profile).map(|profile| profile.spec.key_use());
        let before = &self.settings;
        let goes_on = |profile: &ProfileName| key_use(before, profile) == key_use(settings, profile);
        self.activated.retain(goes_on);
        self.owed_standby.retain(goes_on);
        self.bereft.retain(|profile, _| goes_on(profile));
        self.settings = settings.clone();
    }

    pub(super) fn add_key(&mut self, profile: &ProfileName, public: &PublicKey, windows: Windows, phase: Phase, at: Time) {
        let key = Key {
            public: Arc::new(public.clone()),
            profile: profile.clone(),
            windows,
            published_at: at,
            unpublished_until: at,
            signed_until: None,
            inherited: false,
            phase,
        };
        self.keys.insert(public.kid.clone(), key);
    }

    fn activate(&mut self, kid: &Kid, since: Time, retire_at: Time, cause: &Cause) {
        self.set_phase(kid, Phase::Active { since, retire_at });
        if let Some(key) = self.keys.get(kid) {
            self.activated.insert(key.profile.clone());
            self.bereft.remove(&key.profile);
            if cause.is_emergency() {
                self.owed_standby.insert(key.profile.clone());
            }
        }
    }

    fn hasten(&mut self, profile: &ProfileName, at: Time) {
        for key in self.keys.values_mut().filter(|key| key.profile == *profile) {
            if let Phase::Active { retire_at: ends, .. } | Phase::Published { replace_at: ends, .. } = &mut key.phase {
                *ends = at.min(*ends);
            }
        }
    }

    fn leave(&mut self, node: &NodeName, lacked_until: &BTreeMap<Kid, Time>, signed_until: &BTreeMap<Kid, Time>, at: Time) {
        self.set_standing(node, Standing::Evicted { at });
        for (kid, until) in lacked_until {
            if let Some(key) = self.keys.get_mut(kid).filter(|_| !is_out(Mutant::R1Evicted)) {
                key.unpublished_until = key.unpublished_until.max(*until);
            }
        }
        for (kid, until) in signed_until {
            if let Some(key) = self.keys.get_mut(kid).filter(|_| !is_out(Mutant::R3Departed)) {
                key.signed_until = key.signed_until.max(Some(*until));
            }
        }
    }

    fn stop_serving(&mut self, until: &BTreeMap<Kid, Time>) {
        if is_out(Mutant::E2Departed) {
            return;
        }
        for (kid, until) in until {
            if let Some(Key {
                phase: Phase::Unpublished { served_until, .. },
                ..
            }) = self.keys.get_mut(kid)
            {
                *served_until = (*served_until).max(*until);
            }
        }
    }

    pub(super) fn set_phase(&mut self, kid: &Kid, phase: Phase) {
        if let Some(key) = self.keys.get_mut(kid) {
            key.phase = phase;
        }
    }

    fn set_standing(&mut self, node: &NodeName, standing: Standing) {
        if let Some(row) = self.nodes.get_mut(node) {
            row.standing = standing;
        }
    }
}
