//! `jkeys explain`, `jkeys history --historical-keys` and `jkeys keystore`: the real program, asked of what a real fleet did.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jkeys::clock::Clock;
use jkeys::crypto::{SignedToken, VerifyingKey, sign_token};
use jkeys::dev::read_node;
use jkeys::outputs::private_keys;
use jkeys::types::{PublicJwk, Secret};
use serde_json::Value;

use crate::fleet::{Fleet, SLOW};
use crate::process::{run, run_with, write};

/// A token that node `a` issues now, for half an hour.
fn token(fleet: &Fleet) -> String {
    let files = read_node(&fleet.agent_state("a")).unwrap().unwrap();
    let keys = private_keys(files.private.unwrap().expose()).unwrap();
    let now = Clock::machine().now().0 / 1000;
    let claims = format!(r#"{{"sub":"hunter2","iat":{now},"exp":{}}}"#, now + 1800);
    sign_token(&keys.signing[0], &serde_json::from_str(&claims).unwrap()).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_explained_while_its_key_signs_and_after_it_was_stolen() {
    let fleet = Fleet::running(SLOW, &["a", "b"]).await;
    let text = token(&fleet);
    let config = fleet.leader_toml();
    let explain = async |more: &[&str]| {
        let words = [&["--config", config.to_str().unwrap(), "explain", "-"], more].concat();
        run_with(words, &format!("{text}\n")).await
    };
    let said = explain(&[]).await;
    said.ended(0, &["signature       verifies", "the key was active", "bootstrap"]);
    let sound = json(&explain(&["--json"]).await.done());
    let kid = sound["kid"].as_str().unwrap().to_owned();
    assert_eq!(
        (&sound["state_then"], &sound["state_now"], &sound["revoked"]),
        (&"active".into(), &"active".into(), &Value::Null)
    );
    // A log that was taken along tells the same, to whoever has no leader.
    let log = fleet.root().join("log");
    let log = log.to_str().unwrap();
    fleet.run(&["audit", "export", "--out", log]).await.done();
    let key = fs::read_to_string(format!("{log}/log.key")).unwrap();
    let offline = run_with(["explain", "-", "--log", log, "--key", key.trim(), "--json"], &text).await;
    let offline = json(&offline.done());
    for member in ["kid", "published", "signed", "state_then", "faults", "issued_at"] {
        assert_eq!(offline[member], sound[member], "{member}");
    }
    run_with(["explain", "-", "--log", log], &text)
        .await
        .ended(0, &["the key came with the log"]);
    let stolen = [
        "rotate",
        "--now",
        "--compromised",
        &kid,
        "--reason",
        "compromised",
        "--comment",
        "laptop stolen",
    ];
    fleet.run(&stolen).await.done();
    let said = explain(&[]).await;
    said.refused(&[
        "the key is revoked (compromised)",
        "key now         revoked",
        "[compromised: \"laptop stolen\"]",
    ]);
    let revoked = json(&explain(&["--json"]).await.out)["revoked"].clone();
    let record = fleet
        .history()
        .await
        .into_iter()
        .find(|record| record.event.name() == "revoked")
        .unwrap();
    assert_eq!(
        (&revoked["record"], &revoked["reason"]),
        (&record.seq.0.into(), &"compromised".into())
    );
    // A changed token, and a log that was changed.
    let (message, _) = text.rsplit_once('.').unwrap();
    let changed = format!("{message}.{}", URL_SAFE_NO_PAD.encode([7; 64]));
    let said = fleet.run(&["explain", &changed]).await;
    said.refused(&["its signature is not one of this key"]);
    let records = fs::read_to_string(format!("{log}/records.jsonl")).unwrap();
    let changed = records.replacen("\"epoch\":1", "\"epoch\":2", 1);
    write(Path::new(&format!("{log}/records.jsonl")), changed);
    let said = run_with(["explain", "-", "--log", log], &text).await;
    said.refused(&["the log is not whole"]);
    // The token is nowhere.
    let secret = text.rsplit('.').next().unwrap();
    for told in [
        fleet.leader.as_ref().unwrap().log(),
        fleet.history_text().await,
        said.out,
        said.err,
    ] {
        assert!(!told.contains(secret) && !told.contains("hunter2"), "{told}");
    }
}

/// Verified with OpenSSL by josekit; `tests/readers` does so with `PyJWT`.
#[tokio::test(flavor = "multi_thread")]
async fn the_keys_that_were_are_told_in_a_document_that_other_code_verifies() {
    let fleet = Fleet::running(SLOW, &["a"]).await;
    let signing = |status: jkeys::rpc::documents::Status| status.profiles[0].active.clone().unwrap();
    let old = signing(fleet.all_in_service().await);
    fleet
        .run(&["rotate", "--now", "--force", "--reason", "superseded"])
        .await
        .done();
    fleet.all_in_service().await;
    let said = fleet.run(&["history", "--historical-keys", "https://op.example"]).await;
    let (jws, key) = (
        said.out.trim().to_owned(),
        said.err.split_once("signed with it: ").unwrap().1.trim().to_owned(),
    );
    let token = SignedToken::parse(&Secret::new(jws.clone().into_bytes())).unwrap();
    let key: PublicJwk = serde_json::from_str(&key).unwrap();
    assert!(token.is_signed_by(&VerifyingKey::new(&key).unwrap()));
    let part = |at| json(&String::from_utf8(URL_SAFE_NO_PAD.decode(jws.split('.').nth(at).unwrap()).unwrap()).unwrap());
    let (header, claims) = (part(0), part(1));
    assert_eq!(
        (&header["typ"], &header["kid"]),
        (&"jwk-set+jwt".into(), &key.member("kid").unwrap().into())
    );
    assert_eq!(claims["iss"], "https://op.example");
    let keys = claims["keys"].as_array().unwrap();
    assert_eq!(
        (keys.len(), &keys[0]["kid"], keys[0].get("d")),
        (1, &old.as_str().into(), None)
    );
    assert!(
        keys[0]["exp"].as_u64() > claims["iat"].as_u64() && keys[0].get("revoked").is_none(),
        "it is retiring: {keys:?}"
    );
    // Revoked, it says so; the standby that was never used is not named.
    fleet.run(&["revoke", old.as_str(), "--reason", "compromised"]).await.done();
    let said = fleet.run(&["history", "--historical-keys", "https://op.example"]).await;
    let keys = |jws: &str| {
        let claims = URL_SAFE_NO_PAD.decode(jws.split('.').nth(1).unwrap()).unwrap();
        json(&String::from_utf8(claims).unwrap())["keys"].clone()
    };
    assert_eq!(keys(&said.out)[0]["revoked"]["reason"], "compromised");
    // Only the records of the last hour are read for this; it ended within it.
    let words = ["history", "--historical-keys", "https://op.example", "--since", "1h"];
    let lately = fleet.run(&words).await.done();
    assert_eq!(keys(&lately), keys(&said.out));
    run(["history", "--historical-keys", "op.example"])
        .await
        .ended(2, &["https, a host"]);
}

/// The newest 64 states are kept: one that is older is made anew from the records, and is the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_shown_in_the_same_way_when_its_state_is_no_longer_kept() {
    let fleet = Fleet::running(SLOW, &["a"]).await;
    let rows = async || fleet.run(&["keystore", "versions", "--json"]).await.done();
    let early: Vec<Value> = rows().await.lines().map(json).collect();
    assert_eq!(early[0]["actions"], serde_json::json!(["founded"]));
    assert!((1..).zip(&early).all(|(number, row)| row["version"] == number), "{early:?}");
    let show = async |version: &Value| json(&fleet.run(&["keystore", "show", &version.to_string(), "--json"]).await.done());
    let mut before = Vec::new();
    for row in &early {
        let shown = show(&row["version"]).await;
        assert_eq!((&shown["rebuilt"], &shown["at"]), (&false.into(), &row["at"]));
        before.push(shown);
    }
    for number in 0..64 {
        fleet.token(&format!("n{number}")).await;
    }
    for mut shown in before {
        let again = show(&shown["version"]).await;
        shown["rebuilt"] = true.into();
        assert_eq!(again, shown);
    }
    let last = early.len().to_string();
    let said = fleet.run(&["keystore", "diff", "1", &last]).await.done();
    assert!(
        said.contains("node a came, in_service") && said.contains("came, active, profile web, ES256"),
        "{said}"
    );
    let newest = fleet.run(&["keystore", "versions", "--last", "2"]).await.done();
    assert_eq!(newest.matches("token_issued").count(), 2, "{newest}");
    fleet
        .run(&["keystore", "show", "99999"])
        .await
        .refused(&["there is no version 99999", "keystore versions"]);
}
