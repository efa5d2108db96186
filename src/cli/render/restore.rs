//! What `jkeys restore`, `jkeys backup` and `jkeys keystore rekey` have done.

use std::path::Path;

use super::text::{lines, list};
use crate::config::LeaderConfig;
use crate::leader::backup::Summary;
use crate::leader::rekey::Rekeyed;
use crate::leader::restore::Outcome;

/// What was restored, what was not, and what comes next.
pub(in crate::cli) fn restored(outcome: &Outcome, dir: &Path) -> String {
    let lost = (!outcome.lost.is_empty()).then(|| {
        format!(
            "! their private halves are in no file, so these keys go: {}",
            list(&outcome.lost)
        )
    });
    let revoked = (!outcome.revoked.is_empty()).then(|| {
        format!(
            "! revoked by a record that was left out, and revoked again: {}",
            list(&outcome.revoked)
        )
    });
    let left_out = (outcome.left_out > 0).then(|| {
        format!(
            "! {} later records were left out; if nodes have seen them, they tell it when the leader is up",
            outcome.left_out
        )
    });
    let next = [
        format!("{} holds a leader, {}", dir.display(), outcome.restoration),
        "it decides nothing yet: start it, let its nodes report, then go on from here with `jkeys audit adopt`".to_owned(),
    ];
    lines([lost, revoked, left_out].into_iter().flatten().chain(next))
}

/// What is in the file now, and what it is worth.
pub(in crate::cli) fn backed_up(summary: &Summary, file: &Path) -> String {
    let Summary {
        version,
        committed_at,
        generation,
        records,
        bytes,
        ..
    } = summary;
    lines([
        format!(
            "{} holds version {version} of {committed_at}, generation {generation}, with {records} records: {bytes} bytes, read back \
             and whole",
            file.display()
        ),
        "only this leader's master key opens it: keep that elsewhere, and this file off this machine".to_owned(),
    ])
}

/// What is under the new key now, and what is left to do.
pub(in crate::cli) fn rekeyed(rekeyed: &Rekeyed, dir: &Path, new_key: &Path, old: &LeaderConfig) -> String {
    let Rekeyed {
        version,
        data_keys,
        snapshots,
    } = rekeyed;
    let (dir, new_key) = (dir.display(), new_key.display());
    lines([
        format!(
            "{dir} holds version {version} under the master key in {new_key}: {data_keys} data keys and {snapshots} snapshots"
        ),
        format!(
            "move {} and {} away, {dir} and {new_key} into their places (where the key is a credential, replace that), and start the leader",
            old.state_dir.display(),
            old.master_key_file.display()
        ),
        "then erase what was moved away: together with copies and backups from before it still opens what it did".to_owned(),
    ])
}
