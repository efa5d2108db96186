//! When the successor of a key is meant to take over.
//!
//! Without an anchor that is `interval` after the key did. With one it is on a grid: the anchor's time of day, and from there whole
//! multiples of `interval` or, where that is longer, of a day. So the schedule finds its hour again after a bootstrap, an emergency
//! or a late rotation, with the next key.

use super::settings::Windows;
use crate::types::{KeyUse, Span, Time};

const DAY: Span = Span::hours(24);

/// When a key of these windows that took over at `since` is meant to hand over.
///
/// On a grid that is its last instant up to `interval` later or, where that is too soon for the successor, the next.
pub(super) fn handover(windows: &Windows, key_use: KeyUse, since: Time) -> Time {
    let latest = since + windows.interval;
    let Some(anchor) = windows.anchor else {
        return latest;
    };
    let step = windows.interval.min(DAY);
    let past_grid = Span((latest.0 + step.0 - anchor.since_midnight().0 % step.0) % step.0);
    let planned = latest - past_grid;
    if planned > since + least(windows, key_use) {
        planned
    } else {
        planned + step
    }
}

/// What rules T1 and T3 ask to be shorter than `interval`, and so than any time between two handovers.
fn least(windows: &Windows, key_use: KeyUse) -> Span {
    let delivered = windows.arm_lead + windows.clock_skew * 2;
    match key_use {
        KeyUse::Sig => (windows.min_prepublish + delivered).max(windows.token_lifetime + windows.clock_skew * 2),
        KeyUse::Enc => delivered,
    }
}

/// Whether a grid of whole days, or of whole parts of a day, has this interval.
pub(super) fn fits(interval: Span) -> bool {
    interval.0 > 0 && (interval.0.is_multiple_of(DAY.0) || DAY.0.is_multiple_of(interval.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn anchored(anchor: &str, interval: Span) -> Windows {
        Windows {
            interval,
            anchor: Some(anchor.parse().unwrap()),
            ..Windows::default()
        }
    }

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn without_an_anchor_a_key_has_its_whole_interval() {
        let since = at("2026-11-23T06:05:04.123Z");
        assert_eq!(handover(&Windows::default(), KeyUse::Sig, since), since + Span::hours(48));
    }

    #[test]
    fn the_two_day_schedule_finds_its_hour_with_the_next_key() {
        let windows = anchored("02:00Z", Span::hours(48));
        for (since, planned) in [
            ("2026-11-23T02:00:00Z", "2026-11-25T02:00:00Z"),
            ("2026-11-23T06:05:04.123Z", "2026-11-25T02:00:00Z"),
            ("2026-11-23T22:49:59.999Z", "2026-11-25T02:00:00Z"),
            // 27h 10m before: too soon by rule T1.
            ("2026-11-23T22:50:00Z", "2026-11-26T02:00:00Z"),
            ("2026-11-24T01:59:00Z", "2026-11-26T02:00:00Z"),
        ] {
            assert_eq!(handover(&windows, KeyUse::Sig, at(since)), at(planned), "{since}");
        }
        // The next encryption key is staged an hour before, and needs no more.
        assert_eq!(
            handover(&windows, KeyUse::Enc, at("2026-11-23T22:50:00Z")),
            at("2026-11-25T02:00:00Z")
        );
    }

    #[test]
    fn a_grid_of_hours_goes_through_the_anchor() {
        let windows = Windows {
            min_prepublish: Span::hours(2),
            ..anchored("02:30Z", Span::hours(8))
        };
        for (since, planned) in [
            ("2026-11-23T02:30:00Z", "2026-11-23T10:30:00Z"),
            ("2026-11-23T11:00:00Z", "2026-11-23T18:30:00Z"),
            ("2026-11-23T18:30:00.001Z", "2026-11-24T02:30:00Z"),
            // 18:30 is too soon.
            ("2026-11-23T16:00:00Z", "2026-11-24T02:30:00Z"),
        ] {
            assert_eq!(handover(&windows, KeyUse::Sig, at(since)), at(planned), "{since}");
        }
    }

    #[test]
    fn a_grid_has_whole_days_or_whole_parts_of_one() {
        for hours in [1, 2, 3, 4, 6, 8, 12, 24, 48, 72, 24 * 30] {
            assert!(fits(Span::hours(hours)), "{hours}h");
        }
        for interval in [Span(0), Span::hours(5), Span::hours(25), Span::hours(60), Span::mins(7)] {
            assert!(!fits(interval), "{interval}");
        }
    }

    fn intervals() -> impl Strategy<Value = Span> {
        prop_oneof![
            prop::sample::select(vec![1, 2, 3, 4, 6, 8, 12]).prop_map(Span::hours),
            (1..40u64).prop_map(|days| DAY * days),
            prop::sample::select(vec![1, 5, 10, 30]).prop_map(Span::mins),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn t1_every_handover_is_on_the_grid_and_as_late_as_it_may_be(
            interval in intervals(),
            minute in 0..1440u64,
            since in 0..4_000_000_000_000u64,
            least_percent in 0..100u64,
            is_enc in any::<bool>(),
        ) {
            let lead = Span(interval.0 * least_percent / 100);
            let anchor = format!("{:02}:{:02}Z", minute / 60, minute % 60);
            let windows = Windows {
                arm_lead: lead,
                min_prepublish: Span(0),
                token_lifetime: Span(1),
                clock_skew: Span(0),
                ..anchored(&anchor, interval)
            };
            let key_use = if is_enc { KeyUse::Enc } else { KeyUse::Sig };
            let (since, step) = (Time(since), interval.min(DAY));
            let planned = handover(&windows, key_use, since);
            let of_day = Span(planned.0 % DAY.0);
            prop_assert_eq!(of_day.0 % step.0, Span::mins(minute).0 % step.0, "on the grid");
            prop_assert!(planned.since(since) > lead, "not too soon");
            prop_assert!(planned <= since + interval + step);
            if planned > since + interval {
                let before = planned - step;
                prop_assert!(before <= since + lead.max(Span(1)), "{} would have done", before);
            } else {
                prop_assert!(planned + step > since + interval, "the last of the grid");
            }
            // From there on each handover is a whole interval after the one before.
            prop_assert_eq!(handover(&windows, key_use, planned), planned + interval);
        }
    }
}
