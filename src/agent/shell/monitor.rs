//! What a running node shows to the process around it.

use std::net::SocketAddr;

use tokio::sync::watch;

use crate::agent::core::Status;
use crate::agent::metrics::Counts;

/// Shows a node as it is, and answers whether its shell still works. Clones are one and the same; it outlives a restart of the node's
/// work.
#[derive(Debug, Clone, Default)]
pub struct Monitor {
    status: watch::Sender<Status>,
    asked: watch::Sender<u64>,
    answered: watch::Sender<u64>,
    shown_at: watch::Sender<Option<SocketAddr>>,
    counts: Counts,
}

impl Monitor {
    /// The node's state, now and from now on.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Where the node is shown over HTTP, once it is.
    #[must_use]
    pub fn http(&self) -> watch::Receiver<Option<SocketAddr>> {
        self.shown_at.subscribe()
    }

    /// What the node has counted since the process began.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Says where.
    pub(in crate::agent) fn shown_at(&self, address: SocketAddr) {
        self.shown_at.send_replace(Some(address));
    }

    /// Returns once the shell has come round to answering.
    pub async fn ping(&self) {
        let mut number = 0;
        self.asked.send_modify(|asked| {
            *asked += 1;
            number = *asked;
        });
        // The sender is in this very value.
        let _ = self.answered.subscribe().wait_for(|answered| *answered >= number).await;
    }

    /// The work begins: nothing is known of the node yet.
    pub fn begin(&self) {
        self.show(Status::default());
    }

    /// Shows the node as it is now.
    pub(super) fn show(&self, shown: Status) {
        self.status.send_if_modified(|status| {
            let differs = *status != shown;
            *status = shown;
            differs
        });
    }

    /// Returns when somebody waits for [`Self::answer`], with what to answer.
    pub(super) async fn asked(&self) -> u64 {
        let answered = *self.answered.borrow();
        let mut asked = self.asked.subscribe();
        // The sender is in this very value.
        asked
            .wait_for(|asked| *asked > answered)
            .await
            .map_or(answered, |asked| *asked)
    }

    /// The shell works.
    pub(super) fn answer(&self, number: u64) {
        self.answered.send_replace(number);
    }
}
