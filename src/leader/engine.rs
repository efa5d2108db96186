//! The shell around the core: one task that feeds it and carries out its effects, in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{RwLock, RwLockReadGuard, mpsc, oneshot, watch};

use super::authority::{Authority, NewCa};
use super::core::{Ask, Effect, Input, Leader, Ticket};
use super::log::Log;
use super::loud;
use super::making::Maker;
use super::message::{Decided, Message};
use super::store::{Published, Restored, Store, StoreError};
use super::streams::Streams;
use crate::clock::{Clock, Guide};
use crate::crypto::NewKey;
use crate::lifecycle::{Settings, Sighting};
use crate::rpc::fleet::Cosignature;
use crate::rpc::{ErrorKind, Failure};
use crate::types::{Enrolment, Now, Span};

/// How often the leader notes that it is there, which tells the next start how long nobody was.
const UP_MARK_EVERY: Span = Span::mins(1);
/// How many messages are taken in one go: their observations share one durable write.
const BATCH: usize = 4096;

/// The running leader as its services see it.
#[derive(Clone)]
pub(super) struct Shared {
    leader: Arc<RwLock<Leader>>,
    /// Set under the lock when the storage failed: the core is then ahead of what is durable.
    failed: Arc<AtomicBool>,
    /// Changes after each step.
    pub(super) changed: watch::Receiver<u64>,
    /// The generation in force, encoded once for all streams.
    pub(super) bundle: watch::Receiver<Option<Published>>,
    /// Where messages go.
    pub(super) inbox: mpsc::Sender<Message>,
    /// The open streams.
    pub(super) streams: Streams,
    /// The time that counts, which no wrong clock reaches (rule R9).
    pub(super) clock: Clock,
    /// The clock of the machine.
    pub(super) machine: Clock,
}

impl Shared {
    /// The leader as far as it is durable. It is locked for writing from a step until the step's effects are.
    ///
    /// # Errors
    /// The storage has failed, and the leader is ending.
    pub(super) async fn leader(&self) -> Result<RwLockReadGuard<'_, Leader>, Failure> {
        let leader = self.leader.read().await;
        if self.failed.load(Ordering::Acquire) {
            return Err(Failure::new(
                ErrorKind::Unavailable,
                "the leader's storage failed, so it stops: see its log for what to mend, then start it again",
            ));
        }
        Ok(leader)
    }
}

/// The engine of one leader.
pub(super) struct Engine {
    leader: Arc<RwLock<Leader>>,
    failed: Arc<AtomicBool>,
    store: Store,
    /// The clock of the machine.
    clock: Clock,
    guide: Guide,
    inbox: mpsc::Receiver<Message>,
    changed: watch::Sender<u64>,
    bundle: watch::Sender<Option<Published>>,
    log: Arc<Log>,
    /// The CAs in use.
    authority: watch::Sender<Arc<Authority>>,
    /// Cosignatures that are not durable yet.
    cosigned: Vec<(Enrolment, Cosignature)>,
    streams: Streams,
    callers: BTreeMap<Ticket, oneshot::Sender<Decided>>,
    tickets: u64,
    maker: Maker,
    pings: Vec<oneshot::Sender<()>>,
    stopping: bool,
}

impl Engine {
    /// An engine that goes on from what was stored. It does nothing before [`Self::start`].
    pub(super) fn new(
        store: Store,
        restored: &Restored,
        log: Arc<Log>,
        authority: watch::Sender<Arc<Authority>>,
        clock: Clock,
    ) -> (Self, Shared) {
        let Restored {
            state, seen, next_seq, ..
        } = restored;
        let leader = Arc::new(RwLock::new(Leader::new(state.clone(), seen.clone(), *next_seq)));
        let failed = Arc::new(AtomicBool::new(false));
        let (sender, inbox) = mpsc::channel(BATCH);
        let (changed, on_change) = watch::channel(0);
        let (bundle, on_bundle) = watch::channel(None);
        let streams = Streams::default();
        let (led, guide) = clock.led();
        let shared = Shared {
            leader: leader.clone(),
            failed: failed.clone(),
            changed: on_change,
            bundle: on_bundle,
            inbox: sender.clone(),
            streams: streams.clone(),
            clock: led.clone(),
            machine: clock.clone(),
        };
        let maker = Maker::new(sender.downgrade(), led);
        let engine = Self {
            leader,
            failed,
            store,
            clock,
            guide,
            inbox,
            changed,
            bundle,
            log,
            authority,
            cosigned: Vec::new(),
            streams,
            callers: BTreeMap::new(),
            tickets: 0,
            maker,
            pings: Vec::new(),
            stopping: false,
        };
        (engine, shared)
    }

