//! A leader that says what a test wants, on a real socket.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};

use super::cas;
use crate::cli::samples::{NOW, a_node, a_plan, a_version, kid, node_ended, quiet, tokens};
use crate::rpc::admin::{Document, EndNodeCall, Progress, RotateCaCall, Tokens, schema};
use crate::rpc::documents::VersionsPage;
use crate::rpc::proto::admin_server::Admin;
use crate::rpc::proto::{self, HistoryRequest, RotateRequest};
use crate::rpc::{Failure, bind_admin, fleet, serve_admin};
use crate::types::Version;

/// What the leader says.
#[derive(Clone)]
pub(super) struct Fake {
    pub(super) protocol_version: u32,
    /// The answer to a rotation: a refusal, or its steps, which may break off.
    pub(super) rotation: Result<Vec<Result<Progress, Failure>>, Failure>,
    /// Whether those steps never come to an end.
    pub(super) hangs: bool,
    /// The status document, and the status again for each change.
    pub(super) status: Document,
    pub(super) changes: usize,
    /// The log, as stored.
    pub(super) log: Vec<String>,
    pub(super) audit: Audit,
    /// The content of a backup, which may break off.
    pub(super) backup: Vec<Result<proto::BackupPart, Status>>,
    /// A name for which another operator makes a token at the moment that this one asks for it.
    pub(super) contested: Option<&'static str>,
    pub(super) asked: Arc<Mutex<Asked>>,
}

/// What the leader gives of its audit log.
#[derive(Clone, Default)]
pub(super) struct Audit {
    pub(super) parts: Vec<proto::AuditLogPart>,
    pub(super) proofs: Vec<String>,
    pub(super) consistency: proto::ProveConsistencyResponse,
}

/// What the leader was asked.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) rotations: Vec<RotateRequest>,
    pub(super) adoptions: Vec<proto::AdoptRequest>,
    pub(super) pages: Vec<HistoryRequest>,
    pub(super) plans: Vec<proto::PlanRequest>,
    pub(super) tokens: Vec<proto::CreateTokenRequest>,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            protocol_version: fleet::PROTOCOL_VERSION,
            rotation: Ok(vec![]),
            hangs: false,
            status: Document::write(schema::STATUS, &quiet()).unwrap(),
            changes: 0,
            log: vec![],
            audit: Audit::default(),
            backup: vec![],
            contested: None,
            asked: Arc::default(),
        }
    }
}

/// A folder with the configuration and the socket of a running fake.
pub(super) struct Served {
    pub(super) folder: TempDir,
}

impl Fake {
    /// Serves until the test's runtime ends.
    pub(super) fn serve(&self) -> Served {
        let served = Served::without_leader();
        let listener = bind_admin(&served.socket(), None).unwrap();
        tokio::spawn(serve_admin(listener, self.clone(), std::future::pending()));
        served
    }
}

impl Served {
    /// A configuration whose socket nobody serves.
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    pub(super) fn without_leader() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let served = Self { folder };
        let config = format!(
            "admin_socket = {:?}\n[[profile]]\nname = \"main\"\nalg = \"ES256\"\n",
            served.socket()
        );
        std::fs::write(served.config(), config).unwrap();
        served
    }

    /// Puts `text` in the place of the configuration.
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    pub(super) fn configure(&self, text: &str) {
        std::fs::write(self.config(), text).unwrap();
    }

    pub(super) fn config(&self) -> String {
        self.folder.path().join("leader.toml").to_str().unwrap().to_owned()
    }

    pub(super) fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("leader.sock")
    }
}

type Updates<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn updates<T: Send + 'static>(items: Vec<Result<T, Status>>) -> Response<Updates<T>> {
    Response::new(Box::pin(tokio_stream::iter(items)))
}

impl Fake {
    fn steps(&self) -> Result<Response<Updates<proto::RotateProgress>>, Status> {
        let steps = self.rotation.clone()?.into_iter();
        let steps = updates(steps.map(|step| Ok(step?.into())).collect());
        Ok(if self.hangs {
            steps.map(|steps| Box::pin(steps.chain(tokio_stream::pending())) as Updates<_>)
        } else {
            steps
        })
    }
}

