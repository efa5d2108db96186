//! `jkeys audit`: a log that was exported is checked with nothing but its key, and no change of it passes.

use std::fs;
use std::path::{Path, PathBuf};

use jkeys::audit::{Checkpoint, NoteKey, Record, Tree, leaf_hash, origin};
use jkeys::lifecycle::Event;
use jkeys::types::{Seq, TreeHead, WitnessKey};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::Value;

use crate::fleet::{Fleet, SLOW};
use crate::process::{Said, copy_folder, run, until, write};

const FORCED: [&str; 5] = ["rotate", "--now", "--force", "--reason", "superseded"];

/// A fleet that has rotated, and its exported log.
async fn exported() -> (Fleet, PathBuf) {
    let fleet = Fleet::running(SLOW, &["a", "b"]).await;
    fleet.run(&FORCED).await.done();
    fleet.all_in_service().await;
    let out = fleet.root().join("export");
    until("a log that both nodes have cosigned as it is", async || {
        let _ = fs::remove_dir_all(&out);
        fleet
            .run(&["audit", "export", "--out", out.to_str().unwrap(), "--tiles"])
            .await
            .done();
        let said = verify(&out, &key(&out)).await.done();
        let newest = ["a", "b"].map(|node| said.contains(&format!("cosigned by node {node}")));
        (newest == [true, true]).then_some(())
    })
    .await;
    (fleet, out)
}

fn key(export: &Path) -> String {
    fs::read_to_string(export.join("log.key")).unwrap().trim().to_owned()
}

/// Without a leader and without a configuration.
async fn verify(path: &Path, key: &str) -> Said {
    run(["audit", "verify", path.to_str().unwrap(), "--key", key]).await
}

