//! Starts that must not succeed: configurations, master keys and keystores that are wrong.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::fleet::{Fleet, SLOW};
use crate::process::{copy_folder, run, until, write};

#[tokio::test]
async fn every_error_of_a_configuration_is_named_at_once() {
    let fleet = Fleet::founded(SLOW).await;
    let text = "[defaults]\nmin_prepublish = \"47h\"\narm_lead = \"5m\"\nmax_age = \"30h\"\nstraggler_after = \"60h\"\ntoken_lifetime = \"0s\"\n";
    write(&fleet.leader_toml(), fleet.leader_text(&format!("{text}{SLOW}")));
    let said = fleet.leader_that_ends().await;
    said.refused(&[
        "leader.toml",
        "rule T2, profile web: 2*clock_skew (10m) must be less than arm_lead (5m)",
        "rule T3, profile web: 0 (0s) must be less than token_lifetime (0s)",
        "rule T4, profile web: 2*max_age (2days 12h) must be at most min_prepublish (1day 23h)",
        "rule T5, profile web: straggler_after + min_prepublish (4days 11h) must be less than 2*interval (4days)",
        "rule T7, profile web: token_lifetime (0s) must be above 0s",
    ]);
    write(
        &fleet.leader_toml(),
        fleet.leader_text(&format!("{SLOW}min_prepublish = \"47h\"\n")),
    );
    let t1 = "rule T1, profile web: min_prepublish + arm_lead + 2*clock_skew (2days 10m) must be less than interval (2days)";
    fleet.leader_that_ends().await.refused(&[t1, "make interval longer"]);
    let many: String = (0..21).map(|number| SLOW.replace("web", &format!("web{number}"))).collect();
    write(&fleet.leader_toml(), fleet.leader_text(&many));
    fleet
        .leader_that_ends()
        .await
        .refused(&["rule T6", "21 profiles can have 105 keys at once"]);
    let text = format!(
        "intervall = \"3h\"\n{}bits = 1024\nuse = \"wrap\"\n",
        SLOW.replace("ES256", "RS256")
    );
    write(&fleet.leader_toml(), fleet.leader_text(&text));
    let said = fleet.leader_that_ends().await;
    said.refused(&["line 8: intervall: unknown key; the keys here are", "1024", "\"wrap\""]);
}

#[tokio::test]
async fn what_is_not_there_is_named_with_the_command_that_makes_it() {
    let fleet = Fleet::configured(SLOW);
    fleet.leader_that_ends().await.refused(&["master.key", "`jkeys init leader`"]);
    fleet.init().await.done();
    let nowhere = fleet.root().join("nowhere.toml");
    let said = run(["--config", nowhere.to_str().unwrap(), "leader"]).await;
    said.refused(&[
        "there is no configuration at",
        "nowhere.toml",
        "`jkeys init leader` writes one",
    ]);
    let said = run(["--config", nowhere.to_str().unwrap(), "agent"]).await;
    said.refused(&["nowhere.toml", "`jkeys init agent` writes one"]);
    let said = run(["--config", nowhere.to_str().unwrap(), "status"]).await;
    said.refused(&["nowhere.toml"]);
    fs::remove_dir_all(fleet.leader_state()).unwrap();
    let said = fleet.leader_that_ends().await;
    said.refused(&["there is no keystore in", "`jkeys init leader`"]);
    assert!(!fleet.leader_state().exists(), "nothing is made by a start that is refused");
}

#[tokio::test]
async fn a_master_key_that_is_short_another_or_open_to_others_is_refused() {
    let fleet = Fleet::founded(SLOW).await;
    let key = fs::read(fleet.master_key()).unwrap();
    write(&fleet.master_key(), &key[..key.len() / 2]);
    fleet.leader_that_ends().await.refused(&["the master key", "is not one"]);
    let other = Fleet::founded(SLOW).await;
    write(&fleet.master_key(), fs::read(other.master_key()).unwrap());
    fleet.leader_that_ends().await.refused(&["sealed under another master key"]);
    write(&fleet.master_key(), key);
    fs::set_permissions(fleet.master_key(), Permissions::from_mode(0o644)).unwrap();
    fleet
        .leader_that_ends()
        .await
        .refused(&["has mode 0644", "others may read", "chmod 0600"]);
    fs::set_permissions(fleet.master_key(), Permissions::from_mode(0o600)).unwrap();
    let mut fleet = fleet;
    fleet.start_leader().await;
}

