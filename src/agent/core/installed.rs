//! What was read back of a view, once it is live.

use std::sync::Arc;

use super::halves::only;
use super::{Now, State, Unfinished, ViewId};
use crate::lifecycle::Installed;

impl State {
    /// Takes in a view that is live, while copies of its files are not in their places. Hooks run for it as it is, once, so that a server
    /// that reads the view itself goes on; and again when the copies are there.
    pub(super) fn take_uncopied(&mut self, installed: Installed, now: Now) {
        let tried_again = self.unfinished == Some(Unfinished::Copies);
        self.unfinished = Some(Unfinished::Copies);
        match &mut self.installed {
            Some(there) if tried_again && ViewId::from(&*there) == ViewId::from(&installed) => there.held = installed.held,
            _ => self.take_installed(installed, now),
        }
    }

    /// Drops the private halves that the live view has retired.
    pub(super) fn forget_retired(&mut self, now: Now) {
        let Some(target) = self.target(now) else { return };
        let Some(content) = &mut self.content else { return };
        if content.bundle.privates.keys().any(|kid| !target.held.contains(kid)) {
            content.bundle = Arc::new(only(&content.bundle, &target.held));
        }
    }

    /// What was read back, and published. A view that is not finished counts as if its hooks had not run: it is not confirmed.
    pub(super) fn installed_as_reported(&self) -> Option<Installed> {
        let mut installed = self.looks.as_served(self.installed.clone()?);
        installed.hooks_succeeded &= self.unfinished.is_none();
        Some(installed)
    }
}
