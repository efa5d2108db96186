//! Where a leader listens.

use std::fmt;
use std::str::FromStr;

/// A leader's address: `host:port`, `1.2.3.4:port` or `[::1]:port`. At most 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address(String);

impl Address {
    /// The address as text, as [`tokio::net::TcpStream::connect`] takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not an address; write host:port, such as leader.example:7443 or [::1]:7443");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let six = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host_fits = match six {
            Some(six) => six.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)),
        };
        let port_fits = port.parse::<u16>().is_ok_and(|port| port != 0);
        if host_fits && port_fits && text.len() <= 255 {
            return Ok(Self(text.to_owned()));
        }
        Err(wrong())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_host_and_port() {
        for text in ["leader.example:7443", "10.0.0.1:7443", "[::1]:7443"] {
            assert_eq!(text.parse::<Address>().unwrap().as_str(), text);
        }
        for text in [
            "",
            "leader",
            "leader:",
            ":7443",
            "leader:0",
            "leader:70000",
            "::1:7443",
            "a b:1",
            "https://x:1",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
