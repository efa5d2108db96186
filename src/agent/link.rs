//! The link to the leader: dials, says hello, carries messages both ways, and comes back by itself after any break.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use super::core::Status;
use super::cosigner::Cosigner;
use super::papers::{self, Papers, PapersError};
use super::renewal::Renewal;
use super::shell::LinkEvent;
use super::trust::{self, Held};
use crate::clock::Clock;
use crate::pki::{PkiError, node_client_config};
use crate::rpc::fleet::{AgentMessage, Hello, LeaderMessage, PAPERS, PROTOCOL_VERSION};
use crate::rpc::proto::{AgentReport, LeaderUpdate};
use crate::rpc::{ConnectError, Failure, WireError, connect_leader, fleet_client};
use crate::types::{HostPort, RENEWABLE_FOR, Time, WitnessKey};

/// The shortest and the longest wait before the leader is dialled again. Network waits are real time, whatever the clock.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// How long a leader may take to say its welcome.
const WELCOME_WITHIN: Duration = Duration::from_secs(15);

/// Why a stream ended, in words.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
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
    #[error("this node has joined another fleet")]
    OtherFleet,
    #[error("this node was enrolled anew meanwhile")]
    EnrolledAnew,
    #[error("the node's certificate ended at {ended_at}, and could not be renewed ({why}); {advice}")]
    Over {
        ended_at: Time,
        advice: String,
        why: Box<LinkError>,
    },
}

/// Why a link is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkEnd {
    /// The agent stops.
    Stopping,
    /// The node's identity is of another fleet than the link was made for: nothing of this one may reach what the node remembers.
    OtherFleet,
}

/// One end of the agent's link.
pub(super) struct Link {
    /// Where the node's identity is.
    pub(super) folder: PathBuf,
    /// The fleet that the node's state is of; none where it is of none yet.
    pub(super) fleet: Option<WitnessKey>,
    /// Where the leader is, if not where the identity says.
    pub(super) addresses: Vec<HostPort>,
    /// Tells this agent from another with the same identity.
    pub(super) instance: Option<NonZeroU64>,
    /// The node as its shell shows it.
    pub(super) status: watch::Receiver<Status>,
    /// The clock that certificates are held against.
    pub(super) clock: Clock,
    /// Where events go.
    pub(super) events: mpsc::Sender<LinkEvent>,
    /// What the node reports.
    pub(super) reports: mpsc::Receiver<AgentMessage>,
}

