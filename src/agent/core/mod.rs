//! The rules of a node: `(state, input, now) -> (state, effects)`, without I/O.
//!
//! An input changes what the node knows; [`settle`](State::settle) then compares what is with what should be and says what to do about
//! the difference. So the order of inputs doesn't matter, and whatever fails is simply still different at the next look.

mod events;
mod follow;
mod halves;
mod installed;
mod io;
mod looks;
mod refuse;
mod settle;
mod silence;
mod status;
#[cfg(test)]
mod tests;
mod time;
mod trusted;
mod verify;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use events::{CutOff, EventHook, HookRun, Occasion, Owed};
pub use io::{CacheHolds, DiskResult, DiskWork, Effect, Found, Input, Proofs, Settings, Unfinished, Unserved, Wake};
pub use refuse::Reason;
pub use silence::Silence;
pub use status::{NamedCas, Signer, Status};
pub use trusted::{GoingBack, Measured, Newest, Standing, Trusted, ViewId};
pub use verify::{Refusal, verify, verify_cached};

use crate::audit::{LogRefusal, NoteKey, RecordProof};
use crate::lifecycle::mutant::{Mutant, is_out};
use crate::lifecycle::{Installed, Report, Switches, View, view};
use crate::rpc::fleet::{Answer, Bundle, LeaderMessage, Logged, SHOWN, Welcome};
pub use crate::types::Now;
use crate::types::{Generation, Kid, Span, Time};
use events::Track;
use halves::{lacking, switched};
use looks::Looks;
use settle::shows;
use time::{Contact, Work};

const NOT_AS_WRITTEN: &str = "what was read back from the disk is not what was written there; look at the kernel's log, and at who \
                              else writes to the agent's folder";

/// All that a node knows.
#[derive(Debug, Clone)]
pub struct State {
    settings: Settings,
    proofs: Proofs,
    /// What the node trusts; it acts on it only once it is `durable`.
    trusted: Trusted,
    /// The trusted state as it is on the disk.
    durable: Trusted,
    /// The newest generation accepted, where its content is at hand.
    content: Option<Content>,
    cache: Option<CacheHolds>,
    installed: Option<Installed>,
    /// The view that is being put in place: what is due may move on meanwhile.
    installing: Option<View>,
    /// What of the live view is not as it is configured.
    unfinished: Option<Unfinished>,
    erase: bool,
    disk: Work,
    /// The hooks of the live view.
    hooks: Work,
    /// The probes of the live view.
    probes: Work,
    looks: Looks,
    /// The view whose hooks have run since the swap, where probes come after them.
    ran: Option<ViewId>,
    /// When the live view was put in place, by the monotonic clock; none for one that was found at the start.
    swapped_at: Option<Span>,
    served_after: Option<Span>,
    silence_hooks: Track,
    revoked_hooks: Track,
    link: Link,
    contact: Contact,
    refusal: Option<Refused>,
    /// Whom to trust.
    cas: NamedCas,
    /// The key of the fleet's audit log.
    log: Option<NoteKey>,
    found_problem: Option<String>,
    /// Whether the leader last answered so long ago that this may be an old disk image, which must not sign.
    too_old: bool,
    stale: bool,
    ready: bool,
    in_service: Option<bool>,
}

/// What was refused.
#[derive(Debug, Clone, Default)]
struct Refused {
    /// The generation of a leader's that must not be; none where it was something else.
    generation: Option<Generation>,
    /// The kids in it that the node knows as gone.
    gone: BTreeSet<Kid>,
    /// Why.
    words: String,
}

/// A generation, and who vouches for it.
#[derive(Debug, Clone)]
struct Content {
    bundle: Arc<Bundle>,
    /// The proof that it was in the log; none where the cache of an older release was without it.
    proof: Option<Arc<RecordProof>>,
    source: Source,
}

/// Who vouches for a generation since this start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The leader sent it.
    Leader,
    /// It was in the sealed cache. The leader is asked until the given monotonic instant.
    Cache { ask_until: Span },
}

#[derive(Debug, Clone)]
enum Link {
    Down,
    Up {
        report_every: Span,
        /// Whether the leader's epoch is one to listen to (rule R5).
        trusted: bool,
        /// Whether the node has yet to show what it holds, should it refuse something: the leader can take it.
        shows: bool,
        last: Option<Box<Sent>>,
    },
}

#[derive(Debug, Clone)]
struct Sent {
    report: Report,
    at: Span,
}

