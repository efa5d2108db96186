//! What a master key is known by.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

const BYTES: usize = 16;

/// Which master key it is: 16 bytes derived from it, in base64. It says nothing of the key. Snapshots and backups have it in the clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MasterKeyName(String);

impl MasterKeyName {
    /// Of the master key that these bytes are derived from.
    #[must_use]
    pub fn of(id: [u8; BYTES]) -> Self {
        Self(STANDARD.encode(id))
    }
}

impl fmt::Display for MasterKeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for MasterKeyName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes: Option<[u8; BYTES]> = STANDARD.decode(&text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self::of).ok_or_else(|| format!("{text:?} names no master key"))
    }
}

impl From<MasterKeyName> for String {
    fn from(name: MasterKeyName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_sixteen_bytes_and_nothing_else() {
        let name = MasterKeyName::of([7; BYTES]);
        assert_eq!(MasterKeyName::try_from(name.to_string()), Ok(name));
        for wrong in ["", "BwcHBw==", "no base64 at all ....!!!"] {
            assert!(MasterKeyName::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
