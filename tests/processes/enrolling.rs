//! `jkeys enroll` on machines as they are found.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use tokio::process::Command;

use crate::fleet::{Fleet, SLOW};
use crate::process::{JKEYS, Service, skipped, write};

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
