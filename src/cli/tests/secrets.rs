//! `jkeys secrets`, which needs no service.

use std::path::Path;

use clap::Parser as _;

use super::{Cli, NOW, Screen, run};
use crate::cli::CliError;
use crate::clock::Clock;
use crate::durable::{FileAttrs, create_folder, write_file};

async fn jkeys(words: &[&str]) -> Result<String, CliError> {
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let cli = Cli::try_parse_from([&["jkeys"], words].concat()).unwrap();
    let (clock, _stepper) = Clock::stepped(NOW);
    run(cli, &clock, &mut Screen::new(&mut out, &mut notes, None)).await?;
    Ok(String::from_utf8(out).unwrap())
}

fn put(path: &Path, text: &str) {
    write_file(path, text.as_bytes(), &FileAttrs::mode(0o600)).unwrap();
}

/// An agent's configuration and state in one folder, as far as the list goes by them.
fn agent(root: &Path) -> String {
    let state = root.join("agent");
    for folder in ["agent", "agent/keys", "agent/views", "agent/views/000001.1"] {
        create_folder(&root.join(folder), 0o755).unwrap();
    }
    for file in ["jwks.json", "private.jwks.json", "view.json", "open.json"] {
        put(&state.join("views/000001.1").join(file), "{}");
    }
    put(&state.join("cache.sealed"), "x");
    put(&state.join("trusted.json"), "{}");
    put(
        &state.join("written.json"),
        r#"{"schema":1,"view_dirs":[],"copies":{"/srv/op/keys.p12":["k1"],"/srv/op/jwks.json":[]}}"#,
    );
    let config = root.join("agent.toml");
    let output = "[[output]]\nformat = \"jwks\"\npath = \"open.json\"\n";
    put(&config, &format!("state_dir = \"{}\"\n{output}", state.display()));
    config.display().to_string()
}

#[tokio::test]
async fn the_secrets_of_a_node_are_named_for_people_and_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let (root, config) = (folder.path().display(), agent(folder.path()));
    let paths = [
        format!("{root}/agent/views/000001.1/private.jwks.json"),
        "/srv/op/keys.p12".to_owned(),
        format!("{root}/agent/cache.sealed"),
        format!("{root}/agent/keys"),
    ];
    let listed = jkeys(&["--config", &config, "secrets", "agent", "--null"]).await.unwrap();
    assert_eq!(listed, paths.join("\0") + "\0");
    let shown = jkeys(&["--config", &config, "secrets", "agent"]).await.unwrap();
    let mut lines = shown.lines().skip(1).zip(&paths);
    assert!(lines.all(|(line, path)| line.starts_with(path)), "{shown}");
    assert!(shown.contains("a copy of private keys (copy_to)"), "{shown}");
    let json = jkeys(&["--config", &config, "secrets", "agent", "--json"]).await.unwrap();
    assert!(
        json.contains("{\"path\":\"/srv/op/keys.p12\",\"holds\":\"copy\"}\n"),
        "{json}"
    );
}

#[tokio::test]
async fn the_secrets_of_a_leader_are_its_master_key_and_what_is_sealed_with_it_and_not_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let dir = root.display().to_string();
    jkeys(&["init", "leader", "--dir", &dir]).await.unwrap();
    let config = format!("{dir}/leader.toml");
    let listed = jkeys(&["--config", &config, "secrets", "leader", "-0"]).await.unwrap();
    let expected = ["leader/db", "leader/snapshots", "master.key"].map(|name| format!("{dir}/{name}\0"));
    assert_eq!(listed, expected.concat());
    assert!(root.join("leader/segments").is_dir());
}

#[tokio::test]
async fn a_configuration_that_is_named_must_be_there_and_right() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.toml");
    let config = path.display().to_string();
    for role in ["agent", "leader"] {
        let refused = jkeys(&["--config", &config, "secrets", role]).await.unwrap_err();
        assert!(refused.to_string().contains("there is no configuration at"), "{refused}");
    }
    put(&path, "strange = 1\n");
    let refused = jkeys(&["--config", &config, "secrets", "agent"]).await.unwrap_err();
    assert!(refused.to_string().contains("strange: unknown key"), "{refused}");
}
