//! Where a leader can be reached.

use std::fmt;
use std::net::Ipv6Addr;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest text: a join token writes its length in one byte.
const MAX_BYTES: usize = 255;

/// A host and a port: `leader.example:7443`, `192.0.2.1:7443` or `[2001:db8::1]:7443`. At most 255 bytes as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPort {
    host: String,
    port: NonZeroU16,
}

/// A text that is no host and port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a host and a port, such as \"leader.example:7443\"")]
pub struct HostPortError(String);

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    host.len() <= 253 && host.starts_with(|c: char| c.is_ascii_alphanumeric()) && host.chars().all(allowed)
}

impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(given: &str) -> Result<Self, HostPortError> {
        let parts = given
            .rsplit_once(':')
            .filter(|(host, _)| given.len() <= MAX_BYTES && is_host(host));
        let parsed = parts.and_then(|(host, port)| {
            let host = host.to_owned();
            port.parse().ok().map(|port| Self { host, port })
        });
        parsed.ok_or_else(|| HostPortError(given.chars().take(80).collect()))
    }
}

impl TryFrom<String> for HostPort {
    type Error = HostPortError;

    fn try_from(given: String) -> Result<Self, HostPortError> {
        given.parse()
    }
}

impl From<HostPort> for String {
    fn from(address: HostPort) -> Self {
        address.to_string()
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_port_survives_its_text() {
        for text in ["leader.example:7443", "192.0.2.1:1", "[2001:db8::1]:65535", "localhost:7443"] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_nobody_can_connect_to_is_refused() {
        for text in [
            "",
            "leader",
            ":7443",
            "leader:",
            "leader:0",
            "leader:65536",
            "2001:db8::1:7443",
            "a b:1",
            "[x]:1",
            "-a:1",
        ] {
            assert!(text.parse::<HostPort>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn no_text_is_longer_than_a_join_token_can_say() {
        let longest = format!("{}:7443", "a".repeat(250));
        assert_eq!(longest.parse::<HostPort>().unwrap().to_string().len(), 255);
        assert!(format!("a{longest}").parse::<HostPort>().is_err());
    }
}
