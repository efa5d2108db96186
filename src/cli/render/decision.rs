//! What `jkeys rotate` and `jkeys revoke` show, step by step.

use super::text::{lines, list, plain};
use crate::rpc::admin::{Confirmation, Finished, Trusted};
use crate::rpc::documents::Decided;
use crate::types::Generation;

/// Beside a rotation with `--reason compromised` that names no key.
pub(in crate::cli) const REVOKES_NOTHING: &str = "this revokes nothing: the old key stays published until the tokens that it signed \
     have expired. To revoke it now: `jkeys revoke KID --reason compromised`; another time: `jkeys rotate --now --compromised KID`";

/// What was decided, and who must confirm it.
pub(in crate::cli) fn decided(decided: &Decided, generation: Option<Generation>) -> String {
    let changes = decided.changes.iter().map(|change| plain(change));
    let remarks = decided.remarks.iter().map(|remark| format!("note: {}", plain(remark)));
    let waits = match (generation, decided.nodes.len()) {
        (None, _) => "nothing new has to reach the nodes".to_owned(),
        (Some(generation), 0) => format!("generation {generation}; there is no node that must confirm it"),
        (Some(generation), 1) => format!("generation {generation}, to be confirmed by 1 node"),
        (Some(generation), count) => format!("generation {generation}, to be confirmed by {count} nodes"),
    };
    lines(changes.chain(remarks).chain([waits]))
}

/// One node has confirmed.
pub(in crate::cli) fn confirmed(decided: &Decided, confirmation: &Confirmation) -> String {
    let width = decided.nodes.iter().map(|node| node.as_str().len()).max().unwrap_or(0);
    let after = confirmation.at.since(decided.at).0;
    format!(
        "{:width$}  confirmed after {}.{:02} s   ({} left)\n",
        confirmation.node.as_str(),
        after / 1000,
        after % 1000 / 10,
        confirmation.remaining
    )
}

/// How it ended: who has not confirmed, and until when a revoked key is trusted (rule R8).
pub(in crate::cli) fn finished(decided: &Decided, finished: &Finished) -> String {
    let nodes = match finished.missing.as_slice() {
        [] if decided.nodes.is_empty() => None,
        [] => Some("all nodes have confirmed".to_owned()),
        missing => Some(format!(
            "not confirmed by {}; `jkeys status --watch` follows on",
            list(missing)
        )),
    };
    let trusted = (!decided.revoked.is_empty()).then(|| match &finished.trusted {
        Trusted::Until(time) => {
            format!("verifiers that honour their cache time trust what was revoked until {time} at the latest")
        }
        Trusted::Unknown(why) => format!("until when verifiers trust what was revoked is not known: {}", plain(why)),
    });
    lines(nodes.into_iter().chain(trusted))
}
