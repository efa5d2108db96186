//! What should be, against what is.

use std::collections::BTreeSet;

use super::halves::lacking;
use super::io::{DiskWork, Effect, Wake};
use super::{CacheHolds, Link, Now, Sent, Source, State, Unfinished, ViewId};
use crate::lifecycle::mutant::{Mutant, is_out};
use crate::lifecycle::{Installed, Report, View, view};
use crate::rpc::limits::PROBLEM_CHARS;
use crate::types::{Span, Time};

/// However small the leader says `report_every` is.
const SHORTEST_REPORT_EVERY: Span = Span(100);

impl State {
    /// Says what to do so that what is becomes what should be.
    pub(super) fn settle(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let target = self.target(now);
        self.note_silence(now, effects);
        self.run_event_hooks(target.as_ref(), now, effects);
        self.note_due(target.as_ref(), now);
        self.note_unhooked(target.as_ref());
        if !self.disk.busy
            && let Some(work) = self.next_disk_work(target.as_ref(), now)
        {
            self.disk.busy = true;
            if matches!(work, DiskWork::Install { .. } | DiskWork::Copy) {
                self.installing.clone_from(&target);
            }
            effects.push(Effect::Disk(work));
        }
        self.follow(now, effects);
        self.say_ready(target.as_ref(), effects);
        self.send_report(now, effects);
    }

    /// The view that should be live. Switches that are due belong to it, noted or not.
    pub(super) fn target(&self, now: Now) -> Option<View> {
        let bundle = &self.content.as_ref()?.bundle;
        let time = self.contact.corrected(now, bundle.set.clock_skew);
        Some(view(&bundle.set, &self.trusted.switches(), time).lacking(&lacking(bundle)))
    }

    /// Notes the switches that are due. They are durable before the view that makes them is.
    fn note_due(&mut self, target: Option<&View>, now: Now) {
        if !self.may_act(now) || is_out(Mutant::R10SwitchForgotten) {
            return;
        }
        if let Some(target) = target
            && let Some(newest) = &mut self.trusted.newest
            && newest.switches != target.switches
        {
            newest.switches.clone_from(&target.switches);
            self.disk.hurry();
        }
    }

    /// Where the view that hooks have run for is to be put in place again, what they saw was not that view. It is forgotten durably before
    /// the view is whole: a crash right after that would leave a view which the server has not read, and which counts as confirmed.
    fn note_unhooked(&mut self, target: Option<&View>) {
        let is_it = |hooked: &ViewId, target: &View| hooked.generation == target.generation && hooked.switches == target.switches;
        let hooked = self.trusted.hooked.as_ref();
        if hooked.zip(target).is_some_and(|(hooked, target)| is_it(hooked, target)) && self.differs(target) {
            self.trusted.hooked = None;
        }
    }

    /// Whether the content at hand may be put in place: the leader vouches for it, or has been asked for long enough and did not
    /// answer too long ago (an old disk image must not sign).
    fn may_act(&self, now: Now) -> bool {
        match self.content.as_ref().map(|content| content.source) {
            Some(Source::Leader) => true,
            Some(Source::Cache { .. }) if is_out(Mutant::R10NeedsLeader) => false,
            Some(Source::Cache { ask_until }) => !self.too_old && ask_until <= now.monotonic,
            None => false,
        }
    }

    /// Step 8, view complete: what is put in place is the whole view of a generation whose keys this node has. Step 9, disk space: the
    /// generation is durable in the cache before anything else is touched, and what does not fit changes nothing.
    ///
    /// The order: the cache of a new generation, the trusted state, the cache of the view, the view. After a crash between any two
    /// the node knows how to go on, with or without its leader.
    fn next_disk_work(&self, target: Option<&View>, now: Now) -> Option<DiskWork> {
        if !self.disk.may_begin(now) {
            return None;
        }
        if self.erase {
            return Some(DiskWork::Erase);
        }
        let cached = self.cache.as_ref();
        let used_first = is_out(Mutant::R5Durable) && self.differs(target);
        if self.trusted != self.durable && !used_first {
            let is_new = self.trusted.generation() != self.durable.generation();
            let in_cache = |content: &super::Content| cached.map(|cache| cache.digest) == Some(content.bundle.digest);
            return match &self.content {
                Some(content) if is_new && !in_cache(content) && !is_out(Mutant::R10CacheLate) => self.write_cache(target),
                _ => Some(DiskWork::SaveTrusted(Box::new(self.trusted.clone()))),
            };
        }
        if !self.may_act(now) {
            return None;
        }
        let (content, target) = (self.content.as_ref()?, target?);
        let wanted = CacheHolds {
            digest: content.bundle.digest,
            kids: target.held.clone(),
        };
        if cached != Some(&wanted) {
            return self.write_cache(Some(target));
        }
        if !self.differs(Some(target)) {
            return None;
        }
        let is_live = self.installed.as_ref().is_some_and(|installed| is_live(installed, target));
        if is_live && self.unfinished == Some(Unfinished::Copies) {
            return Some(DiskWork::Copy);
        }
        Some(DiskWork::Install {
            bundle: content.bundle.clone(),
            view: target.clone(),
        })
    }

