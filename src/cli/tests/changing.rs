use std::time::Duration;

use super::fake::Fake;
use super::*;
use crate::cli::admin::Leader;
use crate::cli::follow::{follow, patience};
use crate::cli::samples::{a_dry_run, decided, names};
use crate::rpc::admin::{Accepted, Confirmation, Document, Finished, Progress, RevokeCall, Trusted, schema};
use crate::rpc::{ErrorKind, Failure};
use crate::types::{Generation, Reason, Span};

const NOW_LINE: &str = "rotate --now --compromised stolen --reason compromised";

fn accepted() -> Progress {
    Progress::Accepted(Accepted {
        generation: Some(Generation(43)),
        decision: Document::write(schema::DECISION, &decided()).unwrap(),
    })
}

fn confirmed(node: &str, after_ms: u64, remaining: u32) -> Progress {
    Progress::Confirmation(Confirmation {
        node: node.parse().unwrap(),
        at: NOW + Span(after_ms),
        remaining,
    })
}

fn finished(missing: &[&str], trusted: Trusted) -> Progress {
    let missing = names(missing);
    Progress::Finished(Finished { missing, trusted })
}

fn fake(steps: impl IntoIterator<Item = Progress>) -> Fake {
    Fake {
        rotation: Ok(steps.into_iter().map(Ok).collect()),
        ..Fake::default()
    }
}

fn whole() -> Fake {
    fake([
        accepted(),
        confirmed("vm-10", 120, 1),
        confirmed("vm-1", 340, 0),
        finished(&[], Trusted::Until(NOW + Span::mins(10))),
    ])
}

fn partly() -> Fake {
    fake([
        accepted(),
        confirmed("vm-1", 120, 1),
        finished(&["vm-10"], Trusted::Unknown("vm-10 has not confirmed".to_owned())),
    ])
}

#[tokio::test]
async fn an_adoption_asks_what_its_flags_say_and_needs_words() {
    let fake = whole();
    let (asked, leader) = (fake.asked.clone(), fake.serve());
    let line = "audit adopt --comment restored --without vm-1 --without vm-2 --believe vm-3 --disbelieve vm-4 --wait 5m";
    let done = jkeys(&leader, line).await;
    assert_eq!(done.outcome.unwrap().status(), 0);
    let request = asked.lock().unwrap().adoptions.pop().unwrap();
    assert_eq!(
        (request.comment.as_str(), request.wait_ms, request.dry_run),
        ("restored", 300_000, false)
    );
    assert_eq!(
        (request.without, request.believe, request.disbelieve),
        (
            vec!["vm-1".to_owned(), "vm-2".to_owned()],
            vec!["vm-3".to_owned()],
            vec!["vm-4".to_owned()]
        )
    );
    assert!(
        Cli::try_parse_from(["jkeys", "audit", "adopt"]).is_err(),
        "an adoption says why"
    );
}

#[tokio::test]
async fn a_rotation_that_all_confirm_ends_with_0() {
    let done = jkeys(&whole().serve(), NOW_LINE).await;
    let expected = "\
key stolen is revoked
key next signs
note: profile main has no standby until a new key is 26h old
generation 43, to be confirmed by 2 nodes
vm-10  confirmed after 0.12 s   (1 left)
vm-1   confirmed after 0.34 s   (0 left)
all nodes have confirmed
verifiers that honour their cache time trust what was revoked until 2026-11-23T06:15:04.000Z at the latest
";
    assert_eq!((done.out.as_str(), done.notes.as_str()), (expected, ""));
    assert_eq!(done.outcome.unwrap().status(), 0);
}

#[tokio::test]
async fn a_rotation_that_some_confirm_ends_with_3_and_names_the_others() {
    for line in [NOW_LINE, "revoke stolen --reason compromised"] {
        let done = jkeys(&partly().serve(), line).await;
        assert!(done.out.contains("\nnot confirmed by vm-10; "), "{}", done.out);
        assert!(done.out.ends_with("is not known: vm-10 has not confirmed\n"), "{}", done.out);
        assert_eq!(done.outcome.unwrap().status(), 3);
    }
}

