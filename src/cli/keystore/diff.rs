//! What changed from one version of the keystore to another.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::lifecycle::{Settings, Wait};
use crate::rpc::documents::{VersionKey, VersionNode, VersionRow, VersionState};
use crate::types::{Enrolment, KeySpec, Kid, NodeName, ProfileName};

/// Two versions, and what is not the same in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Diff {
    /// The one to begin with.
    pub(in crate::cli) from: VersionRow,
    /// The one to come to.
    pub(in crate::cli) to: VersionRow,
    /// What changed.
    pub(in crate::cli) changes: Vec<Change>,
}

/// One thing that is not the same. Of a thing that is in one version only, `from` or `to` is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub(in crate::cli) enum Change {
    /// The leader's term, the generation in force, or why it halted.
    Leader {
        what: &'static str,
        from: Option<String>,
        to: Option<String>,
    },
    /// A profile came or went.
    Profile { profile: ProfileName, came: bool },
    /// A setting.
    Setting {
        setting: String,
        from: Option<String>,
        to: Option<String>,
    },
    /// A key, by its state.
    Key {
        kid: Kid,
        profile: ProfileName,
        spec: KeySpec,
        from: Option<String>,
        to: Option<String>,
    },
    /// A node, by how it stands.
    Node {
        node: NodeName,
        from: Option<String>,
        to: Option<String>,
        /// Whether its name was enrolled anew in between.
        enrolled_anew: bool,
    },
    /// A revocation that some node has not confirmed.
    Revocation { kid: Kid, open: bool },
    /// Something that the schedule waits for.
    Wait { wait: Wait, began: bool },
}

impl Diff {
    pub(in crate::cli) fn between(from: &VersionState, to: &VersionState) -> Self {
        let mut changes = leader(from, to);
        changes.extend(settings(&from.settings, &to.settings));
        changes.extend(keys(&from.keys, &to.keys));
        changes.extend(nodes(&from.nodes, &to.nodes));
        let revocation = |kid, open| Change::Revocation { kid, open };
        changes.extend(came_and_went(&from.revocations, &to.revocations, revocation));
        let wait = |wait, began| Change::Wait { wait, began };
        changes.extend(came_and_went(&from.waits, &to.waits, wait));
        Self {
            from: from.row.clone(),
            to: to.row.clone(),
            changes,
        }
    }
}

fn leader(from: &VersionState, to: &VersionState) -> Vec<Change> {
    let of = |state: &VersionState| {
        [
            ("epoch", Some(state.epoch.to_string())),
            ("generation", Some(state.generation.to_string())),
            ("halt", state.halted.as_ref().map(ToString::to_string)),
        ]
    };
    let pairs = of(from).into_iter().zip(of(to));
    let changed = pairs.filter(|(from, to)| from != to);
    changed
        .map(|((what, from), (_, to))| Change::Leader { what, from, to })
        .collect()
}

/// Profiles that came and went, and each setting of the others that is not the same.
fn settings(from: &Settings, to: &Settings) -> Vec<Change> {
    let names = |settings: &Settings| settings.profiles.keys().cloned().collect::<Vec<_>>();
    let profile = |profile, came| Change::Profile { profile, came };
    let mut changes: Vec<Change> = came_and_went(&names(from), &names(to), profile).collect();
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    for (name, profile) in &from.profiles {
        if let Some(other) = to.profiles.get(name) {
            leaves(name.as_str(), &serde_json::to_value(profile).unwrap_or_default(), &mut before);
            leaves(name.as_str(), &serde_json::to_value(other).unwrap_or_default(), &mut after);
        }
    }
    for (settings, leaves) in [(from, &mut before), (to, &mut after)] {
        leaves.extend(
            settings
                .served_max_age
                .map(|age| ("served_max_age".to_owned(), age.to_string())),
        );
    }
    let setting = |setting: &String| Change::Setting {
        from: before.get(setting).cloned(),
        to: after.get(setting).cloned(),
        setting: setting.clone(),
    };
    let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differing = all.into_iter().filter(|name| before.get(*name) != after.get(*name));
    changes.extend(differing.map(setting));
    changes
}

/// Every member of a JSON value that is no object, by its way, as text.
fn leaves(at: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                // The windows of a profile are written beside its other settings, as in leader.toml.
                let way = if name == "windows" {
                    at.to_owned()
                } else {
                    format!("{at}.{name}")
                };
                leaves(&way, member, found);
            }
        }
        Value::Null => {}
        Value::String(text) => {
            found.insert(at.to_owned(), text.clone());
        }
        other => {
            found.insert(at.to_owned(), other.to_string());
        }
    }
}

fn keys(from: &[VersionKey], to: &[VersionKey]) -> Vec<Change> {
    let state = |keys: &[VersionKey], kid: &Kid| keys.iter().find(|key| key.kid == *kid).map(|key| key.state.clone());
    let all: BTreeMap<&Kid, &VersionKey> = from.iter().chain(to).map(|key| (&key.kid, key)).collect();
    let change = |key: &VersionKey| Change::Key {
        from: state(from, &key.kid),
        to: state(to, &key.kid),
        kid: key.kid.clone(),
        profile: key.profile.clone(),
        spec: key.spec,
    };
    let changes = all.into_values().map(change);
    changes
        .filter(|change| !matches!(change, Change::Key { from, to, .. } if from == to))
        .collect()
}

fn nodes(from: &[VersionNode], to: &[VersionNode]) -> Vec<Change> {
    let row = |nodes: &[VersionNode], name: &NodeName| -> Option<(Enrolment, String)> {
        let node = nodes.iter().find(|node| node.node == *name)?;
        Some((node.enrolment, node.standing.clone()))
    };
    let all: BTreeSet<&NodeName> = from.iter().chain(to).map(|node| &node.node).collect();
    let change = |name: &NodeName| {
        let (before, after) = (row(from, name), row(to, name));
        let both = before.as_ref().zip(after.as_ref());
        let enrolled_anew = both.is_some_and(|((before, _), (after, _))| before != after);
        (before != after).then(|| Change::Node {
            node: name.clone(),
            from: before.map(|(_, standing)| standing),
            to: after.map(|(_, standing)| standing),
            enrolled_anew,
        })
    };
    all.into_iter().filter_map(change).collect()
}

fn came_and_went<T: Ord + Clone>(from: &[T], to: &[T], change: impl Fn(T, bool) -> Change) -> impl Iterator<Item = Change> {
    let gone = from.iter().filter(|item| !to.contains(item)).map(|item| (item, false));
    let come = to.iter().filter(|item| !from.contains(item)).map(|item| (item, true));
    let all: Vec<Change> = gone.chain(come).map(|(item, came)| change(item.clone(), came)).collect();
    all.into_iter()
}
