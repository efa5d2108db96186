//! The leader's own certificate: made at the start, anew at a third of its life, and whenever the fleet's CAs change.

use std::future::Future;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::sync::watch;

use super::services::Context;
use crate::clock::Clock;
use crate::lifecycle::Command;
use crate::pki::{TlsIdentity, server_config};
use crate::types::{Actor, CERTIFICATE_LIFE, Span};

/// How long after the last one a certificate is made.
const RENEW_AFTER: Span = Span(CERTIFICATE_LIFE.0 / 3);
/// How soon it is tried again when it could not be made.
const RETRY_AFTER: Span = Span::mins(10);

/// The certificate in force, with its key, as a TLS configuration.
pub(super) struct Certificate {
    context: Context,
    current: watch::Sender<Arc<ServerConfig>>,
}

impl Certificate {
    /// The first one. It is recorded before anybody sees it.
    ///
    /// # Errors
    /// In words: it can't be made, or not be recorded.
    pub(super) async fn issue(context: Context) -> Result<Self, String> {
        let current = watch::Sender::new(issue(context.clone()).await?);
        Ok(Self { context, current })
    }

    /// The one in force, whenever it is looked at.
    pub(super) fn current(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.current.subscribe()
    }

    /// Makes it anew, for ever. Open connections go on; new ones see the new certificate.
    pub(super) async fn renew(self) {
        let Self { context, current } = self;
        let (clock, cas) = (context.clock.clone(), context.authority.clone());
        renew_each(&clock, &current, cas, || issue(context.clone())).await;
    }
}

/// Until nobody changes `cas` any more: then the leader stops.
async fn renew_each<T, C, F: Future<Output = Result<T, String>>>(
    clock: &Clock,
    current: &watch::Sender<T>,
    mut cas: watch::Receiver<C>,
    mut issue: impl FnMut() -> F,
) {
    let mut wait = RENEW_AFTER;
    loop {
        tokio::select! {
            () = clock.sleep(wait) => {}
            changed = cas.changed() => if changed.is_err() {
                return;
            },
        }
        wait = match issue().await {
            Ok(issued) => {
                current.send_replace(issued);
                RENEW_AFTER
            }
            Err(why) => {
                tracing::error!(%why, again_in = %RETRY_AFTER, "the leader's certificate could not be renewed");
                RETRY_AFTER
            }
        };
    }
}

/// Makes the leader's certificate, and has it recorded.
async fn issue(context: Context) -> Result<Arc<ServerConfig>, String> {
    let authority = context.authority();
    let own = authority.certify_leader(context.clock.now()).map_err(|why| why.to_string())?;
    let newest = own.last().map(TlsIdentity::identity).ok_or("no CA signs")?;
    let command = Command::CertifyLeader {
        by: authority.facts(),
        good_until: newest.map_err(|why| why.to_string())?.not_after,
    };
    let answer = context.ask(Actor::Schedule, "certify itself".to_owned(), command).await;
    answer.map_err(|why| why.to_string())?.map_err(|why| why.to_string())?;
    server_config(&own, &authority.roots, &context.clock).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Time;

    #[tokio::test]
    async fn a_certificate_that_could_not_be_issued_is_tried_again_within_minutes() {
        let (clock, stepper) = Clock::stepped(Time(0));
        let (current, mut seen) = watch::channel(Time(0));
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let mut results = [false, false, true, true, true].into_iter();
        let (changes, cas) = watch::channel(());
        let renewing = tokio::spawn({
            let clock = clock.clone();
            async move {
                let issue = || {
                    tell.send(clock.now()).unwrap();
                    let issued = results.next().unwrap().then_some(clock.now());
                    std::future::ready(issued.ok_or_else(|| "the test says so".to_owned()))
                };
                renew_each(&clock, &current, cas, issue).await;
            }
        });
        let mut at = Time(0);
        for wait in [RENEW_AFTER, RETRY_AFTER, RETRY_AFTER, RENEW_AFTER] {
            tokio::task::yield_now().await;
            stepper.advance(wait);
            at = at + wait;
            let tried = tokio::time::timeout(std::time::Duration::from_secs(20), told.recv()).await;
            assert_eq!(tried.expect("it is tried"), Some(at));
        }
        assert_eq!(*seen.wait_for(|issued| *issued == at).await.unwrap(), at);
        // The CAs change: that does not wait.
        changes.send_replace(());
        assert_eq!(told.recv().await, Some(at));
        renewing.abort();
    }
}
