//! `jkeys enroll TOKEN`: how this machine becomes a node.

use std::path::Path;

use super::blocking::blocking;
use super::disk::newest_known;
use super::folder;
use super::papers::{self, Papers, PapersError};
use crate::clock::Clock;
use crate::durable::DurableError;
use crate::pki::{JoinToken, Membership, NodeKeys, PkiError, TokenError, enroll_client_config};
use crate::rpc::proto::EnrollRequest;
use crate::rpc::{ConnectError, Failure, WireError, connect_leader, enrollment_client};
use crate::types::{Generation, NodeName, Time, WitnessKey};

/// Why a machine could not join.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The leader can't be reached, or is not the one that the token names.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The leader refused.
    #[error("the leader refused: {0}")]
    Refused(Failure),
    /// The leader's answer.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Keys and certificates.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The identity can't be kept.
    #[error(transparent)]
    Papers(#[from] PapersError),
    /// The folder can't be written to.
    #[error("{0}; the token was not used")]
    Durable(#[from] DurableError),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// The node's name.
    pub node: NodeName,
    /// Until when its certificate is good; it renews itself long before.
    pub good_until: Time,
}

/// Makes this machine a node of the token's fleet, with its files under `folder`.
///
/// The keys are made here and stay here. What rule R5 remembers is of one fleet, so a token of another fleet begins anew.
///
/// # Errors
/// In words: the token, the leader, or the disk. A token that was refused is not used up; one whose answer was lost is.
pub async fn enroll(line: &str, folder: &Path, clock: &Clock) -> Result<Enrolled, EnrollError> {
    let token = JoinToken::parse(line)?;
    prove_writable(folder).await?;
    let keys = NodeKeys::generate()?;
    let channel = connect_leader(&token.addresses, enroll_client_config(token.ca_key, clock)?).await?;
    let answer = enrollment_client(channel).enroll(EnrollRequest::new(&token, &keys)?).await;
    let answer = answer.map_err(|status| EnrollError::Refused(status.into()))?;
    let membership = Membership::try_from(answer.into_inner())?;
    let (membership, identity) = membership.enrolled(&token, &keys, clock.now())?;
    let papers = Papers {
        node: token.node.clone(),
        addresses: token.addresses.clone(),
        known: known(folder, WitnessKey(membership.log_public_key)).await,
        membership,
        keys,
    };
    papers::store(papers, folder).await?;
    Ok(Enrolled {
        node: token.node,
        good_until: identity.not_after,
    })
}

/// The newest generation of the fleet that this machine has verified before. What can't be read the agent will not go by either.
async fn known(folder: &Path, fleet: WitnessKey) -> Generation {
    let folder = folder.to_owned();
    blocking(move || newest_known(&folder, fleet)).await
}

/// A token is used once: what could be in the way of the identity is found before.
async fn prove_writable(folder: &Path) -> Result<(), DurableError> {
    let folder = folder.to_owned();
    blocking(move || folder::prove_writable(&folder)).await
}
