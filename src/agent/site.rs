//! What a node shows over HTTP: the JWKS that is live on its disk, and whether it is ready (rule R10).

use std::path::PathBuf;
use std::time::Duration;

use super::blocking::blocking;
use super::core::Status;
use super::disk::live_public_jwks;
use super::papers::certified_until;
use super::shell::Monitor;
use crate::clock::Clock;
use crate::config::{Http, WhenStale};
use crate::http::{self, Jwks, Site};
use crate::types::Span;

/// What verifiers are told to cache at least, however soon the next change is.
const SHORTEST_MAX_AGE: Span = Span::secs(30);
/// How long after it was refused an address is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// Where what is shown of a node is.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    /// The link to the live view.
    pub live: PathBuf,
    /// Its identity.
    pub state_dir: PathBuf,
}

/// What is shown of one node.
#[derive(Debug, Clone)]
pub(super) struct NodeSite {
    folders: Folders,
    when_stale: WhenStale,
    monitor: Monitor,
    clock: Clock,
}

/// Answers over HTTP until it is dropped. Where the address is refused, that is said and tried again: a node without this page still
/// holds its keys (rule R10).
pub(super) async fn show(settings: Http, folders: Folders, monitor: Monitor, clock: Clock) {
    let mut said = None;
    let listener = loop {
        match http::listen(settings.listen).await {
            Ok(listener) => break listener,
            Err(why) => {
                let why = why.to_string();
                if said.as_ref() != Some(&why) {
                    tracing::error!(%why, "nothing is shown over HTTP; it is tried again");
                    said = Some(why);
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
    };
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "the JWKS and the node's health are shown over HTTP");
        monitor.shown_at(address);
    }
    let site = NodeSite {
        folders,
        when_stale: settings.when_stale,
        monitor,
        clock,
    };
    http::serve(listener, http::router(site)).await;
}

impl NodeSite {
    fn status(&self) -> Status {
        self.monitor.status().borrow().clone()
    }
}

impl Site for NodeSite {
    async fn jwks(&self) -> Result<Option<Jwks>, String> {
        let live = self.folders.live.clone();
        let read = blocking(move || live_public_jwks(&live)).await;
        let status = self.status();
        let max_age = status.cacheable_for(self.clock.now(), SHORTEST_MAX_AGE);
        let bytes = read.map_err(|why| why.to_string())?;
        Ok(bytes.map(|bytes| Jwks { bytes, max_age }))
    }

    async fn readiness(&self) -> Result<(), String> {
        self.status()
            .readiness(self.when_stale == WhenStale::Unready)
            .map_err(str::to_owned)
    }

    async fn metrics(&self) -> String {
        let state_dir = self.folders.state_dir.clone();
        let certified_until = blocking(move || certified_until(&state_dir)).await.ok();
        self.monitor.counts().page(&self.status(), certified_until, self.clock.read())
    }

    async fn ping(&self) {
        self.monitor.ping().await;
    }
}
