//! Join tokens: made, listed, taken back. The leader keeps only the hash of each.

use super::context::{Context, internal};
use crate::lifecycle::{Command, Event};
use crate::pki::{JoinToken, TokenSecret};
use crate::rpc::admin::{TokenCall, Tokens};
use crate::rpc::proto::{CreateTokenResponse, RevokeTokensResponse};
use crate::rpc::{Failure, documents};
use crate::types::{Actor, NodeName};

impl Context {
    pub(super) async fn token(&self, actor: Actor, call: TokenCall) -> Result<CreateTokenResponse, Failure> {
        let TokenCall {
            node,
            ttl,
            only_new_name,
        } = call;
        let addresses = self.terms.borrow().advertise.clone();
        if addresses.is_empty() {
            let advice = "the configuration names no address that nodes can reach: set advertise = [\"HOST:7443\"] and reload the leader \
                          (systemctl reload jkeys-leader)";
            let refused = self.refuse(actor, format!("node token {node}"), Failure::refused(advice));
            return Err(refused.await);
        }
        let secret = TokenSecret::generate().map_err(|why| internal(&why))?;
        let expires_at = self.clock.now() + ttl;
        let command = Command::IssueToken {
            token: secret.hash(),
            node: node.clone(),
            expires_at,
            only_new_name,
        };
        let words = format!("node token {node}");
        let (decision, _) = self
            .ask(actor, words, command)
            .await?
            .map_err(|refusal| Failure::refused(refusal.to_string()))?;
        let authority = self.authority();
        let pinned = decision.events.iter().find_map(|event| match event {
            Event::TokenIssued { ca, .. } => authority.signer_if((*ca)?),
            _ => None,
        });
        // The record names the CA, so no other can be pinned.
        let pinned = pinned.ok_or_else(|| internal(&"the fleet's CA changed in this moment; make another token"))?;
        let token = JoinToken {
            addresses,
            ca_key: pinned.certificate().key(),
            log_public_key: authority.fleet.log_public_key.0,
            node,
            secret,
        };
        let token = String::from_utf8_lossy(token.line().expose()).into_owned();
        Ok(CreateTokenResponse {
            token,
            expires_at_ms: expires_at.0,
        })
    }

    /// Those that have not expired, by name.
    pub(super) async fn tokens(&self) -> Result<documents::Tokens, Failure> {
        let now = self.clock.now();
        let leader = self.shared.leader().await?;
        let rows = leader.state().tokens.iter().filter(|(_, row)| row.expires_at > now);
        let mut tokens: Vec<_> = rows
            .map(|(token, row)| documents::TokenRow {
                node: row.node.clone(),
                token: *token,
                expires_at: row.expires_at,
                state: if row.used {
                    documents::TokenState::Used
                } else {
                    documents::TokenState::Open
                },
            })
            .collect();
        tokens.sort_by(|one, other| (&one.node, one.expires_at).cmp(&(&other.node, other.expires_at)));
        Ok(documents::Tokens { now, tokens })
    }

    pub(super) async fn revoke_tokens(&self, actor: Actor, tokens: Tokens) -> Result<RevokeTokensResponse, Failure> {
        let node = tokens.node();
        let whose = node.as_ref().map_or("--all", NodeName::as_str);
        let words = format!("node token revoke {whose}");
        let decided = self.ask(actor, words, Command::RevokeTokens { node }).await?;
        let (decision, _) = decided.map_err(|refusal| Failure::refused(refusal.to_string()))?;
        let names = decision.events.into_iter().filter_map(|event| match event {
            Event::TokenRevoked { node, .. } => Some(node.into()),
            _ => None,
        });
        let node_names = names.collect();
        Ok(RevokeTokensResponse { node_names })
    }
}
