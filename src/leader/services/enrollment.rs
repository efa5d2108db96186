//! How a machine becomes a node.

use tonic::{Request, Response, Status};

use super::context::{Context, internal};
use crate::lifecycle::Command;
use crate::rpc::proto::enrollment_server::Enrollment;
use crate::rpc::proto::{EnrollRequest, EnrollResponse};
use crate::rpc::{EnrollCall, Failure};
use crate::types::{Actor, WitnessKey};

/// Answers `Enroll`.
pub(in crate::leader) struct EnrollmentService(pub(in crate::leader) Context);

#[tonic::async_trait]
impl Enrollment for EnrollmentService {
    async fn enroll(&self, request: Request<EnrollRequest>) -> Result<Response<EnrollResponse>, Status> {
        let call = EnrollCall::try_from(request.into_inner())?;
        let context = &self.0;
        let issue = || {
            let signer = &context.authority.signer;
            let issued = signer.issue_node(&call.node, &call.csr, context.clock.now());
            issued.map_err(|why| internal(&why))
        };
        // Signed before the token is used up, but not for whoever shows one that nobody made.
        let is_known = context
            .shared
            .leader()
            .await?
            .state()
            .tokens
            .contains_key(&call.secret.hash());
        let signed = if is_known { Some(issue()?) } else { None };
        let (actor, request) = (Actor::Node(call.node.clone()), format!("enroll node {}", call.node));
        let command = Command::Enrol {
            token: call.secret.hash(),
            node: call.node.clone(),
            tls_key: call.csr.key(),
            witness_key: WitnessKey(call.witness_public_key),
        };
        context
            .ask(actor, request, command)
            .await?
            .map_err(|refusal| Failure::refused(refusal.to_string()))?;
        let chain = signed.map_or_else(issue, Ok)?;
        Ok(Response::new(context.membership(chain).into()))
    }
}
