//! A leader that is made again from a snapshot, on the same machine or on another.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jkeys::crypto::seal::MasterKey;
use jkeys::keystore::{Keystore, SecretName, snapshot_files};
use jkeys::leader::founding::read_master_key;
use jkeys::leader::restore::{Outcome, Request, RestoreError, restore};
use jkeys::lifecycle::Halted;
use jkeys::rpc::admin::{RevokeCall, RotateCall};
use jkeys::rpc::proto;
use jkeys::types::{Actor, Kid, Reason, Span};

use crate::adopting::{adopt, adopted_as_foreseen, ask, check_log, confirmed_by};
use crate::cluster::{Cluster, ES256, rotate_now};
use crate::log::copy;

/// By a clock that stands still nobody waits for a node that is away.
fn forced() -> RotateCall {
    RotateCall {
        force: true,
        wait: Span(0),
        ..rotate_now()
    }
}

/// A fleet whose leader is gone, and what is left of its folder.
pub struct Lost {
    pub cluster: Cluster,
    state: PathBuf,
    master: MasterKey,
    made: u32,
}

impl Lost {
    /// After a rotation, and a revocation that came after the newest snapshot but one.
    async fn leader() -> Self {
        let cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
        cluster.rotate(forced()).await.unwrap();
        cluster.rest().await;
        Self::of(cluster).await
    }

    pub async fn of(mut cluster: Cluster) -> Self {
        cluster.stop_leader().await;
        let config = cluster.config();
        let master = read_master_key(&config.master_key_file).unwrap();
        // The database is what was lost.
        fs::remove_dir_all(config.state_dir.join("db")).unwrap();
        Self {
            cluster,
            state: config.state_dir,
            master,
            made: 0,
        }
    }

    pub fn snapshots(&self) -> Vec<PathBuf> {
        snapshot_files(&self.state).unwrap()
    }

    /// The folder of the last restore.
    pub fn dir(&self) -> PathBuf {
        self.cluster.root().join(format!("restored-{}", self.made))
    }

    /// With the segments of the lost folder.
    pub fn restore(&mut self, file: &Path, without_later: bool) -> Result<Outcome, RestoreError> {
        self.made += 1;
        self.restore_as(file, without_later, "jkeys.internal")
    }

    /// Into the folder of the last restore again, for a fleet of that name.
    fn restore_as(&self, file: &Path, without_later: bool, trust_domain: &str) -> Result<Outcome, RestoreError> {
        let request = Request {
            file,
            segments: Some(&self.state.join("segments")),
            without_later,
            dir: &self.dir(),
            trust_domain: &trust_domain.parse().unwrap(),
        };
        let actor = Actor::User {
            uid: 0,
            name: "root".to_owned(),
        };
        restore(&request, &self.master, &actor, &self.cluster.clock)
    }

    fn refusal(&mut self, file: &Path) -> String {
        let why = self.restore(file, false).expect_err("it must be refused").to_string();
        assert!(!self.dir().join("anchor").exists(), "nothing was written: {why}");
        why
    }

    fn has_secret(&self, kid: &str) -> bool {
        let kid: Kid = kid.parse().unwrap();
        let keystore = Keystore::open(&self.dir(), &self.master).unwrap();
        keystore.secret_names().unwrap().contains(&SecretName::Key(kid))
    }
}

async fn revoke(cluster: &Cluster, kid: &str) {
    let call = RevokeCall {
        kid: kid.parse().unwrap(),
        reason: Reason::Superseded,
        comment: None,
        destroy: false,
        dry_run: false,
        wait: Span(0),
    };
    let answer = cluster.admin().await.revoke(proto::RevokeRequest::from(call)).await.unwrap();
    let mut steps = answer.into_inner();
    while steps.message().await.unwrap().is_some() {}
}

