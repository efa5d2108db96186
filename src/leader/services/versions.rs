//! The versions of the keystore: what each was, and what stood in it.

use super::context::Context;
use crate::audit::Record;
use crate::keystore::{Keystore, StoredRecord, VersionInfo};
use crate::leader::status::standing;
use crate::leader::store::{StoreError, state_at};
use crate::lifecycle::{Event, Key, Node, State};
use crate::rpc::documents::{VersionKey, VersionNode, VersionRow, VersionState, VersionsPage};
use crate::rpc::proto::{ShowVersionRequest, VersionsRequest};
use crate::rpc::{ErrorKind, Failure};
use crate::types::{NodeName, Version};

/// How many versions one call gives at most.
const MOST_VERSIONS: u32 = 1000;
/// How many versions are read at once while a state is made anew.
const CHUNK: u64 = 256;

impl Context {
    pub(super) async fn versions(&self, request: VersionsRequest) -> Result<VersionsPage, Failure> {
        if request.limit > MOST_VERSIONS {
            return Err(Failure::invalid(format!("limit: at most {MOST_VERSIONS} versions at once")));
        }
        let limit = if request.limit == 0 { MOST_VERSIONS } else { request.limit };
        let from = Version(request.from_version);
        self.read(move |keystore| page(keystore, from, limit.into())).await
    }

    pub(super) async fn version(&self, request: ShowVersionRequest) -> Result<VersionState, Failure> {
        let version = Version(request.version);
        let read = self.read(move |keystore| -> Result<_, StoreError> {
            let newest = keystore.load()?.version;
            let info = keystore.versions(version..version.next())?.pop();
            let shown = info.map(|info| shown(keystore, &info)).transpose()?;
            Ok((shown, newest))
        });
        let (shown, newest) = read.await?;
        let message =
            format!("there is no version {version}: they are numbered from 1 to {newest}; `jkeys keystore versions` lists them");
        shown.ok_or_else(|| Failure::new(ErrorKind::NotFound, message))
    }
}

fn page(keystore: &Keystore, from: Version, limit: u64) -> Result<VersionsPage, StoreError> {
    let newest = keystore.load()?.version;
    let end = Version(from.0.saturating_add(limit));
    let infos = keystore.versions(from..end)?;
    let versions = infos.iter().map(|info| row(keystore, info)).collect::<Result<_, _>>()?;
    Ok(VersionsPage {
        versions,
        next: (end <= newest).then_some(end),
        newest,
    })
}

fn row(keystore: &Keystore, info: &VersionInfo) -> Result<VersionRow, StoreError> {
    let records = records(keystore, info)?;
    Ok(VersionRow {
        version: info.version,
        at: info.at,
        by: records.first().map(|record| record.actor.clone()),
        first_record: (info.first < info.next).then_some(info.first),
        records: info.next.0 - info.first.0,
        actions: records.iter().map(|record| record.event.name().to_owned()).collect(),
        made: info.generation,
    })
}

fn records(keystore: &Keystore, info: &VersionInfo) -> Result<Vec<Record>, StoreError> {
    let read = |stored: &StoredRecord| {
        Record::from_bytes(&stored.bytes).map_err(|why| StoreError::Form {
            what: "record",
            why: why.to_string(),
        })
    };
    keystore.records(info.first..info.next)?.iter().map(read).collect()
}

fn shown(keystore: &Keystore, info: &VersionInfo) -> Result<VersionState, StoreError> {
    let (state, rebuilt) = match state_at(keystore, info.version)? {
        Some(state) => (state, false),
        None => (rebuilt(keystore, info)?, true),
    };
    Ok(VersionState {
        row: row(keystore, info)?,
        rebuilt,
        epoch: state.epoch,
        generation: state.head.generation,
        generation_at: state.head.committed_at,
        keys: state.keys.values().map(key).collect(),
        nodes: state.nodes.iter().map(|(name, row)| node(name, row)).collect(),
        revocations: state.revocations.keys().cloned().collect(),
        waits: state.waits.keys().cloned().collect(),
        halted: state.halted,
        settings: state.settings,
    })
}

fn key(key: &Key) -> VersionKey {
    VersionKey {
        kid: key.kid().clone(),
        profile: key.profile.clone(),
        spec: key.public.spec,
        state: key.phase.name().to_owned(),
        published_at: key.published_at,
    }
}

fn node(name: &NodeName, row: &Node) -> VersionNode {
    let (standing, since) = standing(row);
    VersionNode {
        node: name.clone(),
        enrolment: row.enrolment,
        standing: standing.to_owned(),
        since,
    }
}

/// The state as its records make it: those of one version are one decision (rule R7).
fn rebuilt(keystore: &Keystore, info: &VersionInfo) -> Result<State, StoreError> {
    let mut state = State::default();
    let mut at = Version(0);
    while at <= info.version {
        let until = Version(at.0 + CHUNK).min(info.version.next());
        for earlier in keystore.versions(at..until)? {
            let decision = records(keystore, &earlier)?;
            let events: Vec<Event> = decision.iter().map(|record| record.event.clone()).collect();
            if let Some(first) = decision.first() {
                state.apply(&events, first.time);
            }
        }
        at = until;
    }
    Ok(state)
}
