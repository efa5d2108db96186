//! Protobuf messages of the fleet service to domain types and back.

use std::num::NonZeroU64;

use super::bundle::{BundleError, Outgoing, hashes, sent_hashes};
use super::fleet::{AgentMessage, Answer, Consistency, Cosignature, Hello, LeaderMessage, Logged, Welcome};
use super::limits::{CAPABILITIES, COSIGNATURE_BYTES, PROBLEM_CHARS, REPORTED_KIDS, SHORT_TEXT_BYTES};
use super::proto::{self, agent_report, leader_update};
use super::shown::failing;
use super::status::{ErrorKind, Failure};
use crate::lifecycle::{Installed, Report};
use crate::pki::{PkiError, TokenError};
use crate::types::{Digest, Epoch, Generation, Kid, NameError, Span, Time, TreeHead};

/// What is wrong with a message of a peer.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// A field that must be there isn't, or it is one that this release doesn't know.
    #[error("{0} is missing in a message, or is of a kind that this release doesn't know; update the older side")]
    Missing(&'static str),
    /// A name that can't be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A field that says what it can't say.
    #[error("{field} is not valid: {rule}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What it may say.
        rule: String,
    },
    /// A certificate or a request for one that can't be taken.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A token's secret that can't be one.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A generation that can't be taken.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

impl WireError {
    pub(super) fn field(field: &'static str, rule: impl Into<String>) -> Self {
        let rule = rule.into();
        Self::Field { field, rule }
    }
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        Self::new(ErrorKind::Invalid, error.to_string())
    }
}

impl From<WireError> for tonic::Status {
    fn from(error: WireError) -> Self {
        Failure::from(error).into()
    }
}

/// Names of capabilities and releases: short, and fit to be shown.
pub(super) fn short_text(field: &'static str, text: String) -> Result<String, WireError> {
    if text.len() > SHORT_TEXT_BYTES || text.chars().any(char::is_control) {
        let rule = format!("at most {SHORT_TEXT_BYTES} bytes without control characters");
        return Err(WireError::field(field, rule));
    }
    Ok(text)
}

pub(super) fn capabilities(names: Vec<String>) -> Result<Vec<String>, WireError> {
    if names.len() > CAPABILITIES {
        return Err(WireError::field("capabilities", format!("at most {CAPABILITIES} names")));
    }
    names.into_iter().map(|name| short_text("capability", name)).collect()
}

/// A peer's words, fit to be shown in a terminal and in a log.
pub(super) fn shown(text: &str, chars: usize) -> String {
    let fit = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(fit).take(chars).collect()
}

/// A peer's number: below 2^53, so that it survives canonical JSON (RFC 8785, section 3.2.2.3), in which numbers are doubles.
pub(super) fn number(field: &'static str, given: u64) -> Result<u64, WireError> {
    if given < 1 << 53 {
        return Ok(given);
    }
    Err(WireError::field(field, "a number below 2^53"))
}

pub(super) fn kids<C: FromIterator<Kid>>(names: Vec<String>) -> Result<C, WireError> {
    if names.len() > REPORTED_KIDS {
        return Err(WireError::field("a list of kids", format!("at most {REPORTED_KIDS} kids")));
    }
    names.into_iter().map(|name| name.parse().map_err(WireError::Name)).collect()
}

pub(super) fn names<'a>(kids: impl IntoIterator<Item = &'a Kid>) -> Vec<String> {
    kids.into_iter().map(ToString::to_string).collect()
}

impl From<AgentMessage> for proto::AgentReport {
    fn from(message: AgentMessage) -> Self {
        let message = match message {
            AgentMessage::Hello(hello) => agent_report::Message::Hello(proto::Hello {
                protocol_version: hello.protocol_version,
                capabilities: hello.capabilities,
                release: hello.release,
                instance: hello.instance.map_or(0, NonZeroU64::get),
            }),
            AgentMessage::Report(report) => agent_report::Message::Report(proto::Report {
                sent_at_ms: report.sent_at.0,
                highest_epoch: report.highest_epoch.0,
                highest_generation: report.highest_generation.0,
                installed: report.installed.map(Into::into),
                problem: report.problem.map(|text| shown(&text, PROBLEM_CHARS)),
                checkpoint: report.checkpoint.map(Into::into),
                refused_generation: report.refused.map(|generation| generation.0),
                gone: names(&report.gone),
                failing: report.failing.into_iter().map(Into::into).collect(),
            }),
            AgentMessage::Cosigned(cosignature) => agent_report::Message::Cosignature(proto::Cosignature {
                checkpoint: Some(cosignature.head.into()),
                signature: cosignature.bytes,
            }),
            AgentMessage::Shown(exhibit) => agent_report::Message::Shown(exhibit.into()),
            AgentMessage::Papers(papers) => agent_report::Message::Papers(papers.into()),
        };
        let message = Some(message);
        Self { message }
    }
}

impl TryFrom<proto::AgentReport> for AgentMessage {
    type Error = WireError;