#[tokio::test]
async fn a_fleet_is_founded_once() {
    let fleet = Fleet::founded(SLOW).await;
    let (before, key) = (files(&fleet.leader_state()), fs::read(fleet.master_key()).unwrap());
    fleet.init().await.refused(&["is not empty", "Name another"]);
    assert_eq!(files(&fleet.leader_state()), before);
    assert_eq!(fs::read(fleet.master_key()).unwrap(), key);
}

/// Every file under a folder, with its bytes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push((path.display().to_string(), fs::read(path).unwrap()));
        }
    }
    files.sort();
    files
}

#[tokio::test]
async fn a_second_leader_on_one_keystore_is_refused() {
    let fleet = Fleet::running(SLOW, &[]).await;
    let holder = format!("pid {}", fleet.leader.as_ref().unwrap().pid());
    let said = fleet.leader_that_ends().await;
    said.refused(&["another jkeys leader", &holder, "uses this keystore", "stop it first"]);
    assert!(fleet.status().await.is_some(), "the first one goes on");
}

#[tokio::test]
async fn a_damaged_keystore_is_refused_and_says_how_to_restore() {
    let mut fleet = Fleet::running(SLOW, &["a"]).await;
    fleet.stop_leader().await;
    let (db, saved) = (fleet.leader_state().join("db"), fleet.root().join("saved"));
    copy_folder(&db, &saved);
    let whole = fs::read(saved.join("db")).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for place in [64..512, used / 2..used / 2 + 512, used - 512..used, 0..whole.len()] {
        let mut damaged = whole.clone();
        damaged[place].iter_mut().for_each(|byte| *byte ^= 0x5a);
        write(&db.join("db"), damaged);
        let said = fleet.leader_that_ends().await;
        said.refused(&["jkeys restore", "The newest snapshot is"]);
        fs::remove_dir_all(&db).unwrap();
        copy_folder(&saved, &db);
    }
    write(&db.join("db"), b"");
    let said = fleet.leader_that_ends().await;
    said.refused(&["jkeys restore", "The newest snapshot is"]);
    fs::remove_dir_all(&db).unwrap();
    copy_folder(&saved, &db);
    fleet.start_leader().await;
    fleet.all_in_service().await;
}

#[tokio::test]
async fn an_older_database_is_refused() {
    let mut fleet = Fleet::running(SLOW, &[]).await;
    fleet.stop_leader().await;
    let (db, old) = (fleet.leader_state().join("db"), fleet.root().join("old"));
    copy_folder(&db, &old);
    fleet.start_leader().await;
    fleet.token("a").await;
    fleet.stop_leader().await;
    fs::remove_dir_all(&db).unwrap();
    copy_folder(&old, &db);
    fleet
        .leader_that_ends()
        .await
        .refused(&["older than it was", "jkeys restore", "snapshots"]);
}

/// Nothing on the leader's disk tells that all of it is old. The nodes do (rule R5).
#[tokio::test]
async fn an_older_copy_of_the_whole_keystore_decides_nothing_once_a_node_was_heard() {
    let mut fleet = Fleet::running(SLOW, &["a"]).await;
    fleet.stop_leader().await;
    let (state, old) = (fleet.leader_state(), fleet.root().join("old"));
    copy_folder(&state, &old);
    fleet.start_leader().await;
    let rotated = ["rotate", "--now", "--force", "--reason", "superseded"];
    fleet.run(&rotated).await.done();
    let generation = fleet.all_in_service().await.generation;
    fleet.stop_leader().await;
    fs::remove_dir_all(&state).unwrap();
    copy_folder(&old, &state);
    fleet.start_leader().await;
    let halt = until("a leader that has noticed", async || fleet.status().await?.halted).await;
    assert_eq!(halt.ahead().unwrap().generation, generation);
    fleet
        .run(&rotated)
        .await
        .refused(&["node a has seen", "older than what the nodes hold", "restore"]);
    let said = fleet.run(&["status"]).await;
    said.ended(0, &["the leader decides nothing more: node a has seen epoch"]);
    assert_eq!(
        fleet.node("a").await.unwrap().on_disk,
        Some(generation),
        "the node keeps what it has"
    );
}
