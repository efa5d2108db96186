//! One accepted connection: its bytes, who is at the other end, and an end that can come at once.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tonic::transport::server::Connected;

use super::authz::Caller;
use super::limits::ANONYMOUS_LIFE;
use super::registry::{Entry, Registry};

/// What is known of a connection. It stands in the extensions of each of its requests.
#[derive(Debug, Clone)]
pub struct ConnectionInfo {
    /// Who is at the other end.
    pub caller: Caller,
    /// From where, for TCP.
    pub remote: Option<SocketAddr>,
}

/// A connection that its [`Registry`] can cut.
#[derive(Debug)]
pub(super) struct Connection<IO> {
    io: IO,
    info: ConnectionInfo,
    entry: Entry,
    /// When it ends in any case.
    end: Option<Pin<Box<Sleep>>>,
}

impl<IO> Connection<IO> {
    pub(super) fn new(io: IO, info: ConnectionInfo, registry: &Registry) -> Self {
        let life = match info.caller {
            Caller::Anonymous | Caller::Node { is_over: true, .. } => Some(ANONYMOUS_LIFE),
            Caller::Node { .. } | Caller::Leader | Caller::Local { .. } => None,
        };
        Self::with_life(io, info, registry, life)
    }

    fn with_life(io: IO, info: ConnectionInfo, registry: &Registry, life: Option<Duration>) -> Self {
        let entry = registry.add(&info.caller);
        let end = life.map(|life| Box::pin(tokio::time::sleep(life)));
        Self { io, info, entry, end }
    }

    /// An error once the connection was cut or its time is over. Reading and writing are one task, so one waker is enough.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.entry.poll_cut(cx) {
            let why = "the leader cut this connection";
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, why));
        }
        if let Some(end) = &mut self.end
            && end.as_mut().poll(cx).is_ready()
        {
            let why = "a connection without a certificate that is good lasts a minute";
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        Ok(())
    }
}

impl<IO> Connected for Connection<IO> {
    type ConnectInfo = ConnectionInfo;

    fn connect_info(&self) -> ConnectionInfo {
        self.info.clone()
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Connection<IO> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.io).poll_read(cx, into)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Connection<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.io).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};

    use super::*;

    fn info(caller: Caller) -> ConnectionInfo {
        ConnectionInfo { caller, remote: None }
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken_by_the_cut() {
        let registry = Registry::default();
        let (near, _far) = duplex(16);
        let mut connection = Connection::new(near, info(Caller::Anonymous), &registry);
        let waits = tokio::spawn(async move { connection.read_u8().await });
        tokio::task::yield_now().await;
        assert_eq!(registry.cut_all(), 1);
        assert_eq!(waits.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert!(registry.is_empty());
    }

    #[tokio::test]
    async fn only_a_connection_without_a_good_certificate_has_a_bounded_life() {
        let registry = Registry::default();
        let life = |caller| {
            Connection::<DuplexStream>::new(duplex(1).0, info(caller), &registry)
                .end
                .is_some()
        };
        let node = |is_over| Caller::Node {
            name: "vm-1".parse().unwrap(),
            key: crate::types::Digest([0; 32]),
            not_after: crate::types::Time(0),
            is_over,
        };
        assert!(life(Caller::Anonymous) && life(node(true)));
        assert!(!life(Caller::Leader) && !life(node(false)));

        let (near, _far) = duplex(16);
        let mut connection = Connection::with_life(near, info(Caller::Anonymous), &registry, Some(Duration::ZERO));
        assert_eq!(connection.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
