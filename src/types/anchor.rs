//! A time of day.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Span;

/// A time of day in UTC, to the minute: the quiet hour at which keys change hands. Shown and read as `02:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Anchor {
    minute: u16,
}

/// Why a text is no [`Anchor`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// It is no time of day.
    #[error("{0:?} is not a time of day in UTC such as \"02:00Z\"")]
    Form(String),
    /// It is one of another zone.
    #[error("{0:?} is not in UTC: write the hour in UTC with a Z at its end, such as \"02:00Z\"")]
    Zone(String),
}

impl Anchor {
    /// How long after midnight UTC it is.
    #[must_use]
    pub fn since_midnight(self) -> Span {
        Span::mins(self.minute.into())
    }
}

impl FromStr for Anchor {
    type Err = AnchorError;

    fn from_str(text: &str) -> Result<Self, AnchorError> {
        let form = || AnchorError::Form(text.to_owned());
        let (clock, zone) = text.split_at_checked(5).ok_or_else(form)?;
        let number = |digits: &str, below: u16| {
            let is_plain = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
            let number: u16 = digits.parse().ok().filter(|_| is_plain)?;
            (number < below).then_some(number)
        };
        let (hour, minute) = clock.split_once(':').ok_or_else(form)?;
        let (hour, minute) = (number(hour, 24).ok_or_else(form)?, number(minute, 60).ok_or_else(form)?);
        match zone {
            "Z" => Ok(Self {
                minute: hour * 60 + minute,
            }),
            zone if zone.is_empty() || zone.starts_with(['+', '-', ' ']) => Err(AnchorError::Zone(text.to_owned())),
            _ => Err(form()),
        }
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}Z", self.minute / 60, self.minute % 60)
    }
}

impl TryFrom<String> for Anchor {
    type Error = AnchorError;

    fn try_from(text: String) -> Result<Self, AnchorError> {
        text.parse()
    }
}

impl From<Anchor> for String {
    fn from(anchor: Anchor) -> Self {
        anchor.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_survives_its_text() {
        for (text, mins) in [("00:00Z", 0), ("02:00Z", 120), ("23:59Z", 1439)] {
            let anchor: Anchor = text.parse().unwrap();
            assert_eq!(
                (anchor.to_string().as_str(), anchor.since_midnight()),
                (text, Span::mins(mins))
            );
        }
    }

    #[test]
    fn another_zone_and_what_is_no_time_are_refused_in_words() {
        for other in ["02:00+01:00", "02:00", "02:00 CET"] {
            let refused = other.parse::<Anchor>().unwrap_err().to_string();
            assert!(refused.contains("not in UTC"), "{refused}");
        }
        for wrong in [
            "",
            "2:00Z",
            "24:00Z",
            "02:60Z",
            "02:00:00Z",
            "+2:00Z",
            "02:00z",
            "noon",
            "0é:00Z",
        ] {
            let refused = wrong.parse::<Anchor>().unwrap_err();
            assert_eq!(refused, AnchorError::Form(wrong.to_owned()));
        }
    }
}
