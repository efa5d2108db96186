//! What an operator may choose: profiles, their windows, and what the fleet makes of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::types::{Anchor, KeySpec, KidFormat, ProfileName, Span};

/// The lengths of time that a profile lives by, and the hour of the day. The defaults make the two-day schedule.
///
/// All must be above zero and below ten years; [`check`](super::check) holds them against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    /// How long a key signs.
    pub interval: Span,
    /// How long a key must have stood in every JWKS before it signs: longer than the longest verifier cache, propagation and
    /// skew together.
    pub min_prepublish: Span,
    /// How long before it signs a key's private half is delivered.
    pub arm_lead: Span,
    /// The longest life of a token signed with these keys.
    pub token_lifetime: Span,
    /// How long an encryption key can still decrypt after it is unpublished.
    pub decrypt_window: Span,
    /// The largest difference tolerated between any two clocks, relying parties included.
    pub clock_skew: Span,
    /// How long a node can hold up a decision.
    pub straggler_after: Span,
    /// How long the leader waits for its nodes after a start, before the schedule decides without them.
    pub start_grace: Span,
    /// What verifiers are told to cache.
    pub max_age: Span,
    /// The time of day at which keys are meant to change hands; without one they do so an interval after the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Anchor>,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            interval: Span::hours(48),
            min_prepublish: Span::hours(26),
            arm_lead: Span::hours(1),
            token_lifetime: Span::hours(1),
            decrypt_window: Span::hours(26),
            clock_skew: Span::mins(5),
            straggler_after: Span::hours(24),
            start_grace: Span::mins(10),
            max_age: Span::mins(10),
            anchor: None,
        }
    }
}

/// One purpose of keys. Its keys sign; one of them at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What it is called.
    pub name: ProfileName,
    /// What its keys are.
    pub spec: KeySpec,
    /// How the kid of a new key is made.
    pub kid_format: KidFormat,
    /// How long the certificate of a new key is valid: at most ten years.
    pub certificate_life: Span,
    /// Its times.
    pub windows: Windows,
}

impl Profile {
    /// A profile with every default.
    #[must_use]
    pub fn new(name: ProfileName, spec: KeySpec) -> Self {
        Self {
            name,
            spec,
            kid_format: KidFormat::default(),
            certificate_life: Span::TEN_YEARS,
            windows: Windows::default(),
        }
    }
}

/// Every profile of the fleet, by name.
///
/// A node holds the keys of all profiles in one view and has one clock and one stream, so four of the windows are answered once
/// for the fleet: each time with the value that keeps what the most careful profile asked for. Without profiles they are the
/// defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The profiles.
    pub profiles: BTreeMap<ProfileName, Profile>,
    /// What verifiers are told to cache by whatever serves the JWKS in front of jkeys' files; none when that is not known.
    pub served_max_age: Option<Span>,
    /// How long before its end the CA that signs is replaced.
    #[serde(default = "ca_rotate_before", skip_serializing_if = "is_usual")]
    pub ca_rotate_before: Span,
}

const CA_ROTATE_BEFORE: Span = Span::hours(365 * 24);

fn ca_rotate_before() -> Span {
    CA_ROTATE_BEFORE
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "for serde")]
fn is_usual(rotate_before: &Span) -> bool {
    *rotate_before == CA_ROTATE_BEFORE
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            profiles: BTreeMap::new(),
            served_max_age: None,
            ca_rotate_before: CA_ROTATE_BEFORE,
        }
    }
}

impl FromIterator<Profile> for Settings {
    fn from_iter<T: IntoIterator<Item = Profile>>(profiles: T) -> Self {
        Self {
            profiles: profiles.into_iter().map(|profile| (profile.name.clone(), profile)).collect(),
            ..Self::default()
        }
    }
}

impl Settings {
    /// When a silent node leaves service: the smallest of the profiles', because a node is in service for all of them or for
    /// none, and no profile may be held up for longer than it asked for.
    #[must_use]
    pub fn straggler_after(&self) -> Span {
        self.smallest(|windows| windows.straggler_after)
    }

    /// How long the schedule rests after a start: the longest of the profiles', because deciding too early is what it guards
    /// against and waiting costs little.
    #[must_use]
    pub fn start_grace(&self) -> Span {
        self.longest(|windows| windows.start_grace)
    }

    /// What verifiers are told to cache: the smallest of the profiles', because one JWKS with one `max-age` carries the keys of
    /// all, and a revoked key must be forgotten as soon as the strictest profile asks.
    #[must_use]
    pub fn max_age(&self) -> Span {
        self.smallest(|windows| windows.max_age)
    }

    /// How far apart two clocks may be: the longest of the profiles', because a node whose clock one profile tolerates signs for
    /// the others too, so every margin must allow for that clock.
    #[must_use]
    pub fn clock_skew(&self) -> Span {
        self.longest(|windows| windows.clock_skew)
    }

    fn smallest(&self, of: fn(&Windows) -> Span) -> Span {
        let all = self.profiles.values().map(|profile| of(&profile.windows));
        all.min().unwrap_or_else(|| of(&Windows::default()))
    }

    fn longest(&self, of: fn(&Windows) -> Span) -> Span {
        let all = self.profiles.values().map(|profile| of(&profile.windows));
        all.max().unwrap_or_else(|| of(&Windows::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two(change: fn(&mut Windows)) -> Settings {
        let mut first = Profile::new("first".parse().unwrap(), KeySpec::Es256);
        change(&mut first.windows);
        let second = Profile::new("second".parse().unwrap(), KeySpec::Ed25519);
        [first, second].into_iter().collect()
    }

    #[test]
    fn the_fleet_takes_what_the_most_careful_profile_asks() {
        let less = two(|windows| {
            windows.straggler_after = Span::hours(5);
            windows.start_grace = Span::mins(5);
            windows.max_age = Span::mins(5);
            windows.clock_skew = Span::mins(4);
        });
        assert_eq!(less.straggler_after(), Span::hours(5));
        assert_eq!(less.start_grace(), Span::mins(10));
        assert_eq!(less.max_age(), Span::mins(5));
        assert_eq!(less.clock_skew(), Span::mins(5));
        let more = two(|windows| {
            windows.straggler_after = Span::hours(30);
            windows.start_grace = Span::mins(15);
            windows.max_age = Span::mins(15);
            windows.clock_skew = Span::mins(6);
        });
        assert_eq!(more.straggler_after(), Span::hours(24));
        assert_eq!(more.start_grace(), Span::mins(15));
        assert_eq!(more.max_age(), Span::mins(10));
        assert_eq!(more.clock_skew(), Span::mins(6));
    }

    #[test]
    fn settings_survive_json_and_refuse_what_they_do_not_know() {
        let settings = two(|windows| windows.interval = Span::hours(50));
        let json = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&json).unwrap(), settings);
        for place in ["\"interval\"", "\"spec\"", "\"profiles\""] {
            let strange = json.replacen(place, &format!("\"strange\":1,{place}"), 1);
            let refused = serde_json::from_str::<Settings>(&strange).unwrap_err().to_string();
            assert!(refused.contains("unknown field `strange`"), "{refused}");
        }
    }
}
