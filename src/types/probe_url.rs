//! Where a JWKS is served.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;

/// The address of a JWKS: `https://op.example/jwks`, or `http` on this very machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeUrl {
    uri: Uri,
    host: String,
}

/// A text that is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeUrlError {
    /// Not the address of anything on the web.
    #[error("{0:?} is not an address such as \"https://op.example/jwks\"")]
    Malformed(String),
    /// `http` to another machine.
    #[error(
        "{0:?} goes over the network in the clear, where anybody on the way can answer: use https, or http to 127.0.0.1, [::1] or localhost"
    )]
    Clear(String),
    /// A name and a password in the address.
    #[error("the address holds a user name: a JWKS is public, and what stands here is shown in logs; take it out")]
    User,
}

impl ProbeUrl {
    /// The whole address.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The host, without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(if self.is_https() { 443 } else { 80 })
    }

    /// Whether it is asked over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

impl FromStr for ProbeUrl {
    type Err = ProbeUrlError;

    fn from_str(text: &str) -> Result<Self, ProbeUrlError> {
        let malformed = || ProbeUrlError::Malformed(text.chars().take(200).collect());
        let uri: Uri = text.parse().map_err(|_| malformed())?;
        let authority = uri.authority().ok_or_else(malformed)?;
        if authority.as_str().contains('@') {
            return Err(ProbeUrlError::User);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        match uri.scheme_str() {
            _ if host.is_empty() => Err(malformed()),
            Some("https") => Ok(Self { uri, host }),
            Some("http") if is_loopback(&host) => Ok(Self { uri, host }),
            Some("http") => Err(ProbeUrlError::Clear(text.chars().take(200).collect())),
            _ => Err(malformed()),
        }
    }
}

impl fmt::Display for ProbeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_or_on_this_machine() {
        for good in [
            "https://op.example/jwks",
            "https://op.example:8443/a?b=c",
            "https://[2001:db8::1]/jwks",
            "http://127.0.0.1:8080/jwks",
            "http://[::1]/jwks",
            "http://localhost/jwks",
        ] {
            assert_eq!(good.parse::<ProbeUrl>().unwrap().to_string(), good);
        }
        let refused = |text: &str| text.parse::<ProbeUrl>().unwrap_err().to_string();
        for clear in ["http://op.example/jwks", "http://192.0.2.1/", "http://localhost.example/"] {
            assert!(refused(clear).contains("in the clear"), "{clear}");
        }
        for bad in [
            "",
            "op.example/jwks",
            "/jwks",
            "ftp://op.example/",
            "https:///jwks",
            "https://a b/",
        ] {
            assert!(refused(bad).contains("is not an address"), "{bad}");
        }
        let words = refused("https://user:secret@op.example/jwks");
        assert!(words.contains("user name") && !words.contains("secret"), "{words}");
    }

    #[test]
    fn host_and_port_are_what_is_connected_to() {
        let of = |text: &str| {
            let url: ProbeUrl = text.parse().unwrap();
            (url.host().to_owned(), url.port(), url.is_https())
        };
        assert_eq!(of("https://[::1]/jwks"), ("::1".to_owned(), 443, true));
        assert_eq!(of("http://127.0.0.1/jwks"), ("127.0.0.1".to_owned(), 80, false));
        assert_eq!(of("https://op.example:8443/jwks"), ("op.example".to_owned(), 8443, true));
    }
}
