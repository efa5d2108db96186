//! What the log says of a token: the key that signed it, and whether that key could.

use serde::{Serialize, Serializer};

use super::key::{End, KeyState, KeyStory};
use crate::audit::Record;
use crate::crypto::{NamedKey, SignedToken, VerifyingKey};
use crate::lifecycle::{Cause, Event, NamedNodes};
use crate::types::{Actor, Comment, Generation, KeySpec, KeyUse, Kid, ProfileName, Reason, Seq, Span, Time};

/// A token, and the key that it names or that signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The key.
    pub kid: Kid,
    /// Its profile.
    pub profile: ProfileName,
    /// What it is.
    pub spec: KeySpec,
    /// Whether the signature is its.
    pub verified: bool,
    /// When the token says that it was issued.
    pub issued_at: Option<Time>,
    /// When it says that it ends to be good.
    pub expires_at: Option<Time>,
    /// Where the key was when the token was issued; none where that is not known, or nobody had the key.
    pub state_then: Option<KeyState>,
    /// Where it is.
    pub state_now: Option<KeyState>,
    /// Until when the log was read.
    pub as_of: Time,
    /// Since when nodes are told to publish it, or to hold it if it is for encryption.
    pub published: Step,
    /// When its private half went to the nodes, if it did so ahead of time.
    pub armed: Option<Armed>,
    /// When it began to sign.
    pub signed: Option<Signing>,
    /// When it was to sign no more.
    pub retired: Option<Step>,
    /// The last moment at which any node may have signed with it, where that is known.
    pub last_signature: Option<Time>,
    /// When it went.
    pub removed: Option<Step>,
    /// Who revoked it, and why.
    pub revoked: Option<Revoked>,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// What else is worth knowing.
    pub remarks: Vec<Remark>,
}

/// A record of the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its number.
    pub record: Seq,
    /// Its time.
    pub at: Time,
    /// Who decided it.
    pub by: Actor,
    /// The generation that carried it to the nodes.
    pub generation: Generation,
}

/// The key went to the nodes to sign later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Armed {
    /// The record.
    #[serde(flatten)]
    pub step: Step,
    /// From when on it was to sign.
    pub activate_at: Time,
    /// How many nodes in service had confirmed to publish it.
    pub confirmed: u64,
    /// Nodes that were not waited for.
    pub not_waited_for: NamedNodes,
}

/// The key began to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signing {
    /// The record.
    #[serde(flatten)]
    pub step: Step,
    /// Since when nodes signed with it.
    pub since: Time,
    /// What allowed it.
    #[serde(flatten)]
    pub cause: Cause,
}

/// The key was revoked, or reported compromised when it was gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revoked {
    /// The record.
    #[serde(flatten)]
    pub step: Step,
    /// Why.
    pub reason: Reason,
    /// In the operator's words.
    pub comment: Option<Comment>,
}

/// Why a token can't be relied on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The key is for encryption.
    #[error("the key that it names is for encryption ({0}) and signs nothing: whoever made the token made that up")]
    NotForSigning(KeySpec),
    /// The header names another algorithm than the key's.
    #[error("its header says alg {header}, and the key signs with {key}: it was not signed by this key, or was changed")]
    OtherAlgorithm {
        /// What the header says.
        header: String,
        /// What the key is for.
        key: &'static str,
    },
    /// The signature is not the key's.
    #[error("its signature is not one of this key: the token was changed, or somebody else signed it under this kid")]
    NotVerified,
    /// The key is revoked.
    #[error("the key is revoked ({0}): whoever holds its private half can write any time into a token; refuse it")]
    Revoked(Reason),
    /// It does not say when it was issued.
    #[error("it does not say when it was issued (no iat), so whether the key was to sign then can't be told")]
    NoIssuedAt,
    /// It says that it will be issued.
    #[error("it says that it was issued at {0}, which is in the future: the issuer's clock is wrong, or the token was made up")]
    FromTheFuture(Time),
    /// The key has never signed.
    #[error("by the log this key has never signed on any node: its private half was used by somebody else")]
    NeverSigned,
    /// The key signed only later.
    #[error(
        "it says that it was issued at {issued_at}, and the key signed only from {from} on: a clock is wrong, or the key was misused"
    )]
    TooEarly {
        /// What the token says.
        issued_at: Time,
        /// When the key began.
        from: Time,
    },
    /// The key signed no more.
    #[error(
        "it says that it was issued at {issued_at}, and no node signed with the key after {until}: a clock is wrong, or the key was misused"
    )]
    TooLate {
        /// What the token says.
        issued_at: Time,
        /// The last moment at which a node may have signed.
        until: Time,
    },
}

