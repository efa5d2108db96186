//! The two servers of a leader: the fleet's on TCP with TLS, the operators' on a Unix socket.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tonic::service::Routes;
use tonic::transport::Server;

use super::accept::{Incoming, Tls, tls_incoming, unix_incoming};
use super::authz_layer::Authorise;
use super::limits::{
    ADMIN_BYTES, CALL_DEADLINE, CALLS_PER_CONNECTION, ENROLL_BYTES, HANDSHAKE_DEADLINE, HANDSHAKES, HEADERS_BYTES,
    KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, REPORT_BYTES, STOP_GRACE, UPDATE_BYTES,
};
use super::proto::admin_server::{Admin, AdminServer};
use super::proto::enrollment_server::{Enrollment, EnrollmentServer};
use super::proto::fleet_server::{Fleet, FleetServer};
use super::registry::Registry;
use crate::types::TrustDomain;

/// Serves nodes on `listener` until `stop`, then lets streams end by themselves for five seconds, then cuts them.
///
/// `tls` is read anew for each connection. Open connections are in `registry`. Calls are refused by the authorisation table before they
/// reach a service; services find the [`Caller`](super::Caller) in the request.
///
/// # Errors
/// The server itself fails; never because of one connection.
pub async fn serve_fleet<E: Enrollment, F: Fleet>(
    listener: TcpListener,
    tls: watch::Receiver<Arc<ServerConfig>>,
    domain: TrustDomain,
    registry: Registry,
    services: (E, F),
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), tonic::transport::Error> {
    let tls = Tls {
        config: tls,
        domain,
        handshakes: HANDSHAKES,
        deadline: HANDSHAKE_DEADLINE,
    };
    serve_fleet_within(STOP_GRACE, listener, tls, registry, services, stop).await
}

/// The same with bounds that a test chooses.
pub(super) async fn serve_fleet_within<E: Enrollment, F: Fleet>(
    grace: Duration,
    listener: TcpListener,
    tls: Tls,
    registry: Registry,
    services: (E, F),
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), tonic::transport::Error> {
    let (enrollment, fleet) = services;
    let enrollment = EnrollmentServer::new(enrollment)
        .max_decoding_message_size(ENROLL_BYTES)
        .max_encoding_message_size(ENROLL_BYTES);
    let fleet = FleetServer::new(fleet)
        .max_decoding_message_size(REPORT_BYTES)
        .max_encoding_message_size(UPDATE_BYTES);
    let routes = Routes::new(enrollment).add_service(fleet);
    let incoming = tls_incoming(listener, tls, registry.clone());
    serve(routes, incoming, (registry, grace), stop).await
}

/// Serves operators on `listener` (see [`bind_admin`](super::bind_admin)) until `stop`, in the same way.
///
/// # Errors
/// The server itself fails; never because of one connection.
pub async fn serve_admin<A: Admin>(
    listener: UnixListener,
    admin: A,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), tonic::transport::Error> {
    let admin = AdminServer::new(admin)
        .max_decoding_message_size(ADMIN_BYTES)
        .max_encoding_message_size(ADMIN_BYTES);
    let registry = Registry::default();
    let incoming = unix_incoming(listener, registry.clone());
    serve(Routes::new(admin), incoming, (registry, STOP_GRACE), stop).await
}

async fn serve<IO: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    routes: Routes,
    incoming: Incoming<IO>,
    (registry, grace): (Registry, Duration),
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), tonic::transport::Error> {
    let stop = stop.shared();
    let served = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .http2_max_header_list_size(HEADERS_BYTES)
        .max_concurrent_streams(CALLS_PER_CONNECTION)
        .timeout(CALL_DEADLINE)
        .layer(Authorise)
        .serve_with_incoming_shutdown(routes, incoming, stop.clone());
    let cut = async {
        stop.await;
        tokio::time::sleep(grace).await;
        registry.cut_all();
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        ended = served => ended,
        never = cut => match never {},
    }
}
