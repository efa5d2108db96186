//! Requests about the fleet's CAs.

use super::super::convert::WireError;
use super::super::proto;
use super::calls::comment;
use crate::types::Comment;

/// `jkeys ca rotate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotateCaCall {
    /// The operator's own words.
    pub comment: Option<Comment>,
    /// Whether only to say what would be done.
    pub dry_run: bool,
}

impl TryFrom<proto::RotateCaRequest> for RotateCaCall {
    type Error = WireError;

    fn try_from(request: proto::RotateCaRequest) -> Result<Self, WireError> {
        Ok(Self {
            comment: comment(request.comment)?,
            dry_run: request.dry_run,
        })
    }
}

impl From<RotateCaCall> for proto::RotateCaRequest {
    fn from(call: RotateCaCall) -> Self {
        Self {
            comment: call.comment.map(Into::into),
            dry_run: call.dry_run,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_of_the_ca_survives_the_wire() {
        for dry_run in [true, false] {
            let call = RotateCaCall {
                comment: Some("the machine was sold".parse().unwrap()),
                dry_run,
            };
            assert_eq!(
                RotateCaCall::try_from(proto::RotateCaRequest::from(call.clone())).unwrap(),
                call
            );
        }
        let two_lines = proto::RotateCaRequest {
            comment: Some("a\nb".to_owned()),
            dry_run: false,
        };
        assert!(RotateCaCall::try_from(two_lines).is_err());
    }
}
