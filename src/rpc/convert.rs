//! Protobuf messages of the fleet service to domain types and back.

use super::bundle::{BundleError, Outgoing, hashes, sent_hashes};
use super::fleet::{AgentMessage, Answer, Consistency, Cosignature, Hello, LeaderMessage, Logged, Welcome};
use super::limits::{CAPABILITIES, COSIGNATURE_BYTES, PROBLEM_CHARS, REPORTED_KIDS, SHORT_TEXT_BYTES};
use super::proto::{self, agent_report, leader_update};
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
fn shown(text: &str) -> String {
    let fit = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(fit).take(PROBLEM_CHARS).collect()
}

/// A peer's number: below 2^53, so that it survives canonical JSON (RFC 8785, section 3.2.2.3), in which numbers are doubles.
fn number(field: &'static str, given: u64) -> Result<u64, WireError> {
    if given < 1 << 53 {
        return Ok(given);
    }
    Err(WireError::field(field, "a number below 2^53"))
}

fn kids<C: FromIterator<Kid>>(names: Vec<String>) -> Result<C, WireError> {
    if names.len() > REPORTED_KIDS {
        return Err(WireError::field("a list of kids", format!("at most {REPORTED_KIDS} kids")));
    }
    names.into_iter().map(|name| name.parse().map_err(WireError::Name)).collect()
}

fn names<'a>(kids: impl IntoIterator<Item = &'a Kid>) -> Vec<String> {
    kids.into_iter().map(ToString::to_string).collect()
}

