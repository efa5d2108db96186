//! The backup hook: a program that takes what each snapshot has made safe away from this machine. It holds nothing up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tokio::sync::watch;

use super::services::Terms;
use super::store::Published;
use crate::clock::Clock;
use crate::config::BackupHook;
use crate::hooks::{self, Hook};
use crate::keystore::snapshot_files;
use crate::rpc::documents::{BackupProblem, BackupStatus};
use crate::types::Span;

/// How long after a failure the hook is tried again, if no snapshot comes sooner.
const RETRY_AFTER: Span = Span::mins(5);

/// Runs the hook after each snapshot, and tells how that went.
pub(super) struct Copies {
    pub(super) state_dir: PathBuf,
    /// The configuration as it is now.
    pub(super) terms: watch::Receiver<Terms>,
    /// Changes after each snapshot.
    pub(super) made: watch::Receiver<Option<Published>>,
    pub(super) clock: Clock,
    pub(super) told: watch::Sender<Option<BackupStatus>>,
}

impl Copies {
    /// Never ends; what runs is killed when this is dropped.
    pub(super) async fn run(mut self) {
        let mut copied: Option<PathBuf> = None;
        loop {
            self.made.mark_unchanged();
            let hook = self.terms.borrow_and_update().backup.clone();
            let newest = newest_snapshot(&self.state_dir);
            let due = hook.zip(newest.filter(|newest| Some(newest) != copied.as_ref()));
            let failed = match due {
                Some((hook, snapshot)) => {
                    let done = self.copy(hook, &snapshot).await;
                    let failed = done.is_err();
                    self.tell(done);
                    copied = Some(snapshot).filter(|_| !failed);
                    failed
                }
                None => false,
            };
            tokio::select! {
                changed = self.made.changed() => if changed.is_err() { return },
                changed = self.terms.changed() => if changed.is_err() { return },
                () = self.clock.sleep(RETRY_AFTER), if failed => {}
            }
        }
    }

    async fn copy(&self, hook: BackupHook, snapshot: &Path) -> Result<(), String> {
        let hook = Hook::new(hook.argv, hook.timeout)?;
        let text = |path: &Path| path.display().to_string();
        let environment = BTreeMap::from([
            ("JKEYS_STATE_DIR".to_owned(), text(&self.state_dir)),
            ("JKEYS_SNAPSHOT".to_owned(), text(snapshot)),
        ]);
        let result = hooks::run(&hook, &environment, &self.clock).await;
        let (stdout, stderr) = (result.stdout, result.stderr);
        match result.ended {
            Ok(()) => {
                tracing::info!(stdout, stderr, snapshot = %snapshot.display(), "the backup hook succeeded");
                Ok(())
            }
            Err(why) => {
                tracing::error!(%why, stdout, stderr, snapshot = %snapshot.display(), "the backup hook failed; it is tried again");
                Err(why.to_string())
            }
        }
    }

    fn tell(&self, done: Result<(), String>) {
        let at = self.clock.now();
        self.told.send_modify(|told| {
            let before = told.take().and_then(|told| told.succeeded_at);
            *told = Some(match done {
                Ok(()) => BackupStatus {
                    succeeded_at: Some(at),
                    problem: None,
                },
                Err(why) => BackupStatus {
                    succeeded_at: before,
                    problem: Some(BackupProblem { at, why }),
                },
            });
        });
    }
}

/// A folder that can't be read is the keystore's to tell.
fn newest_snapshot(state_dir: &Path) -> Option<PathBuf> {
    snapshot_files(state_dir).ok()?.into_iter().next()
}