/// A node that starts with what was found on its disk.
#[must_use]
pub fn start(settings: Settings, proofs: Proofs, found: Found, now: Now) -> (State, Vec<Effect>) {
    let trusted = found.trusted.unwrap_or_default();
    let fresh = trusted
        .heard_at
        .is_some_and(|heard_at| now.wall.since(heard_at) <= settings.cache_ready_for);
    let mut state = State {
        looks: Looks::new(&settings.probes),
        settings,
        proofs,
        contact: Contact::new(&trusted, found.boot, now),
        too_old: trusted.newest.is_some() && !fresh,
        durable: trusted.clone(),
        trusted,
        content: None,
        cache: None,
        installed: None,
        installing: None,
        unfinished: found.unfinished,
        erase: false,
        disk: Work::default(),
        hooks: Work::default(),
        probes: Work::default(),
        ran: None,
        swapped_at: None,
        served_after: None,
        silence_hooks: Track::default(),
        revoked_hooks: Track::default(),
        link: Link::Down,
        refusal: None,
        cas: NamedCas::default(),
        log: found.log,
        found_problem: found.problem,
        stale: false,
        ready: false,
        in_service: None,
    };
    let mut effects = Vec::new();
    if let Some(bundle) = found.cached {
        state.take_cached(bundle, found.proof.map(Arc::new), now, &mut effects);
        state.note_cas();
    }
    if let Some(installed) = found.installed {
        state.take_found(installed);
    }
    state.settle(now, &mut effects);
    (state, effects)
}

/// One step of a node.
#[must_use]
pub fn step(mut state: State, input: Input, now: Now) -> (State, Vec<Effect>) {
    let mut effects = Vec::new();
    match input {
        Input::Connected(welcome) | Input::Message(LeaderMessage::Welcome(welcome)) => state.connected(&welcome, &mut effects),
        Input::Message(LeaderMessage::Generation(logged)) => state.take_sent(logged, now, &mut effects),
        Input::Message(LeaderMessage::Answer(answer)) => state.answered(&answer, now, &mut effects),
        Input::Message(LeaderMessage::Erase) => state.let_go(),
        Input::Lost => {
            state.link = Link::Down;
            state.contact.lost();
        }
        Input::Tick => {}
        Input::Disk(result) => state.disk_ended(result, now),
        Input::HooksRan(id, result) => state.hooks_ended(id, result, now),
        Input::HookRan(run, result) => state.event_hook_ended(&run, result, now),
        Input::Probed(id, result) => state.probes_ended(id, result, now),
    }
    state.settle(now, &mut effects);
    (state, effects)
}

impl State {
    /// Step 3, epoch: a leader of an earlier term is not listened to.
    fn connected(&mut self, welcome: &Welcome, effects: &mut Vec<Effect>) {
        self.contact.lost();
        let judged = self.trusted.judge_leader(welcome.epoch);
        self.link = Link::Up {
            report_every: welcome.report_every,
            trusted: judged.is_ok(),
            shows: welcome.capabilities.iter().any(|name| name == SHOWN),
            last: None,
        };
        match judged {
            Ok(()) => {
                self.trusted.epoch = welcome.epoch;
                self.refusal = None;
            }
            Err(why) => self.refuse(None, Reason::from(&why), why.to_string(), effects),
        }
    }

    /// Step 4, log proofs. They come before the generation: a node takes nothing that is not in it, and remembers what it has seen of it whatever else it refuses.
    fn take_sent(&mut self, logged: Logged, now: Now, effects: &mut Vec<Effect>) {
        let Some(log) = &self.log else { return };
        match self.link {
            Link::Up { trusted: true, .. } => {}
            Link::Up { .. } => return self.still_refused(&logged.bundle.set),
            Link::Down => return,
        }
        let remembered = self.trusted.checkpoint.filter(|_| !is_out(Mutant::R5Log));
        match (self.proofs.log)(log, remembered, &logged) {
            Ok(head) => self.trusted.checkpoint = Some(head),
            // The leader is told what this node remembers, and proves it from there.
            Err(why @ LogRefusal::OtherBase { .. }) => return self.refuse(None, Reason::Log, why.to_string(), effects),
            Err(why) => return self.refuse_sent(&logged.bundle.set, Reason::Log, why.to_string(), effects),
        }
        let before = self
            .trusted
            .newest
            .as_ref()
            .map(|newest| newest.kids.clone())
            .unwrap_or_default();
        let bundle = self.with_inherited(logged.bundle);
        match verify(&bundle, &self.trusted, self.content.is_some(), self.proofs) {
            Ok(standing) => {
                self.refusal = None;
                self.take(standing, bundle, Some(Arc::new(logged.proof)), Source::Leader, now);
                self.note_revoked(&before, &logged.revoked);
            }
            Err(why) => self.refuse_sent(&bundle.set, Reason::from(&why), why.to_string(), effects),
        }
    }

