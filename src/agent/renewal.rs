//! The node's certificate renews itself at a third of its life. What fails is tried again, and the node goes on with the one it has.

use std::convert::Infallible;
use std::path::PathBuf;

use tokio::sync::watch;
use tonic::transport::Channel;

use super::link::LinkError;
use super::papers::{self, Papers};
use super::trust::Held;
use crate::clock::Clock;
use crate::rpc::fleet_client;
use crate::rpc::proto::RenewRequest;
use crate::types::{RENEWED_BEFORE_END, Span, Time};

/// How soon it is tried again.
const RETRY_AFTER: Span = Span::mins(10);

/// Renews the certificate over one connection.
pub(super) struct Renewal {
    papers: Papers,
    channel: Channel,
    folder: PathBuf,
    clock: Clock,
    /// Where what is on the disk now is told.
    held: watch::Sender<Held>,
}

impl Renewal {
    pub(super) fn new(papers: Papers, channel: Channel, folder: PathBuf, clock: Clock) -> Result<Self, LinkError> {
        let held = watch::Sender::new(Held::of(&papers)?);
        Ok(Self {
            papers,
            channel,
            folder,
            clock,
            held,
        })
    }

    /// What is on the disk of the papers, now and after each renewal.
    pub(super) fn held(&self) -> watch::Receiver<Held> {
        self.held.subscribe()
    }

    /// Renews a certificate that is over, over a connection on which nothing else is answered.
    pub(super) async fn of_old(mut self) -> Result<Papers, LinkError> {
        self.renew().await?;
        tracing::info!(node = %self.papers.node, "the node's certificate was over, and is renewed");
        Ok(self.papers)
    }

    /// Renews when it is time, for ever.
    pub(super) async fn keep(mut self) -> Infallible {
        loop {
            match self.papers.not_after() {
                Ok(not_after) => {
                    self.clock.sleep_until(not_after - RENEWED_BEFORE_END).await;
                    self.try_once(not_after).await;
                }
                Err(why) => tracing::warn!(%why, "the node's certificate can't be read, so it is not renewed"),
            }
            self.clock.sleep(RETRY_AFTER).await;
        }
    }

    async fn try_once(&mut self, good_until: Time) {
        match self.renew().await {
            Ok(()) => tracing::info!(node = %self.papers.node, "the node's certificate is renewed"),
            Err(why) => tracing::warn!(
                %why, %good_until, again_in = %RETRY_AFTER,
                "the node's certificate could not be renewed; the node goes on with the one it has"
            ),
        }
    }

    async fn renew(&mut self) -> Result<(), LinkError> {
        let request = RenewRequest {
            csr_der: self.papers.keys.csr_der()?,
        };
        let answer = fleet_client(self.channel.clone())
            .renew(request)
            .await
            .map_err(|status| LinkError::Leader(status.into()))?;
        let membership = answer.into_inner().renewed(&self.papers.membership)?;
        membership.check(&self.papers.node, &self.papers.keys, self.clock.now())?;
        // What is on the disk may be newer than what this connection was made with: `jkeys enroll` may have run.
        let mut there = papers::load(&self.folder).await?;
        if there.keys.tls_digest()? != self.papers.keys.tls_digest()? {
            return Err(LinkError::EnrolledAnew);
        }
        there.membership = membership;
        self.papers = papers::store(there, &self.folder).await?;
        self.held.send_replace(Held::of(&self.papers)?);
        Ok(())
    }
}
