//! The link to the leader: dials, says hello, carries messages both ways, and comes back by itself after any break.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use super::core::Status;
use super::cosigner::Cosigner;
use super::papers::{self, Papers, PapersError};
use super::renewal::Renewal;
use super::shell::LinkEvent;
use super::tries::Tries;
use super::trust::{self, Held};
use crate::clock::Clock;
use crate::pki::{PkiError, node_client_config};
use crate::rpc::fleet::{AgentMessage, Hello, LeaderMessage, PAPERS, PROTOCOL_VERSION};
use crate::rpc::proto::{AgentReport, LeaderUpdate};
use crate::rpc::{ConnectError, ErrorKind, Failure, WireError, connect_leader, fleet_client};
use crate::types::{HostPort, RENEWABLE_FOR, Time, WitnessKey};

/// How long a node stays with a leader of an earlier term, which learns of the later one by that, where it knows another address.
const OLD_LEADER_FOR: Duration = Duration::from_secs(2);
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
    /// The node was taken out of the fleet.
    #[error("the leader said: {0}")]
    Parted(Failure),
    #[error("the leader sent what can't be read: {0}")]
    Wire(#[from] WireError),
    #[error("the leader closed the stream")]
    Closed,
    #[error("the leader did not say its welcome in time")]
    Silent,
    #[error(
        "the leader there is of an earlier term than one that this node has seen, and the next address is tried; stop that leader, or take its \
         address out"
    )]
    OldLeader,
    #[error("this node has joined another fleet")]
    OtherFleet,
    #[error(
        "the leader gave a certificate of a CA that this node does not trust: the node hears of a new CA in a generation; look whether it takes \
         what the leader sends"
    )]
    UnknownCa,
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
        let mut tries = Tries::default();
        loop {
            let lost = tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => return LinkEnd::Stopping,
                ended = self.session(&mut tries) => ended,
            };
            if matches!(lost, Err(LinkError::OtherFleet)) {
                return LinkEnd::OtherFleet;
            }
            let why = lost.map_or_else(|why| why.to_string(), |()| "the agent is stopping".to_owned());
            if self.events.send(LinkEvent::Lost(why)).await.is_err() {
                return LinkEnd::Stopping;
            }
            let pause = tries.ended();
            tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => return LinkEnd::Stopping,
                () = tokio::time::sleep(pause) => {}
            }
            // Reports of a stream that is gone say nothing to the next one, which begins with a new report.
            while self.reports.try_recv().is_ok() {}
        }
    }

    async fn session(&mut self, tries: &mut Tries) -> Result<(), LinkError> {
        let papers = papers::load(&self.folder).await?;
        if self.fleet != Some(papers.fleet()) {
            return Err(LinkError::OtherFleet);
        }
        let papers = self.with_good_certificate(papers, tries).await?;
        let channel = self.dial(&papers, tries).await?;
        let has_another = self.leader_addresses(&papers).len() > 1;
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
        let (takes_papers, is_old) = self.welcomed(&mut stream).await?;
        if !is_old {
            tries.came_to_something();
        }
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
            // What it has to be told, it has heard by then.
            () = tokio::time::sleep(OLD_LEADER_FOR), if is_old && has_another => Err(LinkError::OldLeader),
        }
    }

    /// A certificate that is over opens no stream, so it is renewed first, as long as the leader renews it.
    async fn with_good_certificate(&mut self, papers: Papers, tries: &Tries) -> Result<Papers, LinkError> {
        let (ended_at, now) = (papers.not_after()?, self.clock.now());
        if now <= ended_at {
            return Ok(papers);
        }
        let renewed = async {
            let channel = self.dial(&papers, tries).await?;
            let renewed = self.renewal(papers, channel.clone())?.of_old().await;
            match renewed {
                Err(LinkError::Leader(failure)) if failure.kind == ErrorKind::Unauthenticated => {
                    // A node that was taken out of the fleet is told so on a stream, and that it is to erase.
                    self.parted(channel).await?;
                    Err(LinkError::Leader(failure))
                }
                renewed => renewed,
            }
        };
        renewed.await.map_err(|why| match why {
            LinkError::Parted(_) => why,
            why => LinkError::Over {
                ended_at,
                advice: advice(ended_at, now),
                why: Box::new(why),
            },
        })
    }

    /// Asks a leader that renews nothing whether this node was taken out of the fleet.
    async fn parted(&self, channel: Channel) -> Result<(), LinkError> {
        let (_, nothing) = mpsc::channel(1);
        let opened = tokio::time::timeout(WELCOME_WITHIN, fleet_client(channel).sync(ReceiverStream::new(nothing))).await;
        // Any other answer is no news: the refusal to renew stands.
        let Ok(Ok(stream)) = opened else { return Ok(()) };
        let mut stream = stream.into_inner();
        match tokio::time::timeout(WELCOME_WITHIN, next(&mut stream)).await {
            Ok(Ok(LeaderMessage::Erase)) => Err(self.erase(&mut stream).await),
            _ => Ok(()),
        }
    }

    /// Passes on that the node is to erase. Why it must, and how it may come back, the leader says with the end of the stream.
    async fn erase(&self, stream: &mut Streaming<LeaderUpdate>) -> LinkError {
        if self
            .events
            .send(LinkEvent::Message(LeaderMessage::Erase.into()))
            .await
            .is_err()
        {
            return LinkError::Closed;
        }
        match tokio::time::timeout(WELCOME_WITHIN, next(stream)).await {
            Ok(Err(LinkError::Leader(why))) => LinkError::Parted(why),
            Ok(Err(why)) => why,
            Ok(Ok(_)) | Err(_) => LinkError::Closed,
        }
    }

    fn renewal(&self, papers: Papers, channel: Channel) -> Result<Renewal, LinkError> {
        Renewal::new(papers, channel, self.folder.clone(), self.clock.clone(), self.status.clone())
    }

    /// Step 1, limits: the client takes no message beyond `rpc::limits`. Step 2, identity: TLS 1.3, with the leader's SPIFFE ID under a CA
    /// that this node trusts, and the node's own.
    async fn dial(&mut self, papers: &Papers, tries: &Tries) -> Result<Channel, LinkError> {
        let roots = Held::of(papers)?.roots(&trust::named(&mut self.status).await);
        let config = node_client_config(&papers.tls_identity(), &roots, &papers.membership.trust_domain, &self.clock)?;
        let addresses = tries.in_order(self.leader_addresses(papers));
        Ok(connect_leader(&addresses, config).await?)
    }

    /// Where the leader may be: as configured, or else as the identity says.
    fn leader_addresses<'a>(&'a self, papers: &'a Papers) -> &'a [HostPort] {
        if self.addresses.is_empty() {
            &papers.addresses
        } else {
            &self.addresses
        }
    }

    /// Says whether the leader takes what a node says of its papers, and whether it is one of an earlier term (rule R5).
    async fn welcomed(&self, stream: &mut Streaming<LeaderUpdate>) -> Result<(bool, bool), LinkError> {
        let first = tokio::time::timeout(WELCOME_WITHIN, next(stream))
            .await
            .map_err(|_| LinkError::Silent)??;
        let welcome = match first {
            LeaderMessage::Welcome(welcome) => welcome,
            LeaderMessage::Erase => return Err(self.erase(stream).await),
            _ => return Err(LinkError::Wire(WireError::Missing("the welcome"))),
        };
        let is_old = welcome.epoch < self.status.borrow().highest_epoch;
        let takes_papers = welcome.capabilities.iter().any(|name| name == PAPERS);
        let told = self.events.send(LinkEvent::Connected(welcome)).await;
        told.map_err(|_| LinkError::Closed)?;
        Ok((takes_papers, is_old))
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
