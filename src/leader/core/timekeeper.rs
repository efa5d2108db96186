//! Rule R9: a wall clock that leaves the monotonic one is questioned, not obeyed.
//!
//! While it is in doubt the leader goes by the time before the doubt, carried on by the monotonic clock. A record that bore the time
//! of a wrong clock would hold every later one to it for ever, and the schedule would rest until the right time got there.
//! What ends a doubt is the clock's return, or the clocks of most nodes heard: they say that the new time is right.
//!
//! A machine that stood still begins again with clocks that are in line with each other, and wrong. So moments that a node in service
//! reports wait for most nodes to have shown that the time is right: [`Timekeeper::vouched_until`].

use std::collections::{BTreeMap, VecDeque};

use super::LastUp;
use crate::lifecycle::mutant::{Mutant, is_out};
use crate::lifecycle::{Doubt, Node, Reading, Standing, State, Vote, Wait};
use crate::types::{Enrolment, Now, Span, Time};

/// For how many `clock_skew` the wall clock may take to leave the monotonic one by one of them: it is slewed, then, and no daemon
/// slews faster than a twelfth.
const SLEWED_OVER: u64 = 10;

/// How many reports of a node are held against each other. One that was held up on its way, or by a machine under load, makes the
/// node's clock look late, and never early: the one that came fastest counts.
const HEARD: usize = 4;

/// What the leader knows of its clocks.
#[derive(Debug, Clone, Default)]
pub(super) struct Timekeeper {
    /// The time that was not in doubt, and the monotonic instant of it; none before the start.
    anchor: Option<Now>,
    /// Whether the clock has been in line with the anchor, or with most nodes, since the start.
    is_proven: bool,
    /// Whether the clock differs from those of most nodes heard.
    is_outvoted: bool,
    /// Since when the clock is in doubt.
    doubted_since: Option<Time>,
    /// What each node's clock showed when it was heard in this term, by the leader's monotonic clock: the last few times.
    nodes: BTreeMap<Enrolment, VecDeque<Now>>,
    /// When the leader last looked.
    looked_at: Option<Now>,
    /// When the leader started, and since when nobody has vouched for the time.
    started: Option<Now>,
    /// The last instant since which most nodes were heard, and did not differ: the monotonic one, and the time of it.
    vouched: Option<Now>,
}

/// The nodes whose clocks count: those in service or, where none is, those that were. Where none of those is left, and there once was
/// one, those that are to come.
fn voters(state: &State) -> impl Iterator<Item = &Node> {
    let rank = |node: &Node| match node.standing {
        Standing::InService { .. } => 0,
        Standing::Evicted { .. } => 1,
        Standing::Joining => 2,
    };
    let asked = state.nodes.values().map(rank).min();
    let asked = asked.filter(|rank| *rank < 2 || state.ever_confirmed);
    state.nodes.values().filter(move |node| Some(rank(node)) == asked)
}

/// What a look at the clocks has found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// The leader stood still: nobody was there.
    StoodStill {
        /// The last moment at which it was there.
        from: Time,
        /// When it was back.
        until: Time,
    },
    /// Most nodes heard agree with a clock that was in doubt, or there is no node left to ask.
    Confirmed {
        /// Since when it was.
        doubted_since: Time,
        /// The time that the leader went by.
        from: Time,
        /// The time that counts from now on.
        to: Time,
        /// What the nodes say.
        vote: Vote,
    },
}

impl Timekeeper {
    /// The leader starts; `last_known` is the last time at which a leader was there. What it noted after its time was last vouched for may
    /// have been noted by a wrong clock that nobody had questioned yet: a doubt of this term then reaches back to there.
    ///
    /// Where no node ever was in service there is nobody to harm: the clock is taken as it is.
    pub(super) fn start(&mut self, state: &State, last_known: Option<LastUp>, now: Now) {
        let known = last_known.filter(|_| state.ever_confirmed && !is_out(Mutant::R9Unconfirmed));
        let LastUp {
            at: last_known,
            right_until,
        } = known.unwrap_or_else(|| now.wall.into());
        // One that is in line with that counts as it stands: what it then leaves by is not to be as much again.
        let is_in_line = last_known.distance(now.wall) <= state.settings.clock_skew();
        let anchor = if is_in_line { now.wall } else { last_known };
        // A doubt of the term before goes on from when it began, if this term finds the clock wrong too.
        let in_doubt = state.waits.iter().filter(|(wait, _)| matches!(wait, Wait::Clock(_)));
        let right_until = in_doubt.map(|(_, since)| *since).fold(right_until.min(last_known), Time::min);
        *self = Self {
            anchor: Some(Now { wall: anchor, ..now }),
            is_proven: is_in_line,
            started: Some(Now {
                wall: right_until,
                ..now
            }),
            ..Self::default()
        };
    }

