//! Hooks that run on something else than a swap: the leader is silent, or back; keys were revoked, or the node was cut off.
//!
//! Each is tried again a bounded number of times, and none holds up another or a confirmation. What has yet to be told is remembered
//! durably before it is begun, so that a restart tells it again rather than never.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::State;
use super::io::Effect;
use super::time::Work;
use crate::lifecycle::{Failing, Follower, View};
use crate::types::{Generation, HookEvent, Kid, Now, Span};

/// A hook on another event than a swap, as far as the core must know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventHook {
    /// What it runs on.
    pub on: HookEvent,
    /// How often it is tried again after it has failed.
    pub retries: u32,
}

/// What such a hook is run for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occasion {
    /// The leader has been silent for `straggler_after`.
    Stale,
    /// It answers again.
    Fresh,
    /// These keys were revoked, and are gone from the live view.
    Revoked(BTreeSet<Kid>),
    /// The leader has cut this node off, and its private files are erased. It held these keys, or served their public halves.
    CutOff(BTreeSet<Kid>),
}

impl Occasion {
    /// The event that its hooks run on.
    #[must_use]
    pub fn event(&self) -> HookEvent {
        match self {
            Self::Stale => HookEvent::Stale,
            Self::Fresh => HookEvent::Fresh,
            Self::Revoked(_) | Self::CutOff(_) => HookEvent::Revoked,
        }
    }
}

/// One run of one hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookRun {
    /// Its place among [`Settings::event_hooks`](super::Settings::event_hooks).
    pub hook: usize,
    /// What for.
    pub occasion: Occasion,
    /// The newest generation of the node.
    pub generation: Generation,
}

/// What hooks have yet to be told, over a restart. A node without such hooks owes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owed {
    /// Hooks on silence may have run, and those on its end have yet to.
    #[serde(default)]
    pub is_told_stale: bool,
    /// Revoked keys that hooks have yet to be told of.
    #[serde(default)]
    pub revoked: BTreeSet<Kid>,
    /// Revoked keys of the newest generation that were told already: the private half of an encryption key stays for a while.
    #[serde(default)]
    pub known: BTreeSet<Kid>,
    /// The leader has cut this node off.
    #[serde(default)]
    pub cut_off: Option<CutOff>,
}

/// A node that its leader has cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutOff {
    /// The keys of the newest generation that it had.
    pub kids: BTreeSet<Kid>,
    /// Whether hooks have run for it.
    pub is_told: bool,
}

impl Owed {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Takes in a generation that followed another: these are the kids of both, and those that the leader says were revoked.
    pub(super) fn follow(&mut self, before: &BTreeSet<Kid>, after: &BTreeSet<Kid>, revoked: &BTreeSet<Kid>) {
        let new = revoked.intersection(before).filter(|kid| !self.known.contains(*kid));
        self.revoked.extend(new.cloned());
        self.known = revoked.intersection(after).cloned().collect();
    }
}

/// The hooks of one occasion, one at a time, in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Track {
    /// What they run for; none once it is told.
    occasion: Option<Occasion>,
    attempts: Vec<Attempt>,
    is_busy: bool,
}

#[derive(Debug, Clone)]
struct Attempt {
    hook: usize,
    on: HookEvent,
    retries_left: u32,
    work: Work,
    is_over: bool,
}

impl Track {
    fn is_over(&self) -> bool {
        self.attempts.iter().all(|attempt| attempt.is_over)
    }

    fn turn_to(&mut self, occasion: Occasion, hooks: &[EventHook]) {
        let on = occasion.event();
        let begin = |(hook, rule): (usize, &EventHook)| Attempt {
            hook,
            on,
            retries_left: rule.retries,
            work: Work::default(),
            is_over: false,
        };
        let concerned = hooks.iter().enumerate().filter(|(_, rule)| rule.on == on);
        self.attempts = concerned.map(begin).collect();
        self.occasion = Some(occasion);
    }

    fn next(&mut self, now: Now) -> Option<(usize, Occasion)> {
        let occasion = self.occasion.clone().filter(|_| !self.is_busy)?;
        let mut open = self.attempts.iter().filter(|attempt| !attempt.is_over);
        let hook = open.find(|attempt| attempt.work.may_begin(now))?.hook;
        self.is_busy = true;
        Some((hook, occasion))
    }

    fn ended(&mut self, run: &HookRun, result: Result<(), String>, now: Now) {
        self.is_busy = false;
        if self.occasion.as_ref() != Some(&run.occasion) {
            return;
        }
        let Some(attempt) = self.attempts.iter_mut().find(|attempt| attempt.hook == run.hook) else {
            return;
        };
        match result {
            Ok(()) => {
                attempt.work.done();
                attempt.is_over = true;
            }
            Err(words) => {
                attempt.work.failed(words, now);
                attempt.is_over = attempt.retries_left == 0;
                attempt.retries_left = attempt.retries_left.saturating_sub(1);
            }
        }
    }

    /// What was tried last and failed stays to be seen until the next occasion.
    pub(super) fn failing(&self) -> impl Iterator<Item = Failing> {
        self.attempts.iter().filter_map(|attempt| {
            let failing = attempt.work.failing(Follower::Hook(attempt.on))?;
            let is_given_up = attempt.is_over;
            Some(Failing { is_given_up, ..failing })
        })
    }

