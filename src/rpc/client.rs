//! The other end: agents and new nodes dial the leader, operators its socket.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig};
use tokio::io::AsyncBufReadExt as _;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

use super::limits::{
    ADMIN_BYTES, CALL_DEADLINE, CONNECT_DEADLINE, ENROLL_BYTES, HANDSHAKE_DEADLINE, HEADERS_BYTES, KEEPALIVE_INTERVAL,
    KEEPALIVE_TIMEOUT, UPDATE_BYTES,
};
use super::proto::admin_client::AdminClient;
use super::proto::enrollment_client::EnrollmentClient;
use super::proto::fleet_client::FleetClient;
use super::status::causes;
use crate::types::HostPort;

/// No leader could be reached, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConnectError(String);

/// Dials the addresses in their order and takes the first leader that answers and proves who it is.
///
/// # Errors
/// None did: why, for each.
pub async fn connect_leader(addresses: &[HostPort], tls: Arc<ClientConfig>) -> Result<Channel, ConnectError> {
    let mut failures = Vec::new();
    for address in addresses {
        let (own_address, tls) = (address.clone(), tls.clone());
        let dial = move |_| {
            let (address, tls) = (own_address.clone(), tls.clone());
            async move { dial_tls(&address, tls).await.map(TokioIo::new) }
        };
        match endpoint().connect_with_connector(tower::service_fn(dial)).await {
            Ok(channel) => return Ok(channel),
            Err(why) => failures.push(format!("{address}: {}", dialed(&why))),
        }
    }
    let failures = failures.join("; ");
    let advice = "look whether the leader runs, and whether its address and port are open from here";
    Err(ConnectError(format!("no leader could be reached ({failures}); {advice}")))
}

/// Dials the leader's Unix socket.
///
/// # Errors
/// Nobody listens there, or the caller may not.
pub async fn connect_admin(path: &Path) -> Result<Channel, ConnectError> {
    let own_path = path.to_owned();
    let dial = move |_| {
        let path = own_path.clone();
        async move { dial_unix(path).await.map(TokioIo::new) }
    };
    let connected = endpoint().connect_with_connector(tower::service_fn(dial)).await;
    connected.map_err(|why| ConnectError(dialed(&why)))
}

// Clients bound only what they read. What they send is bounded by the server, which refuses it in words; tonic's own bound on sending would
// break the connection without any.

/// A client of the enrollment service, with the limits of the protocol.
pub fn enrollment_client(channel: Channel) -> EnrollmentClient<Channel> {
    EnrollmentClient::new(channel).max_decoding_message_size(ENROLL_BYTES)
}

/// A client of the fleet service, with the limits of the protocol.
pub fn fleet_client(channel: Channel) -> FleetClient<Channel> {
    FleetClient::new(channel).max_decoding_message_size(UPDATE_BYTES)
}

/// A client of the admin service, with the limits of the protocol.
pub fn admin_client(channel: Channel) -> AdminClient<Channel> {
    AdminClient::new(channel).max_decoding_message_size(ADMIN_BYTES)
}

/// The settings that all have in common. Its name is for HTTP/2 only: nobody is known by it.
fn endpoint() -> Endpoint {
    Endpoint::from_static("http://jkeys-leader")
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .http2_max_header_list_size(HEADERS_BYTES)
        .timeout(CALL_DEADLINE)
}

/// Tries each address that the name has. One that swallows everything leaves time for the others.
async fn dial_tcp(address: &HostPort) -> io::Result<TcpStream> {
    let mut failure = None;
    for address in tokio::net::lookup_host(address.to_string()).await? {
        match tokio::time::timeout(CONNECT_DEADLINE, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(why)) => failure = Some(why),
            Err(_) => failure = Some(io::ErrorKind::TimedOut.into()),
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
}

async fn dial_tls(address: &HostPort, tls: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>, Dial> {
    let dialed = async {
        let tcp = dial_tcp(address).await?;
        // Confirmations are small, and somebody waits for each.
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from("jkeys-leader").map_err(io::Error::other)?;
        let mut tls = TlsConnector::from(tls).connect(name, tcp).await?;
        // In TLS 1.3 a client is done before its certificate is looked at. The leader speaks first, so what it thinks of that is known
        // here, where the next address can be tried.
        tls.fill_buf().await?;
        Ok(tls)
    };
    match tokio::time::timeout(HANDSHAKE_DEADLINE, dialed).await {
        Ok(dialed) => dialed.map_err(|why| Dial(tls_words(&why))),
        Err(_) => Err(Dial(format!("no answer within {} s", HANDSHAKE_DEADLINE.as_secs()))),
    }
}

/// What a node is told whose CA the leader does not know.
const UNKNOWN_CA: &str = "the leader does not know the CA of this node's certificate: it was set back to before that CA, or its fleet is another. \
                          Restore the leader with its later records; if that can't be, make a join token there with `jkeys node token NAME`, \
                          and use it here with `jkeys enroll -`";

/// The words of our own check of the leader's certificate, or rustls's, or the machine's.
fn tls_words(why: &io::Error) -> String {
    match why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::General(words)) => words.clone(),
        Some(rustls::Error::AlertReceived(AlertDescription::UnknownCA)) => UNKNOWN_CA.to_owned(),
        Some(other) => other.to_string(),
        None => why.to_string(),
    }
}

async fn dial_unix(path: PathBuf) -> Result<UnixStream, Dial> {
    UnixStream::connect(&path).await.map_err(|why| {
        let path = path.display();
        Dial(match why.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                format!("no leader listens on {path}; start it with `systemctl start jkeys-leader`, or name its configuration with --config")
            }
            io::ErrorKind::PermissionDenied => {
                format!("you may not use {path}; run this as root, or as a member of the group that the leader's configuration names")
            }
            _ => format!("the leader's socket {path} can't be used: {why}"),
        })
    })
}

/// Why dialing failed. tonic wraps it; it is found again by its type.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Dial(String);

fn dialed(error: &tonic::transport::Error) -> String {
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = source {
        if let Some(Dial(words)) = cause.downcast_ref() {
            return words.clone();
        }
        source = cause.source();
    }
    causes(error)
}
