//! Two clocks, the leader's time, silence, and retries.

use std::collections::VecDeque;

use crate::rpc::fleet::Answer;
use crate::types::{Now, Span, Time};

/// The most reports that wait for an answer. A leader that answers none of so many answers none at all.
const UNANSWERED_REPORTS: usize = 64;

/// The leader's clock as last measured, and how long the node has been without an answer.
#[derive(Debug)]
pub(super) struct Contact {
    unanswered: VecDeque<Now>,
    measured: Option<Measured>,
    heard: Span,
    silence_before: Span,
}

/// What the leader's clock showed when the node's monotonic clock stood at `at`.
#[derive(Debug, Clone, Copy)]
struct Measured {
    leader: Time,
    at: Span,
}

impl Contact {
    /// A node that starts now, and was last heard at that time by its own clock, if ever.
    pub fn new(heard_at: Option<Time>, now: Now) -> Self {
        Self {
            unanswered: VecDeque::new(),
            measured: None,
            heard: now.monotonic,
            silence_before: heard_at.map_or(Span(0), |heard_at| now.wall.since(heard_at)),
        }
    }

    pub fn sent(&mut self, now: Now) {
        if self.unanswered.len() == UNANSWERED_REPORTS {
            self.unanswered.pop_front();
        }
        self.unanswered.push_back(now);
    }

    /// Forgets what was sent on a link that is gone: it will not be answered.
    pub fn lost(&mut self) {
        self.unanswered.clear();
    }

    /// Takes in an answer, and says when the answered report was sent; nothing for an answer to no report of this link.
    ///
    /// The leader's clock is taken to have shown `leader_time` half-way between the sending and now, by the monotonic clock, so that
    /// a wall clock set meanwhile, or later, does not spoil the measure.
    pub fn answered(&mut self, answer: &Answer, now: Now) -> Option<Time> {
        let place = self.unanswered.iter().position(|sent| sent.wall == answer.report_sent_at)?;
        let sent = self.unanswered.drain(..=place).next_back()?;
        let round_trip = now.monotonic - sent.monotonic;
        if let Some(leader) = answer.leader_time {
            let at = sent.monotonic + Span(round_trip.0 / 2);
            self.measured = Some(Measured { leader, at });
        }
        self.heard = sent.monotonic;
        self.silence_before = Span(0);
        Some(sent.wall)
    }

    /// The time that switches go by: the node's own clock; or the leader's as last measured, carried on by the monotonic clock,
    /// where the two differ by more than `clock_skew` (rule R2).
    pub fn corrected(&self, now: Now, clock_skew: Span) -> Time {
        match self.leader_time(now) {
            Some(leader) if leader.distance(now.wall) > clock_skew => leader,
            _ => now.wall,
        }
    }

    /// The monotonic instant at which the leader's clock shows `time`, as far as it was measured.
    pub fn monotonic_at(&self, time: Time) -> Option<Span> {
        self.measured.map(|measured| measured.at + time.since(measured.leader))
    }

    /// What the leader's clock shows now, as far as it was measured.
    pub fn leader_time(&self, now: Now) -> Option<Time> {
        self.measured.map(|measured| measured.leader + (now.monotonic - measured.at))
    }

    /// The monotonic instant at which the node has been without an answer for `limit`.
    pub fn silent_at(&self, limit: Span) -> Span {
        self.heard + (limit - self.silence_before)
    }
}

/// Work that may fail and is then tried again: after 1 s, then twice as long each time, up to 60 s.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Whether it is being done.
    pub busy: bool,
    failure: Option<Failure>,
}

#[derive(Debug)]
struct Failure {
    words: String,
    times: u32,
    retry_at: Span,
}

impl Work {
    pub fn done(&mut self) {
        *self = Self::default();
    }

    pub fn failed(&mut self, words: String, now: Now) {
        let times = self.failure.as_ref().map_or(1, |failure| failure.times.saturating_add(1));
        let pause = Span(1000 << (times - 1).min(6)).min(Span::secs(60));
        self.busy = false;
        self.failure = Some(Failure {
            words,
            times,
            retry_at: now.monotonic + pause,
        });
    }

    /// Lets the next attempt come at once: it is for something new.
    pub fn hurry(&mut self) {
        if let Some(failure) = &mut self.failure {
            failure.times = 0;
            failure.retry_at = Span(0);
        }
    }

    pub fn may_begin(&self, now: Now) -> bool {
        !self.busy && self.failure.as_ref().is_none_or(|failure| failure.retry_at <= now.monotonic)
    }

    pub fn words(&self) -> Option<&str> {
        self.failure.as_ref().map(|failure| failure.words.as_str())
    }

    pub fn retry_at(&self) -> Option<Span> {
        self.failure.as_ref().map(|failure| failure.retry_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall: u64, monotonic: u64) -> Now {
        Now {
            wall: Time(wall),
            monotonic: Span(monotonic),
        }
    }

    fn answer(sent: u64, leader: u64) -> Answer {
        Answer {
            report_sent_at: Time(sent),
            leader_time: Some(Time(leader)),
            in_service: true,
        }
    }

    #[test]
    fn r2_the_leaders_clock_counts_only_beyond_the_skew() {
        let mut contact = Contact::new(None, at(10_000, 0));
        contact.sent(at(10_000, 0));
        assert_eq!(contact.answered(&answer(10_000, 15_100), at(10_200, 200)), Some(Time(10_000)));
        assert_eq!(contact.corrected(at(10_200, 200), Span(5000)), Time(10_200), "5 s ahead");
        assert_eq!(contact.corrected(at(10_200, 200), Span(4999)), Time(15_200));
    }

    #[test]
    fn r2_a_clock_set_after_the_measure_does_not_bring_a_switch_forward() {
        let mut contact = Contact::new(None, at(10_000, 0));
        contact.sent(at(10_000, 0));
        contact.answered(&answer(10_000, 10_000), at(10_000, 0));
        assert_eq!(contact.corrected(at(7_200_000, 1000), Span(5000)), Time(11_000));
    }

    #[test]
    fn an_answer_to_a_report_of_another_link_measures_nothing() {
        let mut contact = Contact::new(None, at(10_000, 0));
        contact.sent(at(10_000, 0));
        contact.lost();
        assert_eq!(contact.answered(&answer(10_000, 99_000), at(10_000, 0)), None);
        assert_eq!(contact.leader_time(at(10_000, 0)), None);
    }

    #[test]
    fn silence_counts_from_the_sending_and_over_a_restart() {
        let mut contact = Contact::new(Some(Time(4000)), at(10_000, 0));
        assert_eq!(contact.silent_at(Span(10_000)), Span(4000));
        contact.sent(at(10_000, 500));
        contact.answered(&answer(10_000, 10_000), at(13_000, 3500));
        assert_eq!(contact.silent_at(Span(10_000)), Span(10_500));
    }

    #[test]
    fn retries_wait_twice_as_long_up_to_a_minute() {
        let mut work = Work::default();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            work.failed("no".into(), at(0, 0));
            pauses.push(work.retry_at().unwrap().0 / 1000);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(!work.may_begin(at(0, 59_999)) && work.may_begin(at(0, 60_000)));
    }
}
