//! Accepting connections: TCP with TLS for the fleet, a Unix socket for the operators.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;

use super::accounts::account_name;
use super::authz::Caller;
use super::connection::{Connection, ConnectionInfo};
use super::registry::Registry;
use crate::pki::{PeerIdentity, time_of};
use crate::types::TrustDomain;

/// How long accepting pauses when the machine refuses, as it does when it is out of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepted connections, until the stream is dropped.
pub(super) type Incoming<IO> = ReceiverStream<io::Result<Connection<IO>>>;

type Ready<IO> = mpsc::Sender<io::Result<Connection<IO>>>;

/// What a TLS handshake needs.
#[derive(Clone)]
pub(super) struct Tls {
    /// Read anew for each connection, so that certificates and roots change without a restart.
    pub(super) config: watch::Receiver<Arc<ServerConfig>>,
    pub(super) domain: TrustDomain,
    /// How many handshakes are under way at most; the kernel's queue holds the rest.
    pub(super) handshakes: usize,
    /// How long one may take.
    pub(super) deadline: Duration,
}

/// Connections of the fleet, each with its handshake done.
pub(super) fn tls_incoming(listener: TcpListener, tls: Tls, registry: Registry) -> Incoming<TlsStream<TcpStream>> {
    let (ready, incoming) = mpsc::channel(1);
    tokio::spawn(async move {
        let slots = Arc::new(Semaphore::new(tls.handshakes));
        let next = async || {
            let slot = slots.clone().acquire_owned().await.map_err(io::Error::other)?;
            Ok((listener.accept().await?.0, slot))
        };
        loop {
            let accepted: io::Result<_> = tokio::select! {
                () = ready.closed() => return,
                accepted = next() => accepted,
            };
            match accepted {
                Ok((tcp, slot)) => {
                    tokio::spawn(handshake(tcp, tls.clone(), registry.clone(), ready.clone(), slot));
                }
                Err(why) => pause(&why).await,
            }
        }
    });
    ReceiverStream::new(incoming)
}

async fn handshake(tcp: TcpStream, tls: Tls, registry: Registry, ready: Ready<TlsStream<TcpStream>>, slot: OwnedSemaphorePermit) {
    let remote = tcp.peer_addr().ok();
    let accepted = tokio::time::timeout(tls.deadline, accept_tls(tcp, tls)).await;
    drop(slot);
    match accepted.unwrap_or_else(|_| Err("it took too long".to_owned())) {
        Ok((io, caller)) => {
            let info = ConnectionInfo { caller, remote };
            // An error means that the server has stopped.
            let _ = ready.send(Ok(Connection::new(io, info, &registry))).await;
        }
        Err(why) => tracing::info!(?remote, "refused a TLS connection: {why}"),
    }
}

async fn accept_tls(tcp: TcpStream, tls: Tls) -> Result<(TlsStream<TcpStream>, Caller), String> {
    // Confirmations are small, and somebody waits for each.
    tcp.set_nodelay(true).map_err(|why| why.to_string())?;
    let config = tls.config.borrow().clone();
    let io = TlsAcceptor::from(config.clone())
        .accept(tcp)
        .await
        .map_err(|why| why.to_string())?;
    let (_, session) = io.get_ref();
    let caller = match session.peer_certificates().and_then(<[_]>::first) {
        None => Caller::Anonymous,
        Some(own) => {
            let identity = PeerIdentity::from_certificate(own).map_err(|why| why.to_string())?;
            let now = time_of(&config).ok_or("the time is not known")?;
            Caller::from_certificate(identity, &tls.domain, now).map_err(|why| why.to_string())?
        }
    };
    Ok((io, caller))
}

/// Connections of operators.
pub(super) fn unix_incoming(listener: UnixListener, registry: Registry) -> Incoming<UnixStream> {
    let (ready, incoming) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = ready.closed() => return,
                accepted = listener.accept() => accepted.and_then(|(io, _)| local_caller(&io).map(|caller| (io, caller))),
            };
            match accepted {
                Ok((io, caller)) => {
                    let info = ConnectionInfo { caller, remote: None };
                    let _ = ready.send(Ok(Connection::new(io, info, &registry))).await;
                }
                Err(why) => pause(&why).await,
            }
        }
    });
    ReceiverStream::new(incoming)
}

/// Who connected, by `SO_PEERCRED`, which the kernel fills in.
fn local_caller(io: &UnixStream) -> io::Result<Caller> {
    let peer = io.peer_cred()?;
    Ok(Caller::Local {
        uid: peer.uid(),
        gid: peer.gid(),
        account: account_name(peer.uid()),
    })
}

async fn pause(why: &io::Error) {
    tracing::warn!("could not accept a connection: {why}; if this goes on, raise the limit of open files");
    tokio::time::sleep(PAUSE).await;
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt as _;

    use super::*;
    use crate::clock::Clock;
    use crate::pki::{Ca, CaSigner, enroll_client_config, server_config};
    use crate::types::Time;

    #[tokio::test]
    async fn handshakes_are_bounded_in_number_and_time() {
        let (clock, _stepper) = Clock::stepped(Time(1_795_413_904_123));
        let domain: TrustDomain = "op.example".parse().unwrap();
        let ca = Ca::new(&domain, clock.now()).unwrap();
        let signer = CaSigner::load(ca.certificate, &ca.private).unwrap();
        let leader = signer.issue_leader(clock.now()).unwrap();
        let config = server_config(&[leader], &[signer.certificate().clone()], &clock).unwrap();
        let tls = Tls {
            config: watch::channel(config).1,
            domain,
            handshakes: 1,
            deadline: Duration::from_millis(200),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut incoming = tls_incoming(listener, tls, Registry::default());

        // One that never speaks takes the only place, and gives it up in time for the next.
        let silent = TcpStream::connect(address).await.unwrap();
        let speaking = TcpStream::connect(address).await.unwrap();
        let client = enroll_client_config(signer.certificate().key(), &clock).unwrap();
        let connector = tokio_rustls::TlsConnector::from(client);
        let (met, accepted) = tokio::join!(connector.connect("leader".try_into().unwrap(), speaking), incoming.next());
        assert!(met.is_ok() && accepted.unwrap().is_ok());
        assert_eq!(silent.try_read(&mut [0; 1]).unwrap(), 0, "the silent one was let go before");
    }
}
