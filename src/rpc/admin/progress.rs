//! Answers of the admin service: documents, and the steps of a rotation as they come.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::convert::WireError;
use super::super::proto::{self, finished, rotate_progress};
use crate::types::{Generation, NodeName, Time};

/// A JSON text and the name of its schema. It is shown by a command of the same release as the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The schema, one of [`schema`](super::schema).
    pub schema: String,
    /// The text, UTF-8.
    pub json: Vec<u8>,
}

impl Document {
    /// `value` as a document of `schema`.
    ///
    /// # Errors
    /// `value` has no JSON form.
    pub fn write(schema: &str, value: &impl Serialize) -> Result<Self, serde_json::Error> {
        let json = serde_json::to_vec(value)?;
        let schema = schema.to_owned();
        Ok(Self { schema, json })
    }

    /// The value, which must be of `schema`.
    ///
    /// # Errors
    /// It is of another schema or can't be read: leader and command are of different releases.
    pub fn read<T: DeserializeOwned>(&self, schema: &str) -> Result<T, WireError> {
        if self.schema != schema {
            let rule = format!(
                "{:?} came where {schema:?} was asked; run the same release as the leader",
                self.schema
            );
            return Err(WireError::field("schema", rule));
        }
        serde_json::from_slice(&self.json)
            .map_err(|why| WireError::field("document", format!("{why}; run the same release as the leader")))
    }
}

/// One step of a rotation or a revocation. The first is always `Accepted`, the last `Finished`; a dry run has only the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// What was decided. It is durable, and on its way to the nodes.
    Accepted(Accepted),
    /// One node has confirmed.
    Confirmation(Confirmation),
    /// All nodes have, or the time to wait is over.
    Finished(Finished),
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The generation that was committed, if nodes have anything to do.
    pub generation: Option<Generation>,
    /// The decision, for display.
    pub decision: Document,
}

/// One node has confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// Which.
    pub node: NodeName,
    /// When that was durable, by the leader's clock.
    pub at: Time,
    /// How many have not yet.
    pub remaining: u32,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The nodes that have not confirmed; empty when all have.
    pub missing: Vec<NodeName>,
    /// Until when verifiers may still trust what was replaced (rule R8).
    pub trusted: Trusted,
}

/// Until when something may still be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trusted {
    /// Until then.
    Until(Time),
    /// Nobody knows, for this reason.
    Unknown(String),
}

impl From<Document> for proto::Document {
    fn from(document: Document) -> Self {
        let Document { schema, json } = document;
        Self { schema, json }
    }
}

impl From<proto::Document> for Document {
    fn from(document: proto::Document) -> Self {
        let proto::Document { schema, json } = document;
        Self { schema, json }
    }
}

impl From<Progress> for proto::RotateProgress {
    fn from(progress: Progress) -> Self {
        let step = match progress {
            Progress::Accepted(accepted) => rotate_progress::Step::Accepted(proto::Accepted {
                generation: accepted.generation.map(|generation| generation.0),
                decision: Some(accepted.decision.into()),
            }),
            Progress::Confirmation(confirmation) => rotate_progress::Step::Confirmation(proto::Confirmation {
                node: confirmation.node.into(),
                at_ms: confirmation.at.0,
                remaining: confirmation.remaining,
            }),
            Progress::Finished(finished) => rotate_progress::Step::Finished(proto::Finished {
                missing: finished.missing.into_iter().map(Into::into).collect(),
                trusted: Some(match finished.trusted {
                    Trusted::Until(time) => finished::Trusted::TrustedUntilMs(time.0),
                    Trusted::Unknown(why) => finished::Trusted::TrustedUnknown(why),
                }),
            }),
        };
        Self { step: Some(step) }
    }
}

impl TryFrom<proto::RotateProgress> for Progress {
    type Error = WireError;

    fn try_from(progress: proto::RotateProgress) -> Result<Self, WireError> {
        match progress.step.ok_or(WireError::Missing("the step"))? {
            rotate_progress::Step::Accepted(accepted) => Ok(Self::Accepted(Accepted {
                generation: accepted.generation.map(Generation),
                decision: accepted.decision.ok_or(WireError::Missing("the decision"))?.into(),
            })),
            rotate_progress::Step::Confirmation(confirmation) => Ok(Self::Confirmation(Confirmation {
                node: confirmation.node.parse()?,
                at: Time(confirmation.at_ms),
                remaining: confirmation.remaining,
            })),
            rotate_progress::Step::Finished(finished) => Ok(Self::Finished(Finished {
                missing: (finished.missing.iter()).map(|name| name.parse()).collect::<Result<_, _>>()?,
                trusted: match finished.trusted.ok_or(WireError::Missing("until when it is trusted"))? {
                    finished::Trusted::TrustedUntilMs(ms) => Trusted::Until(Time(ms)),
                    finished::Trusted::TrustedUnknown(why) => Trusted::Unknown(why),
                },
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn every_step_survives_the_wire() {
        let decision = Document::write(schema::DECISION, &["rotated"]).unwrap();
        let finished = |trusted| {
            Progress::Finished(Finished {
                missing: vec!["vm-2".parse().unwrap()],
                trusted,
            })
        };
        let steps = [
            Progress::Accepted(Accepted {
                generation: Some(Generation(7)),
                decision,
            }),
            Progress::Confirmation(Confirmation {
                node: "vm-1".parse().unwrap(),
                at: Time(5),
                remaining: 1,
            }),
            finished(Trusted::Until(Time(9))),
            finished(Trusted::Unknown("vm-2 has not confirmed".into())),
        ];
        for step in steps {
            assert_eq!(Progress::try_from(proto::RotateProgress::from(step.clone())).unwrap(), step);
        }
        assert!(Progress::try_from(proto::RotateProgress { step: None }).is_err());
    }

    #[test]
    fn a_document_of_another_schema_or_release_says_so() {
        let document = Document::write(schema::STATUS, &[1, 2]).unwrap();
        assert_eq!(document.read::<Vec<u32>>(schema::STATUS).unwrap(), [1, 2]);
        for refused in [
            document.read::<Vec<u32>>(schema::KEY),
            document.read::<Vec<String>>(schema::STATUS).map(|_| vec![]),
        ] {
            assert!(refused.unwrap_err().to_string().contains("same release"));
        }
    }
}