/// Nothing that was acknowledged is lost: the records after the snapshot are in the segments. The nodes find the leader at its new
/// address, take it for the one that it was, and nothing is decided until an operator says so.
#[tokio::test(flavor = "multi_thread")]
async fn r5_a_leader_restored_on_another_machine_is_where_it_was_and_decides_nothing() {
    let cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    cluster.rotate(forced()).await.unwrap();
    cluster.rest().await;
    let (before, active) = (cluster.status().await, cluster.kids("active").await);
    let told = cluster.records().await.len();
    let mut lost = Lost::of(cluster).await;
    let newest = lost.snapshots().remove(0);
    let outcome = lost.restore(&newest, false).unwrap();
    assert!(outcome.lost.is_empty() && outcome.left_out == 0, "{outcome:?}");
    let dir = lost.dir();
    let mut cluster = lost.cluster;
    for node in ["a", "b"] {
        cluster.stop_agent(node).await;
    }
    let address = cluster.move_leader(&dir);
    cluster.start_leader().await.unwrap();
    // Nothing that nodes had confirmed came with the snapshot.
    let status = cluster.status().await;
    assert!(
        status.nodes.iter().all(|node| node.unknown && node.owing_since.is_none()),
        "{:?}",
        status.nodes
    );
    for node in ["a", "b"] {
        let folder = cluster.agent_folder(node);
        let text = format!("state_dir = \"{}\"\nleader_addresses = [\"{address}\"]\n", folder.display());
        cluster.start_agent_with(node, &text);
    }
    cluster
        .until(|status| {
            let confirmed = |node: &jkeys::rpc::documents::NodeStatus| {
                node.confirmed == Some(status.generation) && node.heard_at == Some(status.now)
            };
            status.nodes.iter().all(confirmed)
        })
        .await;
    let after = cluster.status().await;
    assert!(after.nodes.iter().all(|node| !node.unknown));
    assert_eq!(after.generation, before.generation);
    assert!(after.epoch > before.epoch);
    assert!(matches!(after.halted, Some(Halted::Restored { .. })), "{:?}", after.halted);
    assert_eq!(cluster.kids("active").await, active);
    let records = cluster.records().await;
    assert_eq!(records[told]["event"]["action"], "restored", "{:#}", records[told]);
    let since = records[told + 1..].iter();
    let since: Vec<&str> = since.filter_map(|record| record["event"]["action"].as_str()).collect();
    assert_eq!(since, ["started", "leader_certified"], "it decided nothing");
    let refused = cluster.rotate(forced()).await.unwrap_err().to_string();
    assert!(
        refused.contains("jkeys audit adopt") && refused.contains("restored from version"),
        "{refused}"
    );
    cluster.probe().await;
    // No node is further on, so there is nothing to give up.
    ask(&cluster, adopt(&[])).await.unwrap();
    confirmed_by(&cluster, &["a", "b"]).await;
    let status = cluster.status().await;
    assert!(
        status.halted.is_none() && status.inherited.is_empty(),
        "{:?}",
        status.inherited
    );
    assert!(status.generation > before.generation && status.epoch > after.epoch);
    assert_eq!(cluster.kids("active").await, active);
    let records = cluster.records().await;
    let adopted = records.iter().find(|record| record["event"]["action"] == "adopted").unwrap();
    assert_eq!(adopted["event"]["given_up"], serde_json::json!([]), "{adopted:#}");
    cluster.probe().await;
    check_log(&cluster).await;
    cluster.rotate(forced()).await.unwrap();
    confirmed_by(&cluster, &["a", "b"]).await;
    assert_ne!(cluster.kids("active").await, active, "it decides again");
}

