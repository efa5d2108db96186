//! Settings as operators may choose them, drawn by number.

use jkeys::lifecycle::{Profile, Settings, Windows, check};
use jkeys::types::{Curve, KeySpec, KeyUse, RsaBits, Span};
use rand::seq::IndexedRandom as _;
use rand::{Rng, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// The profiles that there may be: a name stays with one use of keys.
const PROFILES: [(&str, KeyUse); 5] = [
    ("main", KeyUse::Sig),
    ("sealed", KeyUse::Enc),
    ("other", KeyUse::Sig),
    ("third", KeyUse::Sig),
    ("vault", KeyUse::Enc),
];

/// Of so many changes one is not safe, and must be refused.
const UNSAFE: u32 = 10;

/// One change of settings, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change(pub u64);

impl Change {
    /// The settings after it.
    pub fn of(self, settings: &Settings) -> Settings {
        let mut rng = ChaCha8Rng::seed_from_u64(self.0);
        let is_safe = !rng.random_ratio(1, UNSAFE);
        loop {
            let mut changed = settings.clone();
            change(&mut changed, &mut rng);
            if !is_safe || check(&changed).is_empty() {
                return changed;
            }
        }
    }
}

/// Safe settings, with `main` among their profiles.
pub fn drawn(rng: &mut ChaCha8Rng) -> Settings {
    let count = rng.random_range(1..=3);
    loop {
        let profiles = PROFILES[..count].iter().map(|(name, of)| profile(name, *of, rng));
        let settings: Settings = profiles.collect();
        if check(&settings).is_empty() {
            return settings;
        }
    }
}

fn change(settings: &mut Settings, rng: &mut ChaCha8Rng) {
    let (name, of) = PROFILES.choose(rng).expect("there are some");
    let fresh = profile(name, *of, rng);
    let Some(profile) = settings.profiles.get_mut(&fresh.name) else {
        settings.profiles.insert(fresh.name.clone(), fresh);
        return;
    };
    match rng.random_range(0..8) {
        0 | 1 => profile.windows = fresh.windows,
        2 => profile.windows.anchor = fresh.windows.anchor,
        3 => profile.windows.interval = fresh.windows.interval,
        4 => profile.windows.token_lifetime = fresh.windows.token_lifetime,
        5 | 6 => profile.spec = fresh.spec,
        _ => drop(settings.profiles.remove(&fresh.name)),
    }
}

fn profile(name: &str, of: KeyUse, rng: &mut ChaCha8Rng) -> Profile {
    let specs: &[KeySpec] = match of {
        KeyUse::Sig => &[KeySpec::Es256, KeySpec::Ed25519, KeySpec::Rs256(RsaBits::B2048)],
        KeyUse::Enc => &[KeySpec::EcdhEs(Curve::P256), KeySpec::RsaOaep256(RsaBits::B2048)],
    };
    let mut profile = Profile::new(name.parse().expect("a profile's name"), *one_of(specs, rng));
    profile.windows = windows(rng);
    profile
}

fn windows(rng: &mut ChaCha8Rng) -> Windows {
    let mut hours = |choices: &[u64]| Span::hours(*one_of(choices, rng));
    let (interval, min_prepublish) = (hours(&[24, 36, 48, 72]), hours(&[6, 12, 20, 26, 40]));
    let (decrypt_window, straggler_after) = (hours(&[12, 26, 40, 60]), hours(&[12, 24, 36]));
    let mut mins = |choices: &[u64]| Span::mins(*one_of(choices, rng));
    Windows {
        interval,
        min_prepublish,
        arm_lead: mins(&[30, 60, 120]),
        token_lifetime: mins(&[5, 60, 240, 600]),
        decrypt_window,
        clock_skew: mins(&[1, 5, 9]),
        straggler_after,
        start_grace: mins(&[1, 10, 30]),
        max_age: mins(&[1, 10, 60]),
        anchor: rng
            .random_ratio(1, 3)
            .then(|| one_of(&["02:00Z", "14:30Z", "23:55Z"], rng).parse().expect("a time of day")),
    }
}

fn one_of<'a, T>(choices: &'a [T], rng: &mut impl Rng) -> &'a T {
    choices.choose(rng).expect("there is a choice")
}
