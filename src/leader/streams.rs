//! The open `Sync` streams, by enrolment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, watch};

use crate::rpc::fleet::Answer;
use crate::types::Enrolment;

/// How many answers may wait for one slow node; more are dropped, and the node asks again with its next report.
const WAITING_ANSWERS: usize = 16;

/// Where answers to a node's reports go. A new stream of a node takes the place of its old one, which ends.
#[derive(Debug, Clone, Default)]
pub struct Streams {
    open: Arc<Mutex<BTreeMap<Enrolment, mpsc::Sender<Answer>>>>,
    closed: Arc<AtomicBool>,
    /// Changes when connections are to be looked through for those that nobody is welcome on any more.
    look: watch::Sender<()>,
}

impl Streams {
    /// Opens the stream of a node. It is over when nothing more can be received.
    #[must_use]
    pub fn open(&self, enrolment: Enrolment) -> mpsc::Receiver<Answer> {
        let (sender, receiver) = mpsc::channel(WAITING_ANSWERS);
        let mut open = self.map();
        if !self.are_over() {
            open.insert(enrolment, sender);
        }
        drop(open);
        receiver
    }

    /// Answers a node, if it has a stream.
    pub fn answer(&self, enrolment: Enrolment, answer: Answer) {
        if let Some(sender) = self.map().get(&enrolment) {
            // A full queue belongs to a node that does not read; its next report is answered again.
            let _ = sender.try_send(answer);
        }
    }

    /// Ends the stream of an enrolment that is over, and has its connections looked for.
    pub fn end(&self, enrolment: Enrolment) {
        self.map().remove(&enrolment);
        self.look.send_replace(());
    }

    /// Changes when an enrolment has ended, and at each [`Self::sweep`].
    #[must_use]
    pub fn look(&self) -> watch::Receiver<()> {
        self.look.subscribe()
    }

    /// Ends every stream: the leader stops. None can be opened after that.
    pub fn end_all(&self) {
        self.closed.store(true, Ordering::Release);
        self.map().clear();
    }

    /// Whether the leader stops.
    #[must_use]
    pub fn are_over(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The enrolments that have an open stream.
    #[must_use]
    pub fn connected(&self) -> BTreeSet<Enrolment> {
        let map = self.map();
        let open = map.iter().filter(|(_, sender)| !sender.is_closed());
        open.map(|(enrolment, _)| *enrolment).collect()
    }

    /// Forgets streams that have ended by themselves, and has connections looked for that came after their enrolment had ended.
    pub fn sweep(&self) {
        self.map().retain(|_, sender| !sender.is_closed());
        self.look.send_replace(());
    }

    fn map(&self) -> std::sync::MutexGuard<'_, BTreeMap<Enrolment, mpsc::Sender<Answer>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
