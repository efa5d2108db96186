//! Following a decision through the fleet: a line for each node that confirms, until all have or the wait is over.

use tokio::sync::mpsc;
use tonic::Status;

use super::context::Context;
use crate::leader::core::Leader;
use crate::leader::status::NO_SERVED_MAX_AGE;
use crate::lifecycle::NamedNodes;
use crate::rpc::admin::{Confirmation, Finished, Progress, Trusted};
use crate::rpc::documents::Decided;
use crate::rpc::proto::RotateProgress;
use crate::types::{NodeName, Span, Time};

/// Where the steps go that a caller is sent.
pub(super) type Steps = mpsc::Sender<Result<RotateProgress, Status>>;

/// Sends a step for each node that confirms `decided`, and the last one.
pub(super) async fn follow(context: Context, decided: Decided, wait: Span, steps: Steps) {
    let mut missing = decided.nodes.clone();
    let mut changed = context.shared.changed.clone();
    let (over, mut is_over) = (context.clock.sleep(wait), false);
    tokio::pin!(over);
    loop {
        changed.mark_unchanged();
        // Without a leader to ask there is nothing more to tell; the caller's stream ends.
        let Ok(leader) = context.shared.leader().await else { return };
        let confirmed = confirmations(&leader, &decided, &missing);
        drop(leader);
        for (node, at) in confirmed {
            missing.retain(|left| *left != node);
            let remaining = u32::try_from(missing.len()).unwrap_or(u32::MAX);
            let step = Progress::Confirmation(Confirmation { node, at, remaining });
            if steps.send(Ok(step.into())).await.is_err() {
                return;
            }
        }
        if missing.is_empty() || is_over {
            break;
        }
        // What was confirmed by the end of the wait counts: it is looked at once more.
        tokio::select! {
            ended = changed.changed() => is_over = ended.is_err(),
            () = &mut over => is_over = true,
        }
    }
    let Ok(leader) = context.shared.leader().await else { return };
    let trusted = trusted(&leader, &decided, &missing);
    drop(leader);
    // A caller that has gone needs no last step.
    let _ = steps.send(Ok(Progress::Finished(Finished { missing, trusted }).into())).await;
}

fn confirmations(leader: &Leader, decided: &Decided, missing: &[NodeName]) -> Vec<(NodeName, Time)> {
    let confirmed_at = |node: &NodeName| {
        let confirmed = leader.sighting(node)?.confirmed.as_ref()?;
        (confirmed.generation >= decided.generation).then_some(confirmed.at)
    };
    missing
        .iter()
        .filter_map(|node| Some((node.clone(), confirmed_at(node)?)))
        .collect()
}

/// Rule R8: when verifiers that were told and honour their cache time trust a revoked key no more.
fn trusted(leader: &Leader, decided: &Decided, missing: &[NodeName]) -> Trusted {
    if decided.revoked.is_empty() {
        return Trusted::Unknown("no key was revoked: what it signed verifies until it expires".to_owned());
    }
    if !missing.is_empty() {
        let nodes = NamedNodes::from(missing.to_vec());
        return Trusted::Unknown(format!("not confirmed by {nodes}"));
    }
    let Some(max_age) = leader.state().settings.served_max_age else {
        return Trusted::Unknown(NO_SERVED_MAX_AGE.to_owned());
    };
    let confirmed = decided
        .nodes
        .iter()
        .filter_map(|node| leader.sighting(node)?.confirmed.as_ref());
    let last = confirmed.map(|confirmed| confirmed.at).max().unwrap_or(decided.at);
    Trusted::Until(last + max_age)
}
