//! One look at the cluster: every node's files, then what the leader says, then the probe.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use tonic::transport::Channel;

use super::error::DevError;
use super::files::{NodeFiles, read_node};
use super::probe::{Failure, Probe, Round, Sample};
use crate::agent::blocking::blocking;
use crate::audit::Record;
use crate::clock::Clock;
use crate::lifecycle::{Cause, Event, Grounds, PrivateHalf, Windows};
use crate::rpc::admin::{Document, HistoryCall, HistoryPage, schema};
use crate::rpc::proto::{HistoryRequest, StatusRequest};
use crate::rpc::{admin_client, documents::Status};
use crate::types::{Kid, NodeName, Seq, Time};

/// How many records are asked for at once.
const RECORDS: u32 = 1000;

/// What a look found.
#[derive(Debug)]
pub(super) struct Look {
    /// The state of the fleet.
    pub(super) status: Status,
    /// What was decided since the last look.
    pub(super) records: Vec<Record>,
    /// What the probe found.
    pub(super) round: Round,
}

/// What is remembered from look to look.
pub(super) struct Watcher {
    admin: Channel,
    folders: Vec<(NodeName, PathBuf)>,
    clock: Clock,
    probe: Probe,
    log: Log,
    in_service: BTreeSet<NodeName>,
}

/// What the log has said so far of the keys that the probe must know about.
#[derive(Debug, Default)]
struct Log {
    next: Seq,
    revoked: BTreeSet<Kid>,
    excepted: BTreeSet<Kid>,
    rotations: u64,
}

type Read = Vec<(NodeName, io::Result<Option<NodeFiles>>)>;

impl Watcher {
    /// A watcher of the nodes with these folders.
    pub(super) fn new(admin: Channel, folders: Vec<(NodeName, PathBuf)>, windows: &Windows, clock: Clock) -> Self {
        Self {
            admin,
            folders,
            clock,
            probe: Probe::new(windows.min_prepublish, windows.token_lifetime),
            log: Log::default(),
            in_service: BTreeSet::new(),
        }
    }

    /// How many keys have taken over from another since the start.
    pub(super) fn rotations(&self) -> u64 {
        self.log.rotations
    }

    /// Looks once.
    ///
    /// The leader is asked after the files were read, so that it knows of every exception that they show. Only nodes that it said
    /// to be in service both before and after are held to the promise.
    pub(super) async fn look(&mut self) -> Result<Look, DevError> {
        let began = self.clock.now();
        let read = self.read_files().await;
        let ended = self.clock.now();
        let status = self.status().await?;
        let records = self.records().await?;
        for record in &records {
            self.log.take(&record.event);
        }
        let nodes = status.nodes.iter().filter(|node| node.standing == "in_service");
        let now_in_service: BTreeSet<NodeName> = nodes.map(|node| node.node.clone()).collect();
        let all_the_while: BTreeSet<&NodeName> = now_in_service.intersection(&self.in_service).collect();
        let (nodes, unreadable) = sorted(read, &all_the_while);
        let mut round = self.probe.round(&self.log.sample(began, ended, nodes));
        round.failures.extend(unreadable);
        self.in_service = now_in_service;
        Ok(Look { status, records, round })
    }

    async fn read_files(&self) -> Read {
        let folders = self.folders.clone();
        let read = move || folders.into_iter().map(|(node, folder)| (node, read_node(&folder))).collect();
        blocking(read).await
    }

    async fn status(&self) -> Result<Status, DevError> {
        let answer = admin_client(self.admin.clone()).status(StatusRequest {}).await?;
        Ok(Document::from(answer.into_inner()).read(schema::STATUS)?)
    }

    /// The records since those that were read before.
    async fn records(&mut self) -> Result<Vec<Record>, DevError> {
        let mut records = Vec::new();
        loop {
            let call = HistoryCall {
                from: self.log.next,
                limit: RECORDS,
                ..HistoryCall::default()
            };
            let answer = admin_client(self.admin.clone()).history(HistoryRequest::from(call)).await?;
            let page: HistoryPage = Document::from(answer.into_inner()).read(schema::HISTORY)?;
            for raw in page.records {
                let record = Record::from_bytes(raw.get().as_bytes())?;
                self.log.next = record.seq.next();
                records.push(record);
            }
            if page.next.is_none() {
                return Ok(records);
            }
        }
    }
}

