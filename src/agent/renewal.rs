//! The node's certificate renews itself at a third of its life. What fails is tried again, and the node goes on with the one it has.

use std::convert::Infallible;
use std::path::PathBuf;

use tonic::transport::Channel;

use super::link::LinkError;
use super::papers::{self, Papers, PapersError};
use crate::clock::Clock;
use crate::pki::{LEAF_LIFE, PeerIdentity};
use crate::rpc::fleet_client;
use crate::rpc::proto::RenewRequest;
use crate::types::{Span, Time};

/// How soon it is tried again.
const RETRY_AFTER: Span = Span::mins(10);

/// Renews the certificate over one connection.
pub(super) struct Renewal {
    papers: Papers,
    channel: Channel,
    folder: PathBuf,
    clock: Clock,
}

impl Renewal {
    /// A certificate that is over opens no stream, so it is renewed first.
    pub(super) async fn new(papers: Papers, channel: Channel, folder: PathBuf, clock: Clock) -> Result<Self, LinkError> {
        let mut renewal = Self {
            papers,
            channel,
            folder,
            clock,
        };
        if renewal.not_after()? <= renewal.clock.now() {
            renewal.renew().await?;
        }
        Ok(renewal)
    }

    /// Renews when it is time, for ever.
    pub(super) async fn keep(mut self) -> Infallible {
        loop {
            match self.not_after() {
                Ok(not_after) => {
                    self.clock.sleep_until(not_after - Span(LEAF_LIFE.0 / 3 * 2)).await;
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

    fn not_after(&self) -> Result<Time, LinkError> {
        let own = self.papers.membership.chain.first().ok_or(PapersError::NotEnrolled)?;
        Ok(PeerIdentity::from_certificate(own)?.not_after)
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
        Ok(())
    }
}