/// Behind a snapshot without the later records its nodes are ahead: the adoption ends that halt too, and what is revoked stays so.
#[tokio::test(flavor = "multi_thread")]
async fn r5_a_leader_restored_from_an_older_snapshot_goes_on_above_its_nodes() {
    let cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    // Both nodes are in the snapshot.
    cluster.rotate(forced()).await.unwrap();
    cluster.rest().await;
    let copied = cluster.root().join("copied/snapshots");
    copy(&cluster.config().state_dir.join("snapshots"), &copied);
    let standby = cluster.kids("prepublished").await.remove(0);
    revoke(&cluster, &standby).await;
    cluster.rest().await;
    let (before, active) = (cluster.status().await, cluster.kids("active").await);
    let mut lost = Lost::of(cluster).await;
    let old = snapshot_files(copied.parent().unwrap()).unwrap().remove(0);
    lost.restore(&old, true).unwrap();
    let dir = lost.dir();
    let mut cluster = lost.cluster;
    for node in ["a", "b"] {
        cluster.stop_agent(node).await;
    }
    let address = cluster.move_leader(&dir);
    cluster.start_leader().await.unwrap();
    for node in ["a", "b"] {
        let folder = cluster.agent_folder(node);
        let text = format!("state_dir = \"{}\"\nleader_addresses = [\"{address}\"]\n", folder.display());
        cluster.start_agent_with(node, &text);
    }
    for node in ["a", "b"] {
        cluster.until_agent(node, |status| status.problem.is_some()).await;
    }
    adopted_as_foreseen(&cluster, &["a", "b"], &[]).await;
    let status = cluster.status().await;
    assert!(status.halted.is_none() && status.generation > before.generation);
    assert!(status.keys.iter().all(|key| key.kid.as_str() != standby));
    assert_eq!(cluster.kids("active").await, active);
    check_log(&cluster).await;
}

