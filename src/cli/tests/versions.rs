use super::fake::Fake;
use super::*;

#[tokio::test]
async fn versions_are_listed_to_their_end_or_the_newest_only() {
    let served = Fake::default().serve();
    let shown = jkeys(&served, "keystore versions").await;
    assert_eq!(shown.outcome.unwrap(), Exit::Done);
    let lines: Vec<&str> = shown.out.lines().collect();
    assert_eq!(
        lines,
        [
            "     1  2026-11-23T07:05:04.000Z  schedule  record 1: prepublished, makes generation 1",
            "     2  2026-11-23T08:05:04.000Z  schedule  records 2 to 4: configured, activated, prepublished, makes generation 2",
            "     3  2026-11-23T09:05:04.000Z  nobody  no record: ",
        ]
    );
    let newest = jkeys(&served, "keystore versions --last 2 --json").await.out;
    let rows: Vec<serde_json::Value> = newest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (rows.len(), &rows[0]["version"], &rows[1]["records"]),
        (2, &2.into(), &0.into())
    );
}

#[tokio::test]
async fn a_version_is_shown_with_its_keys_and_nodes() {
    let served = Fake::default().serve();
    let shown = jkeys(&served, "keystore show 1").await.out;
    for part in [
        "state     made anew from the records",
        "in force  generation 1",
        "profiles  main ES256",
        "a    main     ES256  prepublished",
        "vm-1  1       joining",
        "revoked   key stolen",
    ] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
    let json = jkeys(&served, "keystore show 2 --json").await.out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["version"], &json["keys"][1]["kid"]), (&2.into(), &"b".into()));
}

#[tokio::test]
async fn what_changed_between_two_versions_is_told_in_words() {
    let served = Fake::default().serve();
    let shown = jkeys(&served, "keystore diff 1 2").await.out;
    assert_eq!(
        shown,
        "from version 1 of 2026-11-23T07:05:04.000Z to version 2 of 2026-11-23T08:05:04.000Z\n\
         \x20 generation from 1 to 2\n\
         \x20 setting main.interval from 2days to 3days\n\
         \x20 key a from prepublished to active\n\
         \x20 key b came, prepublished, profile main, ES256\n\
         \x20 node vm-1 from joining to in_service\n\
         \x20 revocation of key stolen is confirmed by every node\n\
         \x20 the schedule waits: the standby of profile main is due, but not everywhere for long enough (rule R1)\n"
    );
    let back = jkeys(&served, "keystore diff 2 1").await.out;
    assert!(
        back.contains("key b went, it was prepublished") && back.contains("waits no more"),
        "{back}"
    );
    let same = jkeys(&served, "keystore diff 2 3").await.out;
    assert!(same.ends_with("nothing changed that is public\n"), "{same}");
    let json = jkeys(&served, "keystore diff 1 2 --json").await.out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["changes"][2]["change"], "key");
    assert_eq!(json["changes"].as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn historical_keys_are_alone_on_standard_output() {
    let served = Fake::default().serve();
    let shown = jkeys(&served, "history --historical-keys https://op.example --since 1h").await;
    assert_eq!(shown.out, format!("https://op.example.{}.x\n", NOW.0 - 3_600_000));
    assert!(
        shown.notes.contains("2 keys") && shown.notes.contains("\"kty\":\"OKP\""),
        "{}",
        shown.notes
    );
}
