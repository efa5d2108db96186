//! What follows a swap before the view is confirmed: hooks, then probes of what is served. Each is tried again until it succeeds, or
//! another view is there.

use super::State;
use super::io::Effect;
use super::trusted::ViewId;
use crate::lifecycle::{Failing, Follower, Installed};
use crate::rpc::limits::FAILING;
use crate::types::{HookEvent, Now};

impl State {
    /// Whether a view counts as confirmed as soon as it is there.
    fn follows_nothing(&self) -> bool {
        !self.settings.has_hooks && !self.settings.has_probes
    }

    /// Takes in what was found live at the start: it is confirmed if it was before.
    pub(super) fn take_found(&mut self, mut installed: Installed) {
        installed.hooks_succeeded = self.follows_nothing() || self.trusted.hooked.as_ref() == Some(&ViewId::from(&installed));
        self.installed = Some(installed);
    }

    /// Takes in what was just put in place: its hooks have yet to run.
    pub(super) fn take_installed(&mut self, mut installed: Installed, now: Now) {
        let id = ViewId::from(&installed);
        installed.hooks_succeeded = self.follows_nothing();
        if self.trusted.hooked.as_ref() == Some(&id) {
            self.trusted.hooked = None;
        }
        self.installed = Some(installed);
        self.ran = None;
        self.swapped_at = Some(now.monotonic);
        self.hooks.hurry();
        self.probes.hurry();
    }

    pub(super) fn hooks_ended(&mut self, id: ViewId, result: Result<(), String>, now: Now) {
        match (self.is_live(&id), result) {
            (true, Ok(())) => {
                self.hooks.done();
                if self.settings.has_probes {
                    self.ran = Some(id);
                } else {
                    self.followed(id);
                }
            }
            (true, Err(words)) => self.hooks.failed(words, now),
            // They ran for a view that is gone: what counts is how they do for the one that is there.
            (false, _) => self.hooks.done(),
        }
    }

    pub(super) fn probes_ended(&mut self, id: ViewId, result: Result<(), String>, now: Now) {
        match (self.is_live(&id), result) {
            (true, Ok(())) => {
                self.probes.done();
                self.served_after = self.swapped_at.map(|at| now.monotonic - at);
                self.followed(id);
            }
            (true, Err(words)) => self.probes.failed(words, now),
            (false, _) => self.probes.done(),
        }
    }

    fn is_live(&self, id: &ViewId) -> bool {
        self.installed
            .as_ref()
            .is_some_and(|installed| ViewId::from(installed) == *id)
    }

    /// Everything that follows the swap to this view has succeeded.
    fn followed(&mut self, id: ViewId) {
        if let Some(installed) = &mut self.installed {
            installed.hooks_succeeded = true;
        }
        // A view whose copies are not there is not finished: what follows it runs again then.
        self.trusted.hooked = Some(id).filter(|_| self.unfinished.is_none());
    }

    /// Step 15, hooks, and probes after them: they run for what was read back, until they succeed.
    pub(super) fn follow(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let Some(installed) = &self.installed else { return };
        if installed.hooks_succeeded || self.content.is_none() || self.erase {
            return;
        }
        let id = ViewId::from(installed);
        if self.settings.has_hooks && self.ran.as_ref() != Some(&id) {
            if self.hooks.may_begin(now) {
                self.hooks.busy = true;
                effects.push(Effect::RunHooks(id));
            }
        } else if self.probes.may_begin(now) {
            let published = installed.published.clone();
            self.probes.busy = true;
            effects.push(Effect::Probe { id, published });
        }
    }

    /// What has failed and not succeeded since.
    pub(super) fn failing(&self) -> Vec<Failing> {
        let follows = [
            self.hooks.failing(Follower::Hook(HookEvent::Swap)),
            self.probes.failing(Follower::Probe),
        ];
        let events = self.silence_hooks.failing().chain(self.revoked_hooks.failing());
        follows.into_iter().flatten().chain(events).take(FAILING).collect()
    }
}
