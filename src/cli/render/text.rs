//! Small texts that all others are made of.

use std::fmt::Display;

use crate::types::{Span, Time};

/// `in 3h 12m`, `2m ago`, `now`.
pub(super) fn relative(at: Time, now: Time) -> String {
    match rough(at.distance(now)) {
        None => "now".to_owned(),
        Some(span) if at > now => format!("in {span}"),
        Some(span) => format!("{span} ago"),
    }
}

/// `3.0 MiB`, in the largest unit that it fills.
pub(super) fn size(bytes: u64) -> String {
    let (mut whole, mut tenths, mut units) = (bytes, 0, ["B", "KiB", "MiB", "GiB", "TiB"].into_iter());
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if whole < 1024 {
            break;
        }
        (tenths, whole, unit) = (whole % 1024 * 10 / 1024, whole / 1024, larger);
    }
    match unit {
        "B" => format!("{whole} B"),
        _ => format!("{whole}.{tenths} {unit}"),
    }
}

/// How long it has been: `2m`, or `0s` for less than a second.
pub(super) fn elapsed(since: Time, now: Time) -> String {
    rough(now.since(since)).unwrap_or_else(|| "0s".to_owned())
}

/// The two largest units that matter; none below a second.
fn rough(span: Span) -> Option<String> {
    let secs = span.0 / 1000;
    let (mins, hours, days) = (secs / 60, secs / 3600, secs / 86_400);
    Some(match () {
        () if days > 0 => two((days, "d"), (hours % 24, "h")),
        () if hours > 0 => two((hours, "h"), (mins % 60, "m")),
        () if mins >= 10 => two((mins, "m"), (0, "s")),
        () if mins > 0 => two((mins, "m"), (secs % 60, "s")),
        () if secs > 0 => two((secs, "s"), (0, "")),
        () => return None,
    })
}

fn two((large, unit): (u64, &str), (small, sub_unit): (u64, &str)) -> String {
    match small {
        0 => format!("{large}{unit}"),
        _ => format!("{large}{unit} {small}{sub_unit}"),
    }
}

/// `a, b, c`
pub(super) fn list<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Each on a line of its own.
pub(super) fn lines(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect()
}

/// A text of somebody else without what could move a terminal's cursor, on one line.
pub(super) fn plain(text: &str) -> String {
    let harmless = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(harmless).collect()
}

/// `text` in at most `width` characters.
pub(super) fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_two_units_at_most() {
        let now = Time(1_000_000_000_000);
        for (span, text) in [
            (Span(999), "now"),
            (Span::secs(1), "in 1s"),
            (Span::secs(65), "in 1m 5s"),
            (Span::secs(120), "in 2m"),
            (Span::secs(659), "in 10m"),
            (Span::mins(192), "in 3h 12m"),
            (Span::hours(48), "in 2d"),
            (Span::hours(51) + Span::mins(59), "in 2d 3h"),
        ] {
            assert_eq!(relative(now + span, now), text);
        }
        assert_eq!(relative(now - Span::mins(2), now), "2m ago");
        assert_eq!(elapsed(now, now), "0s");
        assert_eq!(elapsed(now + Span::secs(9), now), "0s");
    }

    #[test]
    fn sizes_are_shown_in_the_largest_unit_that_they_fill() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1023.9 KiB"),
            (3 << 20, "3.0 MiB"),
            ((5 << 30) + (1 << 29), "5.5 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn a_text_of_a_node_can_not_move_the_cursor() {
        assert_eq!(plain("disk\x1b[2J full\n\u{9b}1mx"), "disk [2J full  1mx");
    }

    #[test]
    fn what_is_too_wide_is_cut_with_a_mark() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("abcdef", 5), "abcd…");
    }
}
