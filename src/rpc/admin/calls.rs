//! Requests to the admin service.

use std::collections::BTreeSet;

use super::super::convert::WireError;
use super::super::proto::{self, rotate_request};
use crate::types::{Comment, Kid, ProfileName, Reason, Span};

/// The longest that a command may follow confirmations.
const LONGEST_WAIT: Span = Span::hours(1);
/// The shortest time that a plan looks ahead.
const SHORTEST_PLAN: Span = Span::mins(1);
/// The longest time that a plan looks ahead.
const LONGEST_PLAN: Span = Span::hours(366 * 24);

/// `jkeys rotate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotateCall {
    /// Whether to switch at once.
    pub now: bool,
    /// The profiles to rotate; empty for all.
    pub profiles: BTreeSet<ProfileName>,
    /// Why.
    pub reason: Reason,
    /// The operator's own words.
    pub comment: Option<Comment>,
    /// What is reported compromised.
    pub compromised: Compromised,
    /// The standby to take, where there is a choice.
    pub use_kid: Option<Kid>,
    /// Whether to go on where a rule would refuse.
    pub force: bool,
    /// Whether the private half of an encryption key that is revoked goes at once too.
    pub destroy: bool,
    /// Whether only to say what would be done.
    pub dry_run: bool,
    /// How long to follow the confirmations.
    pub wait: Span,
}

/// What an operator reports as compromised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compromised {
    /// Nothing.
    Nothing,
    /// One key.
    Key(Kid),
    /// Every key that exists.
    All,
}

/// `jkeys revoke`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeCall {
    /// The key.
    pub kid: Kid,
    /// Why.
    pub reason: Reason,
    /// The operator's own words.
    pub comment: Option<Comment>,
    /// Whether the private half of an encryption key goes at once too.
    pub destroy: bool,
    /// Whether only to say what would be done.
    pub dry_run: bool,
    /// How long to follow the confirmations.
    pub wait: Span,
}

/// `jkeys plan`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanCall {
    /// How far to look.
    pub span: Span,
}

impl TryFrom<proto::RotateRequest> for RotateCall {
    type Error = WireError;

    fn try_from(request: proto::RotateRequest) -> Result<Self, WireError> {
        let reason = reason(request.reason)?;
        let compromised = match request.compromised {
            None | Some(rotate_request::Compromised::CompromisedAll(false)) => Compromised::Nothing,
            Some(rotate_request::Compromised::CompromisedKid(kid)) => Compromised::Key(kid.parse()?),
            Some(rotate_request::Compromised::CompromisedAll(true)) => Compromised::All,
        };
        let profiles: Result<_, _> = request.profiles.iter().map(|name| name.parse()).collect();
        Ok(Self {
            now: request.now,
            profiles: profiles?,
            reason,
            comment: comment(request.comment)?,
            compromised,
            use_kid: request.use_kid.map(|kid| kid.parse()).transpose()?,
            force: request.force,
            destroy: request.destroy,
            dry_run: request.dry_run,
            wait: wait(request.wait_ms)?,
        })
    }
}

impl From<RotateCall> for proto::RotateRequest {
    fn from(call: RotateCall) -> Self {
        let compromised = match call.compromised {
            Compromised::Nothing => None,
            Compromised::Key(kid) => Some(rotate_request::Compromised::CompromisedKid(kid.into())),
            Compromised::All => Some(rotate_request::Compromised::CompromisedAll(true)),
        };
        Self {
            now: call.now,
            profiles: call.profiles.into_iter().map(Into::into).collect(),
            reason: proto::Reason::from(call.reason).into(),
            comment: call.comment.map(Into::into),
            compromised,
            use_kid: call.use_kid.map(Into::into),
            force: call.force,
            destroy: call.destroy,
            dry_run: call.dry_run,
            wait_ms: call.wait.0,
        }
    }
}

impl TryFrom<proto::RevokeRequest> for RevokeCall {
    type Error = WireError;

    fn try_from(request: proto::RevokeRequest) -> Result<Self, WireError> {
        Ok(Self {
            kid: request.kid.parse()?,
            reason: reason(request.reason)?,
            comment: comment(request.comment)?,
            destroy: request.destroy,
            dry_run: request.dry_run,
            wait: wait(request.wait_ms)?,
        })
    }
}

