//! `jkeys plan` and `--dry-run`, held against what the fleet then does.

use std::collections::BTreeMap;

use jkeys::rpc::admin::{Accepted, Compromised, Document, Finished, HistoryPage, PlanCall, Progress, RotateCall, schema};
use jkeys::rpc::documents::{Awaited, Decided, DryRun, Happening, Plan, Planned, PlannedKey, Trust};
use jkeys::rpc::proto;
use jkeys::types::{KeySpec, NodeName, Reason, Span, Time};

use crate::cluster::{Cluster, ES256, rotate_now};

/// One event: when, what, and the kid or the node that it is about.
type Told = (Time, &'static str, String);

async fn plan(cluster: &Cluster, span: Span) -> Plan {
    let request = proto::PlanRequest::from(PlanCall { span });
    let document = cluster.admin().await.plan(request).await.unwrap().into_inner();
    Document::from(document).read(schema::PLAN).unwrap()
}

async fn records(cluster: &Cluster) -> Vec<serde_json::Value> {
    let request = proto::HistoryRequest {
        limit: 10_000,
        ..proto::HistoryRequest::default()
    };
    let document = cluster.admin().await.history(request).await.unwrap().into_inner();
    let page: HistoryPage = Document::from(document).read(schema::HISTORY).unwrap();
    let read = |record: &serde_json::value::RawValue| serde_json::from_str(record.get()).unwrap();
    page.records.iter().map(|record| read(record)).collect()
}

const ACTIONS: [(Happening, &str); 9] = [
    (Happening::Published, "prepublished"),
    (Happening::Armed, "armed"),
    (Happening::Signs, "activated"),
    (Happening::Retires, "retired"),
    (Happening::Destroyed, "destroyed"),
    (Happening::Removed, "removed"),
    (Happening::RevocationConfirmed, "revocation_confirmed"),
    (Happening::EntersService, "entered_service"),
    (Happening::LeavesService, "left_service"),
];

/// What the log says from record `from` on, as far as a plan speaks of it; and the kids made since, by profile.
fn happened(records: &[serde_json::Value], from: usize) -> (Vec<Told>, BTreeMap<String, Vec<String>>) {
    let (mut told, mut made): (Vec<Told>, BTreeMap<String, Vec<String>>) = Default::default();
    for record in &records[from..] {
        let event = &record["event"];
        let Some((_, action)) = ACTIONS.iter().find(|(_, action)| event["action"] == *action) else {
            continue;
        };
        let kid = if *action == "prepublished" {
            &event["key"]["kid"]
        } else {
            &event["kid"]
        };
        let about = kid.as_str().or(event["node"].as_str()).unwrap().to_owned();
        if *action == "prepublished" {
            made.entry(event["profile"].as_str().unwrap().to_owned())
                .or_default()
                .push(about.clone());
        }
        told.push((record["time"].as_str().unwrap().parse().unwrap(), action, about));
    }
    told.sort();
    (told, made)
}

/// What a plan says, in the words of the log.
fn foretold(plan: &Plan, made: &BTreeMap<String, Vec<String>>) -> Vec<Told> {
    let about = |row: &Planned| match (&row.key, &row.node) {
        (Some(PlannedKey::Kid(kid)), _) => kid.to_string(),
        (Some(PlannedKey::Next(number)), _) => {
            let profile = row.profile.as_ref().unwrap().to_string();
            made[&profile][usize::try_from(*number).unwrap() - 1].clone()
        }
        (None, node) => node.as_ref().unwrap().to_string(),
    };
    let action = |row: &Planned| ACTIONS.iter().find(|(event, _)| *event == row.event).unwrap().1;
    let mut told: Vec<Told> = plan.events.iter().map(|row| (row.at, action(row), about(row))).collect();
    told.sort();
    told
}

/// Lets the clock stand at every instant that the plan names, and holds the log against it.
async fn comes_true(cluster: &mut Cluster, plan: &Plan) {
    let from = records(cluster).await.len();
    for row in &plan.events {
        let left = row.at.since(cluster.clock.now());
        cluster.pass(left, Span::hours(4)).await;
    }
    cluster.pass(plan.until.since(cluster.clock.now()), Span::hours(4)).await;
    let (told, made) = happened(&records(cluster).await, from);
    assert_eq!(foretold(plan, &made), told);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_what_the_plan_said_event_by_event() {
    let text = format!("{ES256}[[profile]]\nname = \"api\"\nalg = \"Ed25519\"\ninterval = \"60h\"\n");
    let mut cluster = Cluster::with_nodes(&text, &["a", "b"]).await;
    cluster.pass(Span::hours(5), Span::hours(1)).await;
    let plan = plan(&cluster, Span::hours(7 * 24)).await;
    assert!(plan.events.len() > 25 && plan.absent.is_empty(), "{plan:#?}");
    comes_true(&mut cluster, &plan).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_foresees_anchored_rotations_a_change_of_algorithm_and_a_profile_that_leaves() {
    let profile = |name: &str, rest: &str| format!("[[profile]]\nname = \"{name}\"\n{rest}\nanchor = \"02:00Z\"\n");
    let api = profile("api", "alg = \"Ed25519\"\ninterval = \"72h\"");
    let before = format!(
        "{}{api}{}",
        profile("web", "alg = \"ES256\""),
        profile("old", "alg = \"ES256\"")
    );
    let mut cluster = Cluster::with_nodes(&before, &["a", "b"]).await;
    cluster.pass(Span::hours(9), Span::hours(1)).await;
    let after = format!("{}{api}", profile("web", "alg = \"ES384\""));
    cluster.reload(&after).await.unwrap();
    cluster
        .until(|status| status.keys.iter().any(|key| key.spec == KeySpec::Es384))
        .await;
    cluster.rest().await;
    let plan = plan(&cluster, Span::hours(9 * 24)).await;
    let of = |event, profile: &str| {
        let of_profile = |row: &&Planned| row.event == event && row.profile.as_ref().is_some_and(|of| of.as_str() == profile);
        plan.events.iter().filter(of_profile).collect::<Vec<_>>()
    };
    for (profile, days) in [("web", &[17, 19, 21, 23][..]), ("api", &[18, 21, 24])] {
        let signs: Vec<String> = of(Happening::Signs, profile).iter().map(|row| row.at.to_string()).collect();
        let expected: Vec<String> = days.iter().map(|day| format!("2027-01-{day}T02:00:00.000Z")).collect();
        assert_eq!(signs, expected, "{profile}");
    }
    assert_eq!(of(Happening::Signs, "web")[0].into, Some(KeySpec::Es384));
    assert!(of(Happening::Signs, "web")[1..].iter().all(|row| row.into.is_none()));
    let gives_way = of(Happening::Removed, "web")[0];
    assert_eq!(gives_way.waits_for, Awaited::Successor, "the standby of the old algorithm");
    assert_eq!(
        of(Happening::Removed, "old").len(),
        1,
        "its key is removed, and nothing follows"
    );
    comes_true(&mut cluster, &plan).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_with_a_node_that_is_away_comes_true_as_well() {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    cluster.pass(Span::mins(47 * 60 + 30), Span::hours(1)).await;
    cluster.stop_agent("b").await;
    let mut told = plan(&cluster, Span::hours(100)).await;
    // The leader sees in its own time that the stream has ended.
    while told.absent.is_empty() {
        tokio::task::yield_now().await;
        told = plan(&cluster, Span::hours(100)).await;
    }
    assert_eq!(told.absent, ["b".parse::<NodeName>().unwrap()]);
    let removed = told.events.iter().find(|row| row.event == Happening::Removed).unwrap();
    assert!(removed.if_answered.is_some_and(|at| at < removed.at), "{removed:?}");
    comes_true(&mut cluster, &told).await;
}

async fn dry_run(cluster: &Cluster, call: RotateCall) -> DryRun {
    let steps = cluster.rotate(RotateCall { dry_run: true, ..call }).await.unwrap();
    let [
        Progress::Accepted(Accepted {
            generation: None,
            decision,
        }),
    ] = &steps[..]
    else {
        panic!("a dry run has one step: {steps:?}");
    };
    decision.read(schema::DRY_RUN).unwrap()
}

fn stolen(kid: &str) -> RotateCall {
    RotateCall {
        reason: Reason::Compromised,
        compromised: Compromised::Key(kid.parse().unwrap()),
        ..rotate_now()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_the_command_then_does_and_leaves_no_trace() {
    let mut cluster = Cluster::with_nodes(&format!("served_max_age = \"10m\"\n{ES256}"), &["a", "b"]).await;
    cluster.pass(Span::hours(27), Span::hours(1)).await;
    let call = stolen(&cluster.kids("active").await[0]);
    let (status, log) = (cluster.status().await, records(&cluster).await);
    let foreseen = dry_run(&cluster, call.clone()).await;
    assert_eq!((cluster.status().await, records(&cluster).await), (status, log));
    let until = Some(Trust::Until {
        after_last_confirmation: Span::mins(10),
        at_the_earliest: cluster.clock.now() + Span::mins(10),
    });
    assert_eq!(foreseen.relying_parties.trust, until);
    assert!(foreseen.nodes.len() == 2 && foreseen.nodes.iter().all(|node| node.answers));

    let steps = cluster.rotate(call).await.unwrap();
    let Progress::Accepted(accepted) = &steps[0] else {
        panic!("{steps:?}")
    };
    let decided: Decided = accepted.decision.read(schema::DECISION).unwrap();
    assert_eq!(
        (foreseen.generation, foreseen.changes, foreseen.remarks),
        (accepted.generation, decided.changes, decided.remarks)
    );
    let status = cluster.status().await;
    for key in &foreseen.keys {
        let now = status
            .keys
            .iter()
            .find(|now| now.kid == key.kid)
            .map_or("revoked", |now| &now.state);
        assert_eq!(now, key.to, "{key:?}");
    }
    assert_eq!(foreseen.keys.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_is_refused_as_the_command_is_and_not_recorded() {
    let cluster = Cluster::with_nodes(ES256, &["a"]).await;
    let foreseen = dry_run(&cluster, rotate_now()).await;
    assert_eq!(cluster.count("refused").await, 0);
    let refused = cluster.rotate(rotate_now()).await.unwrap_err().to_string();
    assert_eq!(foreseen.refused, Some(refused));
    let forced = RotateCall {
        force: true,
        ..rotate_now()
    };
    let forced = dry_run(&cluster, forced).await;
    assert_eq!(
        forced.relying_parties.young[0].ready_at,
        cluster.clock.now() + Span::hours(26)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_names_the_node_that_the_command_then_waits_for() {
    let mut cluster = Cluster::with_nodes(ES256, &["a", "b"]).await;
    cluster.pass(Span::hours(27), Span::hours(1)).await;
    cluster.stop_agent("b").await;
    let call = RotateCall {
        wait: Span(0),
        ..stolen(&cluster.kids("active").await[0])
    };
    let mut foreseen = dry_run(&cluster, call.clone()).await;
    while foreseen.nodes.iter().all(|node| node.connected) {
        tokio::task::yield_now().await;
        foreseen = dry_run(&cluster, call.clone()).await;
    }
    let late: Vec<_> = foreseen
        .nodes
        .iter()
        .filter(|node| !node.answers)
        .map(|node| node.node.as_str())
        .collect();
    assert_eq!(late, ["b"]);
    assert!(matches!(&foreseen.relying_parties.trust, Some(Trust::Unknown { why }) if why.contains('b')));
    let steps = cluster.rotate(call).await.unwrap();
    let Some(Progress::Finished(Finished { missing, .. })) = steps.last() else {
        panic!("{steps:?}")
    };
    assert!(missing.iter().any(|node| node.as_str() == "b"), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_of_a_planned_rotation_says_when_it_will_be() {
    let mut cluster = Cluster::with_nodes(ES256, &["a"]).await;
    cluster.pass(Span::hours(10), Span::hours(1)).await;
    let call = RotateCall {
        now: false,
        ..rotate_now()
    };
    let foreseen = dry_run(&cluster, call.clone()).await;
    assert_eq!(foreseen.generation, None, "nothing new reaches the nodes yet");
    let signs = foreseen.then.last().unwrap();
    assert_eq!(
        (signs.event, signs.at.since(cluster.clock.now())),
        (Happening::Signs, Span::hours(16) + Span::mins(5)),
        "min_prepublish and clock_skew after it was published"
    );
    let standby = cluster.kids("prepublished").await;
    cluster.rotate(call).await.unwrap();
    cluster.pass(Span::hours(17), Span::hours(1)).await;
    assert_eq!(cluster.kids("active").await, standby);
}
