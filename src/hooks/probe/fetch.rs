//! One GET, bounded in size; the caller bounds the time.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, HOST, LOCATION, USER_AGENT};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::{JWKS_BYTES, Probe, ProbeError, roots};
use crate::types::ProbeUrl;

/// What is served, which may be a secret by mistake.
pub(super) async fn fetch(probe: &Probe) -> Result<Zeroizing<Vec<u8>>, ProbeError> {
    let url = &probe.url;
    if !url.is_https() {
        return ask(url, connect(url).await?).await;
    }
    let ca_file = probe.ca_file.clone();
    let loading = tokio::task::spawn_blocking(move || roots::load(ca_file.as_deref()));
    let config = loading.await.map_err(|why| ProbeError::Roots(why.to_string()))?;
    let config = config.map_err(ProbeError::Roots)?;
    let stream = connect(url).await?;
    ask(url, secure(url, config, stream).await?).await
}

fn unreachable(url: &ProbeUrl, why: &(dyn Error + 'static)) -> ProbeError {
    let mut words = why.to_string();
    if let Some(cause) = why.source() {
        words = format!("{words}: {cause}");
    }
    ProbeError::Unreachable {
        url: url.to_string(),
        why: words,
    }
}

/// In the clear only on this machine, whatever its names lead to.
pub(super) fn may_ask(url: &ProbeUrl, address: IpAddr) -> bool {
    url.is_https() || address.is_loopback()
}

async fn connect(url: &ProbeUrl) -> Result<TcpStream, ProbeError> {
    let found = lookup_host((url.host(), url.port()))
        .await
        .map_err(|why| unreachable(url, &why))?;
    let mut last = io::Error::other("its name has no address");
    for address in found {
        if !may_ask(url, address.ip()) {
            last = io::Error::other(format!("its name leads to {}, away from this machine", address.ip()));
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(why) => last = why,
        }
    }
    Err(unreachable(url, &last))
}

async fn secure(
    url: &ProbeUrl,
    config: Arc<ClientConfig>,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, ProbeError> {
    let name = ServerName::try_from(url.host().to_owned()).map_err(|why| unreachable(url, &why))?;
    let connected = TlsConnector::from(config).connect(name, stream).await;
    connected.map_err(|why| match why.get_ref().and_then(|cause| cause.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(wrong)) => ProbeError::NotTrusted {
            url: url.to_string(),
            why: wrong.to_string(),
        },
        _ => unreachable(url, &why),
    })
}

async fn ask<S>(url: &ProbeUrl, stream: S) -> Result<Zeroizing<Vec<u8>>, ProbeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|why| unreachable(url, &why))?;
    // It ends with this look, whatever becomes of that.
    let mut served = JoinSet::new();
    served.spawn(connection);
    let answer = sender
        .send_request(request(url))
        .await
        .map_err(|why| unreachable(url, &why))?;
    check_status(url, &answer)?;
    read(url, answer.into_body()).await
}

fn request(url: &ProbeUrl) -> Request<Empty<Bytes>> {
    let path = url.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = path.parse().unwrap_or_default();
    let host = url.uri().authority().and_then(|authority| authority.as_str().parse().ok());
    let headers = request.headers_mut();
    headers.extend(host.map(|host| (HOST, host)));
    for (name, value) in [
        // A cache on the way must ask the server.
        (CACHE_CONTROL, "no-cache"),
        (ACCEPT, "application/jwk-set+json, application/json"),
        (ACCEPT_ENCODING, "identity"),
        (USER_AGENT, concat!("jkeys/", env!("CARGO_PKG_VERSION"))),
    ] {
        headers.insert(name, http::HeaderValue::from_static(value));
    }
    request
}

fn check_status(url: &ProbeUrl, answer: &Response<Incoming>) -> Result<(), ProbeError> {
    let (status, url) = (answer.status(), url.to_string());
    if status.is_redirection() {
        let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
        let to = to.unwrap_or("nowhere").chars().take(200).collect();
        return Err(ProbeError::Redirected { url, to });
    }
    if status != StatusCode::OK {
        let status = status.as_u16();
        return Err(ProbeError::Status { url, status });
    }
    Ok(())
}

async fn read(url: &ProbeUrl, mut body: Incoming) -> Result<Zeroizing<Vec<u8>>, ProbeError> {
    let mut read = Zeroizing::new(Vec::with_capacity(16 << 10));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|why| unreachable(url, &why))?;
        let Some(piece) = frame.data_ref() else { continue };
        if read.len() + piece.len() > JWKS_BYTES {
            let url = url.to_string();
            return Err(ProbeError::TooLarge { url });
        }
        read.extend_from_slice(piece);
    }
    Ok(read)
}
