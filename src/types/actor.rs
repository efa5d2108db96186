//! Who did something, and why.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::NodeName;

/// Who asked for a decision.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The leader itself, by its schedule.
    Schedule,
    /// A node, by what it reported.
    Node(NodeName),
    /// A person or program on the leader's machine, known by the socket's peer credentials.
    User {
        /// The user id.
        uid: u32,
        /// The account's name, or the number again where it has none.
        name: String,
    },
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schedule => f.write_str("schedule"),
            Self::Node(name) => write!(f, "node {name}"),
            Self::User { uid, name } => write!(f, "{uid}/{name}"),
        }
    }
}

/// Why a key was revoked or rotated early: the reasons of OpenID Federation's historical keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// No reason was given.
    Unspecified,
    /// Somebody else may hold the private half.
    Compromised,
    /// Replaced by a newer key.
    Superseded,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::Compromised => "compromised",
            Self::Superseded => "superseded",
        })
    }
}

impl FromStr for Reason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "unspecified" => Ok(Self::Unspecified),
            "compromised" => Ok(Self::Compromised),
            "superseded" => Ok(Self::Superseded),
            other => Err(format!(
                "{other:?} is not a reason; give compromised, superseded or unspecified"
            )),
        }
    }
}

/// An operator's own words in a record: one line, at most 500 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Comment(String);

impl FromStr for Comment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.chars().count() > 500 || text.chars().any(char::is_control) {
            return Err("a comment is one line of 1 to 500 characters, without control characters".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Comment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Comment> for String {
    fn from(comment: Comment) -> Self {
        comment.0
    }
}

impl fmt::Display for Comment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