#[tokio::test]
async fn a_rotation_goes_on_when_nobody_reads_what_it_says() {
    let (_, outcome) = jkeys_to(&mut Gone, &partly().serve(), NOW_LINE).await;
    assert_eq!(outcome.unwrap(), Exit::Partly);
}

#[tokio::test]
async fn a_refusal_ends_with_1_in_the_leaders_words() {
    let served = Fake {
        rotation: Err(Failure::refused("standby b has not been published for long enough (rule R1)")),
        ..Fake::default()
    }
    .serve();
    let refused = jkeys(&served, "rotate --now --reason superseded").await;
    assert_eq!(refused.out, "");
    assert_eq!(
        refused.refused(),
        "standby b has not been published for long enough (rule R1)"
    );
}

#[tokio::test]
async fn a_connection_that_breaks_says_what_is_known() {
    let away = || Failure::new(ErrorKind::Unavailable, "the leader is gone");
    let before = Fake {
        rotation: Err(away()),
        ..Fake::default()
    };
    let said = jkeys(&before.serve(), NOW_LINE).await.refused();
    assert!(said.contains("look at `jkeys history` before you try again"), "{said}");
    let mut after = whole();
    after.rotation = Ok(vec![Ok(accepted()), Err(away())]);
    let said = jkeys(&after.serve(), NOW_LINE).await.refused();
    assert!(said.contains("the leader is gone; what was decided stands"), "{said}");
    let said = jkeys(&fake([accepted()]).serve(), NOW_LINE).await.refused();
    assert!(said.contains("too early; what was decided stands"), "{said}");
    let said = jkeys(&fake([confirmed("vm-1", 1, 0)]).serve(), NOW_LINE).await.refused();
    assert!(said.contains("out of order"), "{said}");
}

#[tokio::test]
async fn a_leader_that_hangs_is_given_up() {
    let mut hanging = fake([accepted()]);
    hanging.hangs = true;
    let served = hanging.serve();
    let cli = Cli::try_parse_from(["jkeys", "--config", &served.config(), "status"]).unwrap();
    let mut leader = Leader::connect(&cli.place).await.unwrap();
    let call = RevokeCall {
        kid: "stolen".parse().unwrap(),
        reason: Reason::Compromised,
        comment: None,
        dry_run: false,
        wait: Span(0),
        destroy: false,
    };
    let steps = leader.revoke(call).await.unwrap();
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let mut screen = Screen::new(&mut out, &mut notes, None);
    let gave_up = follow(steps, Duration::from_millis(1), false, &mut screen).await.unwrap_err();
    assert!(
        gave_up.to_string().contains("the leader sent nothing more in time"),
        "{gave_up}"
    );
    assert!(patience(Span::secs(60)) > Duration::from_secs(60));
}

