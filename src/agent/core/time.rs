//! Two clocks, the leader's time, silence, and retries.

use std::collections::VecDeque;

use super::silence::Silence;
use super::trusted::{Measured, Trusted};
use crate::lifecycle::mutant::{Mutant, is_out};
use crate::lifecycle::{Failing, Follower};
use crate::rpc::fleet::Answer;
use crate::types::{Now, Span, Time};

/// The most reports that wait for an answer. A leader that answers none of so many answers none at all.
const UNANSWERED_REPORTS: usize = 64;

/// The longest round trip that measures anything: what is answered later was held up on the way, nobody knows where.
const LONGEST_ROUND_TRIP: Span = Span::mins(1);

/// The leader's clock as last measured, and how long the node has been without an answer.
#[derive(Debug, Clone)]
pub(super) struct Contact {
    unanswered: VecDeque<Now>,
    measured: Option<Measured>,
    /// How far the wall clock was ahead of the leader's before the last boot, as last measured; it may have been set right since.
    was_ahead: Span,
    boot: Option<String>,
    silence: Silence,
}

impl Contact {
    /// A node that starts now and remembers that.
    ///
    /// Within one boot the monotonic clock has gone on, and the measure with it, whatever became of the wall clock. After another
    /// boot the wall clock may be as wrong as before, or set right: a node that was ahead goes on as if it still were, so that it
    /// may switch late until the leader answers, but not early.
    pub fn new(trusted: &Trusted, boot: Option<String>, now: Now) -> Self {
        let remembered = trusted.measured.clone();
        let goes_on =
            |measured: &Measured| measured.boot.is_some() && measured.boot == boot && measured.monotonic <= now.monotonic;
        let (measured, before) = match remembered {
            Some(measured) if goes_on(&measured) => (Some(measured), None),
            before => (None, before),
        };
        Self {
            unanswered: VecDeque::new(),
            measured,
            was_ahead: before.map_or(Span(0), |before| before.wall.since(before.leader)),
            boot,
            silence: Silence::that_lasts(trusted.heard_at.map_or(Span(0), |heard_at| now.wall.since(heard_at)), now),
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
        if let Some(leader) = answer.leader_time.filter(|_| round_trip <= LONGEST_ROUND_TRIP) {
            let half = Span(round_trip.0 / 2);
            self.measured = Some(Measured {
                leader: leader + half,
                wall: now.wall,
                monotonic: now.monotonic,
                uncertain: half,
                boot: self.boot.clone(),
            });
            self.was_ahead = Span(0);
        }
        self.silence = Silence::since(sent.monotonic);
        Some(sent.wall)
    }

    /// The time that switches go by: the node's own clock; or the leader's as last measured, carried on by the monotonic clock,
    /// where the two surely differ by more than `clock_skew` (rule R2).
    pub fn corrected(&self, now: Now, clock_skew: Span) -> Time {
        match (&self.measured, self.leader_time(now)) {
            _ if is_out(Mutant::R2Clock) => now.wall,
            (Some(measured), Some(leader)) if leader.distance(now.wall) > clock_skew + measured.uncertain => leader,
            (None, _) if self.was_ahead > clock_skew => now.wall - self.was_ahead,
            _ => now.wall,
        }
    }

    /// The monotonic instant at which the leader's clock shows `time`, as far as it was measured.
    pub fn monotonic_at(&self, time: Time) -> Option<Span> {
        let at = |measured: &Measured| measured.monotonic + time.since(measured.leader);
        self.measured.as_ref().map(at)
    }

    /// What the wall clock shows when the time that switches go by gets to `time`, if that is still to come.
    pub fn wall_at(&self, time: Time, now: Now) -> Option<Time> {
        [time, time + self.was_ahead].into_iter().find(|at| *at > now.wall)
    }

    /// What the leader's clock shows now, as far as it was measured.
    pub fn leader_time(&self, now: Now) -> Option<Time> {
        let carried = |measured: &Measured| measured.leader + (now.monotonic - measured.monotonic);
        self.measured.as_ref().map(carried)
    }

    /// The last measure, where it says something else than the one that is `kept`: another boot, or a clock that has moved.
    pub fn worth_keeping(&self, kept: Option<&Measured>, clock_skew: Span) -> Option<Measured> {
        let new = self.measured.as_ref()?;
        let grain = Span(clock_skew.0 / 4);
        let says_the_same = |kept: &&Measured| {
            let carried = kept.leader + (new.monotonic - kept.monotonic);
            let ahead = |measured: &Measured| i128::from(measured.wall.0) - i128::from(measured.leader.0);
            let moved = ahead(new).abs_diff(ahead(kept));
            kept.boot == new.boot && carried.distance(new.leader) <= grain && moved <= u128::from(grain.0)
        };
        (!kept.as_ref().is_some_and(says_the_same)).then(|| new.clone())
    }

    /// How long the node has been without an answer.
    pub fn silence(&self) -> Silence {
        self.silence
    }
}

/// Work that may fail and is then tried again: after 1 s, then twice as long each time, up to 60 s.
#[derive(Debug, Clone, Default)]
pub(super) struct Work {
    /// Whether it is being done.
    pub busy: bool,
    failure: Option<Failure>,
}

#[derive(Debug, Clone)]
struct Failure {
    words: String,
    /// How often since it was last hurried: the pause before the next attempt grows with it.
    times: u32,
    /// How often in a row.
    in_row: u32,
    since: Time,
    retry_at: Span,
}

impl Work {
    pub fn done(&mut self) {
        *self = Self::default();
    }

