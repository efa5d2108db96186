//! The one typed client: what verbs ask of the leader, and its answers.

use std::path::{Path, PathBuf};

use clap::Args;
use tonic::transport::Channel;
use tonic::{Response, Status, Streaming};

use super::CliError;
use crate::config::{LeaderConfig, file};
use crate::rpc::admin::{
    AdoptCall, Document, EndNodeCall, HistoryCall, PlanCall, RevokeCall, RotateCaCall, RotateCall, TokenCall, Tokens,
};
use crate::rpc::proto::admin_client::AdminClient;
use crate::rpc::proto::{self, PingRequest, RotateProgress, ShowKeyRequest, StatusRequest, WatchRequest};
use crate::rpc::{Failure, admin_client, connect_admin, fleet};
use crate::types::{Issuer, Kid, NodeName, Secret, Time, Version};

/// Where the command line looks for the leader.
#[derive(Debug, Clone, Args)]
pub(super) struct Place {
    /// The configuration to use, instead of /etc/jkeys/leader.toml (for an agent: /etc/jkeys/agent.toml)
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The leader's socket, instead of the one that its configuration names
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
}

impl Place {
    /// The leader's configuration.
    pub(super) fn leader_config(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new(LeaderConfig::DEFAULT_PATH))
    }

    /// The leader's socket. Nothing else of the configuration is looked at: an emergency does not wait for somebody who edits it.
    fn socket(&self) -> Result<PathBuf, CliError> {
        match &self.socket {
            Some(socket) => Ok(socket.clone()),
            None => Ok(file::admin_socket(self.leader_config())?),
        }
    }
}

/// The leader of a configuration.
pub(super) struct Leader {
    client: AdminClient<Channel>,
}

/// A join token, and when it ends to be good.
pub(super) struct Token {
    pub(super) line: Secret,
    pub(super) expires_at: Time,
}

impl Leader {
    /// Connects to the leader at `place`.
    pub(super) async fn connect(place: &Place) -> Result<Self, CliError> {
        let client = admin_client(connect_admin(&place.socket()?).await?);
        let mut leader = Self { client };
        leader.same_protocol().await?;
        Ok(leader)
    }

    async fn same_protocol(&mut self) -> Result<(), CliError> {
        let request = PingRequest {
            protocol_version: fleet::PROTOCOL_VERSION,
        };
        let pong = answer(self.client.ping(request).await)?;
        fleet::agree(pong.protocol_version).map_err(|why| CliError::OtherRelease {
            leader: pong.release,
            why,
        })?;
        Ok(())
    }

    pub(super) async fn status(&mut self) -> Result<Document, Failure> {
        Ok(answer(self.client.status(StatusRequest {}).await)?.into())
    }

    pub(super) async fn watch(&mut self) -> Result<Streaming<proto::Document>, Failure> {
        answer(self.client.watch(WatchRequest {}).await)
    }

    pub(super) async fn plan(&mut self, call: PlanCall) -> Result<Document, Failure> {
        Ok(answer(self.client.plan(proto::PlanRequest::from(call)).await)?.into())
    }

    pub(super) async fn key(&mut self, kid: &Kid) -> Result<Document, Failure> {
        let kid = kid.to_string();
        Ok(answer(self.client.show_key(ShowKeyRequest { kid }).await)?.into())
    }

    pub(super) async fn history(&mut self, call: HistoryCall) -> Result<Document, Failure> {
        Ok(answer(self.client.history(proto::HistoryRequest::from(call)).await)?.into())
    }

    pub(super) async fn historical_keys(
        &mut self,
        issuer: &Issuer,
        since: Option<Time>,
    ) -> Result<proto::HistoricalKeysResponse, Failure> {
        let request = proto::HistoricalKeysRequest {
            issuer: issuer.to_string(),
            since_ms: since.map(|time| time.0),
        };
        answer(self.client.historical_keys(request).await)
    }

