//! Instants and lengths of time, both in whole milliseconds.

use std::fmt;
use std::ops::{Add, Mul, Sub};
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// An instant: milliseconds since the Unix epoch. Shown and stored in RFC 3339, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u64);

/// A length of time in milliseconds. Shown and read as `48h`, `1h 30m`, `200ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub u64);

/// What both clocks of a machine show at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The wall clock, which may be set at any moment.
    pub wall: Time,
    /// The clock that nobody sets, since some fixed instant.
    pub monotonic: Span,
}

/// A wall clock that has never been set since the epoch.
impl From<Time> for Now {
    fn from(wall: Time) -> Self {
        Self {
            wall,
            monotonic: Span(wall.0),
        }
    }
}

impl Time {
    /// How long this is after `earlier`; zero when it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// How far apart two instants are, whichever is first.
    #[must_use]
    pub fn distance(self, other: Self) -> Span {
        Span(self.0.abs_diff(other.0))
    }
}

impl Span {
    /// The longest length that a configuration may name: ten years (rule T7).
    pub const TEN_YEARS: Self = Self::hours(10 * 365 * 24);

    /// A length of so many seconds.
    #[must_use]
    pub const fn secs(secs: u64) -> Self {
        Self(secs * 1000)
    }

    /// A length of so many minutes.
    #[must_use]
    pub const fn mins(mins: u64) -> Self {
        Self::secs(mins * 60)
    }

    /// A length of so many hours.
    #[must_use]
    pub const fn hours(hours: u64) -> Self {
        Self::mins(hours * 60)
    }

    /// The same length for `std`.
    #[must_use]
    pub const fn std(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl Add<Span> for Time {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Time {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Mul<u64> for Span {
    type Output = Self;
    fn mul(self, times: u64) -> Self {
        Self(self.0.saturating_mul(times))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 9999-12-31 is the last day that RFC 3339 can write.
        let time = UNIX_EPOCH + Duration::from_millis(self.0.min(253_402_300_799_999));
        humantime::format_rfc3339_millis(time).fmt(f)
    }
}

impl FromStr for Time {
    type Err = humantime::TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = humantime::parse_rfc3339_weak(text)?;
        let since = time
            .duration_since(UNIX_EPOCH)
            .map_err(|_| humantime::TimestampError::OutOfRange)?;
        Ok(Self(
            since
                .as_millis()
                .try_into()
                .map_err(|_| humantime::TimestampError::OutOfRange)?,
        ))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.std()).fmt(f)
    }
}

impl FromStr for Span {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let span = humantime::parse_duration(text)?;
        span.as_millis()
            .try_into()
            .map(Self)
            .map_err(|_| humantime::DurationError::NumberOverflow)
    }
}

impl Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|why| {
            serde::de::Error::custom(format!("{text:?} is not a time such as \"2026-11-23T06:05:04.123Z\": {why}"))
        })
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse()
            .map_err(|why| serde::de::Error::custom(format!("{text:?} is not a length of time such as \"48h\" or \"5m\": {why}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_spans_survive_their_text() {
        let time = Time(1_795_413_904_123);
        assert_eq!(time.to_string(), "2026-11-23T06:05:04.123Z");
        assert_eq!(time.to_string().parse::<Time>().unwrap(), time);
        for span in [Span(200), Span::hours(26), Span::mins(90), Span::TEN_YEARS] {
            assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        assert_eq!(Time(5) - Span(9), Time(0));
        assert_eq!(Time(5).since(Time(9)), Span(0));
        assert_eq!(Time(u64::MAX) + Span(1), Time(u64::MAX));
        assert!(!Time(u64::MAX).to_string().is_empty());
    }
}