    pub fn failed(&mut self, words: String, now: Now) {
        let times = self.failure.as_ref().map_or(1, |failure| failure.times.saturating_add(1));
        let pause = Span(1000 << (times - 1).min(6)).min(Span::secs(60));
        let in_row = self.failure.as_ref().map_or(1, |failure| failure.in_row.saturating_add(1));
        let since = self.failure.as_ref().map_or(now.wall, |failure| failure.since);
        self.busy = false;
        self.failure = Some(Failure {
            words,
            times,
            in_row,
            since,
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

    /// How it has failed, where it has not succeeded since.
    pub fn failing(&self, what: Follower) -> Option<Failing> {
        let failure = self.failure.as_ref()?;
        Some(Failing {
            what,
            why: failure.words.clone(),
            times: failure.in_row,
            since: failure.since,
            is_given_up: false,
        })
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
        let mut contact = Contact::new(&Trusted::default(), None, at(10_000, 0));
        contact.sent(at(10_000, 0));
        assert_eq!(contact.answered(&answer(10_000, 15_100), at(10_200, 200)), Some(Time(10_000)));
        assert_eq!(
            contact.corrected(at(10_200, 200), Span(4900)),
            Time(10_200),
            "5 s ahead, or a tenth less"
        );
        assert_eq!(contact.corrected(at(10_200, 200), Span(4899)), Time(15_200));
    }

    #[test]
    fn r2_an_answer_that_was_held_up_measures_nothing_and_still_counts_as_heard() {
        let mut contact = Contact::new(&Trusted::default(), None, at(10_000, 0));
        contact.sent(at(10_000, 0));
        assert_eq!(
            contact.answered(&answer(10_000, 10_000), at(3_610_000, 3_600_000)),
            Some(Time(10_000))
        );
        assert_eq!(contact.leader_time(at(3_610_000, 3_600_000)), None);
        contact.sent(at(3_610_000, 3_600_000));
        let doubted = Answer {
            leader_time: None,
            ..answer(3_610_000, 0)
        };
        assert!(contact.answered(&doubted, at(3_610_000, 3_600_000)).is_some());
        assert_eq!(
            contact.leader_time(at(3_610_000, 3_600_000)),
            None,
            "a leader in doubt gives no time"
        );
    }

    /// What a node remembers that measured the leader one hour behind or ahead of its own clock.
    fn remembered(leader: u64, boot: &str) -> Trusted {
        let mut contact = Contact::new(&Trusted::default(), Some(boot.to_owned()), at(HOUR * 10, 1000));
        contact.sent(at(HOUR * 10, 1000));
        contact.answered(&answer(HOUR * 10, leader), at(HOUR * 10, 1000));
        let measured = contact.worth_keeping(None, SKEW);
        assert_eq!(contact.worth_keeping(measured.as_ref(), SKEW), None, "it is written once");
        Trusted {
            measured,
            ..Trusted::default()
        }
    }

    const HOUR: u64 = 3_600_000;
    const SKEW: Span = Span::mins(5);

    #[test]
    fn r2_a_measure_outlives_a_restart_of_the_agent() {
        for leader in [HOUR * 9, HOUR * 11] {
            let trusted = remembered(leader, "boot");
            let restarted = Contact::new(&trusted, Some("boot".to_owned()), at(HOUR * 10 + 5000, 6000));
            assert_eq!(restarted.corrected(at(HOUR * 10 + 5000, 6000), SKEW), Time(leader + 5000));
            let set_right = at(leader + 5000, 6000);
            let restarted = Contact::new(&trusted, Some("boot".to_owned()), set_right);
            assert_eq!(
                restarted.corrected(set_right, SKEW),
                Time(leader + 5000),
                "its own clock, by now"
            );
        }
    }

    #[test]
    fn r2_after_a_boot_a_node_that_was_ahead_is_not_early_and_one_that_was_behind_goes_by_its_clock() {
        let after = at(HOUR * 10 + 5000, 200);
        let ahead = Contact::new(&remembered(HOUR * 9, "one"), Some("two".to_owned()), after);
        assert_eq!(ahead.corrected(after, SKEW), Time(HOUR * 9 + 5000));
        assert_eq!(
            ahead.wall_at(Time(HOUR * 10), after),
            Some(Time(HOUR * 11)),
            "it wakes when that time comes"
        );
        let behind = Contact::new(&remembered(HOUR * 11, "one"), Some("two".to_owned()), after);
        assert_eq!(behind.corrected(after, SKEW), after.wall);
    }

    #[test]
    fn r2_a_clock_set_after_the_measure_does_not_bring_a_switch_forward() {
        let mut contact = Contact::new(&Trusted::default(), None, at(10_000, 0));
        contact.sent(at(10_000, 0));
        contact.answered(&answer(10_000, 10_000), at(10_000, 0));
        assert_eq!(contact.corrected(at(7_200_000, 1000), Span(5000)), Time(11_000));
    }

    #[test]
    fn an_answer_to_a_report_of_another_link_measures_nothing() {
        let mut contact = Contact::new(&Trusted::default(), None, at(10_000, 0));
        contact.sent(at(10_000, 0));
        contact.lost();
        assert_eq!(contact.answered(&answer(10_000, 99_000), at(10_000, 0)), None);
        assert_eq!(contact.leader_time(at(10_000, 0)), None);
    }

    #[test]
    fn silence_counts_from_the_sending_and_over_a_restart() {
        let heard = Trusted {
            heard_at: Some(Time(4000)),
            ..Trusted::default()
        };
        let mut contact = Contact::new(&heard, None, at(10_000, 0));
        assert_eq!(contact.silence().reaches(Span(10_000)), Span(4000));
        contact.sent(at(10_000, 500));
        contact.answered(&answer(10_000, 10_000), at(13_000, 3500));
        assert_eq!(contact.silence().reaches(Span(10_000)), Span(10_500));
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
