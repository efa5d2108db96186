//! What nodes have reported and what of it counts already.
//!
//! Rules R1, R3 and E2 count from the moments at which nodes in service confirmed something. A moment by a clock that is wrong would
//! let a key be used, or removed, too early; so those moments are noted only once the time is vouched for (rule R9).

use std::collections::BTreeMap;

use super::{Effect, Leader};
use crate::lifecycle::mutant::{Mutant, is_out};
use crate::lifecycle::{Doubt, Halt, Reading, Report, Sighting, Standing, State};
use crate::rpc::fleet::Answer;
use crate::types::{Enrolment, NodeName, Now, Span, Time};

/// Reports on their way to becoming sightings.
#[derive(Debug, Clone, Default)]
pub(super) struct Reports {
    /// Those that have come since the last look at the clocks, in their order.
    new: Vec<(Enrolment, Arrived)>,
    /// The last one of each node of which the moments are not noted yet.
    unnoted: BTreeMap<Enrolment, Arrived>,
}

#[derive(Debug, Clone)]
struct Arrived {
    node: NodeName,
    report: Report,
    /// By the monotonic clock.
    at: Span,
    /// Whether the node's own clock agreed with the leader's.
    agrees: bool,
    /// The time of it, unless the clock has been in doubt since.
    time: Option<Time>,
}

impl Reports {
    pub(super) fn take_in(&mut self, node: NodeName, enrolment: Enrolment, report: Report, skew: Span, now: Now) {
        let arrived = Arrived {
            node,
            agrees: report.sent_at.distance(now.wall) <= skew,
            report,
            at: now.monotonic,
            time: None,
        };
        self.new.push((enrolment, arrived));
    }

    /// The time was in doubt: no moment before is to be noted as it was.
    pub(super) fn doubt(&mut self) {
        self.unnoted.values_mut().for_each(|arrived| arrived.time = None);
    }

    pub(super) fn forget(&mut self, enrolment: Enrolment) {
        self.new.retain(|(of, _)| *of != enrolment);
        self.unnoted.remove(&enrolment);
    }

    /// Hands out what becomes of the sightings of nodes.
    ///
    /// All that a report says of what is counts at once. Its moments do if it came by `vouched_until`; if most nodes have vouched for the
    /// time since the start, and this one does; or if it came from a node that is not in service: what counts from moments is not
    /// asked of it. Others wait; what is then noted is the moment at which the report came, if the time has not been in doubt in between.
    pub(super) fn settle(
        &mut self,
        state: &State,
        clock: Reading,
        vouched_until: Option<Span>,
        mut becomes: impl FnMut(Enrolment, &dyn Fn(Sighting) -> Sighting),
    ) {
        let in_service = |node: &NodeName| {
            let row = state.nodes.get(node);
            row.is_some_and(|row| matches!(row.standing, Standing::InService { .. }))
        };
        let is_vouched = |arrived: &Arrived| {
            let by_most = |until| arrived.agrees || arrived.at <= until;
            clock.doubt.is_none() && vouched_until.is_some_and(by_most)
        };
        let unnoted = Reading {
            doubt: clock.doubt.or(Some(Doubt::Unconfirmed)),
            ..clock
        };
        if clock.doubt.is_some() {
            self.doubt();
        }
        for (enrolment, mut arrived) in std::mem::take(&mut self.new) {
            let is_noted = is_vouched(&arrived) || !in_service(&arrived.node);
            let reading = if is_noted { clock } else { unnoted };
            becomes(enrolment, &|sighting| sighting.after(state, &arrived.report, reading));
            if is_noted {
                self.unnoted.remove(&enrolment);
            } else {
                arrived.time = clock.doubt.is_none().then(|| state.time(clock));
                self.unnoted.insert(enrolment, arrived);
            }
        }
        self.unnoted.retain(|enrolment, arrived| {
            let is_noted = is_vouched(arrived);
            if is_noted {
                let at = arrived.time.unwrap_or_else(|| state.time(clock));
                becomes(*enrolment, &|sighting| sighting.noting(state, &arrived.report, at));
            }
            !is_noted
        });
    }
}

impl Leader {
    /// What a report says against this leader. What it confirms is taken in once the clocks have been looked at.
    pub(super) fn report(
        &mut self,
        node: &NodeName,
        enrolment: Enrolment,
        report: &Report,
        clock: Reading,
        effects: &mut Vec<Effect>,
    ) {
        self.memories.hear(enrolment, report);
        if self.is_ahead(enrolment, report) {
            let halt = Halt {
                node: node.clone(),
                epoch: report.highest_epoch,
                generation: report.highest_generation,
                checkpoint: None,
            };
            self.halt(halt, clock, effects);
        }
        self.record_node_refusal(node, enrolment, report, clock, effects);
        self.answers.push((node.clone(), enrolment, report.sent_at));
    }

    /// What nodes reported is written; it counts only when that is durable.
    pub(super) fn settle(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let clock = self.reading(now);
        let vouched_until = self.timekeeper.vouched_until(&self.state, now);
        let (state, seen, unsettled) = (&self.state, &self.seen, &mut self.unsettled);
        self.reports.settle(state, clock, vouched_until, |enrolment, becomes| {
            let before = unsettled.remove(&enrolment).or_else(|| seen.get(&enrolment).cloned());
            unsettled.insert(enrolment, becomes(before.unwrap_or_default()));
        });
        self.settle_papers();
        if is_out(Mutant::R7Observed) {
            self.settled(now, effects);
        }
        if self.unsettled.is_empty() {
            return;
        }
        let rows = self
            .unsettled
            .iter()
            .map(|(enrolment, sighting)| (*enrolment, sighting.clone()))
            .collect();
        effects.push(Effect::Observe(rows));
    }

    pub(super) fn settled(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.seen.append(&mut self.unsettled);
        self.work(now, effects);
        let clock = self.reading(now);
        for (node, enrolment, report_sent_at) in std::mem::take(&mut self.answers) {
            let row = self.state.nodes.get(&node).filter(|row| row.enrolment == enrolment);
            let in_service = row.is_some_and(|row| matches!(row.standing, Standing::InService { .. }));
            let answer = Answer {
                report_sent_at,
                leader_time: clock.doubt_in(&self.state).is_none().then(|| self.state.time(clock)),
                in_service,
            };
            effects.push(Effect::Answer { node, enrolment, answer });
        }
    }
}
