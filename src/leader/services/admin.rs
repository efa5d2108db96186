//! What operators ask, over the Unix socket.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

use futures_util::Stream;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::audit::Which;
use super::context::{Context, internal};
use super::{follow, history};
use crate::leader::core::Leader;
use crate::leader::dry_run::dry_run;
use crate::leader::plan;
use crate::leader::status::{decided, status};
use crate::lifecycle::{Adopt, Command, Compromised, Event, RotateNow, Why};
use crate::rpc::admin::{
    self, Accepted, AdoptCall, Document, EndNodeCall, HistoryCall, PlanCall, Progress, RevokeCall, RotateCaCall, RotateCall,
    TokenCall, Tokens, schema,
};
use crate::rpc::documents;
use crate::rpc::fleet::PROTOCOL_VERSION;
use crate::rpc::proto::admin_server::Admin;
use crate::rpc::proto::{
    self, AdoptRequest, AuditLogPart, AuditLogRequest, BackupPart, BackupRequest, CreateTokenRequest, CreateTokenResponse,
    EndNodeRequest, HistoricalKeysRequest, HistoricalKeysResponse, HistoryRequest, ListTokensRequest, PingRequest, PingResponse,
    PlanRequest, ProveConsistencyRequest, ProveConsistencyResponse, ProveRecordsRequest, ProvedRecord, RevokeRequest,
    RevokeTokensRequest, RevokeTokensResponse, RotateCaRequest, RotateProgress, RotateRequest, ShowCasRequest, ShowKeyRequest,
    ShowNodeRequest, ShowVersionRequest, StatusRequest, VersionsRequest, WatchRequest, audit_log_part,
};
use crate::rpc::{Caller, ErrorKind, Failure};
use crate::types::{Actor, Enrolment, Kid, NameError, Now, Seq, Span};

/// Answers the command line.
pub(in crate::leader) struct AdminService(pub(in crate::leader) Context);

