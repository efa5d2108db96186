//! The node's certificate renews itself at a third of its life. What fails is tried again, and the node goes on with the one it has.

use std::convert::Infallible;
use std::path::PathBuf;

use tokio::sync::watch;
use tonic::transport::Channel;

use super::core::Status;
use super::link::LinkError;
use super::papers::{self, Papers};
use super::trust::{self, Held};
use crate::clock::Clock;
use crate::pki::{CaCertificate, Membership};
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
    /// What the node's newest generation names.
    status: watch::Receiver<Status>,
    /// Where what is on the disk now is told.
    held: watch::Sender<Held>,
}

impl Renewal {
    pub(super) fn new(
        papers: Papers,
        channel: Channel,
        folder: PathBuf,
        clock: Clock,
        status: watch::Receiver<Status>,
    ) -> Result<Self, LinkError> {
        let held = watch::Sender::new(Held::of(&papers)?);
        Ok(Self {
            papers,
            channel,
            folder,
            clock,
            status,
            held,
        })
    }

    /// What is on the disk of the papers, now and after each renewal.
    pub(super) fn held(&self) -> watch::Receiver<Held> {
        self.held.subscribe()
    }

    /// Renews a certificate that is over, over a connection on which nothing else is answered.
    pub(super) async fn of_old(mut self) -> Result<Papers, LinkError> {
        // The CA that signs may be one that it does not know yet. It shows the certificate, and trusts nobody by it.
        self.renew(None).await?;
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
        let named = trust::named(&mut self.status).await;
        let trusted = self.held.borrow().roots(&named);
        match self.renew(Some(&trusted)).await {
            Ok(()) => tracing::info!(node = %self.papers.node, "the node's certificate is renewed"),
            Err(why) => tracing::warn!(
                %why, %good_until, again_in = %RETRY_AFTER,
                "the node's certificate could not be renewed; the node goes on with the one it has"
            ),
        }
    }

    async fn renew(&mut self, trusted: Option<&[CaCertificate]>) -> Result<(), LinkError> {
        let request = RenewRequest {
            csr_der: self.papers.keys.csr_der()?,
        };
        let answer = fleet_client(self.channel.clone())
            .renew(request)
            .await
            .map_err(|status| LinkError::Leader(status.into()))?;
        let membership = answer.into_inner().renewed(&self.papers.membership);
        check(&membership, &self.papers, trusted, self.clock.now())?;
        // What is on the disk may be newer than what this connection was made with: `jkeys enroll` may have run.
        let mut there = papers::load(&self.folder).await?;
        if there.keys.tls_digest()? != self.papers.keys.tls_digest()? {
            return Err(LinkError::EnrolledAnew);
        }
        there.membership.chain = membership.chain;
        self.papers = papers::store(there, &self.folder).await?;
        self.held.send_replace(Held::of(&self.papers)?);
        Ok(())
    }
}

/// A certificate that is good is not given up for one of a CA that is not among the `trusted`.
fn check(renewed: &Membership, papers: &Papers, trusted: Option<&[CaCertificate]>, now: Time) -> Result<(), LinkError> {
    renewed.check(&papers.node, &papers.keys, now)?;
    let issuer = renewed.issuer()?.key();
    if trusted.is_some_and(|trusted| trusted.iter().all(|ca| ca.key() != issuer)) {
        return Err(LinkError::UnknownCa);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{Ca, CaSigner, NodeCsr, NodeKeys};
    use crate::types::Generation;

    const NOW: Time = Time(1_800_000_000_000);

    fn signer() -> CaSigner {
        let ca = Ca::new(&"op.example".parse().unwrap(), NOW).unwrap();
        CaSigner::load(ca.certificate, &ca.private).unwrap()
    }

    #[test]
    fn a_certificate_of_a_ca_that_nobody_has_proved_does_not_take_the_place_of_a_good_one() {
        let (own, planted) = (signer(), signer());
        let (node, keys) = ("vm-1".parse().unwrap(), NodeKeys::generate().unwrap());
        let csr = NodeCsr::parse(&keys.csr_der().unwrap()).unwrap();
        let membership = |signer: &CaSigner| Membership {
            chain: signer.issue_node(&node, &csr, NOW).unwrap(),
            roots: vec![own.certificate().clone()],
            trust_domain: "op.example".parse().unwrap(),
            log_public_key: [7; 32],
        };
        let (good, false_one) = (membership(&own), membership(&planted));
        let papers = Papers {
            node: node.clone(),
            addresses: Vec::new(),
            membership: good.clone(),
            known: Generation(0),
            keys,
        };
        let trusted = Some(std::slice::from_ref(own.certificate()));
        assert!(check(&good, &papers, trusted, NOW).is_ok());
        let refused = check(&false_one, &papers, trusted, NOW);
        assert!(matches!(refused, Err(LinkError::UnknownCa)), "{refused:?}");
        assert!(
            check(&false_one, &papers, None, NOW).is_ok(),
            "one that is over is nothing to lose"
        );
        let over = NOW + crate::types::CERTIFICATE_LIFE + Span::mins(1);
        assert!(check(&good, &papers, None, over).is_err());
    }
}
