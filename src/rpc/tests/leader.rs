use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ServerConfig};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

use super::super::accept::Tls;
use super::super::fleet::{AgentMessage, Answer, Bundle, LeaderMessage, PROTOCOL_VERSION, Welcome};
use super::super::proto::enrollment_server::Enrollment;
use super::super::proto::{self, fleet_server};
use super::super::server::serve_fleet_within;
use super::super::*;
use crate::audit::testing::Log;
use crate::clock::{Clock, Stepper};
use crate::lifecycle::KeySet;
use crate::pki::{
    Ca, CaCertificate, CaSigner, JoinToken, Membership, NodeCsr, NodeKeys, TlsIdentity, TokenSecret, node_client_config,
    server_config,
};
use crate::types::{Epoch, Generation, HostPort, Span, Time, TrustDomain};

pub(super) const NOW: Time = Time(1_795_413_904_123);

/// As long as an error message may be, with what is hard to carry in a header.
pub(super) fn long_words() -> String {
    let words = "未確認: vm-1\n\t待機 \"--force\" 100 %\r\n";
    words.repeat(limits::STATUS_BYTES / words.len())
}

/// A leader that is running.
pub(super) struct Leader {
    pub(super) address: HostPort,
    pub(super) registry: Registry,
    pub(super) tls: watch::Sender<Arc<ServerConfig>>,
    pub(super) clock: Clock,
    pub(super) _stepper: Stepper,
    pub(super) stop: oneshot::Sender<()>,
    pub(super) served: JoinHandle<Result<(), tonic::transport::Error>>,
    authority: Arc<Authority>,
}

/// What the services share.
struct Authority {
    domain: TrustDomain,
    signer: CaSigner,
    bundle: Outgoing,
}

pub(super) fn bundle() -> Bundle {
    let set = KeySet {
        generation: Generation(42),
        epoch: Epoch(3),
        committed_at: NOW,
        clock_skew: Span::mins(5),
        max_age: Span::mins(10),
        straggler_after: Span::hours(24),
        cas: vec![],
        members: vec![],
    };
    Bundle::new(set, BTreeMap::new()).unwrap()
}

