//! The timing rules T1 to T8: which lengths of time can't be safe together.
//!
//! T1, T3 and T5 are of the order in which signing keys live. A profile for encryption needs only what is said of it.
//!
//! Where the fleet answers a window once for all profiles ([`Settings::clock_skew`] and its like), a rule takes the profile's own
//! value or the fleet's, whichever is worse for the rule. So it holds both for what was asked and for what will be done.

use std::fmt;

use super::planned::fits;
use super::settings::{Profile, Settings, Windows};
use crate::types::{KeyUse, ProfileName, Span};

/// The most keys that may be published at once: AWS IAM fails above.
pub const MAX_PUBLISHED: usize = 100;
/// The most keys of one signing profile in the JWKS: three on their way or signing, one retiring, and one more after an emergency
/// or while its algorithm changes.
const MAX_PUBLISHED_PER_PROFILE: usize = 5;
/// The most keys of one encryption profile that are not yet unpublished: one staged, one published, and one more after an emergency.
const MAX_BEFORE_UNPUBLISHED: usize = 3;

/// A timing rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimingRule {
    /// `min_prepublish + arm_lead + 2*clock_skew < interval`; for encryption `arm_lead + 2*clock_skew < interval`
    T1,
    /// `2*clock_skew < arm_lead < straggler_after`
    T2,
    /// `0 < token_lifetime` and `token_lifetime + 2*clock_skew < interval`
    T3,
    /// `2*max_age <= min_prepublish`; for encryption also `min_prepublish <= decrypt_window`
    T4,
    /// `straggler_after + min_prepublish < 2*interval`
    T5,
    /// At most 100 keys published at once, unpublished encryption keys included.
    T6,
    /// Every length of time above zero and below ten years.
    T7,
    /// With an anchor: `interval` is a whole number of days, or a day is a whole number of intervals.
    T8,
}

/// One rule that one profile breaks, or all of them together. Its text names the rule, the numbers and what to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The broken rule.
    pub rule: TimingRule,
    /// The profile that breaks it; none where it is the sum of all.
    pub profile: Option<ProfileName>,
    broken: String,
    change: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {:?}", self.rule)?;
        if let Some(profile) = &self.profile {
            write!(f, ", profile {profile}")?;
        }
        write!(f, ": {}; {}", self.broken, self.change)
    }
}

/// Every rule that `settings` break, in the order of profiles and rules; empty when they are safe.
#[must_use]
pub fn check(settings: &Settings) -> Vec<Violation> {
    let each = settings.profiles.values().flat_map(|profile| {
        let rules = [t1, t2, t3, t4, t5, t7, t8];
        rules.into_iter().filter_map(|rule| rule(settings, profile))
    });
    each.chain(t6(settings)).collect()
}

fn violation(rule: TimingRule, profile: &Profile, broken: &[Option<String>], change: &'static str) -> Option<Violation> {
    let broken: Vec<&str> = broken.iter().flatten().map(String::as_str).collect();
    (!broken.is_empty()).then(|| Violation {
        rule,
        profile: Some(profile.name.clone()),
        broken: broken.join(", and "),
        change,
    })
}

/// A sum of settings with its name, such as `2*clock_skew`.
type Named<'a> = (&'a str, Span);

fn not_below(left: Named<'_>, right: Named<'_>) -> Option<String> {
    (left.1 >= right.1).then(|| format!("{} ({}) must be less than {} ({})", left.0, left.1, right.0, right.1))
}

fn t1(settings: &Settings, profile: &Profile) -> Option<Violation> {
    let windows = &profile.windows;
    let delivered = windows.arm_lead + settings.clock_skew() * 2;
    let interval = ("interval", windows.interval);
    if is_for_encryption(profile) {
        let broken = not_below(("arm_lead + 2*clock_skew", delivered), interval);
        return violation(
            TimingRule::T1,
            profile,
            &[broken],
            "make interval longer, or arm_lead shorter",
        );
    }
    let ahead = ("min_prepublish + arm_lead + 2*clock_skew", windows.min_prepublish + delivered);
    let broken = not_below(ahead, interval);
    let change = "make interval longer, or min_prepublish shorter if no verifier caches that long";
    violation(TimingRule::T1, profile, &[broken], change)
}

fn t2(settings: &Settings, profile: &Profile) -> Option<Violation> {
    let arm_lead = ("arm_lead", profile.windows.arm_lead);
    let broken = [
        not_below(("2*clock_skew", settings.clock_skew() * 2), arm_lead),
        not_below(arm_lead, ("straggler_after", settings.straggler_after())),
    ];
    let change = "give arm_lead a value between the two";
    violation(TimingRule::T2, profile, &broken, change)
}

