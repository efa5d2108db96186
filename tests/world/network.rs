//! Links between nodes and their leader: messages as values in queues.

use std::collections::VecDeque;
use std::sync::Arc;

use jkeys::agent::core::Input;
use jkeys::leader::core as leading;
use jkeys::lifecycle::Report;
use jkeys::rpc::fleet::{self, Bundle, LeaderMessage, PROTOCOL_VERSION, SHOWN, Welcome};
use jkeys::types::{Enrolment, Epoch, NodeName, Span};

use super::log::Log;
use super::{World, keys};

/// What the leader says to one node.
#[derive(Debug, Clone)]
pub enum Down {
    /// The first message of a stream.
    Welcome(Epoch),
    /// A generation, and the log that it is in.
    Generation(Arc<Bundle>, Log),
    /// The answer to a report.
    Answer(fleet::Answer),
}

/// What a node says to the leader.
#[derive(Debug, Clone)]
pub enum Up {
    /// A report.
    Report(Box<Report>),
    /// The public form of the newest generation that it accepted.
    Shown(Vec<u8>),
}

/// The link of one node.
#[derive(Debug, Clone, Default)]
pub struct Link {
    /// Whether nothing gets through.
    pub is_cut: bool,
    /// Whether messages wait instead of being delivered, in both directions.
    pub is_held: bool,
    /// The enrolment for which a stream stands.
    pub stream: Option<Enrolment>,
    /// Whether the leader has told the agent that runs to erase: the node is in its table no more.
    pub is_told_to_erase: bool,
    /// On their way to the node.
    pub down: VecDeque<Down>,
    /// On their way to the leader, with the enrolment of their stream.
    pub up: VecDeque<(Enrolment, Up)>,
}

/// What becomes of messages that were held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// They come in their order.
    InOrder,
    /// They come in the opposite order.
    Reversed,
    /// Each comes twice.
    Twice,
    /// They are lost, and the stream with them.
    Lost,
}

impl Link {
    /// Lets held messages go.
    pub fn release(&mut self, fate: Fate) {
        self.is_held = false;
        match fate {
            Fate::InOrder => {}
            Fate::Reversed => {
                // Whatever comes on a stream comes after its first message.
                let welcome = usize::from(matches!(self.down.front(), Some(Down::Welcome(_))));
                self.down.make_contiguous()[welcome..].reverse();
                self.up.make_contiguous().reverse();
            }
            Fate::Twice => {
                self.down.extend(self.down.clone());
                self.up.extend(self.up.clone());
            }
            Fate::Lost => {
                self.down.clear();
                self.up.clear();
            }
        }
    }
}

impl Down {
    fn message(&self, report_every: Span) -> LeaderMessage {
        match self {
            Self::Welcome(epoch) => LeaderMessage::Welcome(welcome(*epoch, report_every)),
            Self::Generation(bundle, log) => LeaderMessage::Generation(log.prove(keys::copy(bundle))),
            Self::Answer(answer) => LeaderMessage::Answer(*answer),
        }
    }
}

fn welcome(epoch: Epoch, report_every: Span) -> Welcome {
    Welcome {
        protocol_version: PROTOCOL_VERSION,
        capabilities: vec![SHOWN.to_owned()],
        epoch,
        report_every,
    }
}

impl World {
    /// Sends a message on the stream of this enrolment, where one stands and the leader still allows it.
    pub fn send(&mut self, name: &NodeName, enrolment: Enrolment, message: Down) {
        let is_enrolled = self
            .leader
            .core
            .as_ref()
            .is_some_and(|core| core.is_enrolled(name, enrolment));
        if let Some(node) = self
            .nodes
            .get_mut(name)
            .filter(|node| node.link.stream == Some(enrolment) && is_enrolled)
        {
            node.link.down.push_back(message);
        }
    }

    /// Ends the stream of a node with all that was on its way, until it dials again.
    pub fn cut(&mut self, name: &NodeName) {
        let Some(node) = self.nodes.get_mut(name) else { return };
        let stood = node.link.stream.take().is_some();
        node.link.down.clear();
        node.link.up.clear();
        if stood {
            self.agent(name, Input::Lost);
        }
    }

    /// Every node that can reach the leader and has no stream dials. Says whether any did.
    pub fn connect_all(&mut self) -> bool {
        let mut any = false;
        for name in self.names() {
            any |= self.connect(&name);
        }
        any
    }

    fn connect(&mut self, name: &NodeName) -> bool {
        let bundle = self.newest_bundle();
        let (Some(core), Some(node), None) = (&self.leader.core, self.nodes.get_mut(name), self.leader.asleep_since) else {
            return false;
        };
        if node.link.is_cut || node.link.stream.is_some() || node.agent.is_none() {
            return false;
        }
        let Some(enrolment) = core.welcomes(name, node.tls_key) else {
            let is_told = core.state().ended(node.tls_key).is_some() && !node.link.is_held && !node.link.is_told_to_erase;
            if is_told {
                node.link.is_told_to_erase = true;
                self.agent(name, Input::Message(LeaderMessage::Erase));
            }
            return is_told;
        };
        node.link.stream = Some(enrolment);
        node.link.is_told_to_erase = false;
        node.link.down.push_back(Down::Welcome(core.state().epoch));
        node.link
            .down
            .extend(bundle.map(|bundle| Down::Generation(bundle, self.leader.store.log.clone())));
        true
    }

    /// Delivers everything that is on its way to nodes. Says whether there was anything.
    pub fn deliver_down(&mut self) -> bool {
        let mut any = false;
        for name in self.names() {
            while let Some(message) = self.take_down(&name) {
                any = true;
                let message = message.message(self.config.report_every);
                self.agent(&name, Input::Message(message));
            }
        }
        any
    }

    fn take_down(&mut self, name: &NodeName) -> Option<Down> {
        let node = self.nodes.get_mut(name)?;
        let gets_through = !node.link.is_cut && !node.link.is_held && node.agent.is_some();
        if gets_through { node.link.down.pop_front() } else { None }
    }

    /// Delivers everything that is on its way to the leader, in one go. Says whether there was anything.
    pub fn deliver_up(&mut self) -> bool {
        let mut inputs = Vec::new();
        if self.leader.asleep_since.is_some() {
            return false;
        }
        for node in self.nodes.values_mut().filter(|node| !node.link.is_cut && !node.link.is_held) {
            for (enrolment, said) in std::mem::take(&mut node.link.up) {
                let node = node.name.clone();
                match said {
                    Up::Report(report) => {
                        inputs.extend(self.leader.store.strange(&node, enrolment, &report));
                        let report = *report;
                        inputs.push(leading::Input::Report { node, enrolment, report });
                    }
                    Up::Shown(form) => {
                        let shown = self.leader.store.judge(&form);
                        inputs.extend(shown.map(|shown| leading::Input::Shown { node, enrolment, shown }));
                    }
                }
            }
        }
        let any = !inputs.is_empty();
        if any {
            self.lead(inputs);
        }
        any
    }
}