impl From<AgentMessage> for proto::AgentReport {
    fn from(message: AgentMessage) -> Self {
        let message = match message {
            AgentMessage::Hello(hello) => agent_report::Message::Hello(proto::Hello {
                protocol_version: hello.protocol_version,
                capabilities: hello.capabilities,
                release: hello.release,
            }),
            AgentMessage::Report(report) => agent_report::Message::Report(proto::Report {
                sent_at_ms: report.sent_at.0,
                highest_epoch: report.highest_epoch.0,
                highest_generation: report.highest_generation.0,
                installed: report.installed.map(Into::into),
                problem: report.problem.map(|text| shown(&text)),
                checkpoint: report.checkpoint.map(Into::into),
                refused_generation: report.refused.map(|generation| generation.0),
            }),
            AgentMessage::Cosigned(cosignature) => agent_report::Message::Cosignature(proto::Cosignature {
                checkpoint: Some(cosignature.head.into()),
                signature: cosignature.bytes,
            }),
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
            })),
            agent_report::Message::Report(report) => Ok(Self::Report(Report {
                sent_at: Time(number("sent_at_ms", report.sent_at_ms)?),
                highest_epoch: Epoch(number("highest_epoch", report.highest_epoch)?),
                highest_generation: Generation(number("highest_generation", report.highest_generation)?),
                installed: report.installed.map(TryInto::try_into).transpose()?,
                problem: report.problem.map(|text| shown(&text)),
                checkpoint: report.checkpoint.map(TryInto::try_into).transpose()?,
                refused: (report.refused_generation)
                    .map(|refused| number("refused_generation", refused))
                    .transpose()?
                    .map(Generation),
            })),
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
        let (mut consistency_from, mut consistency) = (0, Vec::new());
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
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn report() -> Report {
        let kids: BTreeSet<Kid> = ["a", "b"].iter().map(|kid| kid.parse().unwrap()).collect();
        Report {
            sent_at: Time(7),
            highest_epoch: Epoch(2),
            highest_generation: Generation(3),
            checkpoint: Some(TreeHead {
                size: 9,
                root: Digest([7; 32]),
            }),
            refused: Some(Generation(4)),
            installed: Some(Installed {
                generation: Generation(3),
                switches: BTreeSet::new(),
                published: kids.clone(),
                signing: BTreeSet::from(["a".parse().unwrap()]),
                held: kids,
                hooks_succeeded: true,
                decrypting: BTreeSet::new(),
            }),
            problem: Some("the disk is full: free some".into()),
        }
    }

    #[test]
    fn what_an_agent_says_survives_the_wire() {
        let hello = Hello {
            protocol_version: 1,
            capabilities: vec!["x".into()],
            release: "0.1.0".into(),
        };
        let cosignature = Cosignature {
            head: report().checkpoint.unwrap(),
            bytes: vec![3; COSIGNATURE_BYTES],
        };
        for message in [
            AgentMessage::Hello(hello),
            AgentMessage::Report(report()),
            AgentMessage::Cosigned(cosignature),
        ] {
            let back = AgentMessage::try_from(proto::AgentReport::from(message.clone())).unwrap();
            assert_eq!(back, message);
        }
    }

    #[test]
    fn what_a_leader_says_survives_the_wire() {
        let welcome = Welcome {
            protocol_version: 1,
            capabilities: vec![],
            epoch: Epoch(4),
            report_every: Span::secs(30),
        };
        let answer = Answer {
            report_sent_at: Time(1),
            leader_time: Some(Time(2)),
            in_service: true,
        };
        let send = |message: LeaderMessage<Outgoing>| LeaderMessage::try_from(proto::LeaderUpdate::from(message)).unwrap();
        assert!(matches!(send(LeaderMessage::Welcome(welcome.clone())), LeaderMessage::Welcome(back) if back == welcome));
        assert!(matches!(send(LeaderMessage::Answer(answer)), LeaderMessage::Answer(back) if back == answer));
        assert!(matches!(send(LeaderMessage::Erase), LeaderMessage::Erase));
    }

    #[test]
    fn a_message_of_an_unknown_kind_is_refused_in_words() {
        let refused = AgentMessage::try_from(proto::AgentReport { message: None }).unwrap_err();
        assert!(refused.to_string().contains("update the older side"), "{refused}");
        assert!(LeaderMessage::try_from(proto::LeaderUpdate::default()).is_err());
    }

    #[test]
    fn a_node_can_not_write_into_the_operators_terminal() {
        let mut message = proto::AgentReport::from(AgentMessage::Report(report()));
        let Some(agent_report::Message::Report(inner)) = &mut message.message else {
            panic!("a report");
        };
        inner.problem = Some("\u{1b}[2J\n".to_owned() + &"x".repeat(10_000));
        let AgentMessage::Report(report) = message.try_into().unwrap() else {
            panic!("a report");
        };
        let problem = report.problem.unwrap();
        assert!(problem.starts_with(" [2J x") && problem.len() == PROBLEM_CHARS);
    }

    #[test]
    fn a_number_or_a_list_that_could_not_be_stored_is_refused() {
        type Change = fn(&mut proto::Report);
        let changes: [Change; 5] = [
            |report| report.sent_at_ms = 1 << 53,
            |report| report.highest_epoch = u64::MAX,
            |report| report.highest_generation = u64::MAX,
            |report| report.installed.as_mut().unwrap().generation = u64::MAX,
            |report| report.installed.as_mut().unwrap().switches = (0..=REPORTED_KIDS).map(|n| n.to_string()).collect(),
        ];
        for change in changes {
            let mut message = proto::AgentReport::from(AgentMessage::Report(report()));
            let Some(agent_report::Message::Report(inner)) = &mut message.message else {
                panic!("a report");
            };
            change(inner);
            let refused = AgentMessage::try_from(message).unwrap_err().to_string();
            assert!(refused.contains("is not valid"), "{refused}");
        }
    }

    #[test]
    fn a_hello_with_too_much_in_it_is_refused() {
        let hello = |capabilities: Vec<String>, release: String| {
            let message = Some(agent_report::Message::Hello(proto::Hello {
                protocol_version: 1,
                capabilities,
                release,
            }));
            AgentMessage::try_from(proto::AgentReport { message })
        };
        assert!(hello(vec!["x".into(); CAPABILITIES + 1], String::new()).is_err());
        assert!(hello(vec!["x".repeat(65)], String::new()).is_err());
        assert!(hello(vec![], "0.1\n".into()).is_err());
    }
}