#[tonic::async_trait]
impl Admin for Fake {
    type RotateStream = Updates<proto::RotateProgress>;
    type RevokeStream = Updates<proto::RotateProgress>;
    type AdoptStream = Updates<proto::RotateProgress>;
    type WatchStream = Updates<proto::Document>;
    type AuditLogStream = Updates<proto::AuditLogPart>;
    type ProveRecordsStream = Updates<proto::ProvedRecord>;
    type BackupStream = Updates<proto::BackupPart>;

    async fn ping(&self, _: Request<proto::PingRequest>) -> Result<Response<proto::PingResponse>, Status> {
        Ok(Response::new(proto::PingResponse {
            protocol_version: self.protocol_version,
            capabilities: vec![],
            release: "9.9.9".to_owned(),
        }))
    }

    async fn rotate(&self, request: Request<RotateRequest>) -> Result<Response<Self::RotateStream>, Status> {
        self.asked.lock().unwrap().rotations.push(request.into_inner());
        self.steps()
    }

    async fn revoke(&self, _: Request<proto::RevokeRequest>) -> Result<Response<Self::RevokeStream>, Status> {
        self.steps()
    }

    async fn adopt(&self, request: Request<proto::AdoptRequest>) -> Result<Response<Self::AdoptStream>, Status> {
        self.asked.lock().unwrap().adoptions.push(request.into_inner());
        self.steps()
    }

    async fn status(&self, _: Request<proto::StatusRequest>) -> Result<Response<proto::Document>, Status> {
        Ok(Response::new(self.status.clone().into()))
    }

    async fn watch(&self, _: Request<proto::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Ok(updates(vec![Ok(self.status.clone().into()); self.changes]))
    }

    async fn plan(&self, request: Request<proto::PlanRequest>) -> Result<Response<proto::Document>, Status> {
        self.asked.lock().unwrap().plans.push(request.into_inner());
        Ok(Response::new(Document::write(schema::PLAN, &a_plan()).unwrap().into()))
    }

    async fn show_key(&self, request: Request<proto::ShowKeyRequest>) -> Result<Response<proto::Document>, Status> {
        let wanted = kid(&request.into_inner().kid);
        let key = quiet().keys.into_iter().find(|key| key.kid == wanted);
        let key = key.ok_or_else(|| Failure::refused(format!("there is no key {wanted}")))?;
        Ok(Response::new(Document::write(schema::KEY, &key).unwrap().into()))
    }

    async fn history(&self, request: Request<HistoryRequest>) -> Result<Response<proto::Document>, Status> {
        let request = request.into_inner();
        let from = usize::try_from(request.from_seq).unwrap();
        // Fewer than asked, as a leader may.
        let page: Vec<&str> = self.log.iter().skip(from).take(2).map(String::as_str).collect();
        self.asked.lock().unwrap().pages.push(request);
        let next = (from + page.len() < self.log.len()).then_some(from + page.len());
        let next = next.map_or("null".to_owned(), |next| next.to_string());
        let json = format!("{{\"records\":[{}],\"next\":{next}}}", page.join(",")).into_bytes();
        let schema = schema::HISTORY.to_owned();
        Ok(Response::new(Document { schema, json }.into()))
    }

    async fn audit_log(&self, _: Request<proto::AuditLogRequest>) -> Result<Response<Self::AuditLogStream>, Status> {
        Ok(updates(self.audit.parts.clone().into_iter().map(Ok).collect()))
    }

    async fn prove_records(&self, _: Request<proto::ProveRecordsRequest>) -> Result<Response<Self::ProveRecordsStream>, Status> {
        let proofs = self.audit.proofs.clone().into_iter();
        Ok(updates(proofs.map(|proof| Ok(proto::ProvedRecord { proof })).collect()))
    }

    async fn prove_consistency(
        &self,
        _: Request<proto::ProveConsistencyRequest>,
    ) -> Result<Response<proto::ProveConsistencyResponse>, Status> {
        Ok(Response::new(self.audit.consistency.clone()))
    }

