//! An issuer, as relying parties know it.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// An OpenID Connect issuer or OpenID Federation entity: an `https` URL without query or fragment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issuer(String);

impl Issuer {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Issuer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let host = text.strip_prefix("https://").unwrap_or_default();
        let has_host = host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
        let odd = |c: char| !c.is_ascii_graphic() || "?#\"<>\\^`{|}@".contains(c);
        if has_host && text.len() <= 2048 && !text.contains(odd) {
            return Ok(Self(text.to_owned()));
        }
        let given: String = text.chars().take(80).collect();
        Err(format!(
            "{given:?} is no issuer; give its URL as its metadata has it: https, a host, and no query or fragment"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_https_url_without_query_and_fragment() {
        for right in ["https://op.example", "https://op.example:8443/tenants/a/", "https://[::1]/x"] {
            assert_eq!(right.parse::<Issuer>().unwrap().to_string(), right);
        }
        for wrong in [
            "",
            "op.example",
            "http://op.example",
            "https://",
            "https:///x",
            "https://op.example/?a",
            "https://op.example#a",
            "https://op example",
            "https://me@op.example",
            "https://op.example/\u{e4}",
        ] {
            assert!(wrong.parse::<Issuer>().is_err(), "{wrong}");
        }
    }
}
