use rcgen::ExtendedKeyUsagePurpose;
use rustls::HandshakeKind;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::server::ServerSessionMemoryCache;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::super::keys::{generate_p256, p256};
use super::*;
use crate::types::{CERTIFICATE_LIFE, RENEWABLE_FOR, Span, SpiffeId};

/// What one side knows after a handshake and one byte each way.
struct Side {
    kind: HandshakeKind,
    peer: Option<PeerIdentity>,
}

type Outcome = Result<Side, String>;

/// Lets the two meet: what the client sees, and what the server sees.
async fn meet(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> (Outcome, Outcome) {
    let (near, far) = duplex(64 * 1024);
    let dial = async {
        let name = ServerName::try_from("leader").unwrap();
        let mut tls = TlsConnector::from(client.clone()).connect(name, near).await.map_err(words)?;
        tls.write_all(b"x").await.map_err(words)?;
        tls.read_u8().await.map_err(words)?;
        let (_, session) = tls.get_ref();
        Ok(side(session.handshake_kind(), session.peer_certificates()))
    };
    let accept = async {
        let mut tls = TlsAcceptor::from(server.clone()).accept(far).await.map_err(words)?;
        tls.read_u8().await.map_err(words)?;
        tls.write_all(b"y").await.map_err(words)?;
        tls.flush().await.map_err(words)?;
        let (_, session) = tls.get_ref();
        Ok(side(session.handshake_kind(), session.peer_certificates()))
    };
    tokio::join!(dial, accept)
}

fn side(kind: Option<HandshakeKind>, chain: Option<&[CertificateDer<'_>]>) -> Side {
    let peer = chain.map(|chain| PeerIdentity::from_certificate(&chain[0]).unwrap());
    Side {
        kind: kind.unwrap(),
        peer,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn words(error: std::io::Error) -> String {
    error.to_string()
}

#[track_caller]
fn refused(outcome: Outcome, with: &str) {
    let words = outcome.err().expect("it must be refused");
    assert!(words.contains(with), "{words}");
}

/// A server's certificate and key for whatever SPIFFE ID, as a careless CA would make it.
fn careless(fleet: &Fleet, id: &SpiffeId, usage: ExtendedKeyUsagePurpose) -> TlsIdentity {
    let key = generate_p256().unwrap();
    let public = p256("a test's key", &key).unwrap();
    let chain = fleet.signer.issue("x", id, usage, &*public, NOW).unwrap();
    TlsIdentity { chain, key }
}

#[tokio::test]
async fn a_node_and_its_leader_know_each_other() {
    let fleet = Fleet::new();
    let (leader, node) = (fleet.leader(), fleet.node());
    let (client, server) = meet(&fleet.dial(&node), &fleet.serve(&leader)).await;
    assert_eq!(client.unwrap().peer.unwrap(), leader.identity().unwrap());
    let seen = server.unwrap().peer.unwrap();
    assert_eq!(seen, node.identity().unwrap());
    assert_eq!(seen.id.to_string(), "spiffe://op.example/node/vm-1");
}

#[tokio::test]
async fn a_new_node_knows_the_leader_by_its_token_alone() {
    let fleet = Fleet::new();
    let client = enroll_client_config(fleet.token().ca_key, &fleet.clock).unwrap();
    let (client, server) = meet(&client, &fleet.serve(&fleet.leader())).await;
    assert!(client.unwrap().peer.is_some());
    assert!(server.unwrap().peer.is_none(), "it has no certificate yet");
}

#[tokio::test]
async fn a_wrong_ca_hash_in_a_token_is_refused_in_words() {
    let fleet = Fleet::new();
    let server = fleet.serve(&fleet.leader());
    let client = enroll_client_config(other_digest(), &fleet.clock).unwrap();
    let (client, _) = meet(&client, &server).await;
    refused(client, "another fleet's");

    // The right CA's certificate is in the chain, but the leader's own isn't under it.
    let (token, stranger) = (fleet.token(), Fleet::new());
    let mut forged = stranger.leader();
    forged.chain[1] = fleet.signer.certificate().der().clone();
    let client = enroll_client_config(token.ca_key, &fleet.clock).unwrap();
    let (client, _) = meet(&client, &stranger.serve(&forged)).await;
    refused(client, "invalid peer certificate");
}

#[tokio::test]
async fn a_node_can_not_play_the_leader() {
    let fleet = Fleet::new();
    let joining = enroll_client_config(fleet.token().ca_key, &fleet.clock).unwrap();
    let as_made = fleet.node();
    // Even if its certificate was made for servers, its name is a node's.
    let id = SpiffeId::Node(fleet.domain.clone(), name("vm-2"));
    let careless = careless(&fleet, &id, ExtendedKeyUsagePurpose::ServerAuth);
    for (false_leader, why) in [(as_made, "invalid peer certificate"), (careless, "is needed")] {
        let server = fleet.serve(&false_leader);
        refused(meet(&fleet.dial(&fleet.node()), &server).await.0, why);
        refused(meet(&joining, &server).await.0, why);
    }
}

#[tokio::test]
async fn the_leaders_certificate_is_no_clients() {
    let fleet = Fleet::new();
    let leader = fleet.leader();
    let (_, server) = meet(&fleet.dial(&leader), &fleet.serve(&leader)).await;
    refused(server, "invalid peer certificate");
}

#[tokio::test]
async fn another_trust_domains_leader_is_refused() {
    let fleet = Fleet::new();
    let id = SpiffeId::Leader("other.example".parse().unwrap());
    let other = careless(&fleet, &id, ExtendedKeyUsagePurpose::ServerAuth);
    let (client, _) = meet(&fleet.dial(&fleet.node()), &fleet.serve(&other)).await;
    refused(client, "spiffe://op.example/leader");
}

#[tokio::test]
async fn a_foreign_ca_is_refused_on_both_sides() {
    let (fleet, foreign) = (Fleet::new(), Fleet::new());
    let (client, _) = meet(&fleet.dial(&fleet.node()), &foreign.serve(&foreign.leader())).await;
    refused(client, "invalid peer certificate");
    let own_roots = node_client_config(&foreign.node(), &fleet.roots(), &fleet.domain, &fleet.clock).unwrap();
    let (_, server) = meet(&own_roots, &fleet.serve(&fleet.leader())).await;
    refused(server, "invalid peer certificate");
}

#[tokio::test]
async fn a_certificate_is_good_for_its_time_only() {
    let fleet = Fleet::new();
    let (server, client) = (fleet.serve(&fleet.leader()), fleet.dial(&fleet.node()));
    fleet.stepper.advance(CERTIFICATE_LIFE - Span::mins(1));
    assert!(meet(&client, &server).await.1.is_ok());

    fleet.stepper.advance(Span::mins(2));
    refused(meet(&client, &server).await.0, "expired");
    // A node's own is let through to be renewed, for a while, and says that it is over.
    let fresh_server = || fleet.serve(&fleet.signer.issue_leader(fleet.clock.now()).unwrap());
    let seen = meet(&client, &fresh_server()).await.1.unwrap().peer.unwrap();
    assert!(seen.not_after < time_of(&fresh_server()).unwrap());
    fleet.stepper.advance(RENEWABLE_FOR - Span::mins(2));
    assert!(meet(&client, &fresh_server()).await.1.is_ok());
    fleet.stepper.advance(Span::mins(2));
    refused(meet(&client, &fresh_server()).await.1, "expired");

    // A leader whose clock is behind has signed it all the same, when it was not.
    let ahead = fleet.dial(&fleet.node());
    fleet.stepper.set_wall(NOW - Span::hours(50));
    assert!(meet(&ahead, &fresh_server()).await.1.is_ok());

    // Over or not, it must be of this fleet, and a node's.
    let (foreign, id) = (Fleet::new(), SpiffeId::Leader(fleet.domain.clone()));
    let for_servers = careless(&fleet, &id, ExtendedKeyUsagePurpose::ServerAuth);
    fleet.stepper.set_wall(NOW + CERTIFICATE_LIFE + Span::mins(1));
    for stranger in [foreign.node(), for_servers] {
        let dialling = node_client_config(&stranger, &fleet.roots(), &fleet.domain, &fleet.clock).unwrap();
        refused(meet(&dialling, &fresh_server()).await.1, "invalid peer certificate");
    }

    fleet.stepper.set_wall(NOW - Span::mins(4));
    assert!(meet(&client, &server).await.1.is_ok());
    fleet.stepper.set_wall(NOW - Span::mins(6));
    refused(meet(&client, &server).await.0, "not valid yet");
}

#[tokio::test]
async fn the_leader_shows_who_dials_a_certificate_of_the_newest_ca_that_it_knows() {
    let (old, new) = (Fleet::new(), Fleet::new());
    let both = [old.signer.certificate().clone(), new.signer.certificate().clone()];
    let leader = [old.leader(), new.leader()];
    let server = server_config(&leader, &both, &old.clock).unwrap();
    let shown = async |client: Arc<ClientConfig>| meet(&client, &server).await.0.map(|side| side.peer.unwrap().key);
    let [by_old, by_new] = leader.map(|own| own.identity().unwrap().key);
    let node = old.node();
    let trusting = |roots: &[CaCertificate]| node_client_config(&node, roots, &old.domain, &old.clock).unwrap();
    assert_eq!(shown(trusting(&both[..1])).await, Ok(by_old), "it was away");
    assert_eq!(shown(trusting(&both[1..])).await, Ok(by_new), "the old one is gone");
    assert_eq!(shown(trusting(&both)).await, Ok(by_new));
    for (ca, shows) in both.iter().zip([by_old, by_new]) {
        let joining = enroll_client_config(ca.key(), &old.clock).unwrap();
        assert_eq!(shown(joining).await, Ok(shows), "a join token pins one CA");
    }
    // Certificates of both are let in as long as both are trusted, and then no more.
    assert!(meet(&trusting(&both), &server).await.1.is_ok());
    let later = server_config(&[new.leader()], &both[1..], &old.clock).unwrap();
    refused(meet(&trusting(&both), &later).await.1, "invalid peer certificate");
}

#[tokio::test]
async fn no_session_is_ever_resumed() {
    let fleet = Fleet::new();
    let (server, client) = (fleet.serve(&fleet.leader()), fleet.dial(&fleet.node()));
    let mut eager_client = (*client).clone();
    eager_client.resumption = Resumption::in_memory_sessions(8);
    let mut eager_server = (*server).clone();
    eager_server.session_storage = ServerSessionMemoryCache::new(8);
    eager_server.send_tls13_tickets = 2;
    let (eager_client, eager_server) = (Arc::new(eager_client), Arc::new(eager_server));

    let second = |client: Arc<ClientConfig>, server: Arc<ServerConfig>| async move {
        meet(&client, &server).await.1.unwrap();
        meet(&client, &server).await.1.unwrap().kind
    };
    assert_eq!(
        second(eager_client.clone(), eager_server.clone()).await,
        HandshakeKind::Resumed,
        "the test can tell"
    );
    assert_ne!(second(eager_client, server).await, HandshakeKind::Resumed);
    assert_ne!(second(client, eager_server).await, HandshakeKind::Resumed);
}

#[tokio::test]
async fn a_tls_1_2_client_is_refused() {
    let fleet = Fleet::new();
    let (mut near, far) = duplex(4096);
    let accept = TlsAcceptor::from(fleet.serve(&fleet.leader())).accept(far);
    let dial = async {
        near.write_all(&tls12_client_hello()).await.unwrap();
        let mut alert = [0; 7];
        near.read_exact(&mut alert).await.unwrap();
        alert
    };
    let (server, alert) = tokio::join!(accept, dial);
    // RFC 8446, section 6: a fatal alert, 70, protocol_version.
    assert_eq!((alert[0], &alert[5..]), (21, &[2, 70][..]));
    let why = server.unwrap_err().to_string();
    assert!(why.contains("peer is incompatible"), "{why}");
}

/// A client hello without `supported_versions`, which is how TLS 1.2 is asked for (RFC 5246, section 7.4.1.2).
fn tls12_client_hello() -> Vec<u8> {
    let extensions = [
        &[0x00, 0x0a, 0x00, 0x04, 0x00, 0x02, 0x00, 0x17][..], // supported_groups: secp256r1
        &[0x00, 0x0d, 0x00, 0x04, 0x00, 0x02, 0x04, 0x03],     // signature_algorithms: ecdsa_secp256r1_sha256
    ]
    .concat();
    let mut body = vec![0x03, 0x03];
    body.extend([7; 32]);
    body.push(0);
    body.extend([0x00, 0x02, 0xc0, 0x2b]); // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    body.extend([0x01, 0x00]);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let length = u16::try_from(body.len()).unwrap();
    let mut record = vec![22, 0x03, 0x01];
    record.extend((length + 4).to_be_bytes());
    record.extend([1, 0]);
    record.extend(length.to_be_bytes());
    record.extend(body);
    record
}
