//! Which snapshots are kept: the newest, and one a day.

use std::collections::BTreeSet;

use crate::types::{Span, Time};

/// How many of the newest snapshots are kept.
pub const KEPT_NEWEST: usize = 16;
/// For how many days the newest snapshot of the day is kept.
pub const KEPT_DAYS: u64 = 14;

const DAY: Span = Span::hours(24);

/// The places of the snapshots to keep, of `taken` from the newest to the oldest. A day is one of UTC.
pub(super) fn kept(taken: &[Time], now: Time) -> BTreeSet<usize> {
    let mut kept: BTreeSet<usize> = (0..taken.len().min(KEPT_NEWEST)).collect();
    let mut days = BTreeSet::new();
    for (place, time) in taken.iter().enumerate() {
        let young = now.since(*time) < DAY * KEPT_DAYS;
        if young && days.insert(time.0 / DAY.0) {
            kept.insert(place);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours_ago(now: Time, hours: impl Iterator<Item = u64>) -> Vec<Time> {
        hours.map(|hours| now - Span::hours(hours)).collect()
    }

    #[test]
    fn the_newest_are_kept_however_old() {
        let now = Time(0) + Span::hours(100_000);
        let taken = hours_ago(now, (0..20).map(|n| 5000 + n * 48));
        assert_eq!(kept(&taken, now), (0..KEPT_NEWEST).collect());
    }

    #[test]
    fn one_a_day_is_kept_for_fourteen_days() {
        let now = Time(0) + Span::hours(24 * 1000 + 12);
        let taken = hours_ago(now, 0..24 * 30);
        let kept = kept(&taken, now);
        let daily: Vec<u64> = kept
            .iter()
            .filter(|place| **place >= KEPT_NEWEST)
            .map(|place| taken[*place].0 / DAY.0)
            .collect();
        let expected: Vec<u64> = (986..999).rev().collect();
        assert_eq!(
            daily, expected,
            "days 1000 and 999 have theirs among the newest; day 986 is half within fourteen days"
        );
    }

    #[test]
    fn a_clock_put_back_throws_nothing_away() {
        let taken = hours_ago(Time(0) + Span::hours(100_000), (0..20).map(|n| n * 24));
        assert_eq!(kept(&taken, Time(0)).len(), 20);
    }
}