impl Link {
    /// Keeps a stream to the leader until `shutdown`, or until the node is in another fleet.
    pub(super) async fn run(mut self, mut shutdown: watch::Receiver<bool>) -> LinkEnd {
        let mut attempt = 0;
        loop {
            let lost = tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => return LinkEnd::Stopping,
                ended = self.session(&mut attempt) => ended,
            };
            if matches!(lost, Err(LinkError::OtherFleet)) {
                return LinkEnd::OtherFleet;
            }
            let why = lost.map_or_else(|why| why.to_string(), |()| "the agent is stopping".to_owned());
            if self.events.send(LinkEvent::Lost(why)).await.is_err() {
                return LinkEnd::Stopping;
            }
            let pause = backoff(attempt);
            attempt += 1;
            tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => return LinkEnd::Stopping,
                () = tokio::time::sleep(pause) => {}
            }
            // Reports of a stream that is gone say nothing to the next one, which begins with a new report.
            while self.reports.try_recv().is_ok() {}
        }
    }

    async fn session(&mut self, attempt: &mut u32) -> Result<(), LinkError> {
        let papers = papers::load(&self.folder).await?;
        if self.fleet != Some(papers.fleet()) {
            return Err(LinkError::OtherFleet);
        }
        let papers = self.with_good_certificate(papers).await?;
        let channel = self.dial(&papers).await?;
        let cosigner = Cosigner::new(&papers)?;
        let renewal = self.renewal(papers, channel.clone())?;
        let held = renewal.held();
        let (to_leader, outgoing) = mpsc::channel(4);
        let hello = Hello {
            protocol_version: PROTOCOL_VERSION,
            capabilities: Vec::new(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            instance: self.instance,
        };
        // The channel is new and empty.
        let _ = to_leader.send(AgentReport::from(AgentMessage::Hello(hello))).await;
        let mut client = fleet_client(channel);
        let opened = tokio::time::timeout(WELCOME_WITHIN, client.sync(ReceiverStream::new(outgoing))).await;
        let stream = opened
            .map_err(|_| LinkError::Silent)?
            .map_err(|status| LinkError::Leader(status.into()))?;
        let mut stream = stream.into_inner();
        let takes_papers = self.welcomed(&mut stream, attempt).await?;
        let own = to_leader.clone();
        let status = self.status.clone();
        let telling = async {
            if takes_papers {
                return tell_papers(held, status, own).await;
            }
            std::future::pending().await
        };
        tokio::select! {
            ended = self.carry(stream, to_leader, cosigner) => ended,
            ended = telling => ended,
            never = renewal.keep() => match never {},
        }
    }

    /// A certificate that is over opens no stream, so it is renewed first, as long as the leader renews it.
    async fn with_good_certificate(&mut self, papers: Papers) -> Result<Papers, LinkError> {
        let (ended_at, now) = (papers.not_after()?, self.clock.now());
        if now <= ended_at {
            return Ok(papers);
        }
        let renewed = async {
            let channel = self.dial(&papers).await?;
            self.renewal(papers, channel)?.of_old().await
        };
        renewed.await.map_err(|why| LinkError::Over {
            ended_at,
            advice: advice(ended_at, now),
            why: Box::new(why),
        })
    }

    fn renewal(&self, papers: Papers, channel: Channel) -> Result<Renewal, LinkError> {
        Renewal::new(papers, channel, self.folder.clone(), self.clock.clone())
    }

    /// Step 1, limits: the client takes no message beyond `rpc::limits`. Step 2, identity: TLS 1.3, with the leader's SPIFFE ID under a CA
    /// that this node trusts, and the node's own.
    async fn dial(&mut self, papers: &Papers) -> Result<Channel, LinkError> {
        let roots = Held::of(papers)?.roots(&trust::named(&mut self.status).await);
        let config = node_client_config(&papers.tls_identity(), &roots, &papers.membership.trust_domain, &self.clock)?;
        let addresses = if self.addresses.is_empty() {
            &papers.addresses
        } else {
            &self.addresses
        };
        Ok(connect_leader(addresses, config).await?)
    }

    /// Says whether the leader takes what a node says of its papers.
    async fn welcomed(&self, stream: &mut Streaming<LeaderUpdate>, attempt: &mut u32) -> Result<bool, LinkError> {
        let first = tokio::time::timeout(WELCOME_WITHIN, next(stream))
            .await
            .map_err(|_| LinkError::Silent)??;
        let welcome = match first {
            LeaderMessage::Welcome(welcome) => welcome,
            // Why it must, and how it may come back, the leader says with the end of the stream.
            LeaderMessage::Erase => {
                let told = self.events.send(LinkEvent::Message(LeaderMessage::Erase.into())).await;
                told.map_err(|_| LinkError::Closed)?;
                return match tokio::time::timeout(WELCOME_WITHIN, next(stream)).await {
                    Ok(Err(why)) => Err(why),
                    Ok(Ok(_)) | Err(_) => Err(LinkError::Closed),
                };
            }
            _ => return Err(LinkError::Wire(WireError::Missing("the welcome"))),
        };
        *attempt = 0;
        let takes_papers = welcome.capabilities.iter().any(|name| name == PAPERS);
        let told = self.events.send(LinkEvent::Connected(welcome)).await;
        told.map_err(|_| LinkError::Closed)?;
        Ok(takes_papers)
    }

    /// Carries messages both ways until the stream ends.
    async fn carry(
        &mut self,
        mut stream: Streaming<LeaderUpdate>,
        to_leader: mpsc::Sender<AgentReport>,
        mut cosigner: Cosigner,
    ) -> Result<(), LinkError> {
        loop {
            tokio::select! {
                message = next(&mut stream) => {
                    if self.events.send(LinkEvent::Message(message?.into())).await.is_err() {
                        return Ok(());
                    }
                }
                report = self.reports.recv() => match report {
                    Some(message) => {
                        let head = match &message {
                            AgentMessage::Report(report) => report.checkpoint,
                            _ => None,
                        };
                        let own = head.and_then(|head| cosigner.cosign(head, self.clock.now()));
                        for message in [message].into_iter().chain(own.map(AgentMessage::Cosigned)) {
                            let sent = to_leader.send(AgentReport::from(message)).await;
                            sent.map_err(|_| LinkError::Closed)?;
                        }
                    }
                    None => return Ok(()),
                },
            }
        }
    }
}

/// Says what is on the disk of the node's papers and whom it trusts, now and whenever that changes.
async fn tell_papers(
    mut held: watch::Receiver<Held>,
    mut status: watch::Receiver<Status>,
    to_leader: mpsc::Sender<AgentReport>,
) -> Result<(), LinkError> {
    let mut said = None;
    loop {
        let named = trust::named(&mut status).await;
        let papers = held.borrow_and_update().told(&named);
        if said.as_ref() != Some(&papers) {
            let message = AgentMessage::Papers(papers.clone());
            let sent = to_leader.send(AgentReport::from(message)).await;
            sent.map_err(|_| LinkError::Closed)?;
            said = Some(papers);
        }
        tokio::select! {
            changed = held.changed() => changed.map_err(|_| LinkError::Closed)?,
            changed = status.changed() => changed.map_err(|_| LinkError::Closed)?,
        }
    }
}

async fn next(stream: &mut Streaming<LeaderUpdate>) -> Result<LeaderMessage, LinkError> {
    let message = stream.message().await.map_err(|status| LinkError::Leader(status.into()))?;
    Ok(LeaderMessage::try_from(message.ok_or(LinkError::Closed)?)?)
}

/// What to do about a certificate that is over. The clock decides nothing here: it may be wrong, so the leader is asked all the same.
fn advice(ended_at: Time, now: Time) -> String {
    let last = ended_at + RENEWABLE_FOR;
    if now <= last {
        return format!("the leader renews it until {last}, so this is tried again");
    }
    format!(
        "the leader renewed it until {last} and does so no more: look at this machine's clock, which shows {now}; if it is right, make a \
         join token on the leader's machine with `jkeys node token NAME`, and use it here with `jkeys enroll -`"
    )
}

/// A random number of this agent, as long as the machine gives one.
pub(super) fn instance() -> Option<NonZeroU64> {
    random().map(u64::from_be_bytes).and_then(NonZeroU64::new)
}

fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok().map(|()| bytes)
}

/// A wait that doubles with each attempt, spread by half so that a fleet does not come back all at once.
fn backoff(attempt: u32) -> Duration {
    let (shortest, longest) = BACKOFF;
    let full = shortest.saturating_mul(1 << attempt.min(16)).min(longest);
    // Without randomness the wait is the full one.
    let spread = random().map_or(u16::MAX, u16::from_be_bytes);
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
