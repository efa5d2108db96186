//! `jkeys enroll` on machines as they are found.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jkeys::pki::JoinToken;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::fleet::{Fleet, SLOW};
use crate::process::{JKEYS, Service, run, until, write};
use crate::skipped::skipped;

#[tokio::test]
async fn a_folder_that_can_not_be_used_is_found_before_the_token_is_used_up() {
    let fleet = Fleet::running(SLOW, &[]).await;
    fleet.configure_agent("a").await;
    let state = fleet.root().join("elsewhere/agent");
    write(&fleet.agent_toml("a"), format!("state_dir = {state:?}\n"));
    let token = fleet.token("a").await;
    let said = fleet.enroll("a", &token).await;
    said.refused(&["create the folder", "the token was not used"]);
    fs::create_dir(fleet.root().join("elsewhere")).unwrap();
    fleet.enroll("a", &token).await.done();
    assert!(state.join("identity.json").exists());
}

#[tokio::test]
async fn a_token_that_is_given_by_file_or_standard_input_is_in_no_process_list_log_or_keystore() {
    let mut fleet = Fleet::founded(SLOW).await;
    let leader = fleet.root().join("leader.log");
    let mut command = Command::new(JKEYS);
    command
        .arg("--config")
        .arg(fleet.leader_toml())
        .args(["leader", "--log", "trace"]);
    fleet.leader = Some(Service::spawn(command, "", leader.clone()).await);
    until("a leader that answers", async || fleet.status().await).await;
    let (one, two) = (fleet.token("a").await, fleet.token("b").await);
    for node in ["a", "b"] {
        fleet.configure_agent(node).await;
    }
    // It waits for its standard input, and can be looked at.
    let config = fleet.agent_toml("a");
    let mut command = Command::new(JKEYS);
    command.args(["--config", config.to_str().unwrap(), "enroll", "-"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(one.trim().as_bytes()).await.unwrap();
    let shown = |file: &str| fs::read(format!("/proc/{}/{file}", child.id().unwrap())).unwrap();
    let (arguments, environment) = (shown("cmdline"), shown("environ"));
    stdin.write_all(b"\n").await.unwrap();
    assert!(
        child.wait().await.unwrap().success(),
        "it ends with the line, though nothing is closed"
    );
    let file = fleet.root().join("token");
    write(&file, two.as_bytes());
    let config = fleet.agent_toml("b");
    let args = [
        "--config",
        config.to_str().unwrap(),
        "enroll",
        "--token-file",
        file.to_str().unwrap(),
    ];
    run(args).await.done();
    fs::remove_file(file).unwrap();

    fleet.stop_leader().await;
    let logged = fs::read_to_string(leader).unwrap();
    assert!(
        logged.contains("TRACE") && logged.contains("enrolled"),
        "the log says all that it can"
    );
    for line in [one, two] {
        let token = JoinToken::parse(&line).unwrap();
        let secret = token.secret.expose();
        let encoded = [URL_SAFE_NO_PAD.encode(secret), STANDARD.encode(secret)];
        let body = line.trim().rsplit('.').next().unwrap().as_bytes();
        let forms = [secret, body, encoded[0].as_bytes(), encoded[1].as_bytes()];
        let holds = |bytes: &[u8]| {
            forms
                .iter()
                .any(|form| bytes.windows(form.len()).any(|window| window == *form))
        };
        assert!(holds(line.as_bytes()) && !holds(&arguments) && !holds(&environment));
        for path in files(fleet.root()) {
            if path.is_file() {
                assert!(!holds(&fs::read(&path).unwrap()), "{}", path.display());
            }
        }
    }
    let refused = run([
        "--config",
        config.to_str().unwrap(),
        "enroll",
        "--token-file",
        "/nowhere/token",
    ])
    .await;
    refused.refused(&["can't be read from", "/nowhere/token"]);
}

/// The account of the agent in the test. It need not be in /etc/passwd.
const ACCOUNT: u32 = 54_321;

#[tokio::test]
async fn what_root_enrolls_is_for_the_account_that_owns_the_folder() {
    if !rustix::process::geteuid().is_root() {
        return skipped("what_root_enrolls_is_for_the_account_that_owns_the_folder: the test is not root");
    }
    let mut fleet = Fleet::running(SLOW, &[]).await;
    fs::set_permissions(fleet.root(), fs::Permissions::from_mode(0o711)).unwrap();
    let program = fleet.root().join("jkeys");
    fs::copy(JKEYS, &program).unwrap();
    fleet.configure_agent("a").await;
    // As systemd makes it at the first start of the unit.
    let state = fleet.agent_state("a");
    fs::create_dir(&state).unwrap();
    chown(&state, Some(ACCOUNT), Some(ACCOUNT)).unwrap();
    for _ in 0..2 {
        let token = fleet.token("a").await;
        fleet.enroll("a", &token).await.done();
        for path in files(&state) {
            let owner = path.metadata().map(|found| (found.uid(), found.gid())).unwrap();
            assert_eq!(owner, (ACCOUNT, ACCOUNT), "{}", path.display());
        }
        let mut command = Command::new("setpriv");
        let account = ACCOUNT.to_string();
        command.args(["--reuid", &account, "--regid", &account, "--clear-groups", "--"]);
        command.arg(&program).arg("--config").arg(fleet.agent_toml("a")).arg("agent");
        let agent = Service::spawn(command, "", fleet.root().join("a.log")).await;
        fleet.agents.insert("a".to_owned(), agent);
        fleet.all_in_service().await;
        fleet.agents.remove("a").unwrap().kill().await;
    }
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut all = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            all.extend(files(&entry.path()));
        } else if entry.file_type().unwrap().is_file() {
            all.push(entry.path());
        }
    }
    all
}
