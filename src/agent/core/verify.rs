//! What is checked of a generation before anything of it is used, in this order:
//!
//! - Step 5, generation: its sizes are within the limits; the digest is that of the public form, and the public form says what the
//!   generation says; rule R5: neither its epoch nor its number goes back, its content is not another than before, no key in it is known
//!   as gone.
//! - Step 6, form of every key: no kid stands twice, each stage is one of its key's use, and no profile has two active keys (rule R4), or
//!   two that are encrypted to; each public key is in order.
//! - Step 7, private halves: they are there for exactly the keys whose stage gives them to nodes, and each belongs to its public half: it
//!   signs, and the public half verifies; or it opens what is encrypted to the public half.

use std::collections::BTreeSet;

use super::io::Proofs;
use super::trusted::{GoingBack, Standing, Trusted};
use crate::lifecycle::mutant::{Mutant, is_out};
use crate::lifecycle::{KeySet, MAX_PUBLISHED, Stage};
use crate::rpc::fleet::Bundle;
use crate::rpc::limits::{PRIVATE_HALF_BYTES, PUBLIC_FORM_BYTES};
use crate::types::{Digest, Kid, ProfileName};

/// Why a generation is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Rule R5.
    #[error(transparent)]
    GoingBack(#[from] GoingBack),
    /// More than is allowed.
    #[error("the generation has {found} {what}, but at most {limit} are allowed; fewer keys or profiles make it smaller")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// How much.
        found: usize,
        /// How much is allowed.
        limit: usize,
    },
    /// The digest or the content doesn't fit the public form.
    #[error(
        "the generation does not fit its public form: it was altered on its way, or made by a release too far away; look at the leader's log"
    )]
    NotItsForm,
    /// A kid that stands twice.
    #[error("the generation holds the key {0} twice; look at the leader's log")]
    Twice(Kid),
    /// Two signers in one profile, or two keys that are encrypted to.
    #[error("the generation has two active keys in the profile {0}; look at the leader's log")]
    TwoActive(ProfileName),
    /// A stage that no key of this use can be at.
    #[error("the generation has the key {0} at a stage that no key of its use can be at; look at the leader's log")]
    OtherUse(Kid),
    /// A public key in a wrong form.
    #[error("the public key {kid} is not in order: {why}; revoke it on the leader")]
    PublicKey {
        /// Which.
        kid: Kid,
        /// What is wrong.
        why: String,
    },
    /// A private half that should be there.
    #[error("the generation lacks the private half of {0}; look at the leader's log")]
    PrivateMissing(Kid),
    /// A private half that no node may have.
    #[error("the generation carries a private half of {0}, which no node may have; revoke that key on the leader")]
    PrivateExtra(Kid),
    /// A private half of another key.
    #[error("the private half sent for {kid} does not belong to its public half: {why}; revoke that key on the leader")]
    Pair {
        /// Which.
        kid: Kid,
        /// What is wrong.
        why: String,
    },
}

/// Checks a generation as the leader sent it. One that is the newest already is told apart before its keys are looked at again, as
/// far as `known` says that the node has it.
pub fn verify(bundle: &Bundle, trusted: &Trusted, known: bool, proofs: Proofs) -> Result<Standing, Refusal> {
    let standing = check_content(bundle, trusted)?;
    if standing == Standing::Same && known {
        return Ok(standing);
    }
    check_keys(bundle, bundle.set.carried(), proofs)?;
    Ok(standing)
}

/// Checks a generation as it was found in the sealed cache, which lacks the private halves that switches have retired; `needed` are
/// those that it must have.
pub fn verify_cached(bundle: &Bundle, trusted: &Trusted, needed: &BTreeSet<Kid>, proofs: Proofs) -> Result<Standing, Refusal> {
    let standing = check_content(bundle, trusted)?;
    check_keys(bundle, needed.iter(), proofs)?;
    Ok(standing)
}

/// What step 5 is, and of step 6 what the members are.
fn check_content(bundle: &Bundle, trusted: &Trusted) -> Result<Standing, Refusal> {
    within("bytes of public form", bundle.public_form.len(), PUBLIC_FORM_BYTES)?;
    within("keys", bundle.set.members.len(), MAX_PUBLISHED)?;
    within("private halves", bundle.privates.len(), MAX_PUBLISHED)?;
    for secret in bundle.privates.values() {
        within("bytes in one private half", secret.expose().len(), PRIVATE_HALF_BYTES)?;
    }
    let said: Option<KeySet> = serde_json::from_slice(&bundle.public_form).ok();
    if Digest::of(&bundle.public_form) != bundle.digest || said.as_ref() != Some(&bundle.set) {
        return Err(Refusal::NotItsForm);
    }
    let standing = trusted.judge(&bundle.set, bundle.digest)?;
    let (mut kids, mut active) = (BTreeSet::new(), BTreeSet::new());
    for member in &bundle.set.members {
        if !kids.insert(&member.public.kid) {
            return Err(Refusal::Twice(member.public.kid.clone()));
        }
        if member.stage.key_use() != member.public.spec.key_use() {
            return Err(Refusal::OtherUse(member.public.kid.clone()));
        }
        if matches!(member.stage, Stage::Active | Stage::Published)
            && !active.insert(&member.profile)
            && !is_out(Mutant::R4TwoActive)
        {
            return Err(Refusal::TwoActive(member.profile.clone()));
        }
    }
    Ok(standing)
}

/// Of step 6 the public keys, and what step 7 says.
fn check_keys<'a>(bundle: &Bundle, mut needed: impl Iterator<Item = &'a Kid>, proofs: Proofs) -> Result<(), Refusal> {
    for member in &bundle.set.members {
        let kid = || member.public.kid.clone();
        (proofs.public)(&member.public).map_err(|why| Refusal::PublicKey { kid: kid(), why })?;
    }
    if let Some(kid) = needed.find(|kid| !bundle.privates.contains_key(kid)) {
        return Err(Refusal::PrivateMissing(kid.clone()));
    }
    for (kid, secret) in &bundle.privates {
        let member = bundle.set.member(kid).filter(|member| member.stage.carries_private());
        let Some(member) = member else {
            return Err(Refusal::PrivateExtra(kid.clone()));
        };
        (proofs.pair)(&member.public, secret).map_err(|why| Refusal::Pair { kid: kid.clone(), why })?;
    }
    Ok(())
}

fn within(what: &'static str, found: usize, limit: usize) -> Result<(), Refusal> {
    if found > limit {
        return Err(Refusal::TooLarge { what, found, limit });
    }
    Ok(())
}
