//! Whether recorded events tell a lawful story: each one is a step that some rule allows from where the ones before it led.
//!
//! A log holds what was decided and no sightings, so this is what can be told from the log alone: the order of a key's states, the
//! times that the rules set between them, and who may come and go. What a decision saw of the nodes stands in its evidence.

use super::ended::Farewell;
use super::event::{Cause, Event};
use super::halted::Restoration;
use super::state::{JoinToken, Key, Phase, PrivateHalf, Standing, State};
use super::timing;
use crate::types::{Enrolment, KeyUse, Kid, NodeName, ProfileName, PublicKey, Time};

/// A step that no rule allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no rule allows \"{event}\" there: {why}")]
pub struct Unlawful {
    /// The event's name.
    pub event: &'static str,
    /// What is wrong with it.
    pub why: String,
}

impl State {
    /// Makes a recorded decision part of the state, as [`State::apply`] does, and checks each event before.
    ///
    /// # Errors
    /// The first event that no rule allows. The state is then worth nothing.
    pub fn replay(&mut self, events: &[Event], at: Time) -> Result<(), Unlawful> {
        let wire = self.begin(events, at);
        for event in events {
            let unlawful = |why| Unlawful {
                event: event.name(),
                why,
            };
            self.admits(event, at).map_err(unlawful)?;
            self.evolve(event, at);
        }
        self.end(events, at, wire);
        Ok(())
    }

    fn admits(&self, event: &Event, at: Time) -> Result<(), String> {
        let decides = !matches!(
            event,
            Event::Started { .. }
                | Event::Refused { .. }
                | Event::Restored { .. }
                | Event::Adopted { .. }
                | Event::BackedUp
                | Event::Rekeyed { .. }
                | Event::LeaderCertified { .. }
                | Event::NodeCertified { .. }
        );
        if let Some(halted) = self.halted.as_ref().filter(|_| decides) {
            return Err(format!("the leader had stopped deciding (rule R5): {halted}"));
        }
        match event {
            Event::Founded { .. } => holds(self.fleet.is_none(), || "the fleet was founded before".to_owned()),
            Event::Started { epoch, absence } => {
                holds(*epoch > self.epoch, || {
                    format!("epoch {epoch} does not follow {}", self.epoch)
                })?;
                let within = absence.is_none_or(|absence| absence.from < absence.until && absence.until <= at);
                holds(within, || "its absence does not end before it".to_owned())
            }
            // Where the clock was set back in the same moment, the absence ends after the record.
            Event::StoodStill { absence } => holds(absence.from < absence.until, || "its absence has no length".to_owned()),
            Event::ClockConfirmed { vote, .. } => holds(vote.agrees() || self.nodes.is_empty(), || {
                "most nodes heard did not agree with the clock (rule R9)".to_owned()
            }),
            Event::Configured { settings } => {
                let broken = timing::check(settings);
                holds(broken.is_empty(), || {
                    broken.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
                })
            }
            Event::Prepublished { profile, key, .. } => self.admits_key(profile, key, KeyUse::Sig),
            Event::Armed { kid, activate_at, .. } => self.admits_arming(kid, *activate_at, at),
            Event::Activated { .. } => self.admits_activation(event, at),
            Event::Retired { kid, .. } => {
                let key = self.known(kid)?;
                let signs = matches!(key.phase, Phase::Active { .. } | Phase::Armed { .. });
                holds(signs, || not_from(key))
            }
            Event::Removed { kid, last_signature, .. } => self.admits_removal(kid, *last_signature, at),
            Event::Staged { .. } | Event::Published { .. } | Event::Unpublished { .. } | Event::Discarded { .. } => {
                self.admits_encryption(event, at)
            }
            Event::Revoked { kid, private_half, .. } => self.admits_revocation(kid, *private_half),
            Event::ReportedCompromised { kid, .. } => holds(!self.keys.contains_key(kid), || {
                format!("key {kid} was there and was not revoked")
            }),
            Event::Destroyed { kid } => holds(self.doomed.contains(kid), || format!("key {kid} was still needed, or gone")),
            // Its last confirmation may lie after it: that is an observation, which is no record, and the clock may have been put back since.
            Event::RevocationConfirmed { kid, .. } => holds(self.revocations.contains_key(kid), || {
                format!("key {kid} was not revoked, or all had confirmed")
            }),
            Event::Hastened { profile, .. } => holds(self.settings.profiles.contains_key(profile), || {
                format!("there is no profile {profile}")
            }),
            Event::TokenIssued { .. }
            | Event::TokenRevoked { .. }
            | Event::Enrolled { .. }
            | Event::EnteredService { .. }
            | Event::LeftService { .. }
            | Event::NodeRevoked { .. }
            | Event::NodeRemoved { .. } => self.admits_node(event, at),
            Event::WaitBegan { wait, .. } => holds(!self.waits.contains_key(wait), || "the wait had begun before".to_owned()),
            Event::WaitEnded { wait } => holds(self.waits.contains_key(wait), || "the wait had not begun".to_owned()),
            Event::Restored { restoration, lost } => self.admits_restoration(restoration, lost, at),
            Event::Adopted { .. } | Event::Recovered { .. } => self.admits_adoption(event),
            Event::Rekeyed { from, to } => holds(from != to, || format!("{to} is the master key that it had")),
            Event::DistrustedAll | Event::Halted { .. } | Event::BackedUp | Event::Refused { .. } => Ok(()),
            Event::NodeCloned { node, enrolment } => self.standing(node, *enrolment).map(drop),
            Event::LeaderCertified { .. }
            | Event::NodeCertified { .. }
            | Event::CaAsked { .. }
            | Event::CaMade { .. }
            | Event::CaActivated { .. }
            | Event::CaDropped { .. }
            | Event::CaDestroyed { .. } => self.admits_authority(event, at),
        }
    }