fn t3(settings: &Settings, profile: &Profile) -> Option<Violation> {
    if is_for_encryption(profile) {
        return None;
    }
    let windows = &profile.windows;
    let token = windows.token_lifetime;
    let broken = [
        not_below(("0", Span(0)), ("token_lifetime", token)),
        not_below(
            ("token_lifetime + 2*clock_skew", token + settings.clock_skew() * 2),
            ("interval", windows.interval),
        ),
    ];
    let change = "set token_lifetime to the longest life of a token, and interval well above it";
    violation(TimingRule::T3, profile, &broken, change)
}

fn t4(_: &Settings, profile: &Profile) -> Option<Violation> {
    let windows = &profile.windows;
    let (cached, least) = (windows.max_age * 2, windows.min_prepublish);
    let broken = (cached > least).then(|| format!("2*max_age ({cached}) must be at most min_prepublish ({least})"));
    // A relying party encrypts to a key that it has cached, for up to min_prepublish after the key is unpublished.
    let window = windows.decrypt_window;
    let too_short = (is_for_encryption(profile) && window < least)
        .then(|| format!("min_prepublish ({least}) must be at most decrypt_window ({window})"));
    let change = if broken.is_some() {
        "make max_age shorter or min_prepublish longer"
    } else {
        "make decrypt_window longer, or min_prepublish shorter if no relying party caches that long"
    };
    violation(TimingRule::T4, profile, &[broken, too_short], change)
}

fn t5(_: &Settings, profile: &Profile) -> Option<Violation> {
    if is_for_encryption(profile) {
        return None;
    }
    let windows = &profile.windows;
    let broken = not_below(
        (
            "straggler_after + min_prepublish",
            windows.straggler_after + windows.min_prepublish,
        ),
        ("2*interval", windows.interval * 2),
    );
    let change = "make straggler_after or min_prepublish shorter, or interval longer";
    violation(TimingRule::T5, profile, &[broken], change)
}

fn t6(settings: &Settings) -> Option<Violation> {
    let profiles = settings.profiles.len();
    let each = settings.profiles.values().map(|profile| at_once(settings, profile));
    let published: usize = each.fold(0, usize::saturating_add);
    (published > MAX_PUBLISHED).then(|| Violation {
        rule: TimingRule::T6,
        profile: None,
        broken: format!(
            "{profiles} profiles can have {published} keys at once ({MAX_PUBLISHED_PER_PROFILE} each, more for encryption where \
             decrypt_window is longer than interval), which must be at most {MAX_PUBLISHED}"
        ),
        change: "have fewer profiles, or a leader for each provider, or a shorter decrypt_window",
    })
}

/// The most keys of a profile at once. An unpublished one stays for `decrypt_window`, and a silent node can hold it longer.
fn at_once(settings: &Settings, profile: &Profile) -> usize {
    if !is_for_encryption(profile) {
        return MAX_PUBLISHED_PER_PROFILE;
    }
    let Windows {
        decrypt_window,
        interval,
        ..
    } = profile.windows;
    let kept = decrypt_window + settings.straggler_after();
    let unpublished = kept.0.div_ceil(interval.0.max(1));
    usize::try_from(unpublished)
        .unwrap_or(usize::MAX)
        .saturating_add(MAX_BEFORE_UNPUBLISHED)
}

fn is_for_encryption(profile: &Profile) -> bool {
    profile.spec.key_use() == KeyUse::Enc
}

fn t7(_: &Settings, profile: &Profile) -> Option<Violation> {
    let windows = &profile.windows;
    let all = [
        ("interval", windows.interval),
        ("min_prepublish", windows.min_prepublish),
        ("arm_lead", windows.arm_lead),
        ("token_lifetime", windows.token_lifetime),
        ("decrypt_window", windows.decrypt_window),
        ("clock_skew", windows.clock_skew),
        ("straggler_after", windows.straggler_after),
        ("start_grace", windows.start_grace),
        ("max_age", windows.max_age),
    ];
    let windows = all.map(|(name, span)| {
        let inside = Span(0) < span && span < Span::TEN_YEARS;
        (!inside).then(|| format!("{name} ({span}) must be above 0s and below ten years"))
    });
    let life = profile.certificate_life;
    let inside = Span(0) < life && life <= Span::TEN_YEARS;
    let certificate = (!inside).then(|| format!("certificate_life ({life}) must be above 0s and at most ten years"));
    let broken: Vec<_> = windows.into_iter().chain([certificate]).collect();
    violation(TimingRule::T7, profile, &broken, "bring each within its limits")
}

fn t8(_: &Settings, profile: &Profile) -> Option<Violation> {
    let Windows { anchor, interval, .. } = profile.windows;
    let broken = anchor.filter(|_| !fits(interval)).map(|anchor| {
        format!("with anchor {anchor} interval ({interval}) must be a whole number of days, or a day a whole number of intervals")
    });
    let change = "give interval such a length, 12h or 48h for example, or take anchor out";
    violation(TimingRule::T8, profile, &[broken], change)
}

#[cfg(test)]
mod tests;
