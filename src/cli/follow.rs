//! Following a rotation or a revocation until every node has confirmed.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::timeout;
use tonic::Streaming;

use super::{CliError, Exit, Screen, render};
use crate::rpc::admin::{Accepted, Finished, Progress, Trusted, schema};
use crate::rpc::documents::{Decided, DryRun};
use crate::rpc::limits::CALL_DEADLINE;
use crate::rpc::proto::RotateProgress;
use crate::rpc::{ErrorKind, Failure};
use crate::types::{Generation, NodeName, Span, Time};

/// One step as a line of JSON.
#[derive(Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
enum Line<'a> {
    Accepted {
        generation: Option<Generation>,
        decision: &'a RawValue,
    },
    Confirmed {
        node: &'a NodeName,
        at: Time,
        remaining: u32,
    },
    Finished {
        missing: &'a [NodeName],
        trusted_until: Option<Time>,
        trusted_unknown: Option<&'a str>,
    },
}

/// How long to wait for the end, when the leader was asked to follow for `wait`: longer, so that only one that hangs is given up.
pub(super) fn patience(wait: Span) -> Duration {
    wait.std() + CALL_DEADLINE
}

/// Shows each step as it comes, and says at the end whether every node has confirmed.
pub(super) async fn follow(
    steps: Streaming<RotateProgress>,
    patience: Duration,
    json: bool,
    screen: &mut Screen<'_>,
) -> Result<Exit, CliError> {
    let mut follower = Follower {
        json,
        screen,
        decided: None,
    };
    let ended = timeout(patience, follower.run(steps)).await;
    ended.unwrap_or_else(|_| Err(follower.broken(Failure::new(ErrorKind::Unavailable, "the leader sent nothing more in time"))))
}

/// Shows what would be decided.
pub(super) async fn foresee(mut steps: Streaming<RotateProgress>, json: bool, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
    let step = steps.message().await.map_err(Failure::from)?;
    let Some(Progress::Accepted(accepted)) = step.map(Progress::try_from).transpose()? else {
        let words = "the leader answered a dry run with something else; look at its log";
        return Err(Failure::new(ErrorKind::Internal, words).into());
    };
    let foreseen: DryRun = accepted.decision.read(schema::DRY_RUN)?;
    if json {
        screen.put(render::json(&accepted.decision.json))?;
    } else if foreseen.refused.is_none() {
        screen.put(render::dry_run(&foreseen, screen.columns()))?;
    }
    foreseen
        .refused
        .map_or(Ok(Exit::Done), |why| Err(CliError::WouldBeRefused(why)))
}

/// A failure before the leader has said what it decided. Where it is no refusal, the decision may have been made.
pub(super) fn undecided(failure: Failure) -> CliError {
    match failure.kind {
        ErrorKind::Unavailable | ErrorKind::Internal => CliError::Undecided(failure),
        _ => CliError::Leader(failure),
    }
}

struct Follower<'s, 'a> {
    json: bool,
    screen: &'s mut Screen<'a>,
    decided: Option<Decided>,
}

impl Follower<'_, '_> {
    async fn run(&mut self, mut steps: Streaming<RotateProgress>) -> Result<Exit, CliError> {
        while let Some(step) = steps.message().await.map_err(|why| self.broken(why.into()))? {
            if let Some(exit) = self.step(step.try_into()?)? {
                return Ok(exit);
            }
        }
        Err(self.broken(Failure::new(ErrorKind::Unavailable, "the leader ended its answer too early")))
    }

    /// Shows one step. The last one says how the command ends.
    fn step(&mut self, step: Progress) -> Result<Option<Exit>, CliError> {
        match step {
            Progress::Accepted(accepted) => self.accepted(&accepted)?,
            Progress::Confirmation(confirmation) => {
                let line = Line::Confirmed {
                    node: &confirmation.node,
                    at: confirmation.at,
                    remaining: confirmation.remaining,
                };
                self.show(&line, |decided| render::confirmed(decided, &confirmation))?;
            }
            Progress::Finished(finished) => return self.finished(&finished).map(Some),
        }
        Ok(None)
    }

    fn accepted(&mut self, accepted: &Accepted) -> Result<(), CliError> {
        self.decided = Some(accepted.decision.read(schema::DECISION)?);
        let decision: Box<RawValue> = accepted.decision.read(schema::DECISION)?;
        let generation = accepted.generation;
        let line = Line::Accepted {
            generation,
            decision: &decision,
        };
        self.show(&line, |decided| render::decided(decided, generation))
    }

    fn finished(&mut self, finished: &Finished) -> Result<Exit, CliError> {
        let (trusted_until, trusted_unknown) = match &finished.trusted {
            Trusted::Until(time) => (Some(*time), None),
            Trusted::Unknown(why) => (None, Some(why.as_str())),
        };
        let line = Line::Finished {
            missing: &finished.missing,
            trusted_until,
            trusted_unknown,
        };
        self.show(&line, |decided| render::finished(decided, finished))?;
        Ok(if finished.missing.is_empty() {
            Exit::Done
        } else {
            Exit::Partly
        })
    }

    fn show(&mut self, line: &Line<'_>, text: impl FnOnce(&Decided) -> String) -> Result<(), CliError> {
        let Some(decided) = &self.decided else {
            return Err(undecided(Failure::new(
                ErrorKind::Internal,
                "the leader answered out of order; look at its log",
            )));
        };
        if self.json {
            return self.screen.put(render::json_of(line));
        }
        self.screen.put(text(decided))
    }

    fn broken(&self, failure: Failure) -> CliError {
        match self.decided {
            Some(_) => CliError::Interrupted(failure),
            None => undecided(failure),
        }
    }
}
