//! `jkeys node token`

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::admin::{Leader, Place, Token};
use crate::cli::{CliError, Exit, Screen, render};
use crate::clock::Clock;
use crate::rpc::ErrorKind;
use crate::rpc::admin::{TokenCall, Tokens, schema};
use crate::rpc::documents::{self, Status, TokenState};
use crate::types::{NodeName, Span, Time};

/// The most tokens that one command makes.
const MOST: u16 = 1000;

/// Flags of `jkeys node token`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct TokenArgs {
    #[command(subcommand)]
    verb: Option<TokenVerb>,
    #[command(flatten)]
    make: MakeArgs,
}

/// What is done with tokens that are there.
#[derive(Debug, Subcommand)]
enum TokenVerb {
    /// The tokens that have not expired; none of them can be shown again
    List {
        /// The leader's document as it came
        #[arg(long)]
        json: bool,
    },
    /// Take tokens back that were not used yet
    Revoke {
        /// The node whose tokens they are
        #[arg(required_unless_present = "all")]
        name: Option<NodeName>,
        /// Those of every node
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
}

/// Which tokens to make.
#[derive(Debug, Args)]
struct MakeArgs {
    /// The name of the node that will join; a node named list or revoke needs -- before it
    #[arg(required_unless_present = "count", conflicts_with = "count")]
    name: Option<NodeName>,
    /// So many tokens, for names that are not taken yet: PREFIX1, PREFIX2 and so on
    #[arg(long, requires = "prefix", value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST)))]
    count: Option<u16>,
    /// What those names begin with, such as vm-
    #[arg(long, requires = "count")]
    prefix: Option<String>,
    /// How long a token is good for, from 1s to 30days
    #[arg(long, default_value = "1h", value_parser = ttl)]
    ttl: Span,
    /// One JSON object a token
    #[arg(long)]
    json: bool,
}

/// A token as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    node: &'a NodeName,
    token: &'a str,
    expires_at: Time,
}

impl TokenArgs {
    pub(super) async fn run(self, place: &Place, clock: &Clock, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
        let mut leader = Leader::connect(place).await?;
        match self.verb {
            None => self.make.run(&mut leader, clock, screen).await?,
            Some(TokenVerb::List { json }) => {
                let document = leader.tokens().await?;
                let tokens = document.read(schema::TOKENS)?;
                screen.put(if json {
                    render::json(&document.json)
                } else {
                    render::tokens(&tokens)
                })?;
            }
            Some(TokenVerb::Revoke { name, all: _ }) => {
                let which = name.map_or(Tokens::All, Tokens::Of);
                screen.put(render::revoked_tokens(&leader.revoke_tokens(which).await?))?;
            }
        }
        Ok(Exit::Done)
    }
}

impl MakeArgs {
    async fn run(self, leader: &mut Leader, clock: &Clock, screen: &mut Screen<'_>) -> Result<(), CliError> {
        let (ttl, prefix) = (self.ttl, self.prefix.unwrap_or_default());
        if let Some(node) = self.name {
            let call = TokenCall {
                node: node.clone(),
                ttl,
                only_new_name: false,
            };
            let token = leader.token(call).await?;
            if !self.json {
                screen.line(&String::from_utf8_lossy(token.line.expose()))?;
                screen.note(&render::token(&node, token.expires_at, clock.now()));
                return Ok(());
            }
            return put(screen, &node, &token, true);
        }
        let mut left = usize::from(self.count.unwrap_or_default());
        while left > 0 {
            for node in free_names(leader, &prefix, left).await? {
                let call = TokenCall {
                    node: node.clone(),
                    ttl,
                    only_new_name: true,
                };
                match leader.token(call).await {
                    Ok(token) => put(screen, &node, &token, self.json)?,
                    // Another operator was faster: there is a name after it.
                    Err(failure) if failure.kind == ErrorKind::Refused && taken(leader).await?.contains(&node) => continue,
                    Err(failure) => return Err(failure.into()),
                }
                left -= 1;
            }
        }
        Ok(())
    }
}

/// Shows a token and for whom it is.
fn put(screen: &mut Screen<'_>, node: &NodeName, token: &Token, json: bool) -> Result<(), CliError> {
    let text = String::from_utf8_lossy(token.line.expose());
    if !json {
        return screen.line(&format!("{node} {text}"));
    }
    screen.put(render::json_of(&Line {
        node,
        token: &text,
        expires_at: token.expires_at,
    }))
}

/// The names that nodes have and open tokens are for.
async fn taken(leader: &mut Leader) -> Result<BTreeSet<NodeName>, CliError> {
    let status: Status = leader.status().await?.read(schema::STATUS)?;
    let tokens: documents::Tokens = leader.tokens().await?.read(schema::TOKENS)?;
    let open = tokens.tokens.into_iter().filter(|token| token.state == TokenState::Open);
    let nodes = status.nodes.into_iter().map(|node| node.node);
    Ok(nodes.chain(open.map(|token| token.node)).collect())
}

/// So many names with that prefix that are not taken, the first ones.
async fn free_names(leader: &mut Leader, prefix: &str, count: usize) -> Result<Vec<NodeName>, CliError> {
    let taken = taken(leader).await?;
    let mut names = Vec::new();
    for number in 1_u32.. {
        let name: NodeName = format!("{prefix}{number}").parse().map_err(CliError::Name)?;
        if !taken.contains(&name) {
            names.push(name);
        }
        if names.len() == count {
            break;
        }
    }
    Ok(names)
}

fn ttl(text: &str) -> Result<Span, String> {
    let ttl: Span = text.parse().map_err(|why| format!("{why}; write it as 1h or 30m"))?;
    if (Span::secs(1)..=Span::hours(30 * 24)).contains(&ttl) {
        return Ok(ttl);
    }
    Err("a token is good for 1s to 30days".to_owned())
}