/// The files of the nodes that are held to the promise, and those that could not be read.
fn sorted(read: Read, held: &BTreeSet<&NodeName>) -> (BTreeMap<NodeName, NodeFiles>, Vec<Failure>) {
    let (mut nodes, mut unreadable) = (BTreeMap::new(), Vec::new());
    for (node, files) in read.into_iter().filter(|(node, _)| held.contains(node)) {
        match files {
            Ok(Some(files)) => {
                nodes.insert(node, files);
            }
            Ok(None) => {}
            Err(why) => unreadable.push(Failure::File {
                node,
                why: why.to_string(),
            }),
        }
    }
    (nodes, unreadable)
}

impl Log {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Revoked { kid, private_half, .. } => {
                let gone = *private_half == PrivateHalf::Destroyed;
                self.revoked.extend(gone.then(|| kid.clone()));
            }
            Event::Published { kid, grounds, .. } => {
                let forced = matches!(grounds, Grounds::Forced { .. });
                self.excepted.extend(forced.then(|| kid.clone()));
            }
            Event::Unpublished { successor, .. } => self.rotations += u64::from(successor.is_some()),
            Event::Activated { kid, cause, .. } => {
                let excepted = matches!(cause, Cause::Bootstrap | Cause::Forced { .. } | Cause::Compromised { .. });
                self.excepted.extend(excepted.then(|| kid.clone()));
                self.rotations += u64::from(*cause != Cause::Bootstrap);
            }
            Event::Removed { kid, .. } | Event::Discarded { kid, .. } => {
                self.excepted.remove(kid);
            }
            _ => {}
        }
    }

    fn sample(&self, began: Time, ended: Time, nodes: BTreeMap<NodeName, NodeFiles>) -> Sample {
        Sample {
            began,
            ended,
            nodes,
            revoked: self.revoked.clone(),
            excepted: self.excepted.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::NamedNodes;
    use crate::lifecycle::Why;

    fn activated(kid: &str, cause: Cause) -> Event {
        Event::Activated {
            kid: kid.parse().unwrap(),
            since: Time(0),
            retire_at: Time(1),
            cause,
            why: Why::default(),
        }
    }

    #[test]
    fn the_log_counts_rotations_and_names_exceptions() {
        let mut log = Log::default();
        let exception = || (Time(0), NamedNodes::default());
        let (ready_at, missing) = exception();
        log.take(&activated("a", Cause::Bootstrap));
        log.take(&activated("b", Cause::Scheduled));
        log.take(&activated("c", Cause::Forced { ready_at, missing }));
        let (ready_at, missing) = exception();
        log.take(&activated("d", Cause::Compromised { ready_at, missing }));
        let kids = |kids: &BTreeSet<Kid>| kids.iter().map(Kid::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!((log.rotations, kids(&log.excepted).as_str()), (3, "a c d"));
        log.take(&Event::Revoked {
            kid: "b".parse().unwrap(),
            reason: crate::types::Reason::Compromised,
            comment: None,
            private_half: PrivateHalf::Destroyed,
        });
        assert_eq!(kids(&log.revoked), "b");
    }

    #[test]
    fn only_nodes_that_were_in_service_all_the_while_are_probed() {
        let names: Vec<NodeName> = ["a", "b", "c", "d"].map(|name| name.parse().unwrap()).into();
        let files = || NodeFiles {
            public: Vec::new(),
            private: None,
        };
        let read = vec![
            (names[0].clone(), Ok(Some(files()))),
            (names[1].clone(), Ok(Some(files()))),
            (names[2].clone(), Err(io::Error::other("broken"))),
            (names[3].clone(), Ok(None)),
        ];
        let held = [&names[0], &names[2], &names[3]].into();
        let (nodes, unreadable) = sorted(read, &held);
        assert_eq!(nodes.keys().collect::<Vec<_>>(), [&names[0]]);
        assert_eq!(unreadable.iter().map(ToString::to_string).collect::<Vec<_>>(), ["c: broken"]);
    }
}