type Answer<T> = Result<Response<T>, Status>;
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Admin for AdminService {
    type RotateStream = Answers<RotateProgress>;
    type RevokeStream = Answers<RotateProgress>;
    type AdoptStream = Answers<RotateProgress>;
    type WatchStream = Answers<proto::Document>;
    type AuditLogStream = Answers<AuditLogPart>;
    type ProveRecordsStream = Answers<ProvedRecord>;
    type BackupStream = Answers<BackupPart>;

    async fn ping(&self, _: Request<PingRequest>) -> Answer<PingResponse> {
        let (capabilities, release) = (Vec::new(), env!("CARGO_PKG_VERSION").to_owned());
        Ok(Response::new(PingResponse {
            protocol_version: PROTOCOL_VERSION,
            capabilities,
            release,
        }))
    }

    async fn rotate(&self, request: Request<RotateRequest>) -> Answer<Self::RotateStream> {
        let actor = actor(&request)?;
        let call = RotateCall::try_from(request.into_inner())?;
        let (wait, words, dry_run) = (call.wait, in_words(&call), call.dry_run);
        let command = self.command(call).await?;
        if dry_run {
            return self.dry_run(command).await;
        }
        self.carry_out(actor, words, command, wait).await
    }

    async fn revoke(&self, request: Request<RevokeRequest>) -> Answer<Self::RevokeStream> {
        let actor = actor(&request)?;
        let RevokeCall {
            kid,
            reason,
            comment,
            destroy,
            dry_run,
            wait,
        } = RevokeCall::try_from(request.into_inner())?;
        let words = format!("revoke {kid}{} --reason {reason}", if destroy { " --destroy" } else { "" });
        let command = Command::Revoke {
            kid,
            reason,
            comment,
            destroy,
        };
        if dry_run {
            return self.dry_run(command).await;
        }
        self.carry_out(actor, words, command, wait).await
    }

    async fn adopt(&self, request: Request<AdoptRequest>) -> Answer<Self::AdoptStream> {
        let actor = actor(&request)?;
        let call = AdoptCall::try_from(request.into_inner())?;
        let (dry_run, wait) = (call.dry_run, call.wait);
        // What nodes have told, the engine knows.
        let command = Command::Adopt(Adopt {
            comment: call.comment,
            without: call.without,
            believe: call.believe,
            disbelieve: call.disbelieve,
            told: BTreeMap::new(),
            seq: Seq(0),
        });
        if dry_run {
            return self.dry_run(command).await;
        }
        self.carry_out(actor, "audit adopt".to_owned(), command, wait).await
    }

    async fn status(&self, _: Request<StatusRequest>) -> Answer<proto::Document> {
        Ok(Response::new(document(schema::STATUS, &self.read_status().await?)?))
    }

    async fn watch(&self, _: Request<WatchRequest>) -> Answer<Self::WatchStream> {
        let (sender, receiver) = mpsc::channel(1);
        let service = Self(self.0.clone());
        tokio::spawn(async move {
            let mut changed = service.0.shared.changed.clone();
            loop {
                changed.mark_unchanged();
                let status = service.read_status().await;
                let document = status
                    .and_then(|status| document(schema::STATUS, &status))
                    .map_err(Status::from);
                if sender.send(document).await.is_err() || changed.changed().await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn plan(&self, request: Request<PlanRequest>) -> Answer<proto::Document> {
        let PlanCall { span } = PlanCall::try_from(request.into_inner())?;
        let plan = self.look_ahead(move |leader, connected, now| plan::of_leader(leader, connected, now, span));
        Ok(Response::new(document(schema::PLAN, &plan.await?)?))
    }

    async fn show_key(&self, request: Request<ShowKeyRequest>) -> Answer<proto::Document> {
        let kid: Kid = request
            .into_inner()
            .kid
            .parse()
            .map_err(|why: NameError| Failure::invalid(why.to_string()))?;
        let live = self.read_status().await?.keys.into_iter().find(|key| key.kid == kid);
        let own = kid.clone();
        let gone = self.0.read(move |keystore| history::gone_key(keystore, &own)).await?;
        let unknown = || {
            Failure::new(
                ErrorKind::NotFound,
                format!("there was never a key {kid}; `jkeys history` shows all"),
            )
        };
        Ok(Response::new(document(schema::KEY, &live.or(gone).ok_or_else(unknown)?)?))
    }

    async fn history(&self, request: Request<HistoryRequest>) -> Answer<proto::Document> {
        let call = HistoryCall::try_from(request.into_inner())?;
        let records = self.0.read(move |keystore| history::records(keystore, &call)).await?;
        Ok(Response::new(document(schema::HISTORY, &records)?))
    }

    async fn audit_log(&self, request: Request<AuditLogRequest>) -> Answer<Self::AuditLogStream> {
        let (head, told) = self.0.audit_head().await?;
        let (parts, receiver) = mpsc::channel(4);
        let first = AuditLogPart {
            part: Some(audit_log_part::Part::Head(told)),
        };
        // The receiver is at hand, and its queue is empty.
        let _ = parts.send(Ok(first)).await;
        if request.into_inner().records {
            tokio::spawn(self.0.clone().send_records(head.size, parts));
        }
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn prove_records(&self, request: Request<ProveRecordsRequest>) -> Answer<Self::ProveRecordsStream> {
        let which = Which::try_from(request.into_inner())?;
        let which = self.0.which(which).await?;
        let (parts, receiver) = mpsc::channel(4);
        tokio::spawn(self.0.clone().send_proofs(which, parts));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn prove_consistency(&self, request: Request<ProveConsistencyRequest>) -> Answer<ProveConsistencyResponse> {
        Ok(Response::new(self.0.consistency(request.into_inner()).await?))
    }

    async fn historical_keys(&self, request: Request<HistoricalKeysRequest>) -> Answer<HistoricalKeysResponse> {
        Ok(Response::new(self.0.historical(request.into_inner()).await?))
    }

    async fn versions(&self, request: Request<VersionsRequest>) -> Answer<proto::Document> {
        let page = self.0.versions(request.into_inner()).await?;
        Ok(Response::new(document(schema::VERSIONS, &page)?))
    }

    async fn show_version(&self, request: Request<ShowVersionRequest>) -> Answer<proto::Document> {
        let version = self.0.version(request.into_inner()).await?;
        Ok(Response::new(document(schema::VERSION, &version)?))
    }

    async fn backup(&self, request: Request<BackupRequest>) -> Answer<Self::BackupStream> {
        let actor = actor(&request)?;
        tracing::info!(%actor, "a backup is sent");
        self.0.record_backup(actor).await?;
        let (parts, receiver) = mpsc::channel(4);
        tokio::spawn(self.0.clone().send_backup(parts));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn show_node(&self, request: Request<ShowNodeRequest>) -> Answer<proto::Document> {
        let node = request
            .into_inner()
            .node_name
            .parse()
            .map_err(|why: NameError| Failure::invalid(why.to_string()))?;
        Ok(Response::new(document(schema::NODE, &self.0.node(node).await?)?))
    }

    async fn end_node(&self, request: Request<EndNodeRequest>) -> Answer<proto::Document> {
        let actor = actor(&request)?;
        let call = EndNodeCall::try_from(request.into_inner())?;
        Ok(Response::new(document(
            schema::NODE_ENDED,
            &self.0.end_node(actor, call).await?,
        )?))
    }

    async fn show_cas(&self, _: Request<ShowCasRequest>) -> Answer<proto::Document> {
        Ok(Response::new(document(schema::CAS, &self.0.cas().await?)?))
    }

    async fn rotate_ca(&self, request: Request<RotateCaRequest>) -> Answer<proto::Document> {
        let actor = actor(&request)?;
        let call = RotateCaCall::try_from(request.into_inner())?;
        let rotation = self.0.rotate_ca(actor, call).await?;
        Ok(Response::new(document(schema::CA_ROTATION, &rotation)?))
    }

    async fn create_token(&self, request: Request<CreateTokenRequest>) -> Answer<CreateTokenResponse> {
        let actor = actor(&request)?;
        let call = TokenCall::try_from(request.into_inner())?;
        Ok(Response::new(self.0.token(actor, call).await?))
    }

    async fn list_tokens(&self, _: Request<ListTokensRequest>) -> Answer<proto::Document> {
        Ok(Response::new(document(schema::TOKENS, &self.0.tokens().await?)?))
    }

    async fn revoke_tokens(&self, request: Request<RevokeTokensRequest>) -> Answer<RevokeTokensResponse> {
        let actor = actor(&request)?;
        let tokens = Tokens::try_from(request.into_inner())?;
        Ok(Response::new(self.0.revoke_tokens(actor, tokens).await?))
    }
}

impl AdminService {
    async fn read_status(&self) -> Result<documents::Status, Failure> {
        let status = status(&*self.0.shared.leader().await?, self.0.shared.machine.read());
        let backup = self.0.copied.borrow().clone();
        let keystore = self.0.keystore.clone();
        let measured = tokio::task::spawn_blocking(move || keystore.size_bytes().ok().flatten());
        Ok(documents::Status {
            backup,
            keystore_bytes: measured.await.ok().flatten(),
            ..status
        })
    }

    async fn command(&self, call: RotateCall) -> Result<Command, Failure> {
        let profiles = call.profiles.into_iter().collect();
        if !call.now {
            let why = Why {
                reason: Some(call.reason),
                comment: call.comment,
            };
            return Ok(Command::Hasten { profiles, why });
        }
        let compromised = match call.compromised {
            admin::Compromised::Nothing => None,
            admin::Compromised::All => Some(Compromised::All),
            admin::Compromised::Key(kid) => Some(self.reported(kid).await?),
        };
        let (take, force, destroy) = (call.use_kid, call.force, call.destroy);
        let (reason, comment) = (call.reason, call.comment);
        Ok(Command::RotateNow(RotateNow {
            profiles,
            compromised,
            take,
            force,
            destroy,
            reason,
            comment,
        }))
    }

    /// Whether a key that is reported compromised is in the key set, or only in history.
    async fn reported(&self, kid: Kid) -> Result<Compromised, Failure> {
        if self.0.shared.leader().await?.state().keys.contains_key(&kid) {
            return Ok(Compromised::Key(kid));
        }
        let own = kid.clone();
        let known = self.0.read(move |keystore| keystore.records_of(&own)).await?;
        Ok(if known.is_empty() {
            Compromised::Key(kid)
        } else {
            Compromised::Gone(kid)
        })
    }

    /// Looks ahead on a copy of the leader, while the leader itself goes on.
    async fn look_ahead<T, F>(&self, look: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Leader, &BTreeSet<Enrolment>, Now) -> T + Send + 'static,
    {
        let shared = &self.0.shared;
        let (leader, connected, now) = (
            shared.leader().await?.clone(),
            shared.streams.connected(),
            self.0.clock.read(),
        );
        let looked = tokio::task::spawn_blocking(move || look(&leader, &connected, now)).await;
        looked.map_err(|why| internal(&why))
    }

    /// The only step of a dry run: nothing is asked of the engine, so nothing is decided or recorded.
    async fn dry_run(&self, command: Command) -> Answer<Answers<RotateProgress>> {
        let foreseen = self.look_ahead(move |leader, connected, now| dry_run(leader, connected, &command, now));
        let decision = Document::write(schema::DRY_RUN, &foreseen.await?).map_err(|why| internal(&why))?;
        let generation = None;
        let step = Progress::Accepted(Accepted { generation, decision });
        Ok(Response::new(Box::pin(tokio_stream::iter([Ok(step.into())]))))
    }

    async fn carry_out(&self, actor: Actor, words: String, command: Command, wait: Span) -> Answer<Answers<RotateProgress>> {
        let answer = self.0.ask(actor, words, command).await?;
        let (decision, generation) = answer.map_err(|refusal| Failure::refused(refusal.to_string()))?;
        let decided = decided(&*self.0.shared.leader().await?, &decision, generation);
        let changes_nodes = decision.events.iter().any(Event::changes_nodes);
        let accepted = Accepted {
            generation: changes_nodes.then_some(generation),
            decision: Document::write(schema::DECISION, &decided).map_err(|why| internal(&why))?,
        };
        let (steps, receiver) = mpsc::channel(16);
        // The receiver is at hand, and its queue is empty.
        let _ = steps.send(Ok(Progress::Accepted(accepted).into())).await;
        tokio::spawn(follow::follow(self.0.clone(), decided, wait, steps));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

fn actor<T>(request: &Request<T>) -> Result<Actor, Status> {
    let caller = Caller::of(request)?;
    caller
        .actor()
        .ok_or_else(|| Failure::new(ErrorKind::Denied, "a caller without a name decides nothing").into())
}

fn in_words(call: &RotateCall) -> String {
    let mut words = vec![if call.now { "rotate --now" } else { "rotate" }.to_owned()];
    match &call.compromised {
        admin::Compromised::Nothing => {}
        admin::Compromised::Key(kid) => words.push(format!("--compromised {kid}")),
        admin::Compromised::All => words.push("--compromised all".to_owned()),
    }
    words.extend(call.profiles.iter().map(|profile| format!("--profile {profile}")));
    words.extend(call.use_kid.iter().map(|kid| format!("--use {kid}")));
    words.extend(call.force.then(|| "--force".to_owned()));
    words.extend(call.destroy.then(|| "--destroy".to_owned()));
    words.push(format!("--reason {}", call.reason));
    words.join(" ")
}

fn document(schema: &str, value: &impl Serialize) -> Result<proto::Document, Failure> {
    Ok(Document::write(schema, value).map_err(|why| internal(&why))?.into())
}
