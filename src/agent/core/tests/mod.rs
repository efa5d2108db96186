//! The rules of a node, on a disk that is made of memory.

mod acting;
mod adopting;
mod attacks;
mod copies;
mod events;
mod log;
mod orders;
mod probing;
mod readiness;
mod reporting;

use super::halves::only;
use super::*;
use crate::agent::testing::{PROOFS, START, answer, armed, bundle, kid, kids, log_key, logged, welcome};
use crate::lifecycle::Stage::{Active, Prepublished, Retiring};
use crate::types::Generation;

/// A node on a disk of memory, whose clocks are moved by hand.
struct Node {
    state: Option<State>,
    settings: Settings,
    now: Now,
    /// Names the boot of its machine.
    boot: &'static str,
    trusted: Option<Trusted>,
    cache: Option<Bundle>,
    proof: Option<crate::audit::RecordProof>,
    installed: Option<Installed>,
    /// Work that the disk refuses.
    refuses: fn(&DiskWork) -> bool,
    /// How long the disk takes to put a view in place.
    install_takes: Span,
    /// Whether the copies of a view can be written, and are.
    copies_fail: bool,
    copied: Option<ViewId>,
    /// What the disk finds at a start that is not as it is configured.
    finds: Option<Unfinished>,
    copies: usize,
    hooks_fail: bool,
    hooks_run: Vec<ViewId>,
    /// Which hooks on other events fail, by their place.
    event_hook_fails: fn(usize) -> bool,
    /// Runs of such hooks end only when a test says so.
    holds_event_hooks: bool,
    event_hooks_run: Vec<HookRun>,
    /// What was durable of what hooks are owed when each of those began.
    owed_at_run: Vec<Owed>,
    /// What a probe finds.
    served: fn(&BTreeSet<Kid>) -> Result<(), Unserved>,
    probed: Vec<ViewId>,
    /// Which probes looked each time.
    looked: Vec<Vec<usize>>,
    installs: usize,
    reports: Vec<Report>,
    shown: Vec<crate::rpc::fleet::Exhibit>,
    said: Vec<&'static str>,
    /// Why something was refused, each time.
    refused_for: Vec<Reason>,
    /// How many inputs are under way that came of each other.
    depth: usize,
}

impl Node {
    fn new(settings: Settings) -> Self {
        let mut node = Self {
            state: None,
            settings,
            now: Now {
                wall: START,
                monotonic: Span(0),
            },
            boot: "one",
            trusted: None,
            cache: None,
            proof: None,
            installed: None,
            refuses: |_| false,
            install_takes: Span(0),
            copies_fail: false,
            copied: None,
            finds: None,
            copies: 0,
            hooks_fail: false,
            hooks_run: Vec::new(),
            event_hook_fails: |_| false,
            holds_event_hooks: false,
            event_hooks_run: Vec::new(),
            owed_at_run: Vec::new(),
            served: |_| Ok(()),
            probed: Vec::new(),
            looked: Vec::new(),
            installs: 0,
            reports: Vec::new(),
            shown: Vec::new(),
            said: Vec::new(),
            refused_for: Vec::new(),
            depth: 0,
        };
        node.restart();
        node
    }

    /// A node that is connected and holds this generation.
    fn holding(generation: Bundle) -> Self {
        let mut node = Self::new(Settings::default());
        node.connect();
        node.send(generation);
        node
    }

    /// Starts anew with what is on the disk, as after a crash.
    fn restart(&mut self) {
        let found = Found {
            log: Some(log_key()),
            trusted: self.trusted.clone(),
            cached: self
                .cache
                .as_ref()
                .map(|cache| only(cache, &cache.privates.keys().cloned().collect())),
            proof: self.proof.clone(),
            unfinished: self
                .finds
                .take()
                .or((self.installed.as_ref().map(ViewId::from) != self.copied).then_some(Unfinished::Copies)),
            installed: self.installed.clone(),
            boot: Some(self.boot.to_owned()),
            problem: None,
        };
        let (state, effects) = start(self.settings.clone(), PROOFS, found, self.now);
        self.state = Some(state);
        self.said.clear();
        self.carry_out(effects);
    }

    fn input(&mut self, input: Input) {
        self.depth += 1;
        assert!(self.depth < 50, "it never comes to rest: {input:?}");
        let (state, effects) = step(self.state.take().unwrap(), input, self.now);
        self.state = Some(state);
        self.carry_out(effects);
        self.depth -= 1;
    }

    /// Carries out effects, and then says how they ended.
    fn carry_out(&mut self, effects: Vec<Effect>) {
        let ended: Vec<Input> = effects.into_iter().filter_map(|effect| self.carry_out_one(effect)).collect();
        for input in ended {
            self.input(input);
        }
    }

