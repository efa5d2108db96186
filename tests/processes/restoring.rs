//! A lost leader that is made again, as an operator does it.

use std::fs;

use crate::fleet::{Fleet, SLOW};
use crate::process::until;

/// What the refused start says is what then works.
#[tokio::test]
async fn a_leader_whose_database_is_lost_is_restored_as_its_refusal_says() {
    let mut fleet = Fleet::running(SLOW, &["a"]).await;
    let before = fleet.status().await.unwrap();
    fleet.stop_leader().await;
    let (state, restored) = (fleet.leader_state(), fleet.root().join("restored"));
    fs::remove_dir_all(state.join("db")).unwrap();
    let refused = fleet.leader_that_ends().await;
    refused.refused(&[
        "`jkeys restore FILE --to DIR`",
        "The newest snapshot is ",
        "move it away, and DIR into its place",
    ]);
    let newest = refused.err.split("The newest snapshot is ").nth(1).unwrap().trim();
    let to = restored.to_str().unwrap();
    let said = fleet.run(&["restore", newest, "--to", to]).await;
    said.ended(
        0,
        &[
            "holds a leader, restored from version",
            "it decides nothing yet",
            "jkeys audit adopt",
        ],
    );
    fleet
        .run(&["restore", newest, "--to", to])
        .await
        .refused(&["not empty", "Name another"]);
    fleet.run(&["restore", newest]).await.refused(&["not empty"]);
    fs::rename(&state, fleet.root().join("lost")).unwrap();
    fs::rename(&restored, &state).unwrap();
    fleet.start_leader().await;
    let after = until("a node that has found its leader again", async || {
        let status = fleet.status().await?;
        (status.nodes[0].confirmed == Some(before.generation) && status.epoch > before.epoch).then_some(status)
    })
    .await;
    assert_eq!(after.generation, before.generation);
    let said = fleet.run(&["status"]).await;
    said.ended(
        0,
        &[
            "! the leader decides nothing more: it was restored from version",
            "`jkeys audit adopt`",
        ],
    );
    let said = fleet.run(&["rotate", "--now", "--force", "--reason", "superseded"]).await;
    said.refused(&["it was restored from version", "jkeys audit adopt"]);
    fleet.run(&["history"]).await.ended(0, &["leader restored from version"]);
    check_log(&fleet).await;
    fleet.stop_leader().await;
}

/// The log is whole, and its story lawful.
async fn check_log(fleet: &Fleet) {
    let out = fleet.root().join("export");
    fleet.run(&["audit", "export", "--out", out.to_str().unwrap()]).await.done();
    fleet.run(&["audit", "verify", out.to_str().unwrap()]).await.done();
}

#[tokio::test]
async fn what_is_no_snapshot_is_refused_in_words() {
    let mut fleet = Fleet::running(SLOW, &[]).await;
    fleet.stop_leader().await;
    let (file, to) = (fleet.root().join("file"), fleet.root().join("restored"));
    let restore = ["restore", file.to_str().unwrap(), "--to", to.to_str().unwrap()];
    fleet.run(&restore).await.refused(&["could not read", "No such file"]);
    crate::process::write(&file, b"something else that is longer than a checksum");
    fleet.run(&restore).await.refused(&["was changed or cut short"]);
    assert!(!to.exists());
}

/// The disk is gone altogether; the backup and the master key lay elsewhere.
#[tokio::test]
async fn a_backup_taken_while_the_leader_runs_is_enough_to_make_it_again() {
    let mut fleet = Fleet::running(SLOW, &["a"]).await;
    let file = fleet.root().join("backup");
    let backup = ["backup", file.to_str().unwrap()];
    let said = fleet.run(&backup).await;
    said.ended(0, &["read back and whole", "keep that elsewhere"]);
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&file).unwrap());
    assert_eq!(mode & 0o7777, 0o600);
    fleet.run(&backup).await.refused(&["is there already", "--force"]);
    let said = fleet.run(&[&backup[..], &["--force", "--json"]].concat()).await.done();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let taken = fleet.run(&["history", "--action", "backed_up", "--json"]).await.done();
    let taken: Vec<serde_json::Value> = taken.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        taken.len(),
        2,
        "each that was handed out, and not the one that was refused here"
    );
    let me = rustix::process::geteuid().as_raw();
    assert!(taken.iter().all(|record| record["actor"]["user"]["uid"] == me), "{taken:?}");
    let own = taken[1]["seq"].as_u64().unwrap();
    assert_eq!(said["records"].as_u64(), Some(own + 1), "it has its own record in it");
    check_log(&fleet).await;
    let bytes = fs::metadata(&file).unwrap().len();
    assert_eq!((said["file"].as_str(), said["bytes"].as_u64()), (file.to_str(), Some(bytes)));
    let before = fleet.status().await.unwrap();
    assert_eq!(said["generation"].as_u64(), Some(before.generation.0));
    fleet.stop_leader().await;
    fs::remove_dir_all(fleet.leader_state()).unwrap();
    fleet.run(&["restore", file.to_str().unwrap()]).await.done();
    fleet.start_leader().await;
    let after = until("a node that has found its leader again", async || {
        let status = fleet.status().await?;
        (status.nodes[0].confirmed == Some(before.generation) && status.epoch > before.epoch).then_some(status)
    })
    .await;
    assert!(after.halted.is_some());
    fleet.stop_leader().await;
}

#[tokio::test]
async fn a_leader_goes_on_under_a_new_master_key() {
    let mut fleet = Fleet::running(SLOW, &["a"]).await;
    let before = fleet.status().await.unwrap();
    let (state, key) = (fleet.leader_state(), fleet.master_key());
    let (to, new_key) = (fleet.root().join("again"), fleet.root().join("new.key"));
    let rekey = [
        "keystore",
        "rekey",
        "--new-key",
        new_key.to_str().unwrap(),
        "--to",
        to.to_str().unwrap(),
    ];
    fleet.run(&rekey).await.refused(&["another jkeys leader", "stop it first"]);
    assert!(!new_key.exists() && !to.exists());
    fleet.stop_leader().await;
    fleet
        .run(&rekey)
        .await
        .ended(0, &["under the master key in", "into their places", "then erase"]);
    fleet.run(&rekey).await.refused(&["not empty"]);
    fs::remove_dir_all(&state).unwrap();
    fs::rename(&to, &state).unwrap();
    // The old key does not open it.
    fleet.leader_that_ends().await.refused(&["another master key"]);
    fs::rename(&new_key, &key).unwrap();
    fleet.start_leader().await;
    let after = fleet.all_in_service().await;
    assert!(after.generation == before.generation && after.halted.is_none());
    // Who did it is in the log, and the nodes took it with the rest.
    let me = rustix::process::geteuid().as_raw();
    let said = fleet.run(&["history", "--action", "rekeyed"]).await;
    said.ended(0, &["keystore written again under another master key", &format!("  {me}/")]);
    check_log(&fleet).await;
    fleet
        .run(&["rotate", "--now", "--force", "--reason", "superseded"])
        .await
        .done();
    fleet.stop_leader().await;
}
