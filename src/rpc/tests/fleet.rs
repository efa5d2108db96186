use http::uri::PathAndQuery;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

use super::super::fleet::{AgentMessage, Hello, LeaderMessage};
use super::super::proto::fleet_client::FleetClient;
use super::super::proto::{self};
use super::super::*;
use super::leader::{Leader, NOW, bundle, long_words};
use crate::lifecycle::Report;
use crate::pki::{Membership, NodeKeys, TlsIdentity, enroll_client_config};
use crate::types::{Digest, Epoch, Generation, Time};

/// An agent's end of a stream.
struct Agent {
    reports: mpsc::Sender<proto::AgentReport>,
    updates: Streaming<proto::LeaderUpdate>,
}

impl Agent {
    async fn open(mut client: FleetClient<Channel>) -> Result<Self, Status> {
        let (reports, stream) = mpsc::channel(4);
        let updates = client.sync(ReceiverStream::new(stream)).await?.into_inner();
        Ok(Self { reports, updates })
    }

    async fn say(&mut self, message: AgentMessage) -> Result<LeaderMessage, Failure> {
        self.reports.send(message.into()).await.unwrap();
        self.hear().await
    }

    async fn hear(&mut self) -> Result<LeaderMessage, Failure> {
        let update = self.updates.message().await?;
        Ok(update.expect("the stream goes on").try_into()?)
    }
}

fn hello() -> AgentMessage {
    AgentMessage::Hello(Hello {
        protocol_version: fleet::PROTOCOL_VERSION,
        capabilities: vec![],
        release: "0.1.0".into(),
        instance: std::num::NonZeroU64::new(7),
    })
}

fn report(sent_at: Time) -> AgentMessage {
    AgentMessage::Report(Report {
        sent_at,
        highest_epoch: Epoch(3),
        highest_generation: Generation(42),
        checkpoint: None,
        gone: std::collections::BTreeSet::new(),
        refused: None,
        installed: None,
        problem: None,
        failing: Vec::new(),
    })
}

#[tokio::test]
async fn a_stream_carries_reports_up_and_generations_down() {
    let leader = Leader::start().await;
    let mut agent = Agent::open(fleet_client(leader.dial(leader.node("vm-1")).await))
        .await
        .unwrap();
    assert!(matches!(agent.say(hello()).await.unwrap(), LeaderMessage::Welcome(welcome) if welcome.epoch == Epoch(3)));
    let LeaderMessage::Generation(came) = agent.hear().await.unwrap() else {
        panic!("a generation");
    };
    let came = came.bundle;
    assert_eq!((came.digest, came.public_form), (bundle().digest, bundle().public_form));
    let answer = agent.say(report(Time(77))).await.unwrap();
    assert!(matches!(answer, LeaderMessage::Answer(answer) if answer.report_sent_at == Time(77)));
}

#[tokio::test]
async fn a_nodes_stream_can_be_cut_at_once() {
    let leader = Leader::start().await;
    let mut cut = Agent::open(fleet_client(leader.dial(leader.node("vm-1")).await))
        .await
        .unwrap();
    let mut spared = Agent::open(fleet_client(leader.dial(leader.node("vm-2")).await))
        .await
        .unwrap();
    cut.say(hello()).await.unwrap();
    cut.hear().await.unwrap();
    spared.say(hello()).await.unwrap();
    spared.hear().await.unwrap();

    let unwelcome = leader.registry.unwelcome(|node, _| node.as_str() != "vm-1");
    assert_eq!(leader.registry.cut(&unwelcome), 1);
    assert_eq!(cut.hear().await.unwrap_err().kind, ErrorKind::Unavailable);
    assert!(spared.say(report(Time(1))).await.is_ok());
}

