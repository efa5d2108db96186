//! The disk of a node: what outlives a crash of its agent.

use std::sync::Arc;

use jkeys::agent::core::{CacheHolds, DiskResult, DiskWork, Found, Trusted, ViewId};
use jkeys::lifecycle::{Installed, View};
use jkeys::rpc::fleet::Bundle;
use jkeys::types::{Kid, Time};
use std::collections::BTreeSet;

use super::{keys, log};

/// What is on a disk.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// What rule R5 remembers.
    pub trusted: Option<Trusted>,
    /// The sealed cache.
    pub cache: Option<Arc<Bundle>>,
    /// The view that `live` points to.
    pub live: Option<Live>,
    /// Whether what is secret was erased, and nothing was put in place since.
    pub is_erased: bool,
    /// How the disk takes work.
    pub mood: Mood,
}

/// The files of the live view.
#[derive(Debug, Clone)]
pub struct Live {
    /// Which view.
    pub id: ViewId,
    /// The kids in the JWKS.
    pub published: BTreeSet<Kid>,
    /// The kids in the private file that sign.
    pub signing: BTreeSet<Kid>,
    /// The kids in the private file that decrypt.
    pub decrypting: BTreeSet<Kid>,
    /// Whether the private file is that of the view before.
    pub is_torn: bool,
}

/// How a disk takes work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    /// It does it at once.
    #[default]
    Works,
    /// It fails, and nothing is changed.
    Full,
    /// It says that it has done it, and has swapped the public files only.
    Tears,
    /// It does it when it is told to: see [`Node::resume`](super::node::Node).
    Stalls,
}

impl Disk {
    /// What an agent finds when it starts.
    pub fn found(&self, booted_at: Time) -> Found {
        Found {
            unfinished: None,
            log: Some(log::note_key()),
            trusted: self.trusted.clone(),
            cached: self.cache.as_deref().map(keys::copy),
            proof: self.cache.as_ref().map(|_| log::proof()),
            installed: self.read_back(),
            problem: None,
            boot: Some(booted_at.to_string()),
        }
    }

    /// Does what the core asked for.
    pub fn work(&mut self, work: DiskWork) -> DiskResult {
        if self.mood == Mood::Full {
            return DiskResult::Failed("the disk is full".to_owned());
        }
        match work {
            DiskWork::WriteCache { bundle, held, .. } => {
                let cached = self.cache.insert(Arc::new(keys::only(&bundle, &held)));
                DiskResult::CacheWritten(CacheHolds::of(cached))
            }
            DiskWork::SaveTrusted(trusted) => {
                self.trusted = Some((*trusted).clone());
                DiskResult::TrustedSaved(trusted)
            }
            DiskWork::Install { bundle, view } => self.install(&bundle, &view),
            // The world has no places of other programs.
            DiskWork::Copy => DiskResult::Installed(self.read_back().expect("a view is live")),
            DiskWork::Erase => {
                (self.cache, self.is_erased) = (None, true);
                if let Some(live) = &mut self.live {
                    live.signing.clear();
                    live.decrypting.clear();
                    live.is_torn = false;
                }
                DiskResult::Erased(self.read_back())
            }
        }
    }

    fn install(&mut self, bundle: &Bundle, view: &View) -> DiskResult {
        let signing = view.signing();
        if let Some(kid) = signing
            .union(&view.decrypting)
            .find(|kid| !bundle.privates.contains_key(*kid))
        {
            return DiskResult::Failed(format!("the private half of {kid} is not at hand"));
        }
        let whole = Live {
            id: ViewId {
                generation: view.generation,
                switches: view.switches.clone(),
            },
            published: view.published.iter().cloned().collect(),
            signing,
            decrypting: view.decrypting.clone(),
            is_torn: false,
        };
        self.is_erased = false;
        let before = self.live.take().filter(|_| self.mood == Mood::Tears);
        self.live = Some(match before {
            None => whole,
            Some(before) => Live {
                is_torn: before.signing != whole.signing || before.decrypting != whole.decrypting,
                signing: before.signing,
                decrypting: before.decrypting,
                ..whole
            },
        });
        DiskResult::Installed(self.read_back().expect("a view is live"))
    }

    /// What is read back from the files.
    pub fn read_back(&self) -> Option<Installed> {
        let live = self.live.as_ref()?;
        let cached = self.cache.iter().flat_map(|bundle| bundle.privates.keys());
        Some(Installed {
            generation: live.id.generation,
            switches: live.id.switches.clone(),
            published: live.published.clone(),
            signing: live.signing.clone(),
            decrypting: live.decrypting.clone(),
            held: cached.chain(&live.signing).chain(&live.decrypting).cloned().collect(),
            hooks_succeeded: false,
        })
    }

    /// Whether a key stands in the JWKS on it.
    pub fn publishes(&self, kid: &Kid) -> bool {
        self.live.as_ref().is_some_and(|live| live.published.contains(kid))
    }

    /// The kids that are anywhere on it.
    pub fn has(&self, kid: &Kid) -> bool {
        let live = self.read_back();
        live.is_some_and(|live| live.published.contains(kid) || live.held.contains(kid))
    }
}
