//! How a machine becomes a node.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tonic::{Request, Response, Status};

use super::attempts::Attempts;
use super::context::{Context, internal};
use crate::leader::authority::Authority;
use crate::lifecycle::{Command, Event};
use crate::pki::CertificateDer;
use crate::rpc::fleet::agree;
use crate::rpc::proto::enrollment_server::Enrollment;
use crate::rpc::proto::{EnrollRequest, EnrollResponse};
use crate::rpc::{ConnectionInfo, EnrollCall, ErrorKind, Failure};
use crate::types::{Actor, WitnessKey};

/// Answers `Enroll`.
pub(in crate::leader) struct EnrollmentService {
    context: Context,
    attempts: Mutex<Attempts>,
}

#[tonic::async_trait]
impl Enrollment for EnrollmentService {
    async fn enroll(&self, request: Request<EnrollRequest>) -> Result<Response<EnrollResponse>, Status> {
        let info = request.extensions().get::<ConnectionInfo>();
        let from = info.and_then(|info| info.remote).map(|remote| remote.ip());
        self.admit(from)?;
        let call = EnrollCall::try_from(request.into_inner())?;
        agree(call.protocol_version)?;
        let chain = self.join(call, from).await?;
        Ok(Response::new(self.context.membership(chain).into()))
    }
}

impl EnrollmentService {
    pub(in crate::leader) fn new(context: Context) -> Self {
        let attempts = Mutex::default();
        Self { context, attempts }
    }

    async fn join(&self, call: EnrollCall, from: Option<IpAddr>) -> Result<Vec<CertificateDer<'static>>, Failure> {
        let (context, token) = (&self.context, call.secret.hash());
        // Signed before the token is used up, but not for whoever shows one that nobody made.
        let is_known = context.shared.leader().await?.state().tokens.contains_key(&token);
        if !is_known {
            // At once: who asks a thousand times at the same moment is held up as well.
            self.refused(from);
        }
        let issue = |authority: &Authority| {
            let issued = authority.signer().issue_node(&call.node, &call.csr, context.clock.now());
            issued.map_err(|why| internal(&why))
        };
        let authority = context.authority();
        let signed = if is_known { Some(issue(&authority)?) } else { None };
        let (actor, request) = (Actor::Node(call.node.clone()), format!("enroll node {}", call.node));
        let command = Command::Enrol {
            token,
            node: call.node.clone(),
            tls_key: call.csr.key(),
            witness_key: WitnessKey(call.witness_public_key),
        };
        let decision = match context.ask(actor, request, command).await? {
            Ok((decision, _)) => decision,
            Err(refusal) => {
                if is_known {
                    self.refused(from);
                }
                return Err(Failure::refused(refusal.to_string()));
            }
        };
        // What is handed out is of the CA that the record names, also where that has just taken over.
        let is_by_another =
            |event: &Event| matches!(event, Event::Enrolled { ca: Some(ca), .. } if authority.signer_if(*ca).is_none());
        let signed = signed.filter(|_| !decision.events.iter().any(is_by_another));
        match signed {
            Some(chain) => Ok(chain),
            None => issue(&context.authority()),
        }
    }

    /// Whoever was refused too often waits, even with a good token: else a right guess would be let in.
    fn admit(&self, from: Option<IpAddr>) -> Result<(), Failure> {
        let admitted = self.attempts().admit(from, self.context.clock.monotonic());
        admitted.map_err(|wait| {
            let words = format!("too many join tokens were refused from this address: try again in {wait}");
            Failure::new(ErrorKind::Unavailable, words)
        })
    }

    fn refused(&self, from: Option<IpAddr>) {
        let now = self.context.clock.monotonic();
        self.attempts().refused(from, now);
        let from = from.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
        tracing::warn!(%from, "a join token was refused");
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
