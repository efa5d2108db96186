//! The fleet's CAs: shown, replaced, and what they sign for nodes.

use super::context::{Context, internal};
use crate::leader::cas;
use crate::lifecycle::{Command, Decision, Event, decide};
use crate::pki::{CertificateDer, NodeCsr};
use crate::rpc::admin::RotateCaCall;
use crate::rpc::documents::{CaPage, CaRotation};
use crate::rpc::{ErrorKind, Failure};
use crate::types::{Actor, CERTIFICATE_LIFE, Enrolment, NodeName};

impl Context {
    /// The CAs, and how far a rotation is.
    pub(super) async fn cas(&self) -> Result<CaPage, Failure> {
        let leader = self.shared.leader().await?;
        let now = leader.time(self.clock.read());
        Ok(cas::page(leader.state(), leader.seen(), now))
    }

    /// Signs for a node, for the key that it has already, once that is recorded.
    pub(super) async fn certify(
        &self,
        node: &NodeName,
        enrolment: Enrolment,
        csr: &NodeCsr,
    ) -> Result<Vec<CertificateDer<'static>>, Failure> {
        let now = self.clock.now();
        let command = Command::CertifyNode {
            node: node.clone(),
            enrolment,
            good_until: now + CERTIFICATE_LIFE,
        };
        let actor = Actor::Node(node.clone());
        let answer = self.ask(actor, "renew its certificate".to_owned(), command).await?;
        let (decision, _) = answer.map_err(|refusal| Failure::refused(refusal.to_string()))?;
        let authority = self.authority();
        let signer = decision.events.iter().find_map(|event| match event {
            Event::NodeCertified { by, .. } => authority.signer_if(*by),
            _ => None,
        });
        let again = || Failure::new(ErrorKind::Unavailable, "the fleet's CA changed in this moment; try again");
        let issued = signer.ok_or_else(again)?.issue_node(node, csr, now);
        issued.map_err(|why| internal(&why))
    }

    /// Asks for another CA. All else follows by itself.
    pub(super) async fn rotate_ca(&self, actor: Actor, call: RotateCaCall) -> Result<CaRotation, Failure> {
        let RotateCaCall { comment, dry_run } = call;
        let command = Command::RotateCa { comment };
        let decided = if dry_run {
            let leader = self.shared.leader().await?;
            decide(leader.state(), leader.seen(), &command, leader.reading(self.clock.read()))
        } else {
            let answer = self.ask(actor, "ca rotate".to_owned(), command).await?;
            answer.map(|(decision, _)| decision)
        };
        let decision = decided.map_err(|refusal| Failure::refused(refusal.to_string()))?;
        let number = asked(&decision)
            .ok_or_else(|| Failure::new(ErrorKind::Internal, "the rotation was decided, and is not in the decision"))?;
        let leader = self.shared.leader().await?;
        let now = leader.time(self.clock.read());
        Ok(cas::rotation(leader.state(), number, dry_run, now))
    }
}

fn asked(decision: &Decision) -> Option<u32> {
    decision.events.iter().find_map(|event| match event {
        Event::CaAsked { number, .. } => Some(*number),
        _ => None,
    })
}
