//! Requests about nodes.

use super::super::convert::WireError;
use super::super::proto;
use super::calls::comment;
use crate::lifecycle::Ending;
use crate::types::{Comment, NodeName};

/// `jkeys node revoke`, `jkeys node remove`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndNodeCall {
    /// The node.
    pub node: NodeName,
    /// How it ends.
    pub ending: Ending,
    /// The operator's own words.
    pub comment: Option<Comment>,
}

impl TryFrom<proto::EndNodeRequest> for EndNodeCall {
    type Error = WireError;

    fn try_from(request: proto::EndNodeRequest) -> Result<Self, WireError> {
        let ending = match proto::NodeEnding::try_from(request.ending) {
            Ok(proto::NodeEnding::Revoked) => Ending::Revoked,
            Ok(proto::NodeEnding::Removed) => Ending::Removed,
            Ok(proto::NodeEnding::Unspecified) => return Err(WireError::Missing("how the node ends")),
            Err(unknown) => return Err(WireError::field("ending", unknown.to_string())),
        };
        Ok(Self {
            node: request.node_name.parse()?,
            ending,
            comment: comment(request.comment)?,
        })
    }
}

impl From<EndNodeCall> for proto::EndNodeRequest {
    fn from(call: EndNodeCall) -> Self {
        let ending = match call.ending {
            Ending::Revoked => proto::NodeEnding::Revoked,
            Ending::Removed => proto::NodeEnding::Removed,
        };
        Self {
            node_name: call.node.into(),
            ending: ending.into(),
            comment: call.comment.map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_node_survives_the_wire() {
        for ending in [Ending::Revoked, Ending::Removed] {
            let call = EndNodeCall {
                node: "vm-1".parse().unwrap(),
                ending,
                comment: Some("stolen".parse().unwrap()),
            };
            assert_eq!(
                EndNodeCall::try_from(proto::EndNodeRequest::from(call.clone())).unwrap(),
                call
            );
        }
    }

    #[test]
    fn no_node_ends_by_leaving_something_out() {
        let request = |ending: i32, node_name: &str| proto::EndNodeRequest {
            node_name: node_name.to_owned(),
            ending,
            comment: None,
        };
        for (ending, name) in [(0, "vm-1"), (3, "vm-1"), (1, ""), (1, "VM 1")] {
            assert!(EndNodeCall::try_from(request(ending, name)).is_err(), "{ending} {name}");
        }
    }
}
