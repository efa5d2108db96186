//! A node that opens its stream and does not read it.

use std::time::Duration;

use hyper_util::rt::TokioIo;
use jkeys::agent::Papers;
use jkeys::clock::Clock;
use jkeys::lifecycle::Report;
use jkeys::pki::node_client_config;
use jkeys::rpc::fleet::{AgentMessage, Hello, LeaderMessage, PROTOCOL_VERSION};
use jkeys::rpc::proto::fleet_client::FleetClient;
use jkeys::rpc::proto::{AgentReport, LeaderUpdate};
use jkeys::rpc::{Failure, fleet_client};
use jkeys::types::{Epoch, Generation};
use tokio::io::{AsyncWriteExt as _, copy, duplex, split};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

/// So many reports are answered with more than a stream and its queues hold.
const REPORTS: usize = 64;
/// How long a connection may stay. It is some ten times what it takes, as tests run side by side.
const SOON: Duration = Duration::from_secs(10);

/// An open connection with a node's certificate.
pub struct Deaf {
    client: FleetClient<Channel>,
    updates: Option<Streaming<LeaderUpdate>>,
    /// Kept open: the node has nothing more to say, and does not go.
    reports: Option<mpsc::Sender<AgentReport>>,
    /// Ends when the leader has closed the connection.
    closed: JoinHandle<()>,
}

impl Deaf {
    /// Connects. The leader may send so many bytes on the stream that have not been read.
    pub async fn connect(papers: &Papers, clock: &Clock, window: u32) -> Self {
        let membership = &papers.membership;
        let identity = papers.tls_identity();
        let tls = node_client_config(&identity, &membership.roots, &membership.trust_domain, clock).unwrap();
        let tcp = TcpStream::connect(papers.addresses[0].to_string()).await.unwrap();
        let name = "jkeys-leader".try_into().unwrap();
        let (mut down, mut up) = split(TlsConnector::from(tls).connect(name, tcp).await.unwrap());
        // Between TLS and HTTP/2, so that the end of the connection is seen while nothing of the stream is read.
        let (near, far) = duplex(64 * 1024);
        let (mut said, mut heard) = split(far);
        tokio::spawn(async move { copy(&mut said, &mut up).await });
        let closed = tokio::spawn(async move {
            let _ = copy(&mut down, &mut heard).await;
            let _ = heard.shutdown().await;
        });
        let mut near = Some(TokioIo::new(near));
        let dial = move |_| std::future::ready(near.take().ok_or_else(|| std::io::Error::other("it calls once")));
        let endpoint = Endpoint::from_static("http://jkeys-leader").initial_stream_window_size(window);
        let channel = endpoint.connect_with_connector(tower::service_fn(dial)).await.unwrap();
        Self {
            client: fleet_client(channel),
            updates: None,
            reports: None,
            closed,
        }
    }

    /// Opens the stream and reports so often that the leader can send no more.
    pub async fn open(&mut self, clock: &Clock) {
        let (reports, said) = mpsc::channel(REPORTS + 1);
        reports.send(hello().into()).await.unwrap();
        for _ in 0..REPORTS {
            reports.send(report(clock).into()).await.unwrap();
        }
        let updates = self.client.sync(ReceiverStream::new(said)).await.unwrap();
        (self.updates, self.reports) = (Some(updates.into_inner()), Some(reports));
    }

    /// Reads the stream to its end: whether it was told to erase, and why the stream ended.
    pub async fn read(&mut self) -> (bool, Failure) {
        let updates = self.updates.as_mut().expect("the stream is open");
        let mut erase = false;
        loop {
            match updates.message().await {
                Ok(Some(update)) => erase |= matches!(LeaderMessage::try_from(update), Ok(LeaderMessage::Erase)),
                Ok(None) => panic!("a stream ends with a reason"),
                Err(status) => return (erase, status.into()),
            }
        }
    }

    /// Whether the leader has closed the connection.
    pub fn is_closed(&self) -> bool {
        self.closed.is_finished()
    }

    /// Waits until the leader closes the connection.
    pub async fn closed(&mut self) {
        let closed = tokio::time::timeout(SOON, &mut self.closed).await;
        closed.expect("the connection stays open").unwrap();
    }
}

fn hello() -> AgentMessage {
    AgentMessage::Hello(Hello {
        protocol_version: PROTOCOL_VERSION,
        capabilities: vec![],
        release: "0.1.0".to_owned(),
        instance: None,
    })
}

fn report(clock: &Clock) -> AgentMessage {
    AgentMessage::Report(Report {
        sent_at: clock.now(),
        highest_epoch: Epoch(0),
        highest_generation: Generation(0),
        checkpoint: None,
        gone: std::collections::BTreeSet::new(),
        refused: None,
        installed: None,
        problem: None,
        failing: Vec::new(),
    })
}