fn records(export: &Path) -> Vec<String> {
    let text = fs::read_to_string(export.join("records.jsonl")).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn put(export: &Path, records: &[String]) {
    write(&export.join("records.jsonl"), records.join("\n") + "\n");
}

/// Every text that differs from `record` in one member, at any depth.
fn changed(record: &str) -> Vec<String> {
    let mut paths = Vec::new();
    leaves(&serde_json::from_str(record).unwrap(), String::new(), &mut paths);
    let change = |path: &String| {
        let mut value: Value = serde_json::from_str(record).unwrap();
        let leaf = value.pointer_mut(path).unwrap();
        *leaf = match leaf.take() {
            Value::Null => Value::from("x"),
            Value::Bool(is) => Value::from(!is),
            Value::Number(number) => Value::from(number.as_u64().unwrap() + 1),
            Value::String(text) => Value::from(text.replacen(char::is_alphanumeric, "q", 1) + "1"),
            Value::Array(_) => Value::from(vec!["x"]),
            Value::Object(_) => serde_json::json!({ "x": 1 }),
        };
        serde_json::to_string(&value).unwrap()
    };
    paths.iter().map(change).collect()
}

fn leaves(value: &Value, at: String, paths: &mut Vec<String>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                leaves(member, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), paths);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (place, item) in items.iter().enumerate() {
                leaves(item, format!("{at}/{place}"), paths);
            }
        }
        _ => paths.push(at),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_record_can_be_changed_dropped_swapped_or_added() {
    let (_fleet, out) = exported().await;
    let (key, good) = (key(&out), records(&out));
    assert!(good.len() > 10);
    let mut wrong: Vec<Vec<String>> = Vec::new();
    for (at, record) in good.iter().enumerate() {
        for other in changed(record) {
            assert_ne!(other, *record);
            let mut records = good.clone();
            records[at] = other;
            wrong.push(records);
        }
        let mut dropped = good.clone();
        dropped.remove(at);
        wrong.push(dropped);
        let mut doubled = good.clone();
        doubled.insert(at, record.clone());
        wrong.push(doubled);
        if at > 0 {
            let mut swapped = good.clone();
            swapped.swap(at - 1, at);
            wrong.push(swapped);
        }
    }
    let last: Value = serde_json::from_str(good.last().unwrap()).unwrap();
    let mut added = last;
    added["seq"] = Value::from(good.len());
    wrong.push([&good[..], &[added.to_string()]].concat());
    wrong.push(vec![]);
    // Each in a folder of its own, a few at a time.
    let count = wrong.len();
    for records in wrong {
        put(&out, &records);
        let said = verify(&out, &key).await;
        assert_eq!(said.status, 1, "{said:?}\n{records:#?}");
        assert!(said.err.contains("the log is not whole"), "{said:?}");
    }
    assert!(count > 200, "{count} changes");
    put(&out, &good);
    verify(&out, &key).await.done();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_or_a_key_of_another_log_is_refused() {
    let (fleet, out) = exported().await;
    let (key, records) = (key(&out), records(&out));
    // An older export has an older checkpoint.
    let older = fleet.root().join("older");
    copy_folder(&out, &older);
    fleet.token("c").await;
    let newer = fleet.root().join("newer");
    let words = ["audit", "export", "--out", newer.to_str().unwrap()];
    let said = fleet.run(&words).await.done();
    assert!(said.contains("jkeys audit verify"), "{said}");
    fleet.run(&words).await.refused(&["is not empty", "--out"]);
    fs::copy(older.join("checkpoint"), newer.join("checkpoint")).unwrap();
    verify(&newer, &key)
        .await
        .refused(&["dropped from the end, or put there unsigned"]);
    // One record less, and the older checkpoint with it, is an older log, and whole.
    put(&newer, &records);
    fs::remove_dir_all(newer.join("cosigned")).unwrap();
    verify(&newer, &key).await.done();
    let stranger = NoteKey::of_log(&origin(&"another.example".parse().unwrap()), WitnessKey([7; 32]));
    verify(&older, &stranger.to_string())
        .await
        .refused(&["take the checkpoint, or the key, of the same fleet"]);
    verify(&older, "nonsense").await.refused(&["no verifier key"]);
    // Without a key it is only in itself whole, and it says so.
    let said = run(["audit", "verify", older.to_str().unwrap()]).await;
    said.ended(0, &["the log is whole", "came with the log"]);
    let json = run(["audit", "verify", older.to_str().unwrap(), "--key", &key, "--json"])
        .await
        .done();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["records"], &json["key_was_given"]),
        (&Value::from(records.len()), &Value::from(true))
    );
    assert_eq!(json["witnesses"].as_object().unwrap().len(), 2);
    // The running leader's own, without a folder.
    fleet
        .run(&["audit", "verify", "--key", &key])
        .await
        .ended(0, &["the log is whole"]);
}