impl From<RevokeCall> for proto::RevokeRequest {
    fn from(call: RevokeCall) -> Self {
        Self {
            kid: call.kid.into(),
            reason: proto::Reason::from(call.reason).into(),
            comment: call.comment.map(Into::into),
            destroy: call.destroy,
            dry_run: call.dry_run,
            wait_ms: call.wait.0,
        }
    }
}

impl TryFrom<proto::PlanRequest> for PlanCall {
    type Error = WireError;

    fn try_from(request: proto::PlanRequest) -> Result<Self, WireError> {
        let span = Span(request.span_ms);
        if !(SHORTEST_PLAN..=LONGEST_PLAN).contains(&span) {
            let rule = format!("{span} is not between {SHORTEST_PLAN} and {LONGEST_PLAN}");
            return Err(WireError::field("span", rule));
        }
        Ok(Self { span })
    }
}

impl From<PlanCall> for proto::PlanRequest {
    fn from(call: PlanCall) -> Self {
        Self { span_ms: call.span.0 }
    }
}

impl From<Reason> for proto::Reason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Unspecified => Self::Unspecified,
            Reason::Compromised => Self::Compromised,
            Reason::Superseded => Self::Superseded,
        }
    }
}

fn reason(number: i32) -> Result<Reason, WireError> {
    match proto::Reason::try_from(number) {
        Ok(proto::Reason::Unspecified) => Ok(Reason::Unspecified),
        Ok(proto::Reason::Compromised) => Ok(Reason::Compromised),
        Ok(proto::Reason::Superseded) => Ok(Reason::Superseded),
        Err(_) => Err(WireError::Missing("the reason")),
    }
}

pub(super) fn comment(text: Option<String>) -> Result<Option<Comment>, WireError> {
    let read = |text: String| text.parse().map_err(|rule: String| WireError::field("comment", rule));
    text.map(read).transpose()
}

pub(super) fn wait(ms: u64) -> Result<Span, WireError> {
    if Span(ms) > LONGEST_WAIT {
        return Err(WireError::field("wait", format!("at most {LONGEST_WAIT}")));
    }
    Ok(Span(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotate(compromised: Compromised) -> RotateCall {
        RotateCall {
            now: true,
            profiles: BTreeSet::from(["main".parse().unwrap()]),
            reason: Reason::Compromised,
            comment: Some("laptop stolen".parse().unwrap()),
            compromised,
            use_kid: Some("b".parse().unwrap()),
            force: true,
            dry_run: true,
            wait: Span::secs(60),
            destroy: false,
        }
    }

    #[test]
    fn every_request_survives_the_wire() {
        for compromised in [Compromised::Nothing, Compromised::Key("a".parse().unwrap()), Compromised::All] {
            let call = rotate(compromised);
            assert_eq!(RotateCall::try_from(proto::RotateRequest::from(call.clone())).unwrap(), call);
        }
        let call = RevokeCall {
            kid: "a".parse().unwrap(),
            reason: Reason::Superseded,
            comment: None,
            dry_run: false,
            wait: Span(0),
            destroy: false,
        };
        assert_eq!(RevokeCall::try_from(proto::RevokeRequest::from(call.clone())).unwrap(), call);
        let call = PlanCall { span: Span::hours(1) };
        assert_eq!(PlanCall::try_from(proto::PlanRequest::from(call)).unwrap(), call);
    }

    #[test]
    fn fields_out_of_bounds_are_refused_in_words() {
        let refused = |change: &dyn Fn(&mut proto::RotateRequest)| {
            let mut request = proto::RotateRequest::from(rotate(Compromised::Nothing));
            change(&mut request);
            RotateCall::try_from(request).unwrap_err().to_string()
        };
        assert!(refused(&|request| request.reason = 9).contains("reason"));
        assert!(refused(&|request| request.comment = Some("two\nlines".into())).contains("one line"));
        assert!(refused(&|request| request.wait_ms = LONGEST_WAIT.0 + 1).contains("1h"));
        assert!(refused(&|request| request.profiles = vec!["a b".into()]).contains("profile name"));
        assert!(refused(&|request| request.use_kid = Some("../x".into())).contains("kid"));
        let plan = |span_ms| PlanCall::try_from(proto::PlanRequest { span_ms }).is_ok();
        assert_eq!([0, 59_999, 60_000, LONGEST_PLAN.0 + 1].map(plan), [false, false, true, false]);
    }
}
