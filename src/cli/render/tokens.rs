//! Join tokens.

use super::table::Table;
use super::text::{list, relative};
use crate::rpc::documents::{TokenState, Tokens};

/// As many characters of a token's hash as tell tokens of one node apart.
const HASH_CHARS: usize = 12;

/// `jkeys node token list`.
pub(in crate::cli) fn tokens(tokens: &Tokens) -> String {
    if tokens.tokens.is_empty() {
        return "no join tokens; `jkeys node token NAME` makes one\n".to_owned();
    }
    let mut table = Table::new(&["NODE", "STATE", "EXPIRES", "HASH"]);
    for token in &tokens.tokens {
        let state = match token.state {
            TokenState::Open => "open",
            TokenState::Used => "used",
        };
        let hash = token.token.to_string();
        table.row([
            token.node.to_string(),
            state.to_owned(),
            relative(token.expires_at, tokens.now),
            hash[..HASH_CHARS].to_owned(),
        ]);
    }
    table.to_string()
}

/// `jkeys node token revoke`.
pub(in crate::cli) fn revoked_tokens(nodes: &[String]) -> String {
    let count = if nodes.len() == 1 {
        "1 join token".to_owned()
    } else {
        format!("{} join tokens", nodes.len())
    };
    format!("{count} revoked, for {}\n", list(nodes))
}
