//! HTTP on loopback: the public JWKS, and whether the node is well. It changes nothing, and shows nothing that is secret.
//!
//! What is shown comes from a [`Site`]; how it is asked for and answered is here ([`pages`]), and how long and how many may ask ([`mod@serve`]).

mod pages;
mod serve;
#[cfg(test)]
mod tests;

use std::future::Future;

pub use pages::router;
pub use serve::{HttpError, listen, serve};

use crate::types::Span;

/// What there is to show.
pub trait Site: Clone + Send + Sync + 'static {
    /// The public JWKS that is live; none as long as there is none. An error is in words, for the log of who asks.
    fn jwks(&self) -> impl Future<Output = Result<Option<Jwks>, String>> + Send;

    /// Whether traffic may be sent here; why not, in words.
    fn readiness(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// What Prometheus is to know, in its text form.
    fn metrics(&self) -> impl Future<Output = String> + Send;

    /// Returns once the service has shown that it works.
    fn ping(&self) -> impl Future<Output = ()> + Send;
}

/// A public JWKS, and for how long it may be cached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwks {
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// What verifiers are told to cache.
    pub max_age: Span,
}
