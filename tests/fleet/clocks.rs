//! Rule R9 on a fleet: the leader's clock jumps and is set right, and nodes have clocks of their own that are wrong.

use jkeys::lifecycle::{Doubt, Wait};
use jkeys::types::{Now, Span, Time};

use crate::cluster::{Cluster, ES256, rotate_now};

const STEP: Span = Span::mins(20);
const YEAR: Span = Span::hours(365 * 24);

impl Cluster {
    /// Sets the wall clock of the leader's machine; its monotonic clock goes on.
    fn set_leader_clock(&self, wall: Time) {
        self.leader_clock.1.tell(Now {
            wall,
            ..self.clock.read()
        });
    }

    /// Sets the wall clock of a node's machine.
    fn set_node_clock(&self, name: &str, wall: Time) {
        self.node_clocks[name].1.tell(Now {
            wall,
            ..self.clock.read()
        });
    }
}

/// The time of the newest record.
async fn recorded_at(cluster: &Cluster) -> Time {
    cluster.records().await.last().unwrap()["time"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

/// Whether the schedule rests for the clock.
async fn doubted(cluster: &Cluster) -> Option<Doubt> {
    let waits = cluster.status().await.waits;
    waits.into_iter().find_map(|waiting| match waiting.wait {
        Wait::Clock(doubt) => Some(doubt),
        _ => None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_rotate_now_goes_on_while_the_leaders_clock_is_years_wrong_and_the_log_is_not_poisoned() {
    for (hours, ahead) in [(3, true), (365 * 24 * 3, false)] {
        let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
        cluster.pass(Span::hours(28), STEP).await;
        let (right, by) = (cluster.clock.now(), Span::hours(hours));
        let wrong = if ahead { right + by } else { right - by };
        cluster.set_leader_clock(wrong);
        cluster.rest().await;
        assert_eq!(doubted(&cluster).await, Some(Doubt::Jumped), "{hours}h");
        let status = cluster.status().await;
        assert_eq!((status.now, status.clock.shows), (right, wrong));
        cluster.rotate(rotate_now()).await.unwrap();
        cluster.pass(Span::hours(1), STEP).await;
        assert_eq!(
            cluster.count("activated").await,
            2,
            "rotate --now goes on, and its tokens verify"
        );
        assert!(recorded_at(&cluster).await <= cluster.clock.now());
        cluster.set_leader_clock(cluster.clock.now());
        cluster.rest().await;
        assert_eq!(doubted(&cluster).await, None, "the clock is back");
        cluster.pass(Span::hours(52), STEP).await;
        assert_eq!(cluster.count("activated").await, 3, "the schedule goes on from there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_a_leader_that_starts_with_a_clock_years_ahead_still_reaches_its_nodes() {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    cluster.pass(Span::hours(28), STEP).await;
    cluster.stop_leader().await;
    cluster.set_leader_clock(cluster.clock.now() + YEAR);
    cluster.start_leader().await.unwrap();
    cluster.rest().await;
    assert_eq!(doubted(&cluster).await, Some(Doubt::Unconfirmed));
    assert_eq!(recorded_at(&cluster).await, cluster.clock.now());
    cluster.rotate(rotate_now()).await.unwrap();
    cluster.pass(Span::hours(1), STEP).await;
    cluster.set_leader_clock(cluster.clock.now());
    cluster.rest().await;
    assert_eq!(doubted(&cluster).await, None);
    cluster.pass(Span::hours(30), STEP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_a_node_whose_clock_is_wrong_is_named_and_switches_with_the_others() {
    for (wrong_by, ahead) in [(Span::hours(5), true), (Span::hours(5), false)] {
        let mut cluster = Cluster::with_nodes(ES256, &["a", "b", "c"]).await;
        cluster.pass(Span::hours(20), STEP).await;
        let right = cluster.clock.now();
        cluster.set_node_clock("c", if ahead { right + wrong_by } else { right - wrong_by });
        cluster.pass(Span::mins(27 * 60 + 20), STEP).await;
        let shown = cluster.node("c").await.clock_wrong_by_ms.unwrap();
        assert_eq!(
            (shown.unsigned_abs(), shown > 0),
            (wrong_by.0, ahead),
            "status names the node and the difference"
        );
        let armed = cluster.kids("armed").await.remove(0);
        cluster.stop_leader().await;
        cluster.stop_agent("c").await;
        cluster.start_agent("c");
        cluster.stepper.advance(Span::mins(30));
        let signs = |status: &jkeys::agent::core::Status| {
            let installed = status.installed.as_ref();
            installed.is_some_and(|installed| installed.signing.iter().any(|kid| kid.as_str() == armed))
        };
        cluster.until_agent("c", |status| status.installed.is_some()).await;
        assert!(!signs(&cluster.agent_status("c")), "not early");
        cluster.stepper.advance(Span::mins(11));
        for node in ["a", "b", "c"] {
            cluster.until_agent(node, signs).await;
        }
        cluster.probe().await;
    }
}
