//! `[http]`: what the agent shows on loopback.

use std::net::SocketAddr;

use toml::de::DeValue;

use super::error::ConfigError;
use super::table::Fields;
use super::value;

/// Where the agent answers HTTP, and when it says that it is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// The address, on loopback.
    pub listen: SocketAddr,
    /// What `/readyz` says of a node that has been without its leader for too long (rule R10).
    pub when_stale: WhenStale,
}

/// Whether a node is ready that its leader has not answered for `straggler_after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenStale {
    /// It keeps serving.
    Ready,
    /// No traffic is to be sent to it.
    Unready,
}

/// Reads the table; none where it is absent or wrong.
pub(super) fn http(table: Option<Fields<'_>>, errors: &mut Vec<ConfigError>) -> Option<Http> {
    let mut table = table?;
    let listen = table.need(
        "listen",
        "where to answer, such as \"127.0.0.1:7480\"; without an address leave [http] out",
        loopback,
    );
    let when_stale = table.get("when_stale", when_stale).unwrap_or(WhenStale::Ready);
    errors.extend(table.finish());
    listen.map(|listen| Http { listen, when_stale })
}

fn loopback(value: &DeValue<'_>) -> Result<SocketAddr, String> {
    let address = value::listen(value)?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err(format!(
        "{address} can be reached from other machines, and nobody is asked there who he is: use 127.0.0.1 or [::1], behind a server that may be public"
    ))
}

fn when_stale(value: &DeValue<'_>) -> Result<WhenStale, String> {
    match value::text(value)? {
        "ready" => Ok(WhenStale::Ready),
        "unready" => Ok(WhenStale::Unready),
        other => Err(format!("{other:?} is neither \"ready\" nor \"unready\"")),
    }
}