    /// A new term begins, with the settings of the configuration.
    ///
    /// # Errors
    /// The storage failed. A configuration that is refused is noted in the log, and the settings before it stand.
    pub(super) async fn start(&mut self, restored: &Restored, settings: Settings) -> Result<(), StoreError> {
        let last_up = restored.last_up;
        self.step(vec![Input::Start { last_up, settings }]).await?;
        self.mark_up().await
    }

    /// Works until it is told to stop, or the storage fails.
    ///
    /// # Errors
    /// The storage failed: the leader must end, and start anew.
    pub(super) async fn run(mut self) -> Result<(), StoreError> {
        let mut mark_at = self.clock.monotonic() + UP_MARK_EVERY;
        loop {
            let wake = {
                let leader = self.leader.read().await;
                let slice = leader.looks_every();
                leader.wakes_in(self.clock.read()).map_or(slice, |due| due.min(slice))
            };
            let first = tokio::select! {
                message = self.inbox.recv() => match message {
                    None => return self.mark_up().await,
                    message => message,
                },
                () = self.clock.sleep(wake) => None,
            };
            let inputs = self.take(first);
            self.step(inputs).await?;
            if self.stopping {
                return self.mark_up().await;
            }
            if self.clock.monotonic() >= mark_at {
                self.mark_up().await?;
                self.streams.sweep();
                mark_at = self.clock.monotonic() + UP_MARK_EVERY;
            }
        }
    }

    /// Notes that a leader is there, by the time that counts.
    async fn mark_up(&self) -> Result<(), StoreError> {
        let up = self.leader.read().await.up(self.clock.read());
        tokio::task::block_in_place(|| self.store.mark_up(up))
    }

    /// The message that woke the engine and all that wait behind it.
    fn take(&mut self, first: Option<Message>) -> Vec<Input> {
        let Some(first) = first else {
            return vec![Input::Woke];
        };
        let mut inputs: Vec<Input> = self.input(first).into_iter().collect();
        while inputs.len() < BATCH {
            match self.inbox.try_recv() {
                Ok(message) => inputs.extend(self.input(message)),
                Err(_) => break,
            }
        }
        inputs
    }

    /// A message as the core takes it; none where it is for the engine itself.
    fn input(&mut self, message: Message) -> Option<Input> {
        match message {
            Message::Report { node, enrolment, report } => Some(Input::Report { node, enrolment, report }),
            Message::Ask {
                actor,
                request,
                command,
                answer,
            } => {
                self.tickets += 1;
                let ticket = Ticket(self.tickets);
                self.callers.insert(ticket, answer);
                Some(Input::Ask(Ask {
                    ticket,
                    actor,
                    request,
                    command,
                }))
            }
            Message::Made {
                profile,
                serial,
                key: Ok(key),
            } => {
                let NewKey { public, private } = *key;
                self.store.hold(public.kid.clone(), private);
                Some(Input::KeyMade {
                    profile,
                    serial,
                    key: Box::new(public),
                })
            }
            Message::Made {
                profile,
                serial,
                key: Err(why),
            } => {
                tracing::error!(%profile, %why, "a key could not be made; it is tried again");
                Some(Input::KeyFailed { profile, serial })
            }
            Message::Came {
                node,
                enrolment,
                instance,
            } => Some(Input::Came {
                node,
                enrolment,
                instance,
            }),
            Message::Papers { enrolment, papers } => Some(Input::Papers { enrolment, papers }),
            Message::CaMade(Ok(ca)) => {
                let NewCa {
                    facts,
                    certificate,
                    private,
                } = ca;
                self.store.hold_ca(facts.number, private);
                Some(Input::CaMade { facts, certificate })
            }
            Message::CaMade(Err(why)) => {
                tracing::error!(%why, "a CA could not be made; it is tried again");
                Some(Input::CaFailed)
            }
            Message::Refused { actor, request, refusal } => Some(Input::Refused { actor, request, refusal }),
            Message::ForeignLog { enrolment, halt } => Some(Input::ForeignLog { enrolment, halt }),
            Message::Shown { node, enrolment, shown } => Some(Input::Shown { node, enrolment, shown }),
            Message::Cosigned { enrolment, cosignature } => {
                self.cosigned.push((enrolment, cosignature));
                None
            }
            Message::Ping { answer } => {
                self.pings.push(answer);
                Some(Input::Woke)
            }
            Message::Stop => {
                self.stopping = true;
                None
            }
        }
    }