/// What is worth knowing of a token beside its faults.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Remark {
    /// The header names no key.
    #[error("its header names no key (no kid): the key was found by trying all; relying parties may have to do so too")]
    NoKid,
    /// It says not when it ends.
    #[error("it never expires (no exp), and the key is published only for {0} after its last signature (token_lifetime)")]
    NoExpiry(Span),
    /// It lived longer than tokens may.
    #[error(
        "it lives for {life}, and token_lifetime is {allowed}: the key is published only for tokens of that life (rule R3); raise \
         token_lifetime, or issue shorter tokens"
    )]
    LongLived {
        /// How long it lives.
        life: Span,
        /// What the settings of the key say.
        allowed: Span,
    },
    /// It is over.
    #[error("it expired at {0}")]
    Expired(Time),
    /// A node had not yet switched away.
    #[error("it was issued after the key was to retire, at {0}, by a node that had not switched yet; rule R3 allows for that")]
    WhileSwitching(Time),
    /// The key signed by an exception to rule R1.
    #[error("the key signed by an exception to rule R1 ({0}): relying parties may not have known it yet")]
    Exception(&'static str),
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Serialize for Remark {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Explains a token by the story of a key, as the log told it until `as_of`. `now` is the time.
#[must_use]
pub fn explain(token: &SignedToken, story: &KeyStory, as_of: Time, now: Time) -> Explanation {
    let issued_at = token.issued_at();
    let signature = signature(token, story);
    let (mut faults, mut remarks) = (Vec::new(), Vec::new());
    if let Err(fault) = &signature {
        faults.push(fault.clone());
    } else {
        times(issued_at, story, as_of, now, &mut faults, &mut remarks);
        life(token, story, now, &mut remarks);
    }
    let last_signature = match story.signs_until(as_of) {
        End::At(last) => Some(last),
        _ => None,
    };
    Explanation {
        kid: story.key.kid.clone(),
        profile: story.profile.clone(),
        spec: story.key.spec,
        verified: signature.is_ok(),
        issued_at,
        expires_at: token.expires_at(),
        state_then: issued_at.and_then(|at| state_then(story, at)),
        state_now: story.state_at(as_of),
        as_of,
        published: step(story.born()),
        armed: story.armed().and_then(armed),
        signed: story.activated().and_then(signing),
        retired: story.retired().map(step),
        last_signature,
        removed: story.removed().map(step),
        revoked: story.revoked().or(story.reported()).and_then(revoked),
        faults,
        remarks,
    }
}

/// Tokens tell whole seconds: a key that began to sign within that second is one that signed.
fn state_then(story: &KeyStory, issued_at: Time) -> Option<KeyState> {
    let (at, by_the_end) = (story.state_at(issued_at), story.state_at(issued_at + Span(999)));
    if by_the_end == Some(KeyState::Active) {
        by_the_end
    } else {
        at
    }
}

fn signature(token: &SignedToken, story: &KeyStory) -> Result<(), Fault> {
    if story.key.spec.key_use() != KeyUse::Sig {
        return Err(Fault::NotForSigning(story.key.spec));
    }
    let key = VerifyingKey::new(&story.key.jwk).map_err(|_| Fault::NotVerified)?;
    if !token.is_of_the_algorithm_of(&key) {
        let header = token.alg().to_owned();
        let key = key.spec().jwk_alg();
        return Err(Fault::OtherAlgorithm { header, key });
    }
    token.is_signed_by(&key).then_some(()).ok_or(Fault::NotVerified)
}

/// Whether the key was to sign when the token says that it was issued. Clocks may differ by `clock_skew`.
fn times(issued_at: Option<Time>, story: &KeyStory, as_of: Time, now: Time, faults: &mut Vec<Fault>, remarks: &mut Vec<Remark>) {
    let skew = story.windows.clock_skew;
    if let Some(Event::Revoked { reason, .. }) = story.revoked().map(|record| &record.event) {
        faults.push(Fault::Revoked(*reason));
    } else if story.reported().is_some() {
        faults.push(Fault::Revoked(Reason::Compromised));
    }
    let Some(from) = story.signs_from().filter(|from| *from <= as_of + skew) else {
        faults.push(Fault::NeverSigned);
        return;
    };
    let Some(issued_at) = issued_at else {
        faults.push(Fault::NoIssuedAt);
        return;
    };
    if issued_at > now + skew {
        faults.push(Fault::FromTheFuture(issued_at));
    }
    if issued_at + skew < from {
        faults.push(Fault::TooEarly { issued_at, from });
    }
    let was_to_end = story.retired().map(|record| record.time).filter(|at| issued_at > *at + skew);
    match story.signs_until(as_of) {
        End::At(until) if issued_at > until + skew => faults.push(Fault::TooLate { issued_at, until }),
        _ => remarks.extend(was_to_end.map(Remark::WhileSwitching)),
    }
}

/// How long it lives, and whether its key is one that relying parties knew.
fn life(token: &SignedToken, story: &KeyStory, now: Time, remarks: &mut Vec<Remark>) {
    let allowed = story.windows.token_lifetime;
    if token.named() == &NamedKey::Nobody {
        remarks.push(Remark::NoKid);
    }
    match (token.issued_at(), token.expires_at()) {
        (_, None) => remarks.push(Remark::NoExpiry(allowed)),
        (Some(from), Some(until)) if until.since(from) > allowed => {
            let life = until.since(from);
            remarks.push(Remark::LongLived { life, allowed });
        }
        _ => {}
    }
    remarks.extend(token.expires_at().filter(|at| *at < now).map(Remark::Expired));
    if let Some(Event::Activated { cause, .. }) = story.activated().map(|record| &record.event) {
        remarks.extend(exception(cause).map(Remark::Exception));
    }
}

fn exception(cause: &Cause) -> Option<&'static str> {
    match cause {
        Cause::Scheduled | Cause::Emergency { .. } => None,
        Cause::Bootstrap => Some("bootstrap"),
        Cause::Forced { .. } => Some("forced"),
        Cause::Compromised { .. } => Some("compromised"),
    }
}

fn step(record: &Record) -> Step {
    Step {
        record: record.seq,
        at: record.time,
        by: record.actor.clone(),
        generation: record.generation,
    }
}

fn armed(record: &Record) -> Option<Armed> {
    match &record.event {
        Event::Armed {
            activate_at, evidence, ..
        } => Some(Armed {
            step: step(record),
            activate_at: *activate_at,
            confirmed: evidence.count,
            not_waited_for: evidence.exceptions.clone(),
        }),
        _ => None,
    }
}

fn signing(record: &Record) -> Option<Signing> {
    match &record.event {
        Event::Activated { since, cause, .. } => Some(Signing {
            step: step(record),
            since: *since,
            cause: cause.clone(),
        }),
        _ => None,
    }
}

fn revoked(record: &Record) -> Option<Revoked> {
    let (reason, comment) = match &record.event {
        Event::Revoked { reason, comment, .. } => (*reason, comment),
        Event::ReportedCompromised { comment, .. } => (Reason::Compromised, comment),
        _ => return None,
    };
    Some(Revoked {
        step: step(record),
        reason,
        comment: comment.clone(),
    })
}
