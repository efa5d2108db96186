//! Configurations that a walk changes to, and what a change must leave as it is.

use proptest::prelude::*;

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

/// One configuration: which profiles, of which algorithm, with which times.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    profiles: usize,
    other_alg: bool,
    times: usize,
}

impl Variant {
    pub fn any() -> impl Strategy<Value = Self> {
        (0..5usize, any::<bool>(), 0..6usize).prop_map(|(profiles, other_alg, times)| Self {
            profiles,
            other_alg,
            times,
        })
    }

    pub fn settings(self) -> Settings {
        let sets: [&[&str]; 5] = [&[RSA, ENC], &[RSA, "ec", ENC], &["ec", ENC], &[RSA], &[]];
        let mut settings = settings(sets[self.profiles]);
        for profile in settings.profiles.values_mut() {
            if self.other_alg {
                profile.spec = match profile.spec.key_use() {
                    KeyUse::Sig => KeySpec::Ed25519,
                    KeyUse::Enc => KeySpec::EcdhEs(Curve::P384),
                };
            }
            self.set_times(&mut profile.windows);
        }
        settings
    }

    /// The oracle counts with clocks that differ by up to five minutes and a `decrypt_window` of 26 hours: neither gets shorter.
    fn set_times(self, windows: &mut Windows) {
        match self.times {
            0 => {}
            1 => windows.anchor = Some("02:00Z".parse().unwrap()),
            2 => {
                windows.anchor = Some("14:30Z".parse().unwrap());
                (windows.interval, windows.min_prepublish) = (Span::hours(72), Span::hours(20));
            }
            3 => (windows.interval, windows.arm_lead) = (Span::hours(36), Span::hours(2)),
            4 => (windows.token_lifetime, windows.decrypt_window) = (Span::hours(4), Span::hours(40)),
            _ => (windows.clock_skew, windows.straggler_after) = (Span::mins(9), Span::hours(12)),
        }
    }
}

/// Keys of profiles that stay keep their times, but for what makes them safer.
pub fn assert_not_retimed(before: &State, after: &State) {
    for (kid, key) in &before.keys {
        if !after.settings.profiles.contains_key(&key.profile) {
            let in_use = after
                .keys
                .get(kid)
                .is_some_and(|key| key.phase.name() == "active" || key.phase.name() == "armed");
            assert!(!in_use, "{kid} of a profile that is gone is still in use");
            continue;
        }
        let (old, new) = (key.windows, after.keys[kid].windows);
        let expected = Windows {
            token_lifetime: new.token_lifetime.max(old.token_lifetime),
            decrypt_window: new.decrypt_window.max(old.decrypt_window),
            clock_skew: new.clock_skew.max(old.clock_skew),
            ..old
        };
        assert_eq!((new, &after.keys[kid].phase), (expected, &key.phase), "{kid} is re-timed");
    }
}
