//! When what is served is looked at, and what was found there.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::io::Unserved;
use crate::lifecycle::Installed;
use crate::types::{Kid, Span};

/// The probes of a node.
#[derive(Debug, Clone, Default)]
pub(super) struct Looks {
    /// Of each probe: how long after a look it looks again, if it does.
    every: Arc<[Option<Span>]>,
    /// When each last found the live view served, by the monotonic clock; none since the start.
    found_at: Vec<Option<Span>>,
    /// Which of them look now.
    under_way: Vec<usize>,
    /// The keys that are served in place of those of the live view, as last seen; none where nothing else was seen.
    otherwise: Option<BTreeSet<Kid>>,
}

impl Looks {
    pub fn new(every: &Arc<[Option<Span>]>) -> Self {
        Self {
            every: every.clone(),
            found_at: vec![None; every.len()],
            ..Self::default()
        }
    }

    /// Every probe looks now.
    pub fn begin_all(&mut self) -> Vec<usize> {
        self.under_way = (0..self.every.len()).collect();
        self.under_way.clone()
    }

    /// Those look now whose time it is again.
    pub fn begin_due(&mut self, now: Span) -> Vec<usize> {
        self.under_way = (0..self.every.len())
            .filter(|probe| self.again_at(*probe).is_some_and(|at| at <= now))
            .collect();
        self.under_way.clone()
    }

    /// When the next one looks again.
    pub fn next(&self) -> Option<Span> {
        (0..self.every.len()).filter_map(|probe| self.again_at(probe)).min()
    }

    /// What was served before the start is not known, so a probe that looks again does so right after it.
    fn again_at(&self, probe: usize) -> Option<Span> {
        let every = self.every[probe]?;
        Some(self.found_at[probe].map_or(Span(0), |found_at| found_at + every))
    }

    /// Those that looked have found the live view served.
    pub fn found(&mut self, now: Span) {
        for probe in self.under_way.drain(..) {
            self.found_at[probe] = Some(now);
        }
        self.otherwise = None;
    }

    /// They have not. Only another JWKS counts against a view that was confirmed: whoever asked a server that does not answer, or answers
    /// with no JWKS, has none that could be wrong.
    pub fn missed(&mut self, unserved: &Unserved, published: &BTreeSet<Kid>) -> bool {
        self.under_way.clear();
        let Some(served) = unserved.served.as_ref().filter(|served| *served != published) else {
            return false;
        };
        self.otherwise = Some(served.clone());
        true
    }

    /// Another view is live, or none.
    pub fn forget(&mut self) {
        self.otherwise = None;
    }

    /// What is published where a look has found other keys: those.
    pub fn as_served(&self, installed: Installed) -> Installed {
        match &self.otherwise {
            Some(served) => Installed {
                published: served.clone(),
                ..installed
            },
            None => installed,
        }
    }
}
