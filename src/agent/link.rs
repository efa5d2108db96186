//! The link to the leader: dials, says hello, carries messages both ways, and comes back by itself after any break.

use std::path::PathBuf;
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use super::papers::{Papers, PapersError};
use super::shell::LinkEvent;
use crate::clock::Clock;
use crate::lifecycle::Report;
use crate::pki::{LEAF_LIFE, PkiError, node_client_config};
use crate::rpc::fleet::{AgentMessage, Hello, LeaderMessage, PROTOCOL_VERSION};
use crate::rpc::proto::{AgentReport, LeaderUpdate, RenewRequest};
use crate::rpc::{ConnectError, Failure, WireError, connect_leader, fleet_client};
use crate::types::{Span, Time};

/// The shortest and the longest wait before the leader is dialled again. Network waits are real time, whatever the clock.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// How long a leader may take to say its welcome.
const WELCOME_WITHIN: Duration = Duration::from_secs(15);

/// Why a stream ended, in words.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error(transparent)]
    Papers(#[from] PapersError),
    #[error(transparent)]
    Pki(#[from] PkiError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the leader said: {0}")]
    Leader(Failure),
    #[error("the leader sent what can't be read: {0}")]
    Wire(#[from] WireError),
    #[error("the leader closed the stream")]
    Closed,
    #[error("the leader did not say its welcome in time")]
    Silent,
}

/// One end of the agent's link.
pub(super) struct Link {
    /// Where the node's identity is.
    pub(super) folder: PathBuf,
    /// The clock that certificates are held against.
    pub(super) clock: Clock,
    /// Where events go.
    pub(super) events: mpsc::Sender<LinkEvent>,
    /// What the node reports.
    pub(super) reports: mpsc::Receiver<Report>,
}

impl Link {
    /// Keeps a stream to the leader until `shutdown`.
    pub(super) async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut attempt = 0;
        loop {
            let lost = tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => return,
                ended = self.session(&mut attempt) => ended,
            };
            let why = lost.map_or_else(|why| why.to_string(), |()| "the agent is stopping".to_owned());
            if self.events.send(LinkEvent::Lost(why)).await.is_err() {
                return;
            }
            let pause = backoff(attempt);
            attempt += 1;
            tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(pause) => {}
            }
            // Reports of a stream that is gone say nothing to the next one, which begins with a new report.
            while self.reports.try_recv().is_ok() {}
        }
    }

    async fn session(&mut self, attempt: &mut u32) -> Result<(), LinkError> {
        let papers = Papers::load(&self.folder)?;
        let channel = self.dial(&papers).await?;
        let papers = self.renewed(papers, &channel).await?;
        let (to_leader, outgoing) = mpsc::channel(4);
        let hello = Hello {
            protocol_version: PROTOCOL_VERSION,
            capabilities: Vec::new(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
        };
        // The channel is new and empty.
        let _ = to_leader.send(AgentReport::from(AgentMessage::Hello(hello))).await;
        let mut client = fleet_client(channel.clone());
        let opened = tokio::time::timeout(WELCOME_WITHIN, client.sync(ReceiverStream::new(outgoing))).await;
        let stream = opened
            .map_err(|_| LinkError::Silent)?
            .map_err(|status| LinkError::Leader(status.into()))?;
        let stream = stream.into_inner();
        self.carry(
            Session {
                papers,
                channel,
                stream,
                to_leader,
            },
            attempt,
        )
        .await
    }

    async fn dial(&self, papers: &Papers) -> Result<Channel, LinkError> {
        let (roots, domain) = (&papers.membership.roots, &papers.membership.trust_domain);
        let config = node_client_config(&papers.tls_identity(), roots, domain, &self.clock)?;
        Ok(connect_leader(&papers.addresses, config).await?)
    }

    /// A certificate renews itself at a third of its life.
    async fn renewed(&self, mut papers: Papers, channel: &Channel) -> Result<Papers, LinkError> {
        let now = self.clock.now();
        if now < renew_at(&papers)? {
            return Ok(papers);
        }
        let request = RenewRequest {
            csr_der: papers.keys.csr_der()?,
        };
        let answer = fleet_client(channel.clone())
            .renew(request)
            .await
            .map_err(|status| LinkError::Leader(status.into()))?;
        let membership = answer.into_inner().renewed(&papers.membership)?;
        membership.check(&papers.node, &papers.keys, now)?;
        papers.membership = membership;
        papers.store(&self.folder)?;
        tracing::info!(node = %papers.node, "the node's certificate is renewed");
        Ok(papers)
    }

    /// Carries messages both ways until the stream ends. The certificate is renewed beside it.
    async fn carry(&mut self, mut session: Session, attempt: &mut u32) -> Result<(), LinkError> {
        let first = tokio::time::timeout(WELCOME_WITHIN, next(&mut session.stream))
            .await
            .map_err(|_| LinkError::Silent)??;
        let LeaderMessage::Welcome(welcome) = first else {
            return Err(LinkError::Wire(WireError::Missing("the welcome")));
        };
        *attempt = 0;
        if self.events.send(LinkEvent::Connected(welcome)).await.is_err() {
            return Ok(());
        }
        let clock = self.clock.clone();
        loop {
            tokio::select! {
                message = next(&mut session.stream) => {
                    if self.events.send(LinkEvent::Message(message?)).await.is_err() {
                        return Ok(());
                    }
                }
                report = self.reports.recv() => match report {
                    Some(report) => {
                        let sent = session.to_leader.send(AgentReport::from(AgentMessage::Report(report))).await;
                        sent.map_err(|_| LinkError::Closed)?;
                    }
                    None => return Ok(()),
                },
                () = clock.sleep_until(renew_at(&session.papers)?) => {
                    session.papers = self.renewed(session.papers, &session.channel).await?;
                }
            }
        }
    }
}

/// One open stream, and what it was opened with.
struct Session {
    papers: Papers,
    channel: Channel,
    stream: Streaming<LeaderUpdate>,
    to_leader: mpsc::Sender<AgentReport>,
}

async fn next(stream: &mut Streaming<LeaderUpdate>) -> Result<LeaderMessage, LinkError> {
    let message = stream.message().await.map_err(|status| LinkError::Leader(status.into()))?;
    Ok(LeaderMessage::try_from(message.ok_or(LinkError::Closed)?)?)
}

fn renew_at(papers: &Papers) -> Result<Time, LinkError> {
    let own = papers.membership.chain.first().ok_or(PapersError::NotEnrolled)?;
    let not_after = crate::pki::PeerIdentity::from_certificate(own)?.not_after;
    Ok(not_after - Span(LEAF_LIFE.0 / 3 * 2))
}

/// A wait that doubles with each attempt, spread by half so that a fleet does not come back all at once.
fn backoff(attempt: u32) -> Duration {
    let (shortest, longest) = BACKOFF;
    let full = shortest.saturating_mul(1 << attempt.min(16)).min(longest);
    let mut random = [0; 2];
    // Without randomness the wait is the full one.
    let spread = SystemRandom::new()
        .fill(&mut random)
        .map_or(u16::MAX, |()| u16::from_be_bytes(random));
    full / 2 + full.mul_f64(f64::from(spread) / f64::from(u16::MAX)) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_limit_and_is_spread() {
        for attempt in [0, 3, 8, 40] {
            let full = BACKOFF.0.saturating_mul(1 << attempt.min(16)).min(BACKOFF.1);
            let waits: Vec<Duration> = (0..50).map(|_| backoff(attempt)).collect();
            assert!(waits.iter().all(|wait| *wait >= full / 2 && *wait <= full), "{waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]));
        }
    }
}