    async fn historical_keys(
        &self,
        request: Request<proto::HistoricalKeysRequest>,
    ) -> Result<Response<proto::HistoricalKeysResponse>, Status> {
        let proto::HistoricalKeysRequest { issuer, since_ms } = request.into_inner();
        Ok(Response::new(proto::HistoricalKeysResponse {
            jws: format!("{issuer}.{}.x", since_ms.unwrap_or_default()),
            key: "{\"kty\":\"OKP\"}".to_owned(),
            keys: 2,
        }))
    }

    async fn versions(&self, request: Request<proto::VersionsRequest>) -> Result<Response<proto::Document>, Status> {
        let from = request.into_inner().from_version;
        let all = [1, 2, 3].map(|number| a_version(number).row);
        // Fewer than asked, as a leader may.
        let versions: Vec<_> = all.into_iter().filter(|row| row.version.0 >= from).take(2).collect();
        let next = versions.last().map(|row| row.version.next()).filter(|next| next.0 <= 3);
        let newest = Version(3);
        let page = VersionsPage { versions, next, newest };
        Ok(Response::new(Document::write(schema::VERSIONS, &page).unwrap().into()))
    }

    async fn show_version(&self, request: Request<proto::ShowVersionRequest>) -> Result<Response<proto::Document>, Status> {
        let version = a_version(request.into_inner().version);
        Ok(Response::new(Document::write(schema::VERSION, &version).unwrap().into()))
    }

    async fn backup(&self, _: Request<proto::BackupRequest>) -> Result<Response<Self::BackupStream>, Status> {
        Ok(updates(self.backup.clone()))
    }

    async fn create_token(
        &self,
        request: Request<proto::CreateTokenRequest>,
    ) -> Result<Response<proto::CreateTokenResponse>, Status> {
        let request = request.into_inner();
        self.asked.lock().unwrap().tokens.push(request.clone());
        if self.contested == Some(request.node_name.as_str()) && request.only_new_name {
            return Err(Failure::refused("the name is taken").into());
        }
        Ok(Response::new(proto::CreateTokenResponse {
            token: format!("token-for-{}", request.node_name),
            expires_at_ms: NOW.0 + request.ttl_ms,
        }))
    }

    async fn show_node(&self, _: Request<proto::ShowNodeRequest>) -> Result<Response<proto::Document>, Status> {
        Ok(Response::new(Document::write(schema::NODE, &a_node()).unwrap().into()))
    }

    async fn end_node(&self, request: Request<proto::EndNodeRequest>) -> Result<Response<proto::Document>, Status> {
        let ended = node_ended(EndNodeCall::try_from(request.into_inner())?);
        Ok(Response::new(Document::write(schema::NODE_ENDED, &ended).unwrap().into()))
    }

    async fn show_cas(&self, _: Request<proto::ShowCasRequest>) -> Result<Response<proto::Document>, Status> {
        Ok(Response::new(Document::write(schema::CAS, &cas::page()).unwrap().into()))
    }

    async fn rotate_ca(&self, request: Request<proto::RotateCaRequest>) -> Result<Response<proto::Document>, Status> {
        let rotation = cas::rotation(&RotateCaCall::try_from(request.into_inner())?);
        Ok(Response::new(Document::write(schema::CA_ROTATION, &rotation).unwrap().into()))
    }

    async fn list_tokens(&self, _: Request<proto::ListTokensRequest>) -> Result<Response<proto::Document>, Status> {
        let mut shown = tokens();
        let asked = self.asked.lock().unwrap();
        if let Some(name) = self
            .contested
            .filter(|name| asked.tokens.iter().any(|asked| asked.node_name == *name))
        {
            shown.tokens[2].node = name.parse().unwrap();
        }
        Ok(Response::new(Document::write(schema::TOKENS, &shown).unwrap().into()))
    }

    async fn revoke_tokens(
        &self,
        request: Request<proto::RevokeTokensRequest>,
    ) -> Result<Response<proto::RevokeTokensResponse>, Status> {
        let node_names = match Tokens::try_from(request.into_inner())?.node() {
            Some(node) => vec![node.into()],
            None => vec!["vm-1".to_owned(), "vm-5".to_owned()],
        };
        Ok(Response::new(proto::RevokeTokensResponse { node_names }))
    }
}