    pub(super) fn retry_at(&self) -> Option<Span> {
        let open = self.attempts.iter().filter(|attempt| !attempt.is_over && !self.is_busy);
        open.filter_map(|attempt| attempt.work.retry_at()).min()
    }
}

impl State {
    fn has_hooks_on(&self, events: &[HookEvent]) -> bool {
        self.settings.event_hooks.iter().any(|hook| events.contains(&hook.on))
    }

    /// The leader may have been silent for too long by now (rule R10).
    pub(super) fn note_silence(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !self.stale && self.stale_at().is_some_and(|at| at <= now.monotonic) {
            self.stale = true;
            effects.push(Effect::SayStale(true));
        }
        if self.stale && self.has_hooks_on(&[HookEvent::Stale, HookEvent::Fresh]) {
            self.trusted.owed.is_told_stale = true;
        }
    }

    /// A generation of the leader's has taken the place of one with the kids of `before`.
    pub(super) fn note_revoked(&mut self, before: &BTreeSet<Kid>, revoked: &BTreeSet<Kid>) {
        self.trusted.owed.cut_off = None;
        if let Some(newest) = self
            .trusted
            .newest
            .as_ref()
            .filter(|_| self.has_hooks_on(&[HookEvent::Revoked]))
        {
            self.trusted.owed.follow(before, &newest.kids, revoked);
        }
    }

    /// The leader knows this node no more. It says so again and again, and is heard once.
    pub(super) fn note_cut_off(&mut self) {
        if !self.has_hooks_on(&[HookEvent::Revoked]) || self.trusted.owed.cut_off.is_some() {
            return;
        }
        if let Some(newest) = &self.trusted.newest {
            let kids = newest.kids.union(&self.trusted.owed.revoked).cloned().collect();
            self.trusted.owed.cut_off = Some(CutOff { kids, is_told: false });
        }
    }

    /// Begins the hooks that are due, if they may.
    pub(super) fn run_event_hooks(&mut self, target: Option<&View>, now: Now, effects: &mut Vec<Effect>) {
        // The end of a silence needs no word of its beginning any more.
        if let Some(silence) = self.silence()
            && self.silence_hooks.occasion.as_ref() != Some(&silence)
        {
            self.silence_hooks.turn_to(silence, &self.settings.event_hooks);
        }
        if let Some(revoked) = self.revoked(target)
            && self.revoked_hooks.occasion.is_none()
        {
            self.revoked_hooks.turn_to(revoked, &self.settings.event_hooks);
        }
        let generation = self.trusted.generation();
        for track in [&mut self.silence_hooks, &mut self.revoked_hooks] {
            if let Some((hook, occasion)) = track.next(now) {
                effects.push(Effect::RunHook(HookRun {
                    hook,
                    occasion,
                    generation,
                }));
            }
        }
        self.note_told();
    }

    /// Whether what is owed would be told again after a crash. On a disk that takes nothing an alarm matters more than that.
    fn remembers_owed(&self) -> bool {
        self.trusted.owed == self.durable.owed || self.disk.words().is_some()
    }

    fn silence(&self) -> Option<Occasion> {
        if self.stale {
            return self.remembers_owed().then_some(Occasion::Stale);
        }
        let is_heard = self.in_service.is_some();
        (self.trusted.owed.is_told_stale && is_heard).then_some(Occasion::Fresh)
    }

    fn revoked(&self, target: Option<&View>) -> Option<Occasion> {
        let owed = &self.trusted.owed;
        if !self.remembers_owed() {
            return None;
        }
        if let Some(cut_off) = owed.cut_off.as_ref().filter(|cut_off| !cut_off.is_told) {
            return (!self.erase).then(|| Occasion::CutOff(cut_off.kids.clone()));
        }
        let is_gone = target.is_some() && !self.differs(target);
        (is_gone && !owed.revoked.is_empty()).then(|| Occasion::Revoked(owed.revoked.clone()))
    }

    fn note_told(&mut self) {
        if self.silence_hooks.is_over() && self.silence_hooks.occasion == Some(Occasion::Fresh) {
            self.silence_hooks.occasion = None;
            self.trusted.owed.is_told_stale = false;
        }
        if !self.revoked_hooks.is_over() {
            return;
        }
        let owed = &mut self.trusted.owed;
        match self.revoked_hooks.occasion.take() {
            Some(Occasion::Revoked(kids)) => owed.revoked.retain(|kid| !kids.contains(kid)),
            Some(Occasion::CutOff(kids)) => {
                owed.revoked.retain(|kid| !kids.contains(kid));
                if let Some(cut_off) = &mut owed.cut_off {
                    cut_off.is_told = true;
                }
            }
            _ => {}
        }
    }

    pub(super) fn event_hook_ended(&mut self, run: &HookRun, result: Result<(), String>, now: Now) {
        match run.occasion.event() {
            HookEvent::Swap | HookEvent::Stale | HookEvent::Fresh => self.silence_hooks.ended(run, result, now),
            HookEvent::Revoked => self.revoked_hooks.ended(run, result, now),
        }
    }
}
