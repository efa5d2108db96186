//! What comes into the core and what goes out of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::events::{EventHook, HookRun};
use super::refuse::Reason;
use super::trusted::{Trusted, ViewId};
use crate::audit::{LogRefusal, NoteKey, RecordProof};
use crate::lifecycle::{Installed, Report, View};
use crate::rpc::fleet::{Bundle, Exhibit, LeaderMessage, Logged, Welcome};
use crate::types::{Digest, Kid, PublicKey, Secret, Span, Time, TreeHead};

/// What an agent's configuration says to its core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long after a start the leader is asked before files are made from the sealed cache.
    pub ask_leader_for: Span,
    /// How long after the last answer of the leader the sealed cache may still be used.
    pub cache_ready_for: Span,
    /// Whether there are hooks to run on a swap.
    pub has_hooks: bool,
    /// The probes of what is served, in their order: how long after a look each looks again, if it does.
    pub probes: Arc<[Option<Span>]>,
    /// The hooks on other events, in their order.
    pub event_hooks: Arc<[EventHook]>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ask_leader_for: Span::secs(30),
            cache_ready_for: Span::hours(7 * 24),
            has_hooks: false,
            probes: Arc::default(),
            event_hooks: Arc::default(),
        }
    }
}

/// The proofs of bytes that the core asks for and does not make itself. A refusal of a key is in words.
#[derive(Clone, Copy)]
pub struct Proofs {
    /// Whether what travels with a public half belongs to it.
    pub public: fn(&PublicKey) -> Result<(), String>,
    /// Whether a private half belongs to its public half: it signs, and the public half verifies.
    pub pair: fn(&PublicKey, &Secret) -> Result<(), String>,
    /// Whether a generation is in the audit log that this key signs for, and the log goes on from what the node remembers; then its
    /// size and root.
    pub log: fn(&NoteKey, Option<TreeHead>, &Logged) -> Result<TreeHead, LogRefusal>,
}

impl std::fmt::Debug for Proofs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proofs")
    }
}

/// What was found on the disk at the start.
#[derive(Debug, Default)]
pub struct Found {
    /// The key of the audit log of the node's fleet; none where the node's identity can't be read, which then has no leader either.
    pub log: Option<NoteKey>,
    /// The trusted state; none on a node that has never held anything.
    pub trusted: Option<Trusted>,
    /// The content of the sealed cache.
    pub cached: Option<Bundle>,
    /// The proof that this was in the log, as far as the cache has it.
    pub proof: Option<RecordProof>,
    /// What was read back through the `live` link.
    pub installed: Option<Installed>,
    /// What of the live view is not as the configuration wants it.
    pub unfinished: Option<Unfinished>,
    /// Names the boot of the machine, where the system says; a monotonic clock counts within one.
    pub boot: Option<String>,
    /// Why something could not be read, in words that say what to do.
    pub problem: Option<String>,
}

/// What of a live view is not as the configuration wants it. Until it is, the node has not confirmed the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfinished {
    /// Files in the view itself: it is put in place anew.
    Outputs,
    /// Copies of its files in places of other programs.
    Copies,
}

/// What the sealed cache holds, as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheHolds {
    /// The digest of the generation in it.
    pub digest: Digest,
    /// The private halves in it.
    pub kids: BTreeSet<Kid>,
}

impl CacheHolds {
    /// What a cache holds that is written from this generation.
    #[must_use]
    pub fn of(bundle: &Bundle) -> Self {
        Self {
            digest: bundle.digest,
            kids: bundle.privates.keys().cloned().collect(),
        }
    }
}

/// Something that the core must know.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "an input is taken as it comes, one at a time")]
pub enum Input {
    /// The stream stands, and the leader has said its welcome.
    Connected(Welcome),
    /// The leader sent something.
    Message(LeaderMessage),
    /// The stream is gone.
    Lost,
    /// The instant of [`Wake`] has come.
    Tick,
    /// How an effect on the disk has ended.
    Disk(DiskResult),
    /// How the hooks of a view have ended: the first failure in words, if there was one.
    HooksRan(ViewId, Result<(), String>),
    /// How a hook on another event has ended.
    HookRan(HookRun, Result<(), String>),
    /// Whether every probe that looked found exactly the keys of a view served: what the first found that did not.
    Probed(ViewId, Result<(), Unserved>),
}

/// What a probe found in place of the keys of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unserved {
    /// What is wrong, in words that say what to do.
    pub words: String,
    /// The kids of the JWKS that is served; none where no JWKS was seen. Of too many only the first.
    pub served: Option<BTreeSet<Kid>>,
}

/// How an effect on the disk has ended.
#[derive(Debug)]
pub enum DiskResult {
    /// [`DiskWork::WriteCache`]: what the cache holds now.
    CacheWritten(CacheHolds),
    /// [`DiskWork::SaveTrusted`]: it is durable.
    TrustedSaved(Box<Trusted>),
    /// [`DiskWork::Install`] or [`DiskWork::Copy`]: what was read back.
    Installed(Installed),
    /// The same, where the view is live and a copy of its files is not in its place: why, in words that say what to do.
    Uncopied(Installed, String),
    /// [`DiskWork::Erase`]: what was read back, if a view is still there.
    Erased(Option<Installed>),
    /// Any of them failed, in words that say what to do.
    Failed(String),
}

/// Something that the shell must do.
#[derive(Debug)]
pub enum Effect {
    /// Work on the disk. There is never more than one at a time.
    Disk(DiskWork),
    /// Run the hooks on a swap. There is never more than one run at a time.
    RunHooks(ViewId),
    /// Run one hook on another event. There is never more than one run at a time for silence and its end, and one for revocations.
    RunHook(HookRun),
    /// Look whether exactly these keys of a view are served. There is never more than one look at a time.
    Probe {
        /// The view.
        id: ViewId,
        /// The kids in its JWKS.
        published: BTreeSet<Kid>,
        /// The probes that look, by their place.
        probes: Vec<usize>,
    },
    /// Send a report.
    Send(Report),
    /// Show the leader what the node holds, before the report that says what it refuses.
    Show(Box<Exhibit>),
    /// Say that the node has been without its leader for too long (rule R10), or that it has it back.
    SayStale(bool),
    /// A view is in place: say `READY=1`.
    SayReady,
    /// Something was refused: for what kind of reason, and why in words for the log.
    SayRefused(Reason, String),
}

/// Work on the disk.
#[derive(Debug, Clone)]
pub enum DiskWork {
    /// Seal a generation into the cache, with these private halves only.
    WriteCache {
        /// The generation.
        bundle: Arc<Bundle>,
        /// The proof that it was in the log.
        proof: Option<Arc<RecordProof>>,
        /// The private halves to keep.
        held: BTreeSet<Kid>,
    },
    /// Make the trusted state durable.
    SaveTrusted(Box<Trusted>),
    /// Make this view the live one.
    Install {
        /// The generation.
        bundle: Arc<Bundle>,
        /// The view of it.
        view: View,
    },
    /// Put the copies of the live view's files in their places.
    Copy,
    /// Erase every private file, copies too, and the sealed cache.
    Erase,
}

/// When the core wants its next tick: when either clock gets there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wake {
    /// By the wall clock.
    pub wall: Option<Time>,
    /// By the monotonic clock.
    pub monotonic: Option<Span>,
}
