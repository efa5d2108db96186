//! Single nodes: shown, revoked, removed.

use super::context::Context;
use crate::leader::core::Leader;
use crate::leader::status::node_status;
use crate::lifecycle::{Command, Ended, Ending, Event, Farewell, Key, State, held_keys, last_holder_of, unconfirmed};
use crate::rpc::admin::EndNodeCall;
use crate::rpc::documents::{EnrolledNode, HeldKey, NodeEnded, NodePage};
use crate::rpc::{ErrorKind, Failure};
use crate::types::{Actor, Kid, NodeName};

impl Context {
    /// Takes a node out of the fleet. Its streams end with that.
    pub(super) async fn end_node(&self, actor: Actor, call: EndNodeCall) -> Result<NodeEnded, Failure> {
        let EndNodeCall { node, ending, comment } = call;
        let was_connected = match self.shared.leader().await?.state().nodes.get(&node) {
            Some(row) => self.shared.streams.connected().contains(&row.enrolment),
            None => false,
        };
        let verb = match ending {
            Ending::Revoked => "revoke",
            Ending::Removed => "remove",
        };
        let words = format!("node {verb} {node}");
        let command = Command::EndNode { node, ending, comment };
        let answer = self.ask(actor, words, command).await?;
        let (decision, _) = answer.map_err(|refusal| Failure::refused(refusal.to_string()))?;
        let leader = self.shared.leader().await?;
        let Some(Farewell {
            node,
            held,
            last_holder_of,
            unconfirmed,
            ..
        }) = decision.events.iter().find_map(Event::farewell).cloned()
        else {
            return Err(Failure::new(
                ErrorKind::Internal,
                "the node's end was decided, and is not in the decision",
            ));
        };
        Ok(NodeEnded {
            node,
            ending,
            at: leader.state().last_record_at,
            was_connected,
            held: held_key_rows(leader.state(), &held, &last_holder_of),
            unconfirmed,
            remarks: decision.remarks,
        })
    }

    /// What is known of the machines of one name.
    pub(super) async fn node(&self, node: NodeName) -> Result<NodePage, Failure> {
        let leader = self.shared.leader().await?;
        let (state, now) = (leader.state(), leader.time(self.clock.read()));
        let mut ended: Vec<Ended> = state.ended.values().filter(|ended| ended.node == node).cloned().collect();
        ended.sort_by_key(|ended| ended.enrolment);
        let enrolled = self.enrolled(&leader, &node);
        if enrolled.is_none() && ended.is_empty() {
            let words =
                format!("there is no node {node}; `jkeys node list` shows the nodes, `jkeys history --node {node}` what was");
            return Err(Failure::new(ErrorKind::NotFound, words));
        }
        Ok(NodePage {
            now,
            node,
            enrolled,
            ended,
        })
    }

    fn enrolled(&self, leader: &Leader, name: &NodeName) -> Option<EnrolledNode> {
        let (state, seen, now) = (leader.state(), leader.seen(), leader.time(self.clock.read()));
        let row = state.nodes.get(name)?;
        let waits_for_it = |kid: &&Kid| unconfirmed(state, seen, kid).contains(name);
        Some(EnrolledNode {
            status: node_status(state, leader.seen(), name, row, now),
            is_connected: self.shared.streams.connected().contains(&row.enrolment),
            enrolment: row.enrolment,
            enrolled_at: row.enrolled_at,
            tls_key: row.tls_key,
            witness_key: row.witness_key,
            held: held_key_rows(state, &held_keys(state, seen, row), &last_holder_of(state, seen, row)),
            unconfirmed: state.revocations.keys().filter(waits_for_it).cloned().collect(),
        })
    }
}

fn held_key_rows(state: &State, kids: &[Kid], last_holder_of: &[Kid]) -> Vec<HeldKey> {
    let row = |key: &Key| HeldKey {
        kid: key.kid().clone(),
        profile: key.profile.clone(),
        state: key.phase.name().to_owned(),
        key_use: key.key_use(),
        is_last_holder: last_holder_of.contains(key.kid()),
    };
    kids.iter().filter_map(|kid| state.keys.get(kid)).map(row).collect()
}