/// Somebody who holds the log's key writes another log. What the nodes have cosigned tells, and so does an unlawful story.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_the_logs_key_can_not_tell_an_unlawful_story() {
    let (_fleet, out) = exported().await;
    let thief = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    let public = WitnessKey(thief.public_key().as_ref().try_into().unwrap());
    let mut records: Vec<Record> = records(&out)
        .iter()
        .map(|record| Record::from_bytes(record.as_bytes()).unwrap())
        .collect();
    let Event::Founded { fleet } = &mut records[0].event else {
        panic!("the first record");
    };
    fleet.log_public_key = public;
    let key = NoteKey::of_log(&origin(&fleet.trust_domain), public);
    let sign = |records: Vec<Record>| {
        let mut tree = Tree::default();
        let lines: Vec<String> = (0..)
            .zip(records)
            .map(|(seq, record)| {
                let bytes = Record { seq: Seq(seq), ..record }.to_bytes();
                tree.append(leaf_hash(&bytes), &mut Vec::new());
                String::from_utf8(bytes).unwrap()
            })
            .collect();
        put(&out, &lines);
        let head = TreeHead {
            size: tree.size(),
            root: tree.root(),
        };
        let origin = key.name().to_owned();
        let note = Checkpoint { origin, head }.sign(&key, &|message| thief.sign(message).as_ref().try_into().unwrap());
        write(&out.join("checkpoint"), note.to_string());
    };
    sign(records.clone());
    verify(&out, &key.to_string()).await.refused(&["not signed by the log's key"]);
    fs::remove_dir_all(out.join("cosigned")).unwrap();
    verify(&out, &key.to_string()).await.ended(0, &["no node has cosigned it"]);
    let dropped = |action: &str| {
        let mut records = records.clone();
        let at = records.iter().position(|record| record.event.name() == action).unwrap();
        records.remove(at);
        records
    };
    for action in ["retired", "enrolled", "token_issued", "started", "prepublished"] {
        sign(dropped(action));
        let said = verify(&out, &key.to_string()).await;
        said.refused(&["the log is not whole"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_of_a_record_is_checked_alone() {
    let (fleet, out) = exported().await;
    let key = key(&out);
    let status = fleet.status().await.unwrap();
    let kid = status.keys[0].kid.to_string();
    let file = fleet.root().join("proof");
    let path = file.to_str().unwrap();
    let said = fleet.run(&["audit", "prove", "--kid", &kid, "--out", path]).await.done();
    assert!(said.contains("check it anywhere"), "{said}");
    verify(&file, &key).await.ended(0, &["proved by", &kid]);
    run(["audit", "verify", path]).await.refused(&["--key"]);
    let stranger = NoteKey::of_log(key.split('+').next().unwrap(), WitnessKey([7; 32]));
    verify(&file, &stranger.to_string())
        .await
        .refused(&["not signed by the log's key"]);
    let good = fs::read_to_string(&file).unwrap();
    for (place, line) in good.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let mut lines: Vec<String> = good.lines().map(str::to_owned).collect();
        let middle = line.len() / 2;
        let middle = (middle..line.len()).find(|at| line.is_char_boundary(*at)).unwrap();
        let other = if &line[middle..=middle] == "A" { "B" } else { "A" };
        lines[place].replace_range(middle..=middle, other);
        write(&file, lines.join("\n") + "\n");
        let said = verify(&file, &key).await;
        assert_eq!(said.status, 1, "line {place}: {said:?}");
    }
    let seq = fleet.run(&["audit", "prove", "--seq", "0"]).await.done();
    write(&file, seq);
    verify(&file, &key).await.ended(0, &["founded"]);
    fleet
        .run(&["audit", "prove", "--seq", "99999"])
        .await
        .refused(&["there is no record 99999"]);
    fleet
        .run(&["audit", "prove", "--kid", "nobody"])
        .await
        .refused(&["no record speaks of a key nobody"]);
    assert_eq!(fleet.run(&["audit", "prove"]).await.status, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_was_kept_is_the_beginning_of_the_log_for_ever() {
    let (fleet, out) = exported().await;
    let kept = fleet.root().join("kept");
    write(&kept, fleet.run(&["audit", "checkpoint"]).await.done());
    let kept = kept.to_str().unwrap();
    let size = || async {
        let json = fleet.run(&["audit", "checkpoint", "--json"]).await.done();
        serde_json::from_str::<Value>(&json).unwrap()["size"].as_u64().unwrap()
    };
    let before = size().await;
    fleet.token("c").await;
    let now = size().await.to_string();
    assert_ne!(before.to_string(), now);
    let key = key(&out);
    let said = fleet.run(&["audit", "consistency", kept, &now, "--key", &key]).await;
    said.ended(0, &["the log goes on from what it was", &format!("{before} records")]);
    fleet.run(&["audit", "consistency", "1", &now]).await.done();
    let json = fleet.run(&["audit", "consistency", "1", &now, "--json"]).await.done();
    assert!(
        serde_json::from_str::<Value>(&json).unwrap()["hashes"]
            .as_array()
            .unwrap()
            .len()
            > 1
    );
    fleet
        .run(&["audit", "consistency", &now, "1"])
        .await
        .refused(&["there is no way from a log"]);
    fleet
        .run(&["audit", "consistency", "1", "99999"])
        .await
        .refused(&["audit checkpoint"]);
    fleet
        .run(&["audit", "consistency", "nowhere", "1"])
        .await
        .refused(&["nowhere", "can't be read"]);
}