    fn take_cached(&mut self, bundle: Bundle, proof: Option<Arc<RecordProof>>, now: Now, effects: &mut Vec<Effect>) {
        if bundle.set.generation < self.trusted.generation() {
            // A crash came between the trusted state and the cache; the leader sends the newer one again.
            return;
        }
        self.cache = Some(CacheHolds::of(&bundle));
        let time = self.contact.corrected(now, bundle.set.clock_skew);
        let needed = view(&bundle.set, &self.carried(&bundle), time)
            .lacking(&lacking(&bundle))
            .held;
        match verify_cached(&bundle, &self.trusted, &needed, self.proofs) {
            Ok(standing) => {
                let ask_until = now.monotonic + self.settings.ask_leader_for;
                self.take(standing, bundle, proof, Source::Cache { ask_until }, now);
            }
            Err(why) => self.refuse(None, Reason::Cache, format!("the sealed cache is not used: {why}"), effects),
        }
    }

    /// The switches that a generation starts with: those made before, of keys that it still has as armed. So a switch that the
    /// leader has been told of is not undone by a generation that came at the same moment, even if the clock was put back since.
    fn carried(&self, bundle: &Bundle) -> Switches {
        let mut switches = self.trusted.switches();
        switches.retain(|kid| bundle.set.member(kid).is_some());
        switches.extend(switched(bundle));
        switches
    }

    fn take(&mut self, standing: Standing, bundle: Bundle, proof: Option<Arc<RecordProof>>, source: Source, now: Now) {
        if standing == Standing::Newer {
            let time = self.contact.corrected(now, bundle.set.clock_skew);
            let until = if source == Source::Leader { time } else { Time(0) };
            let due = view(&bundle.set, &self.carried(&bundle), until).switches;
            self.trusted.accept(&bundle.set, bundle.digest, due);
            self.disk.hurry();
        }
        self.too_old &= source != Source::Leader;
        match &mut self.content {
            Some(content) if standing == Standing::Same => content.source = source,
            content => {
                *content = Some(Content {
                    bundle: Arc::new(bundle),
                    proof,
                    source,
                });
            }
        }
    }

    fn answered(&mut self, answer: &Answer, now: Now, effects: &mut Vec<Effect>) {
        let Some(sent_at) = self.contact.answered(answer, now) else {
            return;
        };
        self.in_service = Some(answer.in_service);
        let grain = self
            .content
            .as_ref()
            .map_or(Span::mins(1), |content| Span(content.bundle.set.straggler_after.0 / 16));
        if self
            .trusted
            .heard_at
            .is_none_or(|heard_at| heard_at.distance(sent_at) > grain)
        {
            self.trusted.heard_at = Some(sent_at);
        }
        let skew = self.content.as_ref().map_or(Span(0), |content| content.bundle.set.clock_skew);
        if let Some(measured) = self.contact.worth_keeping(self.trusted.measured.as_ref(), skew) {
            self.trusted.measured = Some(measured);
        }
        if std::mem::take(&mut self.stale) {
            effects.push(Effect::SayStale(false));
        }
    }

    fn disk_ended(&mut self, result: DiskResult, now: Now) {
        match result {
            DiskResult::CacheWritten(holds) => {
                self.cache = Some(holds);
                self.note_cas();
            }
            DiskResult::TrustedSaved(trusted) => self.durable = *trusted,
            DiskResult::Installed(installed) => {
                let as_written = self.installing.take().is_some_and(|view| shows(&installed, &view));
                self.unfinished = None;
                self.take_installed(installed, now);
                if !as_written {
                    return self.disk.failed(NOT_AS_WRITTEN.to_owned(), now);
                }
                self.forget_retired(now);
            }
            DiskResult::Uncopied(installed, words) => {
                self.installing = None;
                self.take_uncopied(installed, now);
                self.forget_retired(now);
                return self.disk.failed(words, now);
            }
            DiskResult::Erased(installed) => {
                self.erase = false;
                self.unfinished = None;
                self.cache = None;
                self.installed = installed;
                self.looks.forget();
                self.trusted.hooked = None;
            }
            DiskResult::Failed(words) => return self.disk.failed(words, now),
        }
        self.disk.busy = false;
        if self.trusted == self.durable && !self.differs(self.target(now).as_ref()) {
            self.disk.done();
            self.found_problem = None;
        }
    }

    /// The leader knows this node no more. It says so at each attempt to reach it, and the disk is left alone once nothing is there.
    fn let_go(&mut self) {
        self.note_cut_off();
        let holds = self.installed.as_ref().is_some_and(|installed| !installed.held.is_empty());
        if holds || self.cache.is_some() || self.content.is_some() || self.disk.busy {
            self.erase = true;
            self.content = None;
            self.disk.hurry();
        }
    }
}
