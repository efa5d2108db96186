//! The one stream of a node: reports come up, generations and answers go down.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::Stream;
use tokio::sync::{RwLockReadGuard, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::context::{Context, internal, stopping};
use super::farewell;
use super::renewals::Renewals;
use crate::leader::core::Leader;
use crate::leader::message::Message;
use crate::leader::store::Published;
use crate::lifecycle::{Ended, Halt, Report};
use crate::pki::NodeCsr;
use crate::rpc::fleet::{AgentMessage, Answer, Consistency, Hello, LeaderMessage, PAPERS, SHOWN, Welcome, agree};
use crate::rpc::limits::CALL_DEADLINE;
use crate::rpc::proto::fleet_server::Fleet;
use crate::rpc::proto::{AgentReport, LeaderUpdate, RenewRequest, RenewResponse};
use crate::rpc::{Caller, ErrorKind, Failure, Outgoing};
use crate::types::{Actor, Digest, Enrolment, Epoch, NodeName, TreeHead};

/// How many messages may wait for a slow node before the leader waits for it.
const WAITING_UPDATES: usize = 4;

/// Answers `Renew` and `Sync`.
pub(in crate::leader) struct FleetService {
    context: Context,
    renewals: Mutex<Renewals>,
}

/// A node whose certificate is welcome.
pub(super) struct Member {
    pub(super) name: NodeName,
    pub(super) enrolment: Enrolment,
    key: Digest,
}

#[tonic::async_trait]
impl Fleet for FleetService {
    type SyncStream = Pin<Box<dyn Stream<Item = Result<LeaderUpdate, Status>> + Send>>;

    /// A new certificate for the key that the node has already.
    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        let member = self.member(&request).await?.0;
        self.admit(&member)?;
        let csr = NodeCsr::try_from(request.into_inner())?;
        if csr.key() != member.key {
            let advice = "a certificate is renewed for the key that the node enrolled with; send a request for that key";
            let actor = Actor::Node(member.name);
            let refused = self
                .context
                .refuse(actor, "renew its certificate".to_owned(), Failure::refused(advice));
            return Err(refused.await.into());
        }
        let chain = self.context.certify(&member.name, member.enrolment, &csr).await?;
        Ok(Response::new(self.context.membership(chain).into()))
    }

    async fn sync(&self, request: Request<Streaming<AgentReport>>) -> Result<Response<Self::SyncStream>, Status> {
        if let Some(ended) = self.ended(&request).await? {
            return Ok(Response::new(Box::pin(tokio_stream::iter(farewell::stream(&ended)))));
        }
        Caller::of(&request)?.is_good().map_err(Failure::from)?;
        // The stream is open before the node table can change: whatever ends the enrolment later ends the stream too.
        let (member, leader) = self.member(&request).await?;
        let answers = self.context.shared.streams.open(member.enrolment);
        drop(leader);
        let (updates, sent) = mpsc::channel(WAITING_UPDATES);
        let session = Session {
            context: self.context.clone(),
            answers,
            bundle: self.context.shared.bundle.clone(),
            remembers: None,
            proved: None,
            welcomed: None,
            member,
            updates,
        };
        tokio::spawn(session.run(request.into_inner()));
        Ok(Response::new(Box::pin(ReceiverStream::new(sent))))
    }
}

impl FleetService {
    pub(in crate::leader) fn new(context: Context) -> Self {
        let renewals = Mutex::default();
        Self { context, renewals }
    }

    /// A node that asks for certificates without end waits. That is not recorded: it would fill the log as well.
    fn admit(&self, member: &Member) -> Result<(), Failure> {
        let now = self.context.clock.monotonic();
        let mut renewals = self.renewals.lock().unwrap_or_else(PoisonError::into_inner);
        renewals.admit(member.enrolment, now).map_err(|wait| {
            let node = &member.name;
            tracing::debug!(%node, %wait, "a node asks for certificates too often");
            let words = format!("node {node} has asked for too many certificates: try again in {wait}");
            Failure::new(ErrorKind::Unavailable, words)
        })
    }