    /// A node said what its clock shows.
    pub(super) fn hear(&mut self, enrolment: Enrolment, its_clock: Time, now: Now) {
        let heard = self.nodes.entry(enrolment).or_default();
        if heard.len() == HEARD {
            heard.pop_front();
        }
        heard.push_back(Now { wall: its_clock, ..now });
    }

    pub(super) fn forget(&mut self, enrolment: Enrolment) {
        self.nodes.remove(&enrolment);
    }

    /// What the clock is worth, by what the last look has found out.
    pub(super) fn reading(&self, skew: Span, now: Now) -> Reading {
        let carried = self.carried(now);
        let (carried, doubt) = if carried.distance(now.wall) <= skew || is_out(Mutant::R9Jumped) {
            (now.wall, self.is_outvoted.then_some(Doubt::Outvoted))
        } else if self.is_proven {
            (carried, Some(Doubt::Jumped))
        } else {
            (carried, Some(Doubt::Unconfirmed))
        };
        Reading {
            shows: now.wall,
            carried,
            doubt,
        }
    }

    /// Holds the clocks against each other and against those of the nodes.
    pub(super) fn look(&mut self, state: &State, now: Now) -> Vec<Finding> {
        let skew = state.settings.clock_skew();
        let before = self.reading(skew, now);
        let vote = self.vote(state, now);
        let (mut findings, stood_still) = (Vec::new(), self.stood_still(state, before.carried, now));
        let has_left = matches!(before.doubt, Some(Doubt::Jumped | Doubt::Unconfirmed));
        let one_agrees = is_out(Mutant::R9OneAgrees) && vote.differing < vote.heard;
        let is_alone = state.nodes.is_empty();
        if has_left && (vote.agrees() || one_agrees || is_alone) {
            findings.push(Finding::Confirmed {
                doubted_since: self.doubted_since.unwrap_or_else(|| self.right_until(before.carried)),
                from: before.carried,
                to: now.wall,
                vote,
            });
            self.anchor = Some(now);
        }
        findings.extend(stood_still);
        self.count(state, now);
        let after = self.reading(skew, now);
        if after.carried == now.wall {
            self.is_proven = true;
            self.follow(skew, now);
        }
        self.doubted_since = after
            .doubt
            .map(|_| self.doubted_since.unwrap_or_else(|| self.right_until(after.carried)));
        if after.doubt.is_none() {
            self.vouched = self.vouched_since(state, now).or(self.vouched);
        }
        self.looked_at = Some(Now {
            wall: after.carried,
            ..now
        });
        findings
    }

    /// Counts the clocks of the nodes again: others may be in service now.
    pub(super) fn count(&mut self, state: &State, now: Now) {
        self.is_outvoted = self.vote(state, now).differs() && !is_out(Mutant::R9Outvoted);
    }

    /// Until when the time was right, for all that is known: a time that is in doubt may have been wrong ever since most nodes last
    /// agreed with it.
    fn right_until(&self, carried: Time) -> Time {
        let last = self.vouched.or(self.started);
        last.map_or(carried, |last| last.wall.min(carried))
    }

    /// The same at any moment, with a doubt that has begun. Where there is nobody to ask it is `now`.
    pub(super) fn right_until_at(&self, state: &State, now: Now) -> Time {
        let carried = self.reading(state.settings.clock_skew(), now).carried;
        if voters(state).next().is_none() {
            return carried;
        }
        self.doubted_since.unwrap_or_else(|| self.right_until(carried))
    }

