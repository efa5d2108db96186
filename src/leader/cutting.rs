//! Connections of nodes that are not in the node table any more are cut, whether they read what they are sent or not.

use std::time::Duration;

use super::engine::Shared;
use crate::rpc::Registry;

/// How long such a connection stays, so that a node which reads is told to erase, and why its stream ends. It is real time, as of all
/// deadlines of the network.
const FAREWELL: Duration = Duration::from_millis(500);

/// What cuts them.
pub(super) struct Cutting {
    pub(super) shared: Shared,
    /// The connections of nodes.
    pub(super) connections: Registry,
}

impl Cutting {
    /// Works until the storage fails.
    pub(super) async fn run(self) {
        let mut look = self.shared.streams.look();
        while look.changed().await.is_ok() {
            let Ok(leader) = self.shared.leader().await else {
                return;
            };
            let is_welcome = |node: &_, key| leader.welcomes(node, key).is_some();
            let unwelcome = self.connections.unwelcome(is_welcome);
            drop(leader);
            if unwelcome.is_empty() {
                continue;
            }
            // Each has its own time, however many are taken out one after the other.
            let connections = self.connections.clone();
            tokio::spawn(async move {
                tokio::time::sleep(FAREWELL).await;
                let count = connections.cut(&unwelcome);
                if count > 0 {
                    tracing::info!(count, "cut the connections of nodes that are not in the node table any more");
                }
            });
        }
    }
}