    fn admits_restoration(&self, restoration: &Restoration, lost: &[Kid], at: Time) -> Result<(), String> {
        holds(restoration.taken_at <= at, || {
            "what it was restored from was made after it".to_owned()
        })?;
        lost.iter().try_for_each(|kid| {
            let key = self.known(kid)?;
            holds(key.is_unused(), || not_from(key))
        })
    }

    fn known(&self, kid: &Kid) -> Result<&Key, String> {
        self.keys.get(kid).ok_or_else(|| format!("there is no key {kid}"))
    }

    fn admits_key(&self, profile: &ProfileName, key: &PublicKey, key_use: KeyUse) -> Result<(), String> {
        holds(self.settings.profiles.contains_key(profile), || {
            format!("there is no profile {profile}")
        })?;
        holds(key.spec.key_use() == key_use, || {
            format!("key {} is of the other use", key.kid)
        })?;
        holds(!self.keys.contains_key(&key.kid), || {
            format!("key {} is there already", key.kid)
        })
    }

    fn admits_arming(&self, kid: &Kid, activate_at: Time, at: Time) -> Result<(), String> {
        let key = self.known(kid)?;
        holds(key.phase == Phase::Prepublished, || not_from(key))?;
        holds(self.armed(&key.profile).is_none(), || {
            "another key of its profile was armed".to_owned()
        })?;
        holds(activate_at >= at, || {
            format!("it was to sign at {activate_at}, before it was armed")
        })?;
        published_long_enough(key, activate_at)
    }

    fn admits_activation(&self, event: &Event, at: Time) -> Result<(), String> {
        let Event::Activated {
            kid,
            since,
            retire_at,
            cause,
            ..
        } = event
        else {
            return Ok(());
        };
        let key = self.known(kid)?;
        if let Some(other) = self.active(&key.profile) {
            return Err(format!("key {} of its profile was signing (rule R4)", other.kid()));
        }
        holds(since <= &at && since < retire_at, || "its times are out of order".to_owned())?;
        let armed_for = match key.phase {
            Phase::Prepublished => None,
            Phase::Armed { activate_at } => Some(activate_at),
            _ => return Err(not_from(key)),
        };
        match cause {
            Cause::Scheduled => holds(armed_for == Some(*since), || {
                "it was not armed for that time (rule R2)".to_owned()
            }),
            Cause::Emergency { .. } => published_long_enough(key, at),
            Cause::Bootstrap => {
                let first = !self.ever_confirmed && !self.activated.contains(&key.profile);
                holds(first, || {
                    "it was not the first key of its profile before any node (rule R1)".to_owned()
                })
            }
            // Exceptions to rule R1, which the record owns up to.
            Cause::Forced { .. } | Cause::Compromised { .. } => Ok(()),
        }
    }

    fn admits_removal(&self, kid: &Kid, last_signature: Option<Time>, at: Time) -> Result<(), String> {
        let key = self.known(kid)?;
        match (&key.phase, last_signature) {
            (Phase::Prepublished, None) => Ok(()),
            (Phase::Retiring { since, .. }, Some(last)) => {
                let latest = key.signed_until.unwrap_or(*since).max(*since);
                holds(last >= latest, || {
                    format!("it may have signed until {latest}, and not only until {last}")
                })?;
                let expired_at = last + key.windows.token_lifetime + key.windows.clock_skew;
                holds(expired_at <= at, || {
                    format!("tokens of key {kid} were alive until {expired_at} (rule R3)")
                })
            }
            _ => Err(not_from(key)),
        }
    }