    fn carry_out_one(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Disk(work) if (self.refuses)(&work) => {
                return Some(Input::Disk(DiskResult::Failed("the disk is full".to_owned())));
            }
            Effect::Disk(work) => {
                if matches!(work, DiskWork::Install { .. }) {
                    self.now.wall = self.now.wall + self.install_takes;
                    self.now.monotonic = self.now.monotonic + self.install_takes;
                }
                return Some(Input::Disk(self.work(work)));
            }
            Effect::RunHooks(id) => {
                self.hooks_run.push(id.clone());
                let result = if self.hooks_fail {
                    Err("the hook failed".to_owned())
                } else {
                    Ok(())
                };
                return Some(Input::HooksRan(id, result));
            }
            Effect::RunHook(run) => {
                self.event_hooks_run.push(run.clone());
                self.owed_at_run
                    .push(self.trusted.as_ref().map(|trusted| trusted.owed.clone()).unwrap_or_default());
                let fails = (self.event_hook_fails)(run.hook);
                let result = if fails {
                    Err("no route to the pager".to_owned())
                } else {
                    Ok(())
                };
                return (!self.holds_event_hooks).then_some(Input::HookRan(run, result));
            }
            Effect::Probe { id, published, probes } => {
                self.probed.push(id.clone());
                self.looked.push(probes);
                return Some(Input::Probed(id, (self.served)(&published)));
            }
            Effect::Send(report) => self.reports.push(report),
            Effect::Show(exhibit) => self.shown.push(*exhibit),
            Effect::SayStale(stale) => self.said.push(if stale { "stale" } else { "fresh" }),
            Effect::SayReady => self.said.push("ready"),
            Effect::SayRefused(reason, _) => {
                self.said.push("refused");
                self.refused_for.push(reason);
            }
        }
        None
    }

    fn work(&mut self, work: DiskWork) -> DiskResult {
        match work {
            DiskWork::WriteCache { bundle, proof, held } => {
                self.proof = proof.as_deref().cloned();
                DiskResult::CacheWritten(CacheHolds::of(self.cache.insert(only(&bundle, &held))))
            }
            DiskWork::SaveTrusted(trusted) => {
                self.trusted = Some((*trusted).clone());
                DiskResult::TrustedSaved(trusted)
            }
            DiskWork::Install { bundle, view } => {
                self.install(&bundle, &view);
                self.copy()
            }
            DiskWork::Copy => self.copy(),
            DiskWork::Erase => {
                self.cache = None;
                if let Some(installed) = &mut self.installed {
                    installed.signing.clear();
                    installed.held.clear();
                }
                DiskResult::Erased(self.installed.clone())
            }
        }
    }

    /// The copies of the live view.
    fn copy(&mut self) -> DiskResult {
        let installed = self.installed.clone().unwrap();
        self.copies += 1;
        if self.copies_fail {
            return DiskResult::Uncopied(installed, "the folder of the copy is missing".to_owned());
        }
        self.copied = Some(ViewId::from(&installed));
        DiskResult::Installed(installed)
    }

    fn install(&mut self, bundle: &Bundle, view: &crate::lifecycle::View) -> Installed {
        let newest = self.trusted.as_ref().and_then(|trusted| trusted.newest.clone()).unwrap();
        assert_eq!(
            (newest.generation, newest.switches),
            (view.generation, view.switches.clone()),
            "r5: durable before it is used"
        );
        let cache = self.cache.as_ref().unwrap();
        assert_eq!(cache.digest, bundle.digest, "r10: the cache comes before the swap");
        for kid in view.signing().union(&view.decrypting) {
            assert!(bundle.privates.contains_key(kid), "the private half of {kid} is at hand");
        }
        self.installs += 1;
        let installed = Installed {
            held: cache.privates.keys().cloned().chain(view.signing()).collect(),
            decrypting: view.decrypting.clone(),
            hooks_succeeded: false,
            ..Installed::whole(view)
        };
        self.installed.insert(installed).clone()
    }

    fn connect(&mut self) {
        self.input(Input::Connected(welcome(1)));
    }

    fn send(&mut self, generation: Bundle) {
        self.send_revoked(generation, &[]);
    }

    /// The leader sends a generation, and says which keys were revoked.
    fn send_revoked(&mut self, generation: Bundle, revoked: &[usize]) {
        let mut logged = logged(generation, self.remembers());
        logged.revoked = kids(revoked);
        self.show(logged);
    }

    /// The leader sends a generation with what is to show that it is in the log.
    fn show(&mut self, logged: Logged) {
        self.input(Input::Message(LeaderMessage::Generation(logged)));
    }

    /// The size of the log that the node remembers.
    fn remembers(&self) -> u64 {
        let checkpoint = self.state.as_ref().unwrap().trusted.checkpoint;
        checkpoint.map_or(0, |head| head.size)
    }

    /// The leader answers the last report; its clock is this far ahead of the node's.
    fn answer(&mut self, ahead: Span) {
        let sent = self.reports.last().unwrap().sent_at;
        self.input(Input::Message(LeaderMessage::Answer(answer(sent, self.now.wall + ahead))));
    }

    /// Lets time pass, with a tick at each instant that the node asked for and at no other.
    fn pass(&mut self, span: Span) {
        let end = self.now.monotonic + span;
        loop {
            let wake = self.state.as_ref().unwrap().wake(self.now);
            let wall = wake.wall.map(|wall| self.now.monotonic + wall.since(self.now.wall));
            let next = wake.monotonic.into_iter().chain(wall).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            assert!(next > self.now.monotonic, "the node does not spin");
            self.move_to(next);
            self.input(Input::Tick);
        }
        self.move_to(end);
    }

    fn move_to(&mut self, monotonic: Span) {
        self.now.wall = self.now.wall + (monotonic - self.now.monotonic);
        self.now.monotonic = monotonic;
    }

    fn signing(&self) -> BTreeSet<Kid> {
        self.installed
            .as_ref()
            .map(|installed| installed.signing.clone())
            .unwrap_or_default()
    }

    fn generation(&self) -> u64 {
        self.installed.as_ref().map_or(0, |installed| installed.generation.0)
    }

    fn problem(&self) -> String {
        self.state.as_ref().unwrap().status(self.now).problem.unwrap_or_default()
    }

    fn status(&self) -> Status {
        self.state.as_ref().unwrap().status(self.now)
    }
}

/// A generation in which key 0 signs, key 1 follows after an hour, and key 2 is the standby.
fn usual(number: u64) -> Bundle {
    bundle(number, &[(0, Active), (1, armed(Span::hours(1))), (2, Prepublished)])
}
