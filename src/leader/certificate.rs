//! The leader's own certificate: issued at the start, and anew at a third of its life.

use std::sync::Arc;

use rustls::ServerConfig;
use tokio::sync::watch;

use super::founding::Authority;
use crate::clock::Clock;
use crate::pki::{LEAF_LIFE, PkiError, server_config};
use crate::types::Span;

/// How long after the last one a certificate is issued.
const RENEW_AFTER: Span = Span(LEAF_LIFE.0 / 3);
/// How soon it is tried again when it could not be issued.
const RETRY_AFTER: Span = Span::mins(10);

/// The certificate in force, with its key, as a TLS configuration.
pub(super) struct Certificate {
    authority: Arc<Authority>,
    clock: Clock,
    current: watch::Sender<Arc<ServerConfig>>,
}

impl Certificate {
    /// The first one.
    pub(super) fn issue(authority: Arc<Authority>, clock: Clock) -> Result<Self, PkiError> {
        let current = watch::Sender::new(issue(&authority, &clock)?);
        Ok(Self {
            authority,
            clock,
            current,
        })
    }

    /// The one in force, whenever it is looked at.
    pub(super) fn current(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.current.subscribe()
    }

    /// Issues it anew, for ever. Open connections go on; new ones see the new certificate.
    pub(super) async fn renew(self) {
        let issue = || issue(&self.authority, &self.clock);
        renew_each(&self.clock, &self.current, issue).await;
    }
}

async fn renew_each<T>(clock: &Clock, current: &watch::Sender<T>, mut issue: impl FnMut() -> Result<T, PkiError>) {
    let mut wait = RENEW_AFTER;
    loop {
        clock.sleep(wait).await;
        wait = match issue() {
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

fn issue(authority: &Authority, clock: &Clock) -> Result<Arc<ServerConfig>, PkiError> {
    let leader = authority.signer.issue_leader(clock.now())?;
    server_config(&leader, std::slice::from_ref(authority.signer.certificate()), clock)
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
        let mut results = [false, false, true, true].into_iter();
        let renewing = tokio::spawn({
            let clock = clock.clone();
            async move {
                let issue = || {
                    tell.send(clock.now()).unwrap();
                    let issued = results.next().unwrap().then_some(clock.now());
                    issued.ok_or_else(|| PkiError::Certificate("the test says so".to_owned()))
                };
                renew_each(&clock, &current, issue).await;
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
        renewing.abort();
    }
}
