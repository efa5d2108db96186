//! When a hook runs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a hook runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HookEvent {
    /// Another view is live. The node confirms it once these hooks have succeeded.
    Swap,
    /// The node has been without its leader for `straggler_after` (rule R10).
    Stale,
    /// It has its leader back.
    Fresh,
    /// Keys of the node were revoked and are gone from it, or the node itself was cut off.
    Revoked,
}

impl HookEvent {
    /// Every event.
    pub const ALL: [Self; 4] = [Self::Swap, Self::Stale, Self::Fresh, Self::Revoked];

    /// Its name in `agent.toml`, in `JKEYS_EVENT` and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Swap => "swap",
            Self::Stale => "stale",
            Self::Fresh => "fresh",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for HookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for HookEvent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|event| event.as_str() == text);
        named.ok_or_else(|| format!("{text:?} is not an event; write \"swap\", \"stale\", \"fresh\" or \"revoked\""))
    }
}