    pub(super) async fn versions(&mut self, from: Version, limit: u32) -> Result<Document, Failure> {
        let request = proto::VersionsRequest {
            from_version: from.0,
            limit,
        };
        Ok(answer(self.client.versions(request).await)?.into())
    }

    pub(super) async fn version(&mut self, version: Version) -> Result<Document, Failure> {
        let request = proto::ShowVersionRequest { version: version.0 };
        Ok(answer(self.client.show_version(request).await)?.into())
    }

    pub(super) async fn rotate(&mut self, call: RotateCall) -> Result<Streaming<RotateProgress>, Failure> {
        answer(self.client.rotate(proto::RotateRequest::from(call)).await)
    }

    pub(super) async fn revoke(&mut self, call: RevokeCall) -> Result<Streaming<RotateProgress>, Failure> {
        answer(self.client.revoke(proto::RevokeRequest::from(call)).await)
    }

    pub(super) async fn adopt(&mut self, call: AdoptCall) -> Result<Streaming<RotateProgress>, Failure> {
        answer(self.client.adopt(proto::AdoptRequest::from(call)).await)
    }

    pub(super) async fn audit_log(&mut self, records: bool) -> Result<Streaming<proto::AuditLogPart>, Failure> {
        answer(self.client.audit_log(proto::AuditLogRequest { records }).await)
    }

    pub(super) async fn prove_records(
        &mut self,
        of: proto::prove_records_request::Of,
    ) -> Result<Streaming<proto::ProvedRecord>, Failure> {
        answer(self.client.prove_records(proto::ProveRecordsRequest { of: Some(of) }).await)
    }

    pub(super) async fn prove_consistency(
        &mut self,
        old_size: u64,
        new_size: u64,
    ) -> Result<proto::ProveConsistencyResponse, Failure> {
        let request = proto::ProveConsistencyRequest { old_size, new_size };
        answer(self.client.prove_consistency(request).await)
    }

    pub(super) async fn backup(&mut self) -> Result<Streaming<proto::BackupPart>, Failure> {
        answer(self.client.backup(proto::BackupRequest {}).await)
    }

    pub(super) async fn node(&mut self, node: &NodeName) -> Result<Document, Failure> {
        let node_name = node.to_string();
        Ok(answer(self.client.show_node(proto::ShowNodeRequest { node_name }).await)?.into())
    }

    pub(super) async fn end_node(&mut self, call: EndNodeCall) -> Result<Document, Failure> {
        Ok(answer(self.client.end_node(proto::EndNodeRequest::from(call)).await)?.into())
    }

    pub(super) async fn cas(&mut self) -> Result<Document, Failure> {
        Ok(answer(self.client.show_cas(proto::ShowCasRequest {}).await)?.into())
    }

    pub(super) async fn rotate_ca(&mut self, call: RotateCaCall) -> Result<Document, Failure> {
        Ok(answer(self.client.rotate_ca(proto::RotateCaRequest::from(call)).await)?.into())
    }

    pub(super) async fn token(&mut self, call: TokenCall) -> Result<Token, Failure> {
        let made = answer(self.client.create_token(proto::CreateTokenRequest::from(call)).await)?;
        Ok(Token {
            line: Secret::new(made.token.into_bytes()),
            expires_at: Time(made.expires_at_ms),
        })
    }

    pub(super) async fn tokens(&mut self) -> Result<Document, Failure> {
        Ok(answer(self.client.list_tokens(proto::ListTokensRequest {}).await)?.into())
    }

    /// Takes join tokens back, and says for which nodes they were.
    pub(super) async fn revoke_tokens(&mut self, tokens: Tokens) -> Result<Vec<String>, Failure> {
        let request = proto::RevokeTokensRequest::from(tokens);
        Ok(answer(self.client.revoke_tokens(request).await)?.node_names)
    }
}

fn answer<T>(answer: Result<Response<T>, Status>) -> Result<T, Failure> {
    Ok(answer?.into_inner())
}
