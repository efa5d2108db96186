use super::fake::Fake;
use super::*;
use crate::audit::{Record, canonical};
use crate::cli::samples::{kid, quiet, troubled};
use crate::lifecycle::{Action, Event};
use crate::rpc::admin::{Document, HistoryCall, Who, schema};
use crate::types::{Actor, Digest, Epoch, Generation, Seq, Span};

/// A status document with a member that this release does not know, and spaces, to see that it is given on as it came.
fn odd_status() -> Document {
    let json = serde_json::to_string(&quiet()).unwrap();
    let json = json.replacen('{', "{ \"new\" : 1, ", 1).into_bytes();
    let schema = schema::STATUS.to_owned();
    Document { schema, json }
}

fn log() -> Vec<String> {
    let record = |seq| {
        let epoch = Epoch(seq);
        canonical(&Record {
            schema: 1,
            seq: Seq(seq),
            time: NOW,
            clock: None,
            actor: Actor::Schedule,
            event: Event::Started { epoch, absence: None },
            generation: Generation(0),
            digest: Digest([0; 32]),
        })
    };
    (0..5).map(|seq| String::from_utf8(record(seq)).unwrap()).collect()
}

#[tokio::test]
async fn status_is_shown_or_given_on_as_it_came() {
    let status = odd_status();
    let served = Fake {
        status: status.clone(),
        ..Fake::default()
    }
    .serve();
    let shown = jkeys(&served, "status").await;
    assert_eq!(shown.outcome.unwrap(), Exit::Done);
    assert!(shown.out.starts_with("leader  epoch 3"), "{}", shown.out);
    let json = jkeys(&served, "status --json").await.out;
    assert_eq!(json, format!("{}\n", String::from_utf8(status.json).unwrap()));
}

#[tokio::test]
async fn status_of_another_schema_is_said_in_words() {
    let status = Document::write("jkeys.status/2", &troubled()).unwrap();
    let served = Fake {
        status,
        ..Fake::default()
    }
    .serve();
    for line in ["status", "status --json", "keys list --json"] {
        let refused = jkeys(&served, line).await.refused();
        assert!(refused.contains("same release as the leader"), "{refused}");
    }
}

#[tokio::test]
async fn a_watch_shows_each_change_until_the_leader_ends_it() {
    let served = Fake {
        changes: 3,
        ..Fake::default()
    }
    .serve();
    let watched = jkeys(&served, "status --watch").await;
    assert_eq!(watched.out.matches("leader  epoch 3").count(), 3);
    assert!(watched.refused().contains("the leader ended the watch"));
    let json = jkeys(&served, "status --watch --json").await.out;
    assert_eq!(json.lines().count(), 3);
    let (_, outcome) = jkeys_to(&mut Gone, &served, "status --watch").await;
    assert_eq!(outcome.unwrap(), Exit::Done);
}

#[tokio::test]
async fn keys_and_nodes_are_parts_of_the_status() {
    let served = Fake {
        status: odd_status(),
        ..Fake::default()
    }
    .serve();
    assert!(jkeys(&served, "keys list").await.out.starts_with("KEY "));
    assert!(jkeys(&served, "node list").await.out.starts_with("NODE "));
    let keys = serde_json::to_string(&quiet().keys).unwrap();
    assert_eq!(jkeys(&served, "keys list --json").await.out, keys + "\n");
    let nodes = serde_json::to_string(&quiet().nodes).unwrap();
    assert_eq!(jkeys(&served, "node list --json").await.out, nodes + "\n");
}

#[tokio::test]
async fn one_key_is_shown_by_its_kid() {
    let served = Fake::default().serve();
    let key = &quiet().keys[1];
    let shown = jkeys(&served, &format!("keys show {}", key.kid)).await.out;
    assert!(shown.starts_with(&format!("kid          {}\n", key.kid)), "{shown}");
    let json = jkeys(&served, &format!("keys show {} --json", key.kid)).await.out;
    assert_eq!(json, serde_json::to_string(key).unwrap() + "\n");
    assert_eq!(jkeys(&served, "keys show x").await.refused(), "there is no key x");
}

#[tokio::test]
async fn history_is_byte_for_byte_what_is_stored() {
    let served = Fake {
        log: log(),
        ..Fake::default()
    }
    .serve();
    assert_eq!(jkeys(&served, "history --json").await.out, log().join("\n") + "\n");
}