    /// The node table decides whether this very key is welcome. It does not change before the guard is dropped.
    async fn member<T>(&self, request: &Request<T>) -> Result<(Member, RwLockReadGuard<'_, Leader>), Status> {
        let Caller::Node { name, key, .. } = Caller::of(request)? else {
            return Err(Failure::new(ErrorKind::Denied, "this call is a node's; enroll with `jkeys enroll TOKEN`").into());
        };
        let leader = self.context.shared.leader().await?;
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
        let stranger = || leader.state().ended(*key).map_or_else(stranger, farewell::refusal);
        Ok((member.ok_or_else(stranger)?, leader))
    }

    /// The node of the caller, where an operator has taken it out of the fleet.
    async fn ended<T>(&self, request: &Request<T>) -> Result<Option<Ended>, Status> {
        let Caller::Node { key, .. } = Caller::of(request)? else {
            return Ok(None);
        };
        Ok(self.context.shared.leader().await?.state().ended(*key).cloned())
    }
}

/// A log that a node remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remembered {
    /// This leader's, of so many records.
    Own(u64),
    /// Another.
    Foreign(TreeHead),
}

/// One open stream.
pub(super) struct Session {
    pub(super) context: Context,
    pub(super) member: Member,
    answers: mpsc::Receiver<Answer>,
    bundle: watch::Receiver<Option<Published>>,
    /// The log that the node remembers, as far as it has said or accepts what it was sent; none before its first report.
    remembers: Option<Remembered>,
    /// From which log to which size the last generation sent was proved.
    proved: Option<(Remembered, u64)>,
    /// The hello, and the term that it was answered in.
    welcomed: Option<(Hello, Epoch)>,
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
        loop {
            tokio::select! {
                biased;
                answer = self.answers.recv() => match answer {
                    Some(answer) => self.send(LeaderMessage::Answer(answer)).await?,
                    None => return Err(self.ended().await),
                },
                report = next(reports) => match report? {
                    Some(AgentMessage::Report(report)) => {
                        let said = self.hold_against_log(&report).await?;
                        self.pass_on(report).await?;
                        self.prove_from(said).await?;
                    }
                    Some(AgentMessage::Cosigned(cosignature)) => self.keep(cosignature).await?,
                    Some(AgentMessage::Papers(papers)) => {
                        let enrolment = self.member.enrolment;
                        self.context.tell(Message::Papers { enrolment, papers }).await?;
                    }
                    Some(AgentMessage::Shown(exhibit)) => self.take_shown(&exhibit).await?,
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

    /// An adoption begins a term on open streams: nodes listen to what comes after it once they know.
    async fn tell_of_new_term(&mut self) -> Result<(), Failure> {
        let epoch = self.context.shared.leader().await?.state().epoch;
        match self.welcomed.take() {
            Some((hello, before)) if before != epoch => self.send_welcome(&hello).await,
            welcomed => {
                self.welcomed = welcomed;
                Ok(())
            }
        }
    }

    async fn send_welcome(&mut self, hello: &Hello) -> Result<(), Failure> {
        let protocol_version = agree(hello.protocol_version)?;
        let epoch = self.context.shared.leader().await?.state().epoch;
        let report_every = self.context.terms.borrow_and_update().report_every;
        let welcome = Welcome {
            protocol_version,
            capabilities: vec![SHOWN.to_owned(), PAPERS.to_owned()],
            epoch,
            report_every,
        };
        if let (None, Some(instance)) = (&self.welcomed, hello.instance) {
            let (node, enrolment) = (self.member.name.clone(), self.member.enrolment);
            self.context
                .tell(Message::Came {
                    node,
                    enrolment,
                    instance,
                })
                .await?;
        }
        self.welcomed = Some((hello.clone(), epoch));
        self.send(LeaderMessage::Welcome(welcome)).await
    }

    async fn send_generation(&mut self) -> Result<(), Failure> {
        let bundle = self.bundle.borrow_and_update().clone();
        // An enrolment ends before the generation after it is published: a stream that is seen open here may have this one.
        if self.answers.is_closed() {
            return Err(self.ended().await);
        }
        // What a node remembers it says in its first report.
        let (Some(Published { bundle, log_size }), Some(from)) = (bundle, self.remembers) else {
            return Ok(());
        };
        self.tell_of_new_term().await?;
        let consistency = self.proof(from, log_size).await?;
        self.proved = Some((from, log_size));
        // A log that is not given up is remembered still.
        if consistency.adopted.is_some() || matches!(from, Remembered::Own(_)) {
            self.remembers = Some(Remembered::Own(log_size));
        }
        self.send(LeaderMessage::Generation(Outgoing { bundle, consistency })).await
    }

    /// That the log of so many records goes on from what a node remembers, or gives that up.
    async fn proof(&self, from: Remembered, log_size: u64) -> Result<Arc<Consistency>, Failure> {
        let log = &self.context.log;
        let proof = match from {
            Remembered::Own(from) => tokio::task::block_in_place(|| log.consistency(from, log_size)),
            Remembered::Foreign(head) => {
                let by = self.context.shared.leader().await?.state().given_up_by(head);
                match by.filter(|seq| seq.0 < log_size) {
                    Some(seq) => tokio::task::block_in_place(|| log.adopted(seq, log_size)).map(|proof| Some(Arc::new(proof))),
                    // The node finds out by itself that this is another log.
                    None => tokio::task::block_in_place(|| log.consistency(head.size, log_size)),
                }
            }
        };
        // A node that remembers a longer log finds that out by itself.
        Ok(proof.map_err(|why| internal(&why))?.unwrap_or_default())
    }

    /// A node has said what it remembers. Where that is neither what the last generation was proved from nor what it was proved up to,
    /// the node could make nothing of it and is sent it again.
    async fn prove_from(&mut self, said: Remembered) -> Result<(), Failure> {
        let is_known = self
            .proved
            .is_some_and(|(from, to)| said == from || said == Remembered::Own(to));
        if is_known {
            return Ok(());
        }
        self.remembers = Some(said);
        self.send_generation().await
    }

    /// Rule R5: a checkpoint that is not in the log comes from a leader that was further on, or from another one.
    async fn hold_against_log(&self, report: &Report) -> Result<Remembered, Failure> {
        let log = &self.context.log;
        let Some(head) = report.checkpoint else {
            return Ok(Remembered::Own(0));
        };
        if tokio::task::block_in_place(|| log.holds(head)).map_err(|why| internal(&why))? {
            return Ok(Remembered::Own(head.size));
        }
        let halt = Halt {
            node: self.member.name.clone(),
            epoch: report.highest_epoch,
            generation: report.highest_generation,
            checkpoint: Some(head),
        };
        let enrolment = self.member.enrolment;
        self.context.tell(Message::ForeignLog { enrolment, halt }).await?;
        Ok(Remembered::Foreign(head))
    }

    /// Why no answer comes any more. A node that was taken out of the fleet is told to erase first.
    async fn ended(&self) -> Failure {
        if self.context.shared.streams.are_over() {
            return stopping();
        }
        let Ok(leader) = self.context.shared.leader().await else {
            return stopping();
        };
        let ended = leader.state().ended(self.member.key).cloned();
        drop(leader);
        match ended {
            Some(ended) => {
                // A node that does not read is cut off soon, so this does not wait for long, and is told when it calls.
                let _ = self.send(LeaderMessage::Erase).await;
                farewell::refusal(&ended)
            }
            None => replaced(),
        }
    }

    async fn pass_on(&self, report: Report) -> Result<(), Failure> {
        let (node, enrolment) = (self.member.name.clone(), self.member.enrolment);
        self.context.tell(Message::Report { node, enrolment, report }).await
    }

    async fn send(&self, message: LeaderMessage<Outgoing>) -> Result<(), Failure> {
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
