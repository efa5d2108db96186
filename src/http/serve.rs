//! Who may ask, for how long, and how many at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How many may ask, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How many may be connected; others wait.
    pub(super) connections: usize,
    /// How long a caller may take to say what it asks for, and may stay without asking.
    pub(super) asks_within: Duration,
    /// How long a connection may stand before no more is asked on it, and again as long before it is cut: a caller that doesn't read holds
    /// its place no longer.
    pub(super) stays: Duration,
}

const USUAL: Limits = Limits {
    connections: 64,
    asks_within: Duration::from_secs(10),
    stays: Duration::from_secs(30),
};
/// How long nothing is taken after the system has refused to take anything, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Why nothing can be asked over HTTP.
#[derive(Debug, thiserror::Error)]
#[error(
    "[http] listen = \"{address}\": can't listen there: {cause}; choose an address that is free, or end the program that has it"
)]
pub struct HttpError {
    address: SocketAddr,
    cause: std::io::Error,
}

/// Begins to listen.
///
/// # Errors
/// The address is taken, or not this machine's.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, HttpError> {
    TcpListener::bind(address).await.map_err(|cause| HttpError { address, cause })
}

/// Answers until it is dropped.
pub async fn serve(listener: TcpListener, pages: Router) {
    serve_within(listener, pages, USUAL).await;
}

pub(super) async fn serve_within(listener: TcpListener, pages: Router, limits: Limits) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut callers = JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        while callers.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let pages = pages.clone();
                callers.spawn(async move {
                    answer(stream, pages, limits).await;
                    drop(place);
                });
            }
            Err(why) => {
                tracing::debug!(%why, "a caller over HTTP was not taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, pages: Router, limits: Limits) {
    let mut server = Builder::new(TokioExecutor::new()).http1_only();
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.asks_within);
    let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(pages));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = tokio::time::sleep(limits.stays) => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(limits.stays, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(why) = ended {
        tracing::debug!(%why, "a caller over HTTP went");
    }
}