impl Leader {
    pub(super) async fn start() -> Self {
        let domain: TrustDomain = "op.example".parse().unwrap();
        let (clock, stepper) = Clock::stepped(NOW);
        let ca = Ca::new(&domain, NOW).unwrap();
        let authority = Arc::new(Authority {
            signer: CaSigner::load(ca.certificate, &ca.private).unwrap(),
            bundle: Outgoing {
                bundle: EncodedBundle::new(&bundle(), &Log::of(9, "a").prove(8), []).unwrap(),
                consistency: Arc::default(),
            },
            domain: domain.clone(),
        });
        let identity = authority.signer.issue_leader(NOW).unwrap();
        let (tls, current) = watch::channel(server_config(&[identity], &authority.roots(), &clock).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string().parse().unwrap();
        let registry = Registry::default();
        let (stop, stopped) = oneshot::channel::<()>();
        let services = (Echo(authority.clone()), Echo(authority.clone()));
        let tls_settings = Tls {
            config: current,
            domain,
            handshakes: limits::HANDSHAKES,
            deadline: limits::HANDSHAKE_DEADLINE,
        };
        let served = serve_fleet_within(Duration::ZERO, listener, tls_settings, registry.clone(), services, async {
            let _ = stopped.await;
        });
        Self {
            address,
            registry,
            tls,
            clock,
            _stepper: stepper,
            stop,
            served: tokio::spawn(served),
            authority,
        }
    }

    pub(super) fn fresh_config(&self) -> Arc<ServerConfig> {
        let identity = self.authority.signer.issue_leader(NOW).unwrap();
        server_config(&[identity], &self.authority.roots(), &self.clock).unwrap()
    }

    pub(super) fn token(&self) -> JoinToken {
        JoinToken {
            addresses: vec![self.address.clone()],
            ca_key: self.authority.signer.certificate().key(),
            log_public_key: [9; 32],
            node: "vm-1".parse().unwrap(),
            secret: TokenSecret::generate().unwrap(),
        }
    }

    pub(super) fn node(&self, name: &str) -> Arc<ClientConfig> {
        let keys = NodeKeys::generate().unwrap();
        let csr = NodeCsr::parse(&keys.csr_der().unwrap()).unwrap();
        let chain = self.authority.signer.issue_node(&name.parse().unwrap(), &csr, NOW).unwrap();
        self.with(&TlsIdentity {
            chain,
            key: keys.into_tls(),
        })
    }

    pub(super) fn with(&self, identity: &TlsIdentity) -> Arc<ClientConfig> {
        node_client_config(identity, &self.authority.roots(), &self.authority.domain, &self.clock).unwrap()
    }

    pub(super) async fn dial(&self, tls: Arc<ClientConfig>) -> Channel {
        connect_leader(std::slice::from_ref(&self.address), tls).await.unwrap()
    }
}

impl Authority {
    fn roots(&self) -> Vec<CaCertificate> {
        vec![self.signer.certificate().clone()]
    }
}

struct Echo(Arc<Authority>);

#[tonic::async_trait]
impl Enrollment for Echo {
    async fn enroll(&self, request: Request<proto::EnrollRequest>) -> Result<Response<proto::EnrollResponse>, Status> {
        assert_eq!(Caller::of(&request)?, &Caller::Anonymous);
        let call = EnrollCall::try_from(request.into_inner())?;
        let membership = Membership {
            chain: self.0.signer.issue_node(&call.node, &call.csr, NOW).unwrap(),
            roots: self.0.roots(),
            trust_domain: self.0.domain.clone(),
            log_public_key: [9; 32],
        };
        Ok(Response::new(membership.into()))
    }
}

#[tonic::async_trait]
impl fleet_server::Fleet for Echo {
    async fn renew(&self, _: Request<proto::RenewRequest>) -> Result<Response<proto::RenewResponse>, Status> {
        Err(Failure::refused(long_words()).into())
    }

    type SyncStream = ReceiverStream<Result<proto::LeaderUpdate, Status>>;

    async fn sync(&self, request: Request<Streaming<proto::AgentReport>>) -> Result<Response<Self::SyncStream>, Status> {
        assert!(matches!(Caller::of(&request)?, Caller::Node { .. }));
        let (updates, stream) = mpsc::channel(4);
        tokio::spawn(echo(request.into_inner(), updates, self.0.bundle.clone()));
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// Answers each message until the stream breaks, and hands on what broke it.
async fn echo(
    mut reports: Streaming<proto::AgentReport>,
    updates: mpsc::Sender<Result<proto::LeaderUpdate, Status>>,
    bundle: Outgoing,
) {
    let welcome = Welcome {
        protocol_version: PROTOCOL_VERSION,
        capabilities: vec![],
        epoch: Epoch(3),
        report_every: Span::secs(30),
    };
    loop {
        let answers = match reports.message().await {
            Ok(None) => return,
            Err(status) => {
                let _ = updates.send(Err(status)).await;
                return;
            }
            Ok(Some(report)) => match AgentMessage::try_from(report) {
                Ok(AgentMessage::Hello(_)) => {
                    vec![
                        LeaderMessage::Welcome(welcome.clone()),
                        LeaderMessage::Generation(bundle.clone()),
                    ]
                }
                Ok(AgentMessage::Report(report)) => vec![LeaderMessage::Answer(Answer {
                    report_sent_at: report.sent_at,
                    leader_time: Some(NOW),
                    in_service: true,
                })],
                Ok(AgentMessage::Cosigned(_) | AgentMessage::Shown(_) | AgentMessage::Papers(_)) => vec![],
                Err(why) => {
                    let _ = updates.send(Err(why.into())).await;
                    return;
                }
            },
        };
        for answer in answers {
            let _ = updates.send(Ok(answer.into())).await;
        }
    }
}
