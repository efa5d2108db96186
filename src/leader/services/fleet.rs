//! The one stream of a node: reports come up, generations and answers go down.

use std::pin::Pin;

use futures_util::Stream;
use tokio::sync::{RwLockReadGuard, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::context::{Context, internal, stopping};
use crate::leader::core::Leader;
use crate::leader::engine::Message;
use crate::lifecycle::Report;
use crate::pki::NodeCsr;
use crate::rpc::fleet::{AgentMessage, Answer, Hello, LeaderMessage, Welcome, agree};
use crate::rpc::limits::CALL_DEADLINE;
use crate::rpc::proto::fleet_server::Fleet;
use crate::rpc::proto::{AgentReport, LeaderUpdate, RenewRequest, RenewResponse};
use crate::rpc::{Caller, EncodedBundle, ErrorKind, Failure};
use crate::types::{Actor, Digest, Enrolment, NodeName};

/// How many messages may wait for a slow node before the leader waits for it.
const WAITING_UPDATES: usize = 4;

/// Answers `Renew` and `Sync`.
pub(in crate::leader) struct FleetService(pub(in crate::leader) Context);

/// A node whose certificate is welcome.
struct Member {
    name: NodeName,
    enrolment: Enrolment,
    key: Digest,
}

#[tonic::async_trait]
impl Fleet for FleetService {
    type SyncStream = Pin<Box<dyn Stream<Item = Result<LeaderUpdate, Status>> + Send>>;

    /// A new certificate for the key that the node has already.
    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        let member = self.member(&request).await?.0;
        let csr = NodeCsr::try_from(request.into_inner())?;
        if csr.key() != member.key {
            let advice = "a certificate is renewed for the key that the node enrolled with; send a request for that key";
            let actor = Actor::Node(member.name);
            let refused = self
                .0
                .refuse(actor, "renew its certificate".to_owned(), Failure::refused(advice));
            return Err(refused.await.into());
        }
        let context = &self.0;
        let issued = context.authority.signer.issue_node(&member.name, &csr, context.clock.now());
        let chain = issued.map_err(|why| internal(&why))?;
        Ok(Response::new(context.membership(chain).into()))
    }

    async fn sync(&self, request: Request<Streaming<AgentReport>>) -> Result<Response<Self::SyncStream>, Status> {
        // The stream is open before the node table can change: whatever ends the enrolment later ends the stream too.
        let (member, leader) = self.member(&request).await?;
        let answers = self.0.shared.streams.open(member.enrolment);
        drop(leader);
        let (updates, sent) = mpsc::channel(WAITING_UPDATES);
        let session = Session {
            context: self.0.clone(),
            answers,
            bundle: self.0.shared.bundle.clone(),
            member,
            updates,
        };
        tokio::spawn(session.run(request.into_inner()));
        Ok(Response::new(Box::pin(ReceiverStream::new(sent))))
    }
}

impl FleetService {
    /// The node table decides whether this very key is welcome. It does not change before the guard is dropped.
    async fn member<T>(&self, request: &Request<T>) -> Result<(Member, RwLockReadGuard<'_, Leader>), Status> {
        let Caller::Node { name, key, .. } = Caller::of(request)? else {
            return Err(Failure::new(ErrorKind::Denied, "this call is a node's; enroll with `jkeys enroll TOKEN`").into());
        };
        let leader = self.0.shared.leader().await?;
        let member = leader.welcomes(name, *key).map(|enrolment| Member {
            name: name.clone(),
            enrolment,
            key: *key,
        });
        let stranger = || {
            let words =
                format!("the certificate of node {name} is not in the node table: enroll it anew with `jkeys enroll TOKEN`");
            Failure::new(ErrorKind::Unauthenticated, words)
        };
        Ok((member.ok_or_else(stranger)?, leader))
    }
}

/// One open stream.
struct Session {
    context: Context,
    member: Member,
    answers: mpsc::Receiver<Answer>,
    bundle: watch::Receiver<Option<EncodedBundle>>,
    updates: mpsc::Sender<Result<LeaderUpdate, Status>>,
}

