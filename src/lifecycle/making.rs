//! How a decision as a whole changes the state: its events in order, and the generation that it makes.

use super::event::Event;
use super::state::{Head, State};
use crate::types::{Generation, Span, Time};

/// How many generations are remembered with their times at least, to tell since when a node owes a confirmation.
const RECENT_GENERATIONS: usize = 64;

impl State {
    /// Applies one decision, made at `at`: its events in order, and a new generation if they change what nodes must hold.
    pub fn apply(&mut self, events: &[Event], at: Time) {
        let wire = self.begin(events, at);
        for event in events {
            self.evolve(event, at);
        }
        self.end(events, at, wire);
    }

    /// Begins a decision; what it returns is for [`Self::end`].
    pub(super) fn begin(&mut self, events: &[Event], at: Time) -> (Span, Span, Span) {
        self.last_record_at = self.last_record_at.max(at);
        if events.iter().any(Event::changes_nodes) {
            self.head.generation = self.head.generation.next();
        }
        // An adoption goes above all that nodes have seen.
        for event in events {
            if let Event::Adopted { generation, .. } = event {
                self.head.generation = self.head.generation.max(*generation);
            }
        }
        self.wire_settings()
    }

    /// Ends a decision whose events are all applied.
    pub(super) fn end(&mut self, events: &[Event], at: Time, wire: (Span, Span, Span)) {
        if events.iter().any(Event::changes_nodes) {
            self.make_generation(at);
        } else if self.head.generation.0 > 0 && self.wire_settings() != wire {
            self.head.generation = self.head.generation.next();
            self.make_generation(at);
        }
    }

    fn make_generation(&mut self, at: Time) {
        let (clock_skew, max_age, straggler_after) = self.wire_settings();
        let (generation, epoch) = (self.head.generation, self.epoch);
        self.head = Head {
            generation,
            epoch,
            committed_at: at,
            clock_skew,
            max_age,
            straggler_after,
        };
        self.recent.push((generation, at));
        self.forget_old_generations(at);
    }

    /// A generation is forgotten only when whoever owes the one after it has left service for that already.
    fn forget_old_generations(&mut self, now: Time) {
        let surplus = self.recent.len().saturating_sub(RECENT_GENERATIONS);
        let limit = self.settings.straggler_after();
        let overdue = |next: &(Generation, Time)| self.present_for(next.1, now) > limit;
        let old = self
            .recent
            .iter()
            .skip(1)
            .take(surplus)
            .take_while(|next| overdue(next))
            .count();
        self.recent.drain(..old);
    }

    /// The settings that travel in each generation.
    fn wire_settings(&self) -> (Span, Span, Span) {
        (
            self.settings.clock_skew(),
            self.settings.max_age(),
            self.settings.straggler_after(),
        )
    }
}
