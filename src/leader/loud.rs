//! What the log for people says loudly: a clock in doubt (rule R9), a leader that halts (rule R5), and what nodes refuse.

use crate::audit::Record;
use crate::lifecycle::{Event, Wait};
use crate::types::Actor;

/// Says it, where somebody should look. Every record has a line of its own besides.
pub(super) fn say(record: &Record) {
    match &record.event {
        Event::Halted { halt } => tracing::error!(
            "{halt}: the leader decides nothing more (rule R5); find out which leader is the true one, and see `jkeys status`"
        ),
        Event::Adopted { epoch, generation, .. } => {
            tracing::warn!(%epoch, %generation, "the leader goes on from a state that is older than what nodes have seen");
        }
        Event::Recovered {
            key, inherited: true, ..
        } => {
            tracing::warn!(kid = %key.kid, "a key was taken over from nodes, and the leader is without its private half");
        }
        Event::Refused { request, refusal } if matches!(record.actor, Actor::Node(_)) => {
            tracing::error!(
                node = %record.actor, %refusal,
                "a node refuses {request} and keeps what it has; see `jkeys status`, and whether the log is whole with `jkeys audit verify`"
            );
        }
        Event::WaitBegan {
            wait: Wait::Clock(doubt),
            ..
        } => {
            tracing::warn!(
                "{doubt}; the schedule decides nothing, while revocation and rotate --now go on; set the clock right, and see \
                 `jkeys status`"
            );
        }
        Event::NodeCloned { node, .. } => {
            tracing::warn!(%node, "two machines use the identity of this node; `jkeys node show` says what to do");
        }
        Event::WaitEnded { wait: Wait::Clock(_) } => tracing::info!("the leader's clock is no longer in doubt"),
        Event::ClockConfirmed { from, to, .. } => {
            tracing::warn!(%from, %to, "the leader's clock counts again: most nodes agree with it, or none is left to ask");
        }
        Event::StoodStill { absence } => {
            tracing::warn!(from = %absence.from, until = %absence.until, "the leader stood still; its machine was suspended");
        }
        _ => {}
    }
}
