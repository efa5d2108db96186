//! What follows a swap before the view is confirmed: hooks, then probes of what is served. Each is tried again until it succeeds, or
//! another view is there. Probes look again later where they are told to, and what is served wrongly then is confirmed no more.

use super::State;
use super::io::{Effect, Unserved};
use super::trusted::ViewId;
use crate::lifecycle::{Failing, Follower, Installed};
use crate::rpc::limits::FAILING;
use crate::types::{HookEvent, Now, Span};

impl State {
    /// Whether a view counts as confirmed as soon as it is there.
    fn follows_nothing(&self) -> bool {
        !self.settings.has_hooks && self.settings.probes.is_empty()
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
        self.looks.forget();
        self.hooks.hurry();
        self.probes.hurry();
    }

    pub(super) fn hooks_ended(&mut self, id: ViewId, result: Result<(), String>, now: Now) {
        match (self.is_live(&id), result) {
            (true, Ok(())) => {
                self.hooks.done();
                if self.settings.probes.is_empty() {
                    self.followed(id);
                } else {
                    self.ran = Some(id);
                }
            }
            (true, Err(words)) => self.hooks.failed(words, now),
            // They ran for a view that is gone: what counts is how they do for the one that is there.
            (false, _) => self.hooks.done(),
        }
    }

    pub(super) fn probes_ended(&mut self, id: ViewId, result: Result<(), Unserved>, now: Now) {
        let Some(installed) = self.installed.as_mut().filter(|installed| ViewId::from(&**installed) == id) else {
            return self.probes.done();
        };
        match result {
            Ok(()) => {
                self.probes.done();
                self.looks.found(now.monotonic);
                if !installed.hooks_succeeded {
                    self.served_after = self.swapped_at.map(|at| now.monotonic - at);
                    self.followed(id);
                }
            }
            Err(unserved) => {
                let was_confirmed = installed.hooks_succeeded;
                if self.looks.missed(&unserved, &installed.published) && was_confirmed {
                    self.unfollow();
                }
                self.probes.failed(unserved.words, now);
            }
        }
    }

    /// What was confirmed is served no more. The way to a confirmation is the same as after the swap: hooks first, for they are what tells the
    /// server.
    fn unfollow(&mut self) {
        if let Some(installed) = &mut self.installed {
            installed.hooks_succeeded = false;
        }
        self.trusted.hooked = None;
        self.ran = None;
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
        if self.content.is_none() || self.erase {
            return;
        }
        let id = ViewId::from(installed);
        if !installed.hooks_succeeded && self.settings.has_hooks && self.ran.as_ref() != Some(&id) {
            if self.hooks.may_begin(now) {
                self.hooks.busy = true;
                effects.push(Effect::RunHooks(id));
            }
        } else if self.probes.may_begin(now) {
            let must_all_look = !installed.hooks_succeeded || self.probes.words().is_some();
            let published = installed.published.clone();
            let probes = if must_all_look {
                self.looks.begin_all()
            } else {
                self.looks.begin_due(now.monotonic)
            };
            if !probes.is_empty() {
                self.probes.busy = true;
                effects.push(Effect::Probe { id, published, probes });
            }
        }
    }

    /// When what was confirmed is looked at again.
    pub(super) fn looks_again_at(&self) -> Option<Span> {
        let is_confirmed = self.installed.as_ref().is_some_and(|installed| installed.hooks_succeeded);
        self.looks.next().filter(|_| is_confirmed && !self.probes.busy)
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
