//! Records of what is done to a keystore while no leader runs.

use crate::audit::{Record, SCHEMA, public_form};
use crate::lifecycle::{Event, State};
use crate::types::{Actor, Seq, Time};

/// The records of `events`, which led to `state` at `time`, while the clock showed `now`.
pub(super) fn records(events: &[Event], state: &State, first: Seq, actor: &Actor, time: Time, now: Time) -> Vec<Record> {
    let (_, digest) = public_form(&state.key_set());
    let record = |(seq, event): (u64, &Event)| Record {
        schema: SCHEMA,
        seq: Seq(seq),
        time,
        clock: Some(now).filter(|shows| *shows != time),
        actor: actor.clone(),
        event: event.clone(),
        generation: state.head.generation,
        digest,
    };
    (first.0..).zip(events).map(record).collect()
}