/// A private half that was destroyed since the snapshot, and a key that was revoked since, do not come back.
#[tokio::test(flavor = "multi_thread")]
async fn r8_what_was_revoked_or_destroyed_since_the_snapshot_does_not_come_back() {
    let cluster = Cluster::with_nodes(ES256, &["a"]).await;
    let old = cluster.kids("active").await.remove(0);
    let standby = cluster.kids("prepublished").await.remove(0);
    cluster.rotate(forced()).await.unwrap();
    cluster.rest().await;
    let (state, copied) = (cluster.config().state_dir, cluster.root().join("copied/snapshots"));
    copy(&state.join("snapshots"), &copied);
    revoke(&cluster, &standby).await;
    cluster.rest().await;
    let mut lost = Lost::of(cluster).await;
    let mut brought = 0;
    for file in snapshot_files(copied.parent().unwrap()).unwrap() {
        // With the records after it, and without: a revocation stands either way.
        for without_later in [false, true] {
            let outcome = lost.restore(&file, without_later);
            let Ok(outcome) = outcome else { continue };
            brought += outcome.restoration.later;
            assert!(!lost.has_secret(&standby), "it was revoked");
            assert!(!lost.has_secret(&old), "it was destroyed");
            let revoked: &[Kid] = if without_later { &[standby.parse().unwrap()] } else { &[] };
            assert_eq!(outcome.revoked, revoked);
        }
    }
    assert!(brought > 0);
    let newest = lost.snapshots().remove(0);
    lost.restore(&newest, false).unwrap();
    assert!(!lost.has_secret(&standby) && !lost.has_secret(&old));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_whose_private_half_is_in_no_file_goes_and_a_key_in_use_is_not_given_up() {
    let mut lost = Lost::leader().await;
    let snapshots = lost.snapshots();
    let (mut dropped, mut refused) = (false, false);
    for file in &snapshots {
        match lost.restore(file, false) {
            Ok(outcome) => {
                dropped |= !outcome.lost.is_empty();
                let keystore = Keystore::open(&lost.dir(), &lost.master).unwrap();
                for kid in &outcome.lost {
                    // Its history says so, in the keystore's last record.
                    let end = keystore.load().unwrap().next_seq;
                    assert_eq!(
                        keystore.records_of(kid).unwrap().last().map(|own| own.next()),
                        Some(end),
                        "{kid}"
                    );
                }
            }
            Err(RestoreError::LostKeys(kids)) => {
                assert_eq!(kids.len(), 1);
                refused = true;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(dropped && refused, "{dropped} {refused} of {} snapshots", snapshots.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_trusted_is_not_restored() {
    let mut lost = Lost::leader().await;
    let newest = lost.snapshots().remove(0);
    let segment = lost.state.join("segments/00000000000000000000.jsonl");
    let whole = fs::read(&segment).unwrap();
    // A record that somebody appended who has no master key: the anchor does not vouch for it.
    let text = String::from_utf8(whole.clone()).unwrap();
    let newest_record = text.lines().last().unwrap();
    let mut file = OpenOptions::new().append(true).open(&segment).unwrap();
    writeln!(file, "{newest_record}").unwrap();
    let outcome = lost.restore(&newest, false).unwrap();
    assert_eq!(outcome.left_out, 1);
    // A record that was changed, and one that is missing.
    for changed in [
        text.replacen("\"uid\":0", "\"uid\":1", 1),
        text[..text.len() - newest_record.len() - 1].to_owned(),
    ] {
        assert_ne!(changed, text);
        put(&segment, changed.as_bytes());
        let why = lost.refusal(&newest);
        assert!(
            why.contains("at hand") && why.contains("--segments") || why.contains("segments"),
            "{why}"
        );
    }
    fs::remove_file(&segment).unwrap();
    assert!(lost.refusal(&newest).contains("or use a backup"));
    put(&segment, &whole);
    let anchor = fs::read(lost.state.join("anchor")).unwrap();
    let unsigned = anchor.split(|byte| *byte == b'\n').take(2).collect::<Vec<_>>().join(&b'\n');
    put(&lost.state.join("anchor"), &[&unsigned[..], b"\n"].concat());
    let outcome = lost.restore(&newest, false).unwrap();
    let known = outcome.restoration.records + outcome.left_out;
    assert_eq!(known, text.lines().count() as u64, "without an anchor nothing later is taken");
    put(&lost.state.join("anchor"), &anchor);
    lost.made += 1;
    let why = lost.restore_as(&newest, false, "other.example").unwrap_err();
    assert!(why.to_string().contains("founded as"), "{why}");
    fs::create_dir_all(lost.dir().join("x")).unwrap();
    let why = lost.restore_as(&newest, false, "jkeys.internal").unwrap_err();
    assert!(why.to_string().contains("not empty"), "{why}");
    lost.master = MasterKey::generate().unwrap();
    assert!(lost.refusal(&newest).contains("another master key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_restored_beside_a_leader_that_runs() {
    let cluster = Cluster::with_nodes(ES256, &["a"]).await;
    let config = cluster.config();
    let snapshots = snapshot_files(&config.state_dir).unwrap();
    let mut lost = Lost {
        master: read_master_key(&config.master_key_file).unwrap(),
        state: config.state_dir,
        cluster,
        made: 0,
    };
    let why = lost.refusal(&snapshots[0]);
    assert!(why.contains("stop it first"), "{why}");
    lost.cluster.stop_leader().await;
    lost.restore(&snapshots[0], false).unwrap();
}

/// It fails at first: that is shown, holds nothing up, and is tried again.
#[tokio::test(flavor = "multi_thread")]
async fn the_backup_hook_runs_after_each_snapshot_and_holds_nothing_up() {
    let outside = tempfile::tempdir().unwrap();
    let (there, copied) = (outside.path().join("there"), outside.path().join("copied"));
    let script = format!(
        "test -e {} && cp $JKEYS_SNAPSHOT {} && test -d $JKEYS_STATE_DIR/segments",
        there.display(),
        copied.display()
    );
    let text = format!("[backup]\nargv = [\"/bin/sh\", \"-c\", \"{script}\"]\n{ES256}");
    let cluster = Cluster::with_nodes(&text, &["a"]).await;
    let failed = |status: &jkeys::rpc::documents::Status| status.backup.as_ref().is_some_and(|backup| backup.problem.is_some());
    cluster.until(failed).await;
    let why = cluster.status().await.backup.unwrap().problem.unwrap().why;
    assert!(why.contains("the hook /bin/sh failed"), "{why}");
    put(&there, b"");
    cluster.stepper.advance(Span::mins(5));
    cluster.until(|status| !failed(status)).await;
    let newest = || snapshot_files(&cluster.config().state_dir).unwrap().remove(0);
    assert_eq!(fs::read(&copied).unwrap(), fs::read(newest()).unwrap());
    let before = newest();
    cluster.rotate(forced()).await.unwrap();
    cluster.rest().await;
    assert_ne!(newest(), before);
    let mut found = false;
    for _ in 0..500 {
        found = fs::read(&copied).unwrap() == fs::read(newest()).unwrap();
        if found {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(found, "the newest snapshot was not copied");
}

fn put(path: &Path, bytes: &[u8]) {
    jkeys::durable::write_file(path, bytes, &jkeys::durable::FileAttrs::mode(0o600)).unwrap();
}
