//! The request of `jkeys audit adopt`.

use std::collections::BTreeSet;

use super::super::convert::WireError;
use super::super::limits::NAMED_NODES;
use super::super::proto;
use super::calls::{comment, wait};
use crate::types::{Comment, NodeName, Span};

/// `jkeys audit adopt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptCall {
    /// The operator's own words.
    pub comment: Comment,
    /// Nodes in service that have not said what they remember.
    pub without: BTreeSet<NodeName>,
    /// Nodes whose word is taken that a key is gone.
    pub believe: BTreeSet<NodeName>,
    /// Nodes whose word counts for nothing.
    pub disbelieve: BTreeSet<NodeName>,
    /// Whether only to say what would be done.
    pub dry_run: bool,
    /// How long to follow the confirmations.
    pub wait: Span,
}

impl TryFrom<proto::AdoptRequest> for AdoptCall {
    type Error = WireError;

    fn try_from(request: proto::AdoptRequest) -> Result<Self, WireError> {
        Ok(Self {
            comment: comment(Some(request.comment))?.ok_or(WireError::Missing("the comment"))?,
            without: nodes(request.without)?,
            believe: nodes(request.believe)?,
            disbelieve: nodes(request.disbelieve)?,
            dry_run: request.dry_run,
            wait: wait(request.wait_ms)?,
        })
    }
}

impl From<AdoptCall> for proto::AdoptRequest {
    fn from(call: AdoptCall) -> Self {
        let names = |nodes: BTreeSet<NodeName>| nodes.into_iter().map(Into::into).collect();
        Self {
            comment: call.comment.into(),
            without: names(call.without),
            believe: names(call.believe),
            disbelieve: names(call.disbelieve),
            dry_run: call.dry_run,
            wait_ms: call.wait.0,
        }
    }
}

fn nodes(names: Vec<String>) -> Result<BTreeSet<NodeName>, WireError> {
    if names.len() > NAMED_NODES {
        return Err(WireError::field("a list of nodes", format!("at most {NAMED_NODES} nodes")));
    }
    names.into_iter().map(|name| name.parse().map_err(WireError::Name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_to_adopt_survives_the_wire_and_is_bounded() {
        let names = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let call = AdoptCall {
            comment: "restored on Monday".parse().unwrap(),
            without: names(&["a"]),
            believe: names(&["b"]),
            disbelieve: names(&["c", "d"]),
            dry_run: true,
            wait: Span::secs(5),
        };
        assert_eq!(AdoptCall::try_from(proto::AdoptRequest::from(call.clone())).unwrap(), call);
        let mut request = proto::AdoptRequest::from(call);
        request.without = (0..=NAMED_NODES).map(|n| format!("vm-{n}")).collect();
        assert!(
            AdoptCall::try_from(request.clone())
                .unwrap_err()
                .to_string()
                .contains("at most")
        );
        request.without.clear();
        request.comment.clear();
        assert!(AdoptCall::try_from(request).is_err(), "an adoption without words");
    }
}