    fn write_cache(&self, target: Option<&View>) -> Option<DiskWork> {
        let content = self.content.as_ref()?;
        Some(DiskWork::WriteCache {
            bundle: content.bundle.clone(),
            proof: content.proof.clone(),
            held: target?.held.clone(),
        })
    }

    /// Whether something else is live than this, which should be.
    pub(super) fn differs(&self, target: Option<&View>) -> bool {
        match (target, &self.installed) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(target), Some(installed)) => self.unfinished.is_some() || !shows(installed, target),
        }
    }

    fn say_ready(&mut self, target: Option<&View>, effects: &mut Vec<Effect>) {
        let settled = !self.differs(target) || self.disk.words().is_some();
        if !self.ready && self.installed.is_some() && settled && !self.too_old && !self.erase {
            self.ready = true;
            effects.push(Effect::SayReady);
        }
    }

    pub(super) fn stale_at(&self) -> Option<Span> {
        let content = self.content.as_ref()?;
        Some(self.contact.silence().reaches(content.bundle.set.straggler_after))
    }

    fn send_report(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.show(effects);
        let report = self.report(now);
        let Link::Up { report_every, last, .. } = &mut self.link else {
            return;
        };
        let due = match last {
            None => true,
            Some(last) => {
                let news = Report {
                    sent_at: last.report.sent_at,
                    ..report.clone()
                } != last.report;
                news || last.at + (*report_every).max(SHORTEST_REPORT_EVERY) <= now.monotonic
            }
        };
        if due {
            *last = Some(Box::new(Sent {
                report: report.clone(),
                at: now.monotonic,
            }));
            self.contact.sent(now);
            effects.push(Effect::Send(report));
        }
    }

    /// Step 16, confirm: what the disk holds and whether the hooks have succeeded, never what was meant to be.
    fn report(&self, now: Now) -> Report {
        Report {
            sent_at: now.wall,
            highest_epoch: self.durable.epoch,
            highest_generation: self.durable.generation(),
            checkpoint: self.durable.checkpoint,
            refused: self.refusal.as_ref().and_then(|refused| refused.generation),
            gone: self.refusal.as_ref().map(|refused| refused.gone.clone()).unwrap_or_default(),
            installed: self.installed_as_reported(),
            problem: self.problem(),
            failing: self.failing(),
        }
    }

    /// All that keeps the node from going on, in words.
    pub(super) fn problem(&self) -> Option<String> {
        let too_old = self.too_old.then_some(
            "the leader last answered too long ago for the sealed cache to be used: connect the leader, or raise cache_ready_for \
             if this is no old disk image",
        );
        let all = [
            self.refusal.as_ref().map(|refused| refused.words.as_str()),
            too_old,
            self.found_problem.as_deref(),
            self.disk.words(),
            self.hooks.words(),
            self.probes.words(),
        ];
        let words: Vec<&str> = all.into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join("; ").chars().take(PROBLEM_CHARS).collect())
    }

    /// When the core wants its next tick.
    #[must_use]
    pub fn wake(&self, now: Now) -> Wake {
        let asking = match self.content.as_ref().map(|content| content.source) {
            Some(Source::Cache { ask_until }) => Some(ask_until),
            _ => None,
        };
        let report = match &self.link {
            Link::Up {
                last: Some(last),
                report_every,
                ..
            } => Some(last.at + (*report_every).max(SHORTEST_REPORT_EVERY)),
            _ => None,
        };
        let next = self.next_change();
        let candidates = [
            asking,
            report,
            self.disk.retry_at(),
            self.hooks.retry_at(),
            self.probes.retry_at(),
            self.looks_again_at(),
            self.silence_hooks.retry_at(),
            self.revoked_hooks.retry_at(),
            self.stale_at().filter(|_| !self.stale),
            next.and_then(|next| self.contact.monotonic_at(next)),
        ];
        Wake {
            wall: next.and_then(|next| self.contact.wall_at(next, now)),
            monotonic: candidates.into_iter().flatten().filter(|at| *at > now.monotonic).min(),
        }
    }

    /// The next instant at which an armed key becomes active.
    pub(super) fn next_change(&self) -> Option<Time> {
        let content = self.content.as_ref()?;
        content.bundle.set.next_change(&self.trusted.switches())
    }
}

/// Whether what was read back is this view, whole, and no private half is left anywhere that it does not hold.
pub(super) fn shows(installed: &Installed, view: &View) -> bool {
    if is_out(Mutant::R6NotRead) {
        return installed.generation == view.generation && installed.switches == view.switches;
    }
    is_live(installed, view) && installed.held == view.held
}

/// Whether what was read back through the link is this view.
fn is_live(installed: &Installed, view: &View) -> bool {
    installed.generation == view.generation
        && installed.switches == view.switches
        && installed.published.iter().eq(view.published.iter().collect::<BTreeSet<_>>())
        && installed.signing == view.signing()
        && installed.decrypting == view.decrypting
}