    fn admits_encryption(&self, event: &Event, at: Time) -> Result<(), String> {
        match event {
            Event::Staged { profile, key, .. } => self.admits_key(profile, key, KeyUse::Enc),
            Event::Published { kid, replace_at, .. } => {
                let key = self.known(kid)?;
                holds(key.phase == Phase::Staged, || not_from(key))?;
                if let Some((other, _)) = self.encrypted_to(&key.profile) {
                    return Err(format!("key {} of its profile was published", other.kid()));
                }
                holds(at < *replace_at, || "its times are out of order".to_owned())
            }
            Event::Unpublished { kid, .. } => {
                let key = self.known(kid)?;
                holds(matches!(key.phase, Phase::Published { .. }), || not_from(key))
            }
            Event::Discarded {
                kid, published_until, ..
            } => self.admits_discarding(kid, *published_until, at),
            _ => Ok(()),
        }
    }

    fn admits_discarding(&self, kid: &Kid, published_until: Option<Time>, at: Time) -> Result<(), String> {
        let key = self.known(kid)?;
        match (&key.phase, published_until) {
            (Phase::Staged, None) => Ok(()),
            (Phase::Unpublished { since, served_until, .. }, Some(last)) => {
                let latest = *since.max(served_until);
                holds(last >= latest, || {
                    format!("it may have been published until {latest}, and not only until {last}")
                })?;
                let kept_until = last + key.windows.decrypt_window;
                holds(kept_until <= at, || {
                    format!("relying parties encrypted to key {kid}, so it stays until {kept_until} (rule E2)")
                })
            }
            _ => Err(not_from(key)),
        }
    }

    fn admits_revocation(&self, kid: &Kid, private_half: PrivateHalf) -> Result<(), String> {
        let key = self.known(kid)?;
        let may_be_kept = matches!(key.phase, Phase::Published { .. } | Phase::Unpublished { .. });
        holds(private_half == PrivateHalf::Destroyed || may_be_kept, || {
            format!("nothing was encrypted to key {kid}, so its private half goes")
        })
    }

    fn admits_node(&self, event: &Event, at: Time) -> Result<(), String> {
        match event {
            Event::TokenIssued { expires_at, .. } => {
                holds(*expires_at > at, || "the token had expired when it was made".to_owned())
            }
            Event::TokenRevoked { token, node } => {
                let good = |row: &JoinToken| row.is_open(at) && row.node == *node;
                holds(self.tokens.get(token).is_some_and(good), || {
                    format!("node {node} had no such join token")
                })
            }
            Event::Enrolled {
                node, enrolment, token, ..
            } => {
                let good = |row: &JoinToken| row.is_open(at) && row.node == *node;
                holds(self.tokens.get(token).is_some_and(good), || {
                    format!("node {node} had no join token that was good")
                })?;
                let next = self.last_enrolment.next();
                holds(*enrolment == next, || format!("enrolment {enrolment} is not {next}"))?;
                let in_service = self.in_service().any(|(name, ..)| name == node);
                holds(!in_service, || format!("node {node} was in service"))
            }
            Event::EnteredService { node, enrolment } => {
                let standing = self.standing(node, *enrolment)?;
                holds(!is_in_service(standing), || format!("node {node} was in service"))
            }
            Event::LeftService { node, enrolment, .. } => {
                let standing = self.standing(node, *enrolment)?;
                holds(is_in_service(standing), || format!("node {node} was not in service"))
            }
            Event::NodeRevoked { farewell } | Event::NodeRemoved { farewell } => {
                let Farewell {
                    node,
                    enrolment,
                    last_holder_of,
                    ..
                } = farewell;
                let standing = self.standing(node, *enrolment)?;
                holds(!is_in_service(standing), || format!("node {node} was in service"))?;
                let is_inherited = |kid: &Kid| self.keys.get(kid).is_some_and(|key| key.inherited);
                let known = last_holder_of.iter().find(|kid| !is_inherited(kid));
                holds(known.is_none(), || {
                    format!(
                        "the private half of key {} was not on nodes only",
                        known.map_or("", Kid::as_str)
                    )
                })
            }
            _ => Ok(()),
        }
    }

    fn standing(&self, node: &NodeName, enrolment: Enrolment) -> Result<Standing, String> {
        let row = self.nodes.get(node).filter(|row| row.enrolment == enrolment);
        row.map(|row| row.standing)
            .ok_or_else(|| format!("there is no node {node} of enrolment {enrolment}"))
    }
}

pub(super) fn holds(condition: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(why()) }
}

fn is_in_service(standing: Standing) -> bool {
    matches!(standing, Standing::InService { .. })
}

fn not_from(key: &Key) -> String {
    format!("key {} was {}", key.kid(), key.phase.name())
}

/// What the log alone tells of rule R1.
fn published_long_enough(key: &Key, at: Time) -> Result<(), String> {
    let ready_at = key.unpublished_until + key.windows.min_prepublish;
    holds(ready_at <= at, || {
        format!(
            "relying parties may not have known key {} before {ready_at} (rule R1)",
            key.kid()
        )
    })
}