#[tokio::test]
async fn history_is_read_to_its_end_page_by_page() {
    let fake = Fake {
        log: log(),
        ..Fake::default()
    };
    let line = "history --kid -a --since 1h --until 30m --node vm-1 --actor 1000/ada --action revoked,armed";
    let shown = jkeys(&fake.serve(), line).await;
    assert_eq!(shown.outcome.unwrap(), Exit::Done);
    let lines: Vec<&str> = shown.out.lines().collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(
        lines[4],
        "     4  2026-11-23T06:05:04.000Z  schedule  leader started, epoch 4"
    );
    let asked = fake.asked.lock().unwrap();
    let pages: Vec<u64> = asked.pages.iter().map(|page| page.from_seq).collect();
    assert_eq!(pages, [0, 2, 4]);
    let call = HistoryCall::try_from(asked.pages[2].clone()).unwrap();
    assert_eq!((call.kid, call.since), (Some(kid("-a")), Some(NOW - Span::hours(1))));
    assert_eq!(
        (call.until, call.node),
        (Some(NOW - Span::mins(30)), Some("vm-1".parse().unwrap()))
    );
    assert_eq!(call.actor, Some(Who::User(1000, "ada".to_owned())));
    assert_eq!(call.actions, [Action::Armed, Action::Revoked].into());
}

#[tokio::test]
async fn history_ends_quietly_when_its_reader_goes_away() {
    let fake = Fake {
        log: log(),
        ..Fake::default()
    };
    let (_, outcome) = jkeys_to(&mut Gone, &fake.serve(), "history").await;
    assert_eq!(outcome.unwrap(), Exit::Done);
    assert_eq!(fake.asked.lock().unwrap().pages.len(), 1);
}

#[tokio::test]
async fn a_record_of_a_newer_release_is_said_in_words() {
    let served = Fake {
        log: vec![r#"{"seq":0,"event":{"action":"danced"}}"#.to_owned()],
        ..Fake::default()
    }
    .serve();
    let refused = jkeys(&served, "history").await.refused();
    assert!(refused.contains("newer jkeys"), "{refused}");
    assert!(jkeys(&served, "history --json").await.out.contains("danced"));
}

#[tokio::test]
async fn a_token_is_alone_on_standard_output() {
    let made = jkeys(&Fake::default().serve(), "node token vm-4 --ttl 30m").await;
    assert_eq!(made.out, "token-for-vm-4\n");
    assert!(
        made.notes.contains("until 2026-11-23T06:35:04.000Z (in 30m)"),
        "{}",
        made.notes
    );
}

#[tokio::test]
async fn a_plan_is_the_running_leaders() {
    let fake = Fake::default();
    let served = fake.serve();
    let shown = jkeys(&served, "plan --days 2").await;
    assert!(shown.out.starts_with("plan of the running leader, epoch 3"), "{}", shown.out);
    assert_eq!(shown.outcome.unwrap(), Exit::Done);
    assert_eq!(fake.asked.lock().unwrap().plans[0].span_ms, 2 * 24 * 3_600_000);
    let json = jkeys(&served, "plan --json").await.out;
    assert_eq!(json, serde_json::to_string(&crate::cli::samples::a_plan()).unwrap() + "\n");
}

#[tokio::test]
async fn a_plan_is_of_the_configuration_where_no_leader_runs_or_nodes_are_named() {
    let of = "plan of the configuration, for a fleet that is founded now with";
    let alone = jkeys(&Served::without_leader(), "plan").await;
    assert!(alone.out.starts_with(&format!("{of} 3 nodes")), "{}", alone.out);
    assert_eq!(alone.outcome.unwrap(), Exit::Done);
    let named = jkeys(&Fake::default().serve(), "plan --nodes 5").await;
    assert!(named.out.starts_with(&format!("{of} 5 nodes")), "{}", named.out);
}

#[tokio::test]
async fn a_plan_of_an_unsafe_configuration_ends_with_1_and_names_rules_and_numbers() {
    let served = Served::without_leader();
    let config = "[[profile]]\nname = \"main\"\nalg = \"ES256\"\ninterval = \"20h\"\n";
    served.configure(config);
    let shown = jkeys(&served, "plan --nodes 1").await;
    assert!(shown.out.contains("rule T1, profile main"), "{}", shown.out);
    assert!(shown.out.contains("must be less than interval (20h)"), "{}", shown.out);
    assert!(shown.refused().contains("breaks 2 timing rules"));
    let json = jkeys(&served, "plan --nodes 1 --json").await;
    assert!(json.out.contains("\"rule\":\"T5\""), "{}", json.out);
    json.refused();
}
