//! `[[probe]]` in `agent.toml`

use std::path::PathBuf;

use toml::de::DeValue;

use crate::config::error::ConfigError;
use crate::config::table::Fields;
use crate::config::value;
use crate::types::{ProbeUrl, Span};

/// A look at the JWKS that is served, after each swap and, where it is told to, again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Where it is served.
    pub url: ProbeUrl,
    /// The CAs that its server's certificate may be of, PEM; none is those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// How long one look may take.
    pub timeout: Span,
    /// How long after a look that found all as it should be it looks again; none is not before the next swap.
    pub interval: Option<Span>,
}

/// A look makes the server send its whole JWKS.
const SHORTEST_INTERVAL: Span = Span::secs(10);

fn interval(value: &DeValue<'_>) -> Result<Span, String> {
    let interval = value::bounded_span(value)?;
    if interval < SHORTEST_INTERVAL {
        return Err(format!(
            "{interval} is shorter than {SHORTEST_INTERVAL}: each look makes the server send its JWKS"
        ));
    }
    Ok(interval)
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
        let interval = table.get("interval", interval);
        if let Some(url) = url {
            probes.push(Probe {
                url,
                ca_file,
                timeout,
                interval,
            });
        }
        errors.extend(table.finish());
    }
    probes
}
