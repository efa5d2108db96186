//! Nodes as they really are, and what really happened on them: the truth that decisions are held against.

use std::collections::{BTreeMap, BTreeSet};

use crate::lifecycle::*;
use crate::types::*;

/// One joined node: what lies on its disk, what its server serves, and when that last lacked a key or signed with one.
pub struct Machine {
    ahead_ms: i64,
    disk: Option<(KeySet, Switches)>,
    damaged: Option<Kid>,
    hooks_succeeded: bool,
    served: Option<BTreeSet<Kid>>,
    signing: BTreeSet<Kid>,
    /// What its server can open; nothing is said of that while its disk is lost.
    decrypting: Option<BTreeSet<Kid>>,
}

/// The history of one enrolment while it was in service.
#[derive(Default)]
pub struct Truth {
    pub lacked_at: BTreeMap<Kid, Time>,
    pub signed_at: BTreeMap<Kid, Time>,
    pub served: BTreeMap<Kid, Time>,
}

impl Machine {
    pub fn new(ahead_ms: i64) -> Self {
        Self {
            ahead_ms,
            disk: None,
            damaged: None,
            hooks_succeeded: true,
            served: None,
            signing: BTreeSet::new(),
            decrypting: None,
        }
    }

    /// Installs the newest generation; a failed hook leaves its server with what it had.
    pub fn install(&mut self, set: KeySet, clock: Time, hooks_succeeded: bool) {
        let same = self.disk.take().filter(|(old, _)| old.generation == set.generation);
        self.disk = Some((set, same.map(|(_, switches)| switches).unwrap_or_default()));
        self.damaged = None;
        self.hooks_succeeded = hooks_succeeded;
        self.turn(clock);
    }

    pub fn damage(&mut self, kid: Option<Kid>) {
        self.damaged = kid;
        if let (Some(kid), Some(served)) = (&self.damaged, &mut self.served) {
            served.remove(kid);
        }
    }

    pub fn lose_disk(&mut self) {
        (self.disk, self.served, self.decrypting) = (None, None, None);
        self.signing.clear();
    }

    /// Lets its own clock carry armed keys on.
    pub fn turn(&mut self, clock: Time) {
        let clock = Time(clock.0.saturating_add_signed(self.ahead_ms));
        let Some((set, switches)) = &mut self.disk else { return };
        let view = view(set, switches, clock);
        switches.clone_from(&view.switches);
        if self.hooks_succeeded {
            let damaged = |kid: &&Kid| self.damaged.as_ref() != Some(*kid);
            self.served = Some(view.published.iter().filter(damaged).cloned().collect());
            self.signing = view.signing();
            self.decrypting = Some(view.decrypting);
        } else {
            self.signing.extend(view.signing());
        }
    }

    pub fn installed(&self) -> Option<Installed> {
        let (set, switches) = self.disk.as_ref()?;
        let view = view(set, switches, Time(0));
        let mut published: BTreeSet<Kid> = view.published.iter().cloned().collect();
        if let Some(kid) = &self.damaged {
            published.remove(kid);
        }
        Some(Installed {
            published,
            hooks_succeeded: self.hooks_succeeded,
            ..Installed::whole(&view)
        })
    }

    pub fn serves(&self, kid: &Kid) -> bool {
        self.served.as_ref().is_some_and(|served| served.contains(kid))
    }

    /// Whether its server opens what is encrypted to a key, as long as it has not lost its disk.
    pub fn decrypts(&self, kid: &Kid) -> Option<bool> {
        self.decrypting.as_ref().map(|kids| kids.contains(kid))
    }

    pub fn can_sign(&self, kid: &Kid) -> bool {
        let held = self.installed().is_some_and(|installed| installed.held.contains(kid));
        held || self.signing.contains(kid)
    }

    /// Notes what was so until `at`, before anything changes.
    pub fn witness(&self, truth: &mut Truth, published: &BTreeSet<Kid>, at: Time) {
        if let Some(served) = &self.served {
            truth.served.extend(served.iter().map(|kid| (kid.clone(), at)));
            truth
                .lacked_at
                .extend(published.difference(served).map(|kid| (kid.clone(), at)));
        }
        truth.signed_at.extend(self.signing.iter().map(|kid| (kid.clone(), at)));
    }
}