    fn try_from(report: proto::AgentReport) -> Result<Self, WireError> {
        match report.message.ok_or(WireError::Missing("the agent's message"))? {
            agent_report::Message::Hello(hello) => Ok(Self::Hello(Hello {
                protocol_version: hello.protocol_version,
                capabilities: capabilities(hello.capabilities)?,
                release: short_text("release", hello.release)?,
                instance: NonZeroU64::new(hello.instance),
            })),
            agent_report::Message::Report(report) => Ok(Self::Report(Report {
                sent_at: Time(number("sent_at_ms", report.sent_at_ms)?),
                highest_epoch: Epoch(number("highest_epoch", report.highest_epoch)?),
                highest_generation: Generation(number("highest_generation", report.highest_generation)?),
                installed: report.installed.map(TryInto::try_into).transpose()?,
                problem: report.problem.map(|text| shown(&text, PROBLEM_CHARS)),
                checkpoint: report.checkpoint.map(TryInto::try_into).transpose()?,
                refused: (report.refused_generation)
                    .map(|refused| number("refused_generation", refused))
                    .transpose()?
                    .map(Generation),
                gone: kids(report.gone)?,
                failing: failing(report.failing)?,
            })),
            agent_report::Message::Shown(shown) => Ok(Self::Shown(shown.try_into()?)),
            agent_report::Message::Papers(papers) => Ok(Self::Papers(papers.try_into()?)),
            agent_report::Message::Cosignature(cosignature) => Ok(Self::Cosigned(Cosignature {
                head: cosignature
                    .checkpoint
                    .ok_or(WireError::Missing("the cosigned checkpoint"))?
                    .try_into()?,
                bytes: Some(cosignature.signature)
                    .filter(|bytes| bytes.len() == COSIGNATURE_BYTES)
                    .ok_or_else(|| WireError::field("signature", format!("{COSIGNATURE_BYTES} bytes")))?,
            })),
        }
    }
}

impl From<TreeHead> for proto::Checkpoint {
    fn from(head: TreeHead) -> Self {
        Self {
            size: head.size,
            root: head.root.0.to_vec(),
        }
    }
}

impl TryFrom<proto::Checkpoint> for TreeHead {
    type Error = WireError;

    fn try_from(checkpoint: proto::Checkpoint) -> Result<Self, WireError> {
        let root = checkpoint.root.try_into().map_err(|_| WireError::field("root", "32 bytes"))?;
        Ok(Self {
            size: number("size", checkpoint.size)?,
            root: Digest(root),
        })
    }
}

impl From<Installed> for proto::Installed {
    fn from(installed: Installed) -> Self {
        Self {
            generation: installed.generation.0,
            switches: names(&installed.switches),
            published: names(&installed.published),
            signing: names(&installed.signing),
            decrypting: names(&installed.decrypting),
            held: names(&installed.held),
            hooks_succeeded: installed.hooks_succeeded,
        }
    }
}

impl TryFrom<proto::Installed> for Installed {
    type Error = WireError;

    fn try_from(installed: proto::Installed) -> Result<Self, WireError> {
        Ok(Self {
            generation: Generation(number("generation", installed.generation)?),
            switches: kids(installed.switches)?,
            published: kids(installed.published)?,
            signing: kids(installed.signing)?,
            decrypting: kids(installed.decrypting)?,
            held: kids(installed.held)?,
            hooks_succeeded: installed.hooks_succeeded,
        })
    }
}

impl From<LeaderMessage<Outgoing>> for proto::LeaderUpdate {
    fn from(message: LeaderMessage<Outgoing>) -> Self {
        let (mut consistency_from, mut consistency, mut adopted) = (0, Vec::new(), None);
        let message = match message {
            LeaderMessage::Welcome(welcome) => leader_update::Message::Welcome(proto::Welcome {
                protocol_version: welcome.protocol_version,
                capabilities: welcome.capabilities,
                epoch: welcome.epoch.0,
                report_every_ms: welcome.report_every.0,
            }),
            LeaderMessage::Generation(outgoing) => {
                consistency_from = outgoing.consistency.from;
                consistency = sent_hashes(&outgoing.consistency.hashes);
                adopted = outgoing.consistency.adopted.as_ref().map(Into::into);
                leader_update::Message::Generation(outgoing.bundle.bytes())
            }
            LeaderMessage::Answer(answer) => leader_update::Message::Answer(proto::Answer {
                report_sent_at_ms: answer.report_sent_at.0,
                leader_time_ms: answer.leader_time.map(|time| time.0),
                in_service: answer.in_service,
            }),
            LeaderMessage::Erase => leader_update::Message::Erase(proto::Erase {}),
        };
        Self {
            message: Some(message),
            consistency_from,
            consistency,
            adopted,
        }
    }
}

impl TryFrom<proto::LeaderUpdate> for LeaderMessage {
    type Error = WireError;

    fn try_from(update: proto::LeaderUpdate) -> Result<Self, WireError> {
        match update.message.ok_or(WireError::Missing("the leader's message"))? {
            leader_update::Message::Welcome(welcome) => Ok(Self::Welcome(Welcome {
                protocol_version: welcome.protocol_version,
                capabilities: capabilities(welcome.capabilities)?,
                epoch: Epoch(number("epoch", welcome.epoch)?),
                report_every: Span(number("report_every_ms", welcome.report_every_ms)?),
            })),
            leader_update::Message::Generation(bytes) => {
                let consistency = Consistency {
                    from: number("consistency_from", update.consistency_from)?,
                    hashes: hashes(&update.consistency)?,
                    adopted: update.adopted.map(TryInto::try_into).transpose()?,
                };
                Ok(Self::Generation(Logged::decode(&bytes, consistency)?))
            }
            leader_update::Message::Answer(answer) => Ok(Self::Answer(Answer {
                report_sent_at: Time(number("report_sent_at_ms", answer.report_sent_at_ms)?),
                leader_time: (answer.leader_time_ms)
                    .map(|ms| number("leader_time_ms", ms))
                    .transpose()?
                    .map(Time),
                in_service: answer.in_service,
            })),
            leader_update::Message::Erase(proto::Erase {}) => Ok(Self::Erase),
        }
    }
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;