    /// Steps the core through `inputs` and carries out everything that follows, while nobody reads.
    async fn step(&mut self, inputs: Vec<Input>) -> Result<(), StoreError> {
        let leader = self.leader.clone();
        let mut leader = leader.write().await;
        let mut inputs: VecDeque<Input> = inputs.into();
        inputs.push_back(Input::Settle);
        while let Some(input) = inputs.pop_front() {
            for effect in leader.step(input, self.clock.read()) {
                let settled = matches!(effect, Effect::Observe(_));
                // Storage answers in well under a millisecond; a blocked worker costs less than a hop to another thread.
                let done = tokio::task::block_in_place(|| self.carry_out(effect));
                self.failed.fetch_or(done.is_err(), Ordering::AcqRel);
                done?;
                if settled {
                    inputs.push_back(Input::Settled);
                }
            }
        }
        // Of an enrolment that has ended nothing is kept.
        let enrolled: BTreeSet<Enrolment> = leader.state().nodes.values().map(|row| row.enrolment).collect();
        let mut cosigned = std::mem::take(&mut self.cosigned);
        cosigned.retain(|(enrolment, _)| enrolled.contains(enrolment));
        if !cosigned.is_empty() {
            let done = tokio::task::block_in_place(|| self.store.keep_cosignatures(&cosigned));
            self.failed.fetch_or(done.is_err(), Ordering::AcqRel);
            done?;
        }
        let now = self.clock.read();
        self.guide.tell(Now {
            wall: leader.time(now),
            ..now
        });
        drop(leader);
        self.changed.send_modify(|count| *count += 1);
        for ping in self.pings.drain(..) {
            // Who has gone away needs no answer.
            let _ = ping.send(());
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect) -> Result<(), StoreError> {
        match effect {
            Effect::Commit(commit) => {
                for record in &commit.records {
                    loud::say(record);
                    tracing::info!(seq = %record.seq, generation = %record.generation, actor = %record.actor, event = record.event.name(), kid = record.event.kid().map(tracing::field::display), "decided");
                }
                self.store.commit(*commit)?;
            }
            Effect::Destroy(kids) => self.store.destroy(kids)?,
            Effect::Observe(rows) => {
                let rows: Vec<(Enrolment, Option<&Sighting>)> = rows.iter().map(|(at, row)| (*at, Some(row))).collect();
                self.store.observe(&rows)?;
            }
            Effect::Forget(enrolment) => {
                self.store.observe(&[(enrolment, None)])?;
                self.streams.end(enrolment);
            }
            Effect::Publish => self.publish()?,
            Effect::MakeKey { profile, serial } => self.maker.make_key(*profile, serial),
            Effect::MakeCa { number } => {
                let trust_domain = self.authority.borrow().fleet.trust_domain.clone();
                self.maker.make_ca(number, trust_domain);
            }
            Effect::Certify => {
                let trust_domain = self.authority.borrow().fleet.trust_domain.clone();
                self.authority.send_replace(Arc::new(self.store.authority(&trust_domain)?));
            }
            Effect::DestroyCas(numbers) => self.store.destroy_cas(numbers)?,
            Effect::Drop(kid) => self.store.drop_made(&kid),
            Effect::Reply { ticket, answer } => {
                if let Some(caller) = self.callers.remove(&ticket) {
                    // A caller that has gone away needs no answer: the decision stands all the same.
                    let _ = caller.send(answer);
                }
            }
            Effect::Answer { enrolment, answer, .. } => self.streams.answer(enrolment, answer),
            Effect::Note(refusal) => tracing::error!(%refusal, "refused"),
        }
        Ok(())
    }

    fn publish(&self) -> Result<(), StoreError> {
        let bundle = self.store.bundle(&self.log)?;
        self.bundle.send_replace(bundle);
        Ok(())
    }
}
