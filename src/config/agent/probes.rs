//! `[[probe]]` in `agent.toml`

use std::path::PathBuf;

use crate::config::error::ConfigError;
use crate::config::table::Fields;
use crate::config::value;
use crate::types::{ProbeUrl, Span};

/// A look at the JWKS that is served, after each swap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Where it is served.
    pub url: ProbeUrl,
    /// The CAs that its server's certificate may be of, PEM; none is those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// How long one look may take.
    pub timeout: Span,
}

pub(super) fn read(tables: Vec<Fields<'_>>, errors: &mut Vec<ConfigError>) -> Vec<Probe> {
    let mut probes = Vec::new();
    for mut table in tables {
        let url = table.need(
            "url",
            "where the JWKS is served, such as \"https://op.example/jwks\"",
            value::parsed,
        );
        let ca_file = table.get("ca_file", value::path);
        let timeout = table.get("timeout", value::bounded_span).unwrap_or(Span::secs(10));
        if let Some(url) = url {
            probes.push(Probe { url, ca_file, timeout });
        }
        errors.extend(table.finish());
    }
    probes
}
