//! A look at the JWKS that a server serves: whether it is exactly what the node published.

mod fetch;
mod judge;
mod roots;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::types::{Kid, ProbeUrl, Span};

/// The largest JWKS that is read: a hundred large keys with their certificates have half of it.
const JWKS_BYTES: usize = 1 << 20;

/// Where a JWKS is served, and how to look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Its address.
    pub url: ProbeUrl,
    /// The CAs that the server's certificate may be of; none is those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// How long a look may take, in real time.
    pub timeout: Span,
}

/// Why a look did not find what should be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// There is nothing to hold the server's certificate against.
    #[error("{0}")]
    Roots(String),
    /// No connection, or one that broke.
    #[error("{url} can't be asked for the JWKS that it serves: {why}; look whether the server runs")]
    Unreachable {
        /// The address.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// The server did not show that it is the one meant.
    #[error(
        "{url} shows a certificate that is not good for it: {why}; if its CA is one of your own, name that in `ca_file` of the [[probe]]"
    )]
    NotTrusted {
        /// The address.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// No answer in time.
    #[error("{url} did not serve its JWKS within {timeout}; look at the server, or raise `timeout` of the [[probe]]")]
    TimedOut {
        /// The address.
        url: String,
        /// How long it had.
        timeout: Span,
    },
    /// It is somewhere else.
    #[error("{url} sends elsewhere, to {to}, and a probe does not follow: write the address that serves the JWKS itself")]
    Redirected {
        /// The address.
        url: String,
        /// Where to.
        to: String,
    },
    /// An answer that is no JWKS.
    #[error("{url} answers {status} and no JWKS; look at the server, and at the address")]
    Status {
        /// The address.
        url: String,
        /// The status.
        status: u16,
    },
    /// More than any JWKS.
    #[error("{url} serves more than {JWKS_BYTES} bytes, which is no JWKS of this node; look at the address")]
    TooLarge {
        /// The address.
        url: String,
    },
    /// Something else.
    #[error("{url} serves no JWKS: {why}; look at the address, and at the server")]
    NotJwks {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A private key on the web.
    #[error(
        "{url} SERVES A PRIVATE KEY ({key}): take that file off the web now, then run `jkeys rotate --now --compromised KID --reason \
         compromised` for it; a server must serve jwks.json and never private.jwks.json"
    )]
    Leaks {
        /// The address.
        url: String,
        /// The key.
        key: String,
    },
    /// Other keys.
    #[error("{url} serves another JWKS than this node published: {difference}")]
    Differs {
        /// The address.
        url: String,
        /// What is missing and what is there besides.
        difference: String,
        /// The kids that are served: of strangers only as many as are named.
        served: BTreeSet<Kid>,
    },
}

impl ProbeError {
    /// Whether it is a matter for the whole fleet, and at once.
    #[must_use]
    pub fn is_leak(&self) -> bool {
        matches!(self, Self::Leaks { .. })
    }

    /// The kids of the JWKS that is served in place of the node's own; none where no public JWKS was seen.
    #[must_use]
    pub fn served(&self) -> Option<BTreeSet<Kid>> {
        match self {
            Self::Differs { served, .. } => Some(served.clone()),
            _ => None,
        }
    }
}

/// Makes sure that there is something to hold the server's certificate against.
///
/// # Errors
/// No CA can be read.
pub fn check_roots(probe: &Probe) -> Result<(), ProbeError> {
    if probe.url.is_https() {
        roots::load(probe.ca_file.as_deref()).map_err(ProbeError::Roots)?;
    }
    Ok(())
}

/// Looks once whether exactly the keys of `published` are served.
///
/// # Errors
/// They are not, or that could not be seen.
pub async fn look(probe: &Probe, published: &BTreeSet<Kid>) -> Result<(), ProbeError> {
    let looking = async {
        let body = fetch::fetch(probe).await?;
        judge::judge(&probe.url, &body, published)
    };
    let looked = tokio::time::timeout(probe.timeout.std(), looking).await;
    looked.unwrap_or_else(|_| {
        Err(ProbeError::TimedOut {
            url: probe.url.to_string(),
            timeout: probe.timeout,
        })
    })
}
