//! Requests about join tokens.

use super::super::convert::WireError;
use super::super::proto::{self, revoke_tokens_request};
use crate::types::{NodeName, Span};

/// The longest life of a join token.
const LONGEST_TTL: Span = Span::hours(30 * 24);
/// The shortest life of a join token.
const SHORTEST_TTL: Span = Span::secs(1);

/// `jkeys node token`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenCall {
    /// The name of the node that will join.
    pub node: NodeName,
    /// How long the token is good for.
    pub ttl: Span,
    /// Whether it is refused where a node has that name, or an open token is for it.
    pub only_new_name: bool,
}

/// Which join tokens `jkeys node token revoke` takes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tokens {
    /// Those of one node.
    Of(NodeName),
    /// All of them.
    All,
}

impl Tokens {
    /// The node that is named, if one is.
    #[must_use]
    pub fn node(self) -> Option<NodeName> {
        match self {
            Self::Of(node) => Some(node),
            Self::All => None,
        }
    }
}

impl TryFrom<proto::CreateTokenRequest> for TokenCall {
    type Error = WireError;

    fn try_from(request: proto::CreateTokenRequest) -> Result<Self, WireError> {
        let ttl = Span(request.ttl_ms);
        if !(SHORTEST_TTL..=LONGEST_TTL).contains(&ttl) {
            return Err(WireError::field(
                "ttl",
                format!("{ttl} is not between {SHORTEST_TTL} and {LONGEST_TTL}"),
            ));
        }
        let node = request.node_name.parse()?;
        Ok(Self {
            node,
            ttl,
            only_new_name: request.only_new_name,
        })
    }
}

impl From<TokenCall> for proto::CreateTokenRequest {
    fn from(call: TokenCall) -> Self {
        Self {
            node_name: call.node.into(),
            ttl_ms: call.ttl.0,
            only_new_name: call.only_new_name,
        }
    }
}

impl TryFrom<proto::RevokeTokensRequest> for Tokens {
    type Error = WireError;

    fn try_from(request: proto::RevokeTokensRequest) -> Result<Self, WireError> {
        match request.of {
            Some(revoke_tokens_request::Of::NodeName(node)) => Ok(Self::Of(node.parse()?)),
            Some(revoke_tokens_request::Of::All(true)) => Ok(Self::All),
            Some(revoke_tokens_request::Of::All(false)) | None => Err(WireError::Missing("which join tokens to revoke")),
        }
    }
}

impl From<Tokens> for proto::RevokeTokensRequest {
    fn from(tokens: Tokens) -> Self {
        let of = match tokens {
            Tokens::Of(node) => revoke_tokens_request::Of::NodeName(node.into()),
            Tokens::All => revoke_tokens_request::Of::All(true),
        };
        Self { of: Some(of) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_about_tokens_survive_the_wire() {
        let call = TokenCall {
            node: "vm-1".parse().unwrap(),
            ttl: Span::hours(1),
            only_new_name: true,
        };
        assert_eq!(
            TokenCall::try_from(proto::CreateTokenRequest::from(call.clone())).unwrap(),
            call
        );
        for tokens in [Tokens::Of("vm-1".parse().unwrap()), Tokens::All] {
            assert_eq!(
                Tokens::try_from(proto::RevokeTokensRequest::from(tokens.clone())).unwrap(),
                tokens
            );
        }
    }

    #[test]
    fn a_token_lives_from_a_second_to_a_month() {
        let token = |ttl_ms| {
            let node_name = "vm-1".to_owned();
            TokenCall::try_from(proto::CreateTokenRequest {
                node_name,
                ttl_ms,
                only_new_name: false,
            })
            .is_ok()
        };
        assert_eq!(
            [0, 999, 1000, LONGEST_TTL.0, LONGEST_TTL.0 + 1].map(token),
            [false, false, true, true, false]
        );
    }

    #[test]
    fn nobody_takes_back_all_tokens_by_leaving_something_out() {
        assert!(Tokens::try_from(proto::RevokeTokensRequest { of: None }).is_err());
        let of = Some(revoke_tokens_request::Of::All(false));
        assert!(Tokens::try_from(proto::RevokeTokensRequest { of }).is_err());
    }
}
