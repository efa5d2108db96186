use std::pin::Pin;

use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status};

use super::super::admin::{Document, schema};
use super::super::proto::admin_server::Admin;
use super::super::proto::{self};
use super::super::*;
use crate::types::Actor;

/// Tells callers who they are, and does nothing else.
struct Mirror;

type Updates<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn nothing<T>() -> Result<T, Status> {
    Err(Failure::refused("this leader only mirrors").into())
}

#[tonic::async_trait]
impl Admin for Mirror {
    async fn ping(&self, request: Request<proto::PingRequest>) -> Result<Response<proto::PingResponse>, Status> {
        let actor = Caller::of(&request)?.actor().unwrap();
        Ok(Response::new(proto::PingResponse {
            protocol_version: fleet::PROTOCOL_VERSION,
            capabilities: vec![],
            release: actor.to_string(),
        }))
    }

    async fn status(&self, _: Request<proto::StatusRequest>) -> Result<Response<proto::Document>, Status> {
        let document = Document::write(schema::STATUS, &"x".repeat(limits::ADMIN_BYTES)).unwrap();
        Ok(Response::new(document.into()))
    }

    type RotateStream = Updates<proto::RotateProgress>;
    type RevokeStream = Updates<proto::RotateProgress>;
    type AdoptStream = Updates<proto::RotateProgress>;
    type WatchStream = Updates<proto::Document>;
    type AuditLogStream = Updates<proto::AuditLogPart>;
    type ProveRecordsStream = Updates<proto::ProvedRecord>;
    type BackupStream = Updates<proto::BackupPart>;

    async fn backup(&self, _: Request<proto::BackupRequest>) -> Result<Response<Self::BackupStream>, Status> {
        nothing()
    }
    async fn rotate(&self, _: Request<proto::RotateRequest>) -> Result<Response<Self::RotateStream>, Status> {
        nothing()
    }
    async fn revoke(&self, _: Request<proto::RevokeRequest>) -> Result<Response<Self::RevokeStream>, Status> {
        nothing()
    }
    async fn adopt(&self, _: Request<proto::AdoptRequest>) -> Result<Response<Self::AdoptStream>, Status> {
        nothing()
    }
    async fn watch(&self, _: Request<proto::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        nothing()
    }
    async fn plan(&self, _: Request<proto::PlanRequest>) -> Result<Response<proto::Document>, Status> {
        nothing()
    }
    async fn show_key(&self, _: Request<proto::ShowKeyRequest>) -> Result<Response<proto::Document>, Status> {
        nothing()
    }
    async fn history(&self, _: Request<proto::HistoryRequest>) -> Result<Response<proto::Document>, Status> {
        nothing()
    }
    async fn audit_log(&self, _: Request<proto::AuditLogRequest>) -> Result<Response<Self::AuditLogStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn prove_records(&self, _: Request<proto::ProveRecordsRequest>) -> Result<Response<Self::ProveRecordsStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn prove_consistency(
        &self,
        _: Request<proto::ProveConsistencyRequest>,
    ) -> Result<Response<proto::ProveConsistencyResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn historical_keys(
        &self,
        _: Request<proto::HistoricalKeysRequest>,
    ) -> Result<Response<proto::HistoricalKeysResponse>, Status> {
        nothing()
    }
    async fn versions(&self, _: Request<proto::VersionsRequest>) -> Result<Response<proto::Document>, Status> {
        nothing()
    }
    async fn show_version(&self, _: Request<proto::ShowVersionRequest>) -> Result<Response<proto::Document>, Status> {
        nothing()
    }

    async fn show_node(&self, _: Request<proto::ShowNodeRequest>) -> Result<Response<proto::Document>, Status> {
        nothing()
    }
    async fn end_node(&self, _: Request<proto::EndNodeRequest>) -> Result<Response<proto::Document>, Status> {
        nothing()
    }
    async fn show_cas(&self, _: Request<proto::ShowCasRequest>) -> Result<Response<proto::Document>, Status> {
        nothing()
    }
    async fn rotate_ca(&self, _: Request<proto::RotateCaRequest>) -> Result<Response<proto::Document>, Status> {
        nothing()
    }
    async fn list_tokens(&self, _: Request<proto::ListTokensRequest>) -> Result<Response<proto::Document>, Status> {
        nothing()
    }
    async fn revoke_tokens(
        &self,
        _: Request<proto::RevokeTokensRequest>,
    ) -> Result<Response<proto::RevokeTokensResponse>, Status> {
        nothing()
    }
    async fn create_token(&self, _: Request<proto::CreateTokenRequest>) -> Result<Response<proto::CreateTokenResponse>, Status> {
        nothing()
    }
}

#[tokio::test]
async fn an_operator_is_known_by_the_sockets_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("leader.sock");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(serve_admin(bind_admin(&path, None).unwrap(), Mirror, async {
        let _ = stopped.await;
    }));

    let mut client = admin_client(connect_admin(&path).await.unwrap());
    let ping = client.ping(proto::PingRequest::default()).await.unwrap().into_inner();
    let uid = rustix::process::getuid().as_raw();
    let expected = Actor::User {
        uid,
        name: super::super::accounts::account_name(uid),
    };
    assert_eq!(ping.release, expected.to_string());

    let refused = client.rotate(proto::RotateRequest::default()).await.unwrap_err();
    assert_eq!(Failure::from(refused), Failure::refused("this leader only mirrors"));
    let huge = client.status(proto::StatusRequest::default()).await.unwrap_err();
    assert_eq!(huge.code(), Code::OutOfRange);
    assert!(
        huge.message().contains("encoded message length"),
        "the server says so: {}",
        huge.message()
    );

    drop(client);
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
    let gone = connect_admin(&path).await.unwrap_err();
    assert!(gone.to_string().contains("systemctl start jkeys-leader"), "{gone}");
}

#[tokio::test]
async fn a_socket_that_is_not_there_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let gone = connect_admin(&folder.path().join("none")).await.unwrap_err();
    assert!(gone.to_string().contains("no leader listens on"), "{gone}");
}