impl Session {
    async fn run(mut self, mut reports: Streaming<AgentReport>) {
        let node = self.member.name.clone();
        tracing::info!(%node, "stream opened");
        match self.serve(&mut reports).await {
            Ok(()) => tracing::info!(%node, "stream closed"),
            Err(failure) => {
                tracing::warn!(%node, %failure, "stream ended");
                // The node may be gone already.
                let _ = self.updates.send(Err(failure.into())).await;
            }
        }
    }

    async fn serve(&mut self, reports: &mut Streaming<AgentReport>) -> Result<(), Failure> {
        let first = tokio::time::timeout(CALL_DEADLINE, next(reports)).await;
        let Some(first) = first.map_err(|_| Failure::invalid("no Hello came"))?? else {
            return Ok(());
        };
        let AgentMessage::Hello(hello) = first else {
            return Err(Failure::invalid("the first message of a stream is Hello"));
        };
        self.send_welcome(&hello).await?;
        self.send_generation().await?;
        loop {
            tokio::select! {
                biased;
                answer = self.answers.recv() => match answer {
                    Some(answer) => self.send(LeaderMessage::Answer(answer)).await?,
                    None => return Err(self.ended()),
                },
                report = next(reports) => match report? {
                    Some(AgentMessage::Report(report)) => self.pass_on(report).await?,
                    Some(AgentMessage::Hello(_)) => return Err(Failure::invalid("Hello is only the first message of a stream")),
                    None => return Ok(()),
                },
                changed = self.bundle.changed() => {
                    changed.map_err(|_| stopping())?;
                    self.send_generation().await?;
                }
                // A welcome that comes again says what has changed in it.
                changed = self.context.terms.changed() => {
                    changed.map_err(|_| stopping())?;
                    self.send_welcome(&hello).await?;
                }
            }
        }
    }

    async fn send_welcome(&mut self, hello: &Hello) -> Result<(), Failure> {
        let protocol_version = agree(hello.protocol_version)?;
        let epoch = self.context.shared.leader().await?.state().epoch;
        let report_every = self.context.terms.borrow_and_update().report_every;
        let welcome = Welcome {
            protocol_version,
            capabilities: Vec::new(),
            epoch,
            report_every,
        };
        self.send(LeaderMessage::Welcome(welcome)).await
    }

    async fn send_generation(&mut self) -> Result<(), Failure> {
        let bundle = self.bundle.borrow_and_update().clone();
        // An enrolment ends before the generation after it is published: a stream that is seen open here may have this one.
        if self.answers.is_closed() {
            return Err(self.ended());
        }
        match bundle {
            Some(bundle) => self.send(LeaderMessage::Generation(bundle)).await,
            None => Ok(()),
        }
    }

    fn ended(&self) -> Failure {
        if self.context.shared.streams.are_over() {
            stopping()
        } else {
            replaced()
        }
    }

    async fn pass_on(&self, report: Report) -> Result<(), Failure> {
        let (node, enrolment) = (self.member.name.clone(), self.member.enrolment);
        let message = Message::Report { node, enrolment, report };
        self.context.shared.inbox.send(message).await.map_err(|_| stopping())
    }

    async fn send(&self, message: LeaderMessage<EncodedBundle>) -> Result<(), Failure> {
        let sent = self.updates.send(Ok(message.into())).await;
        sent.map_err(|_| Failure::new(ErrorKind::Unavailable, "the node has gone"))
    }
}

fn replaced() -> Failure {
    let words = "another stream of this node took the place of this one, or its name was enrolled anew";
    Failure::new(ErrorKind::Unauthenticated, words)
}

async fn next(reports: &mut Streaming<AgentReport>) -> Result<Option<AgentMessage>, Failure> {
    let message = reports.message().await.map_err(Failure::from)?;
    message
        .map(|message| AgentMessage::try_from(message).map_err(Failure::from))
        .transpose()
}
