//! The windows of a fast schedule, in proportion to its interval.

use crate::lifecycle::Windows;
use crate::types::Span;

/// The shortest interval: below, the floors of the other windows leave too little room between them.
pub const SHORTEST_INTERVAL: Span = Span::secs(10);

/// An interval that is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("--interval {0} is too short for the windows that must fit into it; give at least {SHORTEST_INTERVAL}")]
pub struct TooShort(pub Span);

/// The windows of a schedule that rotates every `interval`.
///
/// Those of the two-day schedule are shortened in proportion, but `min_prepublish` is always half of the interval, and no window
/// goes below what a machine under load keeps to.
///
/// # Errors
/// The interval is shorter than [`SHORTEST_INTERVAL`].
pub fn windows(interval: Span) -> Result<Windows, TooShort> {
    if interval < SHORTEST_INTERVAL {
        return Err(TooShort(interval));
    }
    let usual = Windows::default();
    let scaled = |window: Span| Span(scale(window.0, interval.0, usual.interval.0));
    let half = Span(interval.0 / 2);
    Ok(Windows {
        interval,
        min_prepublish: half,
        arm_lead: scaled(usual.arm_lead).max(Span::secs(1)),
        token_lifetime: scaled(usual.token_lifetime).max(Span::secs(2)),
        decrypt_window: half,
        clock_skew: scaled(usual.clock_skew).max(Span(400)),
        straggler_after: half,
        start_grace: scaled(usual.start_grace).max(Span::secs(2)),
        max_age: scaled(usual.max_age).max(Span::secs(1)),
        anchor: usual.anchor,
    })
}

/// How often a node that has nothing to say reports, for it to be heard several times before it counts as silent.
#[must_use]
pub fn report_every(windows: &Windows) -> Span {
    Span(windows.straggler_after.0 / 5).min(Span::mins(1))
}

/// `part` of `whole`, taken of `of`. Intervals above ten years are refused elsewhere, and end here at the largest number.
fn scale(part: u64, of: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * u128::from(of) / u128::from(whole)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::{Profile, Settings, check};
    use crate::types::KeySpec;

    fn of(interval: Span) -> Windows {
        windows(interval).unwrap()
    }

    #[test]
    fn every_interval_keeps_the_timing_rules() {
        let two_days = Span::hours(48);
        let mut interval = SHORTEST_INTERVAL;
        while interval <= two_days {
            let windows = of(interval);
            let profile = Profile {
                windows,
                ..Profile::new("web".parse().unwrap(), KeySpec::Es256)
            };
            let settings: Settings = [profile].into_iter().collect();
            assert_eq!(check(&settings), [], "{interval}");
            assert_eq!(windows.min_prepublish * 2, interval);
            assert!(report_every(&windows) * 2 <= windows.straggler_after, "{interval}");
            interval = interval + if interval < Span::mins(10) { Span(20) } else { Span::secs(30) };
        }
    }

    #[test]
    fn the_floors_are_those_that_are_promised() {
        let windows = of(Span::secs(30));
        assert_eq!(windows.min_prepublish, Span::secs(15));
        assert_eq!((windows.arm_lead, windows.token_lifetime), (Span::secs(1), Span::secs(2)));
        assert_eq!((windows.clock_skew, windows.max_age), (Span(400), Span::secs(1)));
    }

    #[test]
    fn two_days_are_the_usual_schedule_but_for_the_half() {
        let expected = Windows {
            min_prepublish: Span::hours(24),
            decrypt_window: Span::hours(24),
            ..Windows::default()
        };
        assert_eq!(of(Span::hours(48)), expected);
    }

    #[test]
    fn a_shorter_interval_is_refused_in_words() {
        let refused = windows(Span(9_999)).unwrap_err().to_string();
        assert!(refused.contains("9s 999ms") && refused.contains("at least 10s"), "{refused}");
    }
}
