//! Names that people choose or read: kids, nodes, profiles, trust domains, SPIFFE IDs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {given:?} is not valid: {rule}")]
pub struct NameError {
    what: &'static str,
    given: String,
    rule: &'static str,
}

/// What one kind of name allows.
struct Rule {
    what: &'static str,
    max_bytes: usize,
    allows: fn(char) -> bool,
    text: &'static str,
}

impl Rule {
    fn check(&self, given: &str) -> Result<String, NameError> {
        let starts_well = given.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' && self.what == "kid")
            || self.what == "kid" && given.starts_with('-');
        if starts_well && given.len() <= self.max_bytes && given.chars().all(self.allows) {
            return Ok(given.to_owned());
        }
        let given = given.chars().take(80).collect();
        Err(NameError {
            what: self.what,
            given,
            rule: self.text,
        })
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $rule:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        /// As it stands: `serde(into)` would copy it first.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(given: &str) -> Result<Self, NameError> {
                const RULE: Rule = $rule;
                RULE.check(given).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(given: String) -> Result<Self, NameError> {
                given.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// A key's id: an opaque string, made with the key. At most 64 characters, for Janssen's archive column.
    Kid,
    Rule {
        what: "kid",
        max_bytes: 64,
        allows: |c| c.is_ascii_alphanumeric() || "-_+.".contains(c),
        text: "1 to 64 letters, digits, '-', '_', '+' or '.'",
    }
);
name!(
    /// A node's name, as in its SPIFFE ID.
    NodeName,
    Rule {
        what: "node name",
        max_bytes: 63,
        allows: |c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c),
        text: "1 to 63 lower-case letters, digits, '-' or '.', beginning with a letter or digit",
    }
);
name!(
    /// A profile's name.
    ProfileName,
    Rule {
        what: "profile name",
        max_bytes: 32,
        allows: |c| c.is_ascii_alphanumeric() || "-_".contains(c),
        text: "1 to 32 letters, digits, '-' or '_', beginning with a letter or digit",
    }
);
name!(
    /// The trust domain of the fleet (SPIFFE ID, section 2.1).
    TrustDomain,
    Rule {
        what: "trust domain",
        max_bytes: 255,
        allows: |c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c),
        text: "1 to 255 lower-case letters, digits, '-', '.' or '_', beginning with a letter or digit",
    }
);

/// Who a certificate speaks for: the leader, or one node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpiffeId {
    /// `spiffe://<trust domain>/leader`
    Leader(TrustDomain),
    /// `spiffe://<trust domain>/node/<name>`
    Node(TrustDomain, NodeName),
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leader(domain) => write!(f, "spiffe://{domain}/leader"),
            Self::Node(domain, name) => write!(f, "spiffe://{domain}/node/{name}"),
        }
    }
}

impl FromStr for SpiffeId {
    type Err = NameError;

    fn from_str(given: &str) -> Result<Self, NameError> {
        let wrong = || NameError {
            what: "SPIFFE ID",
            given: given.chars().take(80).collect(),
            rule: "spiffe://<trust domain>/leader or spiffe://<trust domain>/node/<name>",
        };
        let (domain, path) = given
            .strip_prefix("spiffe://")
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(wrong)?;
        let domain = domain.parse()?;
        match path.strip_prefix("node/") {
            Some(name) => Ok(Self::Node(domain, name.parse()?)),
            None if path == "leader" => Ok(Self::Leader(domain)),
            None => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spiffe_id_survives_its_text() {
        for text in ["spiffe://op.example/leader", "spiffe://op.example/node/vm-1"] {
            assert_eq!(text.parse::<SpiffeId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_spiffe_id_of_another_form_is_refused() {
        for text in [
            "",
            "spiffe://op.example",
            "spiffe://op.example/",
            "spiffe://op.example/leader/x",
            "https://op.example/leader",
            "spiffe://op.example/node/",
            "spiffe://op.example/node/a/b",
        ] {
            assert!(text.parse::<SpiffeId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_fills_its_column() {
        let node: NodeName = "vm-1".parse().unwrap();
        assert_eq!(format!("{node:<6}|"), "vm-1  |");
    }

    #[test]
    fn names_refuse_what_could_be_a_path_or_a_line() {
        for text in ["", "..", "a/b", "a\nb", "A", "-a", &"a".repeat(64)] {
            assert!(text.parse::<NodeName>().is_err(), "{text:?}");
        }
        assert!(
            "connect_76297462-a3f8-498e-afc2-670285292553_enc_ecdh-es+a128kw"
                .parse::<Kid>()
                .is_ok()
        );
        assert!("-a_thumbprint-may-begin-so".parse::<Kid>().is_ok());
        assert!("../x".parse::<Kid>().is_err());
    }
}
