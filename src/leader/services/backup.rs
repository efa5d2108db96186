//! A backup, sent while the leader goes on.

use tonic::Status;

use super::audit::Parts;
use super::context::{Context, internal};
use crate::keystore::KeystoreError;
use crate::lifecycle::Command;
use crate::rpc::Failure;
use crate::rpc::proto::BackupPart;
use crate::types::Actor;

/// How much of the file a message holds.
const PART_BYTES: usize = 1024 * 1024;

/// Why the sending ended early.
enum Ended {
    /// Nobody reads any more.
    Unread,
    Failed(KeystoreError),
}

impl From<KeystoreError> for Ended {
    fn from(error: KeystoreError) -> Self {
        Self::Failed(error)
    }
}

impl Context {
    /// Who is handed a backup is on record, durably, before the first byte of it is sent (rule R7); so the backup has that record too.
    pub(super) async fn record_backup(&self, actor: Actor) -> Result<(), Failure> {
        let answer = self.ask(actor, "backup".to_owned(), Command::BackUp).await?;
        answer.map(drop).map_err(|refusal| Failure::refused(refusal.to_string()))
    }

    /// Sends the content of a backup file.
    pub(super) async fn send_backup(self, parts: Parts<BackupPart>) {
        let (keystore, sender) = (self.keystore.clone(), parts.clone());
        let sent = tokio::task::spawn_blocking(move || {
            keystore.backup(&mut |bytes| {
                let sent = bytes.chunks(PART_BYTES).try_for_each(|bytes| {
                    let content = bytes.to_vec();
                    sender.blocking_send(Ok(BackupPart { content }))
                });
                sent.map_err(|_| Ended::Unread)
            })
        });
        let failure: Failure = match sent.await {
            Ok(Ok(_) | Err(Ended::Unread)) => return,
            Ok(Err(Ended::Failed(why))) => internal(&why),
            Err(why) => internal(&why),
        };
        // Who has gone away needs no answer.
        let _ = parts.send(Err(Status::from(failure))).await;
    }
}