#[tokio::test]
async fn a_caller_without_a_certificate_may_only_enroll() {
    let leader = Leader::start().await;
    let tls = enroll_client_config(leader.token().ca_key, &leader.clock).unwrap();
    let refused = Agent::open(fleet_client(leader.dial(tls).await)).await.err().unwrap();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().contains("jkeys enroll"), "{}", refused.message());

    let node = leader.dial(leader.node("vm-1")).await;
    let request = proto::EnrollRequest::new(&leader.token(), &NodeKeys::generate().unwrap()).unwrap();
    let refused = enrollment_client(node).enroll(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_node_enrolls_and_then_syncs_with_its_new_certificate() {
    let leader = Leader::start().await;
    let (token, keys) = (leader.token(), NodeKeys::generate().unwrap());
    let channel = connect_leader(&token.addresses, enroll_client_config(token.ca_key, &leader.clock).unwrap());
    let request = proto::EnrollRequest::new(&token, &keys).unwrap();
    let answer = enrollment_client(channel.await.unwrap()).enroll(request).await.unwrap();
    let membership = Membership::try_from(answer.into_inner()).unwrap();
    let (membership, _) = membership.enrolled(&token, &keys, NOW).unwrap();

    let identity = TlsIdentity {
        chain: membership.chain,
        key: keys.into_tls(),
    };
    let mut agent = Agent::open(fleet_client(leader.dial(leader.with(&identity)).await))
        .await
        .unwrap();
    assert!(agent.say(hello()).await.is_ok());
}

/// Calls `path` with an empty message.
async fn call(channel: Channel, path: &'static str) -> Status {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<proto::PingRequest, proto::PingResponse>::default();
    let request = Request::new(proto::PingRequest::default());
    grpc.unary(request, PathAndQuery::from_static(path), codec).await.unwrap_err()
}

#[tokio::test]
async fn a_method_that_is_not_in_the_table_or_not_for_nodes_is_refused() {
    let leader = Leader::start().await;
    let node = leader.dial(leader.node("vm-1")).await;
    let unknown = call(node.clone(), "/jkeys.v1.Fleet/Nuke").await;
    assert_eq!(unknown.code(), Code::FailedPrecondition);
    assert!(unknown.message().contains("doesn't know the call"), "{}", unknown.message());
    let admin = call(node, "/jkeys.v1.Admin/Ping").await;
    assert_eq!(admin.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn an_oversized_message_is_refused_in_words() {
    let leader = Leader::start().await;
    // A client without our limits, as a hostile node would have.
    let mut agent = Agent::open(FleetClient::new(leader.dial(leader.node("vm-1")).await))
        .await
        .unwrap();
    agent.say(hello()).await.unwrap();
    agent.hear().await.unwrap();
    let mut huge = proto::AgentReport::from(report(NOW));
    if let Some(proto::agent_report::Message::Report(report)) = &mut huge.message {
        report.problem = Some("x".repeat(limits::REPORT_BYTES));
    }
    agent.reports.send(huge).await.unwrap();
    let refused = agent.hear().await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Invalid);
    assert!(refused.message.contains("larger than the protocol allows"), "{refused}");
    assert!(refused.message.contains(&limits::REPORT_BYTES.to_string()), "{refused}");

    let tls = enroll_client_config(leader.token().ca_key, &leader.clock).unwrap();
    let mut request = proto::EnrollRequest::new(&leader.token(), &NodeKeys::generate().unwrap()).unwrap();
    request.csr_der = vec![0; limits::ENROLL_BYTES];
    let refused = enrollment_client(leader.dial(tls).await).enroll(request).await;
    let refused = Failure::from(refused.unwrap_err());
    assert!(refused.message.contains(&limits::ENROLL_BYTES.to_string()), "{refused}");
}

#[tokio::test]
async fn a_long_message_crosses_whole() {
    let leader = Leader::start().await;
    let mut client = fleet_client(leader.dial(leader.node("vm-1")).await);
    let refused = client.renew(proto::RenewRequest::default()).await.unwrap_err();
    assert!(Failure::from(refused) == Failure::refused(long_words()), "it was cut or lost");
}

#[tokio::test]
async fn new_certificates_are_used_at_once_and_open_streams_go_on() {
    let leader = Leader::start().await;
    let node = leader.node("vm-1");
    let mut before = Agent::open(fleet_client(leader.dial(node.clone()).await)).await.unwrap();
    before.say(hello()).await.unwrap();
    before.hear().await.unwrap();

    let foreign = Leader::start().await;
    leader.tls.send_replace(foreign.fresh_config());
    let refused = connect_leader(std::slice::from_ref(&leader.address), node.clone())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("invalid peer certificate"), "{refused}");
    assert!(before.say(report(Time(1))).await.is_ok());

    leader.tls.send_replace(leader.fresh_config());
    assert!(connect_leader(std::slice::from_ref(&leader.address), node).await.is_ok());
}

#[tokio::test]
async fn the_next_address_is_tried_and_every_failure_named() {
    let leader = Leader::start().await;
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone_address = gone.local_addr().unwrap().to_string().parse().unwrap();
    drop(gone);
    let both = [gone_address, leader.address.clone()];
    assert!(connect_leader(&both, leader.node("vm-1")).await.is_ok());

    let stranger = enroll_client_config(Digest([0; 32]), &leader.clock).unwrap();
    let words = connect_leader(&both, stranger).await.unwrap_err().to_string();
    assert!(
        words.contains("refused") && words.contains("another fleet's") && words.contains(&both[0].to_string()),
        "{words}"
    );
}

#[tokio::test]
async fn a_peer_that_never_speaks_holds_nobody_up() {
    let leader = Leader::start().await;
    let _silent = TcpStream::connect(leader.address.to_string()).await.unwrap();
    assert!(
        Agent::open(fleet_client(leader.dial(leader.node("vm-1")).await))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_stopped_leader_ends_and_frees_its_port() {
    let leader = Leader::start().await;
    let mut agent = Agent::open(fleet_client(leader.dial(leader.node("vm-1")).await))
        .await
        .unwrap();
    agent.say(hello()).await.unwrap();
    leader.stop.send(()).unwrap();
    leader.served.await.unwrap().unwrap();
    assert!(leader.registry.is_empty());
    assert!(TcpStream::connect(leader.address.to_string()).await.is_err());
}