    /// The monotonic instant up to which the time is vouched for; none where nobody has done so since the start. Where there is nobody
    /// to ask it is `now`.
    pub(super) fn vouched_until(&self, state: &State, now: Now) -> Option<Span> {
        if voters(state).next().is_none() || is_out(Mutant::R9Unvouched) {
            return Some(now.monotonic);
        }
        self.vouched.map(|vouched| vouched.monotonic)
    }

    /// The last instant since which most nodes were heard, if no more of those differ from the clock than agree with it. In the first
    /// `start_grace` each node is waited for.
    fn vouched_since(&self, state: &State, now: Now) -> Option<Now> {
        let skew = state.settings.clock_skew();
        let mut last: Vec<(Span, bool)> = self
            .clocks(state, now)
            .map(|(at, shows)| (at, shows.distance(now.wall) > skew))
            .collect();
        let is_fresh = self
            .started
            .is_none_or(|started| now.monotonic - started.monotonic < state.settings.start_grace());
        let asked = if is_fresh { voters(state).count() } else { last.len() };
        last.sort_unstable_by_key(|(at, _)| std::cmp::Reverse(*at));
        let (since, _) = *last.get(asked / 2)?;
        let most: Vec<bool> = last
            .iter()
            .filter(|(at, _)| *at >= since)
            .map(|(_, differs)| *differs)
            .collect();
        let differing = most.iter().filter(|differs| **differs).count();
        (differing * 2 <= most.len()).then(|| Now {
            wall: now.wall - (now.monotonic - since),
            monotonic: since,
        })
    }

    /// How long until time alone can change what the clock is worth: it gets to the last record, or what a node said of it is too old.
    pub(super) fn changes_in(&self, state: &State, now: Now) -> Option<Span> {
        let (skew, limit) = (state.settings.clock_skew(), state.settings.straggler_after());
        let behind = (state.last_record_at - skew).since(now.wall);
        let is_disputed = self.reading(skew, now).doubt.is_some() || self.vote(state, now).differing > 0;
        let last_heard = self.nodes.values().filter_map(VecDeque::back).filter(|_| is_disputed);
        let expiries = last_heard.map(|last| (last.monotonic + limit + Span(1)) - now.monotonic);
        expiries.chain([behind]).filter(|left| left.0 > 0).min()
    }

    /// The clocks of the nodes that were heard in this term, against the leader's; one that is silent for `straggler_after` holds
    /// nothing up any more.
    pub(super) fn vote(&self, state: &State, now: Now) -> Vote {
        let skew = state.settings.clock_skew();
        self.clocks(state, now).fold(Vote::default(), |vote, (_, theirs)| Vote {
            heard: vote.heard + 1,
            differing: vote.differing + u64::from(theirs.distance(now.wall) > skew),
        })
    }

    /// Of each node whose clock counts: the monotonic instant at which it was last heard, and what its clock shows.
    fn clocks(&self, state: &State, now: Now) -> impl Iterator<Item = (Span, Time)> {
        let limit = state.settings.straggler_after();
        voters(state).filter_map(move |node| {
            let heard = self.nodes.get(&node.enrolment)?;
            let carried = |heard: &Now| heard.wall + (now.monotonic - heard.monotonic);
            let last = heard.back().filter(|last| now.monotonic - last.monotonic <= limit)?;
            let shows = heard.iter().map(carried).max()?;
            Some((last.monotonic, shows))
        })
    }

    fn carried(&self, now: Now) -> Time {
        let carry = |anchor: Now| anchor.wall + (now.monotonic - anchor.monotonic);
        self.anchor.map_or(now.wall, carry)
    }

    /// The anchor follows a clock that is slewed, and no faster.
    fn follow(&mut self, skew: Span, now: Now) {
        let is_old = |anchor: Now| now.monotonic - anchor.monotonic >= skew * SLEWED_OVER;
        if self.anchor.is_some_and(is_old) {
            self.anchor = Some(now);
        }
    }

    /// A machine that was suspended notices it by its own gap. Half of `straggler_after` leaves each node the other half.
    fn stood_still(&self, state: &State, carried: Time, now: Now) -> Option<Finding> {
        let before = self.looked_at?;
        let gap = now.monotonic - before.monotonic;
        (gap.0 > state.settings.straggler_after().0 / 2).then_some(Finding::StoodStill {
            from: before.wall,
            until: carried,
        })
    }
}
