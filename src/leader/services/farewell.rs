//! What a node is told that an operator has taken out of the fleet: to erase what is secret, and how it may come back.

use tonic::Status;

use crate::lifecycle::Ended;
use crate::rpc::fleet::LeaderMessage;
use crate::rpc::proto::LeaderUpdate;
use crate::rpc::{ErrorKind, Failure, Outgoing};

/// All that a stream of it says.
pub(super) fn stream(ended: &Ended) -> [Result<LeaderUpdate, Status>; 2] {
    [Ok(LeaderMessage::<Outgoing>::Erase.into()), Err(refusal(ended).into())]
}

/// Why its calls are refused.
pub(super) fn refusal(ended: &Ended) -> Failure {
    let Ended { node, ending, at, .. } = ended;
    let words = format!(
        "node {node} was {ending} at {at}, and its private files are to be erased; to let this machine in again, make a join token on the \
         leader's machine with `jkeys node token NAME`, and use it here with `jkeys enroll -`"
    );
    Failure::new(ErrorKind::Unauthenticated, words)
}
