//! Leader and agents that stop and start, in each state of a key.

use std::path::Path;

use jkeys::agent::disk::Disk;
use jkeys::dev::read_node;
use jkeys::leader::Leader;
use jkeys::lifecycle::view;
use jkeys::outputs::prove;
use jkeys::rpc::admin::RotateCall;
use jkeys::types::Span;

use crate::cluster::{Cluster, ES256, rotate_now};

const STEP: Span = Span::mins(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_may_restart_in_each_state_of_a_key() {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    let first = cluster.kids("active").await;
    let standby = cluster.kids("prepublished").await;
    for (pass, state) in [
        (Span::hours(20), "prepublished"),
        (Span::mins(27 * 60 + 10), "armed"),
        (Span::mins(50), "active"),
    ] {
        cluster.pass(pass, STEP).await;
        assert!(cluster.kids(state).await.contains(&standby[0]), "{standby:?} is not {state}");
        cluster.restart_leader(Span::mins(2)).await;
        cluster.rest().await;
        cluster.probe().await;
        assert!(cluster.kids(state).await.contains(&standby[0]), "{state} after the restart");
    }
    assert_eq!(
        cluster.kids("retiring").await,
        first,
        "the last restart was in the middle of a retirement too"
    );
    cluster.pass(Span::hours(49), STEP).await;
    assert_ne!(cluster.kids("active").await, standby);
    assert_eq!(cluster.status().await.epoch.0, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_an_armed_key_activates_on_time_with_the_leader_away() {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    cluster.pass(Span::mins(47 * 60 + 20), STEP).await;
    let armed = cluster.kids("armed").await.remove(0);
    cluster.stop_leader().await;
    for _ in 0..3 {
        cluster.stepper.advance(STEP);
        cluster.probe().await;
    }
    for node in ["a", "b"] {
        let signs = |status: &jkeys::agent::core::Status| {
            status
                .installed
                .as_ref()
                .is_some_and(|installed| installed.signing.iter().any(|kid| kid.as_str() == armed))
        };
        cluster.until_agent(node, signs).await;
    }
    cluster.probe().await;
    cluster.start_leader().await.unwrap();
    cluster.rest().await;
    cluster.probe().await;
    assert_eq!(cluster.kids("active").await, [armed]);
    cluster.pass(Span::hours(3), STEP).await;
    assert!(cluster.kids("retiring").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_an_agent_restarted_without_its_leader_keeps_its_promise() {
    let mut cluster = Cluster::with_nodes(ES256, &["a"]).await;
    cluster.pass(Span::mins(47 * 60 + 20), STEP).await;
    let armed = cluster.kids("armed").await.remove(0);
    cluster.stop_leader().await;
    cluster.stop_agent("a").await;
    // A reboot on a node whose views are on tmpfs: nothing but the state is left.
    std::fs::remove_file(cluster.agent_folder("a").join("live")).unwrap();
    std::fs::remove_dir_all(cluster.agent_folder("a").join("views")).unwrap();
    cluster.stepper.advance(Span::hours(1));
    cluster.start_agent("a");
    // The leader is asked for 30 s from the start on.
    cluster.until_agent("a", |status| status.highest_generation.0 > 0).await;
    cluster.stepper.advance(Span::secs(31));
    cluster.until_agent("a", |status| status.ready).await;
    let signing = cluster.agent_status("a").installed.unwrap().signing;
    assert_eq!(
        signing.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [armed],
        "what fell due meanwhile signs"
    );
    cluster.probe().await;
    cluster.start_leader().await.unwrap();
    cluster.rest().await;
    cluster.probe().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_stopped_between_staging_and_swap_starts_from_one_whole_view() {
    let mut cluster = Cluster::with_nodes(ES256, &["a"]).await;
    let folder = cluster.agent_folder("a");
    cluster.stop_agent("a").await;
    let live = std::fs::read_link(folder.join("live")).unwrap();
    let old = read_node(&folder).unwrap().unwrap();
    copy_folder(&folder.join(&live), &cluster.root().join("old"));
    // The node takes the next generation. With its old view put back, its folder is as it was when all but the view was written.
    cluster.start_agent("a");
    let forced = RotateCall {
        force: true,
        ..rotate_now()
    };
    cluster.rotate(forced).await.unwrap();
    cluster.rest().await;
    cluster.stop_agent("a").await;
    let new = std::fs::read_link(folder.join("live")).unwrap();
    assert_ne!(new, live);
    std::fs::remove_dir_all(folder.join("views")).unwrap();
    copy_folder(&cluster.root().join("old"), &folder.join(&live));
    std::fs::remove_file(folder.join("live")).unwrap();
    std::os::unix::fs::symlink(&live, folder.join("live")).unwrap();
    // It stages, and stops there.
    {
        let disk = Disk::open(folder.clone(), None, None, None).unwrap();
        let found = disk.load().unwrap();
        let (bundle, trusted) = (found.cached.unwrap(), found.trusted.unwrap());
        let target = view(&bundle.set, &trusted.switches(), cluster.clock.now());
        drop(disk.stage(&bundle, &target).unwrap());
    }
    assert!(
        folder.join(&new).join("private.jwks.json").exists(),
        "the next view is staged"
    );
    let seen = read_node(&folder).unwrap().unwrap();
    assert_eq!(seen.public, old.public);
    let private = seen.private.unwrap();
    assert_eq!(private.expose(), old.private.unwrap().expose());
    prove(&seen.public, private.expose()).unwrap();
    // The leader must hear it anew, from the restart on.
    cluster.stepper.advance(Span::secs(1));
    cluster.start_agent("a");
    cluster.rest().await;
    cluster.probe().await;
    assert_eq!(std::fs::read_link(folder.join("live")).unwrap(), new);
    assert!(!folder.join(&live).exists(), "the old view is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_a_node_leaves_an_old_leader_that_answers_first_for_the_next_address() {
    let mut cluster = Cluster::with_nodes(ES256, &["a"]).await;
    let new = cluster.config();
    cluster.stop_leader().await;
    let mut old = new.clone();
    old.state_dir = cluster.root().join("old");
    old.admin_socket = cluster.root().join("old.sock");
    copy_folder(&new.state_dir, &old.state_dir);
    // Its terms are then above those of the copy.
    cluster.start_leader().await.unwrap();
    cluster.restart_leader(Span::mins(1)).await;
    cluster.rest().await;

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    old.listen = taken.local_addr().unwrap();
    drop(taken);
    let leader = Leader::open(&old, cluster.clock.clone()).await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(leader.serve(async move {
        let _ = stopped.await;
    }));
    cluster.stop_agent("a").await;
    let folder = cluster.agent_folder("a");
    let text = format!(
        "state_dir = \"{}\"\nleader_addresses = [\"{}\", \"{}\"]\n",
        folder.display(),
        old.listen,
        new.listen
    );
    cluster.start_agent_with("a", &text);
    let refuses = |status: &jkeys::agent::core::Status| {
        status
            .problem
            .as_ref()
            .is_some_and(|why| why.contains("an old one runs still"))
    };
    cluster.until_agent("a", refuses).await;
    cluster
        .until_agent("a", |status| status.connected && status.problem.is_none())
        .await;
    let generation = cluster.status().await.generation;
    cluster.until(|status| status.nodes[0].confirmed == Some(generation)).await;
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let copy = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &copy);
        } else {
            std::fs::copy(entry.path(), copy).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_was_away_gets_the_generation_in_force_at_once() {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    cluster.stop_agent("b").await;
    cluster.pass(Span::hours(22), STEP).await;
    let generation = cluster.status().await.generation;
    cluster.start_agent("b");
    cluster
        .until(|status| status.nodes.iter().all(|node| node.confirmed == Some(generation)))
        .await;
}

/// An index entry is gone from the database.
fn damage(state_dir: &Path) {
    let database = sled::open(state_dir.join("db")).unwrap();
    let index = database.open_tree("kid_index").unwrap();
    let (first, _) = index.first().unwrap().unwrap();
    index.remove(first).unwrap();
    database.flush().unwrap();
}

async fn refuses_to_start(cluster: &mut Cluster) {
    let refused = cluster.start_leader().await.unwrap_err().to_string();
    assert!(
        refused.contains("kid_index") && refused.contains("jkeys restore"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_history_is_damaged_does_not_start() {
    let mut cluster = Cluster::with_nodes(ES256, &["a"]).await;
    cluster.rest().await;
    cluster.stop_leader().await;
    damage(&cluster.config().state_dir);
    refuses_to_start(&mut cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_long_history_is_damaged_stops_and_does_not_start_again() {
    let mut cluster = Cluster::with_nodes(ES256, &["a"]).await;
    cluster.rest().await;
    cluster.stop_leader().await;
    let state_dir = cluster.config().state_dir;
    damage(&state_dir);
    // A database of this size is not waited for; what is added is a hole.
    let data = std::fs::OpenOptions::new().write(true).open(state_dir.join("db/db")).unwrap();
    data.set_len(1100 << 20).unwrap();
    // Found by the check behind the start, or already when it asks the index.
    cluster.start_leader().await.unwrap();
    let ended = cluster.leader_end().await.unwrap_err().to_string();
    assert!(ended.contains("kid_index") && ended.contains("jkeys restore"), "{ended}");
    refuses_to_start(&mut cluster).await;
}