#[tokio::test]
async fn with_json_each_step_is_an_object_on_a_line() {
    let line = format!("{NOW_LINE} --json");
    let out = jkeys(&whole().serve(), &line).await.out;
    let decision = serde_json::to_string(&decided()).unwrap();
    let expected = [
        &format!(r#"{{"event":"accepted","generation":43,"decision":{decision}}}"#),
        r#"{"event":"confirmed","node":"vm-10","at":"2026-11-23T06:05:04.120Z","remaining":1}"#,
        r#"{"event":"confirmed","node":"vm-1","at":"2026-11-23T06:05:04.340Z","remaining":0}"#,
        r#"{"event":"finished","missing":[],"trusted_until":"2026-11-23T06:15:04.000Z","trusted_unknown":null}"#,
    ];
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
    let out = jkeys(&partly().serve(), &line).await.out;
    let last = r#"{"event":"finished","missing":["vm-10"],"trusted_until":null,"trusted_unknown":"vm-10 has not confirmed"}"#;
    assert_eq!(out.lines().last(), Some(last));
}

#[tokio::test]
async fn compromised_without_a_key_says_that_nothing_is_revoked() {
    let fake = whole();
    let served = fake.serve();
    let done = jkeys(&served, "rotate --now --reason compromised").await;
    assert!(done.notes.contains("this revokes nothing"), "{}", done.notes);
    assert!(
        done.notes.contains("`jkeys revoke KID --reason compromised`"),
        "{}",
        done.notes
    );
    assert_eq!(jkeys(&served, "rotate --now --reason superseded").await.notes, "");
    assert_eq!(fake.asked.lock().unwrap().rotations.len(), 2);
}

#[tokio::test]
async fn flags_that_contradict_each_other_reach_no_leader() {
    let fake = whole();
    let refused = jkeys(&fake.serve(), "rotate --now --compromised all --reason compromised --use a").await;
    let error = refused.outcome.unwrap_err();
    assert!(error.to_string().contains("leave --use and --profile out"), "{error}");
    assert_eq!(error.status(), 2);
    assert!(fake.asked.lock().unwrap().rotations.is_empty());
}

fn foreseen(dry_run: &crate::rpc::documents::DryRun) -> Fake {
    fake([Progress::Accepted(Accepted {
        generation: None,
        decision: Document::write(schema::DRY_RUN, dry_run).unwrap(),
    })])
}

#[tokio::test]
async fn a_dry_run_asks_for_nothing_else_and_shows_what_would_happen() {
    let fake = foreseen(&a_dry_run());
    let served = fake.serve();
    for line in [
        &format!("{NOW_LINE} --dry-run"),
        "revoke stolen --reason compromised --dry-run",
        "rotate --dry-run",
    ] {
        let shown = jkeys(&served, line).await;
        assert!(shown.out.starts_with("a dry run: nothing is decided"), "{}", shown.out);
        assert_eq!(shown.outcome.unwrap(), Exit::Done);
    }
    let asked = std::mem::take(&mut fake.asked.lock().unwrap().rotations);
    assert!(asked.len() == 2 && asked.iter().all(|request| request.dry_run));
    let json = jkeys(&served, "rotate --dry-run --json").await.out;
    assert_eq!(json, serde_json::to_string(&a_dry_run()).unwrap() + "\n");
}

#[tokio::test]
async fn a_dry_run_of_what_would_be_refused_ends_with_1_and_says_why() {
    let refused = crate::rpc::documents::DryRun {
        refused: Some("standby b is young".to_owned()),
        ..a_dry_run()
    };
    let served = foreseen(&refused).serve();
    let said = jkeys(&served, "rotate --now --reason superseded --dry-run").await;
    assert_eq!(said.out, "");
    assert!(
        said.refused()
            .ends_with("it would be refused, and nothing would change: standby b is young")
    );
    let json = jkeys(&served, "rotate --now --reason superseded --dry-run --json").await;
    assert!(json.out.contains("\"refused\":\"standby b is young\""));
    json.refused();
}

#[tokio::test]
async fn a_backup_that_is_not_whole_is_not_left_behind_and_nothing_is_overwritten() {
    let part = |content: &[u8]| {
        Ok(crate::rpc::proto::BackupPart {
            content: content.to_vec(),
        })
    };
    let broken = vec![part(b"jkeys backup 1\n"), Err(Failure::refused("the disk failed").into())];
    let other = vec![part(b"something else")];
    for (backup, words) in [
        (broken, "the disk failed"),
        (other, "not a whole backup"),
        (vec![], "not a whole backup"),
    ] {
        let served = Fake {
            backup,
            ..Fake::default()
        }
        .serve();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("b");
        let line = format!("backup {}", file.display());
        let refused = jkeys(&served, &line).await.refused();
        assert!(refused.contains(words), "{refused}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        std::fs::File::create(&file).unwrap();
        let refused = jkeys(&served, &line).await.refused();
        assert!(refused.contains("--force"), "{refused}");
        let refused = jkeys(&served, &format!("{line} --force")).await.refused();
        assert!(refused.contains(words), "{refused}");
        assert_eq!(std::fs::read(&file).unwrap(), b"", "what was there is there still");
    }
}

#[tokio::test]
async fn tokens_are_made_for_names_that_are_free_and_listed_and_taken_back() {
    let served = Fake::default().serve();
    let one = jkeys(&served, "node token vm-7").await;
    assert_eq!(one.out, "token-for-vm-7\n");
    assert!(one.notes.contains("enroll -"), "{}", one.notes);
    // vm-1 and vm-2 are nodes, and there is an open token for vm-4.
    let many = jkeys(&served, "node token --count 3 --prefix vm-").await;
    assert_eq!(
        (many.out.as_str(), many.notes.as_str()),
        ("vm-3 token-for-vm-3\nvm-5 token-for-vm-5\nvm-6 token-for-vm-6\n", "")
    );
    let json = jkeys(&served, "node token --count 1 --prefix vm- --ttl 1s --json").await.out;
    assert_eq!(
        json,
        "{\"node\":\"vm-3\",\"token\":\"token-for-vm-3\",\"expires_at\":\"2026-11-23T06:05:05.000Z\"}\n"
    );
    let refused = jkeys(&served, "node token --count 1 --prefix VM").await.refused();
    assert!(refused.contains("\"VM1\" is not valid"), "{refused}");
    let expected = "\
NODE   STATE  EXPIRES    HASH
vm-1   used   in 12m     010101010101
vm-4   open   in 48m     020202020202
web-1  open   in 1h 30m  030303030303
";
    assert_eq!(jkeys(&served, "node token list").await.out, expected);
    let json = jkeys(&served, "node token list --json").await.out;
    assert!(
        json.starts_with("{\"now\":\"2026-11-23T06:05:04.000Z\",\"tokens\":[{\"node\":\"vm-1\""),
        "{json}"
    );
    let revoked = jkeys(&served, "node token revoke vm-4").await.out;
    assert_eq!(revoked, "1 join token revoked, for vm-4\n");
    let revoked = jkeys(&served, "node token revoke --all").await.out;
    assert_eq!(revoked, "2 join tokens revoked, for vm-1, vm-5\n");
}

#[tokio::test]
async fn of_two_operators_who_make_tokens_for_many_at_once_none_gets_the_others_name() {
    let fake = Fake {
        contested: Some("vm-3"),
        ..Fake::default()
    };
    let many = jkeys(&fake.serve(), "node token --count 1 --prefix vm-").await;
    assert_eq!(many.out, "vm-5 token-for-vm-5\n");
    assert!(fake.asked.lock().unwrap().tokens.iter().all(|asked| asked.only_new_name));
    // A token for one name that is there is how that node is enrolled anew.
    let fake = Fake {
        contested: Some("vm-1"),
        ..Fake::default()
    };
    assert_eq!(jkeys(&fake.serve(), "node token vm-1").await.out, "token-for-vm-1\n");
}

#[tokio::test]
async fn a_node_is_shown_and_taken_out_with_what_follows_from_that() {
    let served = Fake::default().serve();
    let shown = jkeys(&served, "node show vm-1").await.out;
    let expected = "\
node         vm-1
standing     in service 2d 1h, connected
enrolled     2026-11-06T14:05:04.000Z (number 7)
key          SHA-256 0101010101010101010101010101010101010101010101010101010101010101
certificate  not told yet
trusts       not told yet
confirmed    42 (9m ago)
heard        12s ago
remark       none
MAY HOLD  PROFILE  STATE
now       main     active
next      main     armed
stolen    -        revoked, and not confirmed

machine number 2 of the name vm-1 was removed at 2026-11-06T13:05:04.000Z; `jkeys history --node vm-1` shows what it held
";
    assert_eq!(shown, expected);
    let revoked = jkeys(&served, "node revoke vm-1 --comment stolen").await.out;
    let expected = "\
node vm-1 is revoked: its certificate is let in nowhere, and what it confirmed counts no more
it was connected, and is told to erase its private files
MAY HOLD  PROFILE  STATE
now       main     active
next      main     armed
to end all trust in what it may hold:
  jkeys rotate --now --compromised now --reason compromised   # profile main
and `jkeys revoke KID --reason compromised` for those of next that are there still
";
    assert_eq!(revoked, expected);
    let removed = jkeys(&served, "node remove vm-1").await.out;
    let expected = "\
node vm-1 is removed: its certificate is let in nowhere, and what it confirmed counts no more
it was not connected: it is told to erase its private files if it calls, and not before
it holds no private half
";
    assert_eq!(removed, expected);
    let json = jkeys(&served, "node remove vm-1 --json").await.out;
    assert!(json.starts_with("{\"node\":\"vm-1\",\"ending\":\"removed\""), "{json}");
}
