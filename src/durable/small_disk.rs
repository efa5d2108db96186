//! For tests: a file system that is soon full.

use std::env;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "JKEYS_TEST_SMALL_DISK";
const SKIPPED: &str = "JKEYS_TEST_SKIPPED";
const NOT_MOUNTED: i32 = 99;

/// Runs `body` on a file system of 256 KiB. The test that calls it is run again, alone, in a process with mounts of its own; `name` is
/// the test's full name. Where the system allows no such process, it says so and does nothing.
pub(crate) fn on_small_disk(name: &str, body: impl FnOnce(&Path)) {
    if let Some(folder) = env::var_os(FOLDER) {
        return body(Path::new(&folder));
    }
    let folder = tempfile::tempdir().expect("a folder for the mount");
    let mut unshare = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    let script = r#"mount -t tmpfs -o size=256k small "$1" || exit 99; exec "$2" --exact "$3" --nocapture"#;
    let output = unshare
        .args(["--mount", "sh", "-c", script, "sh"])
        .args([
            folder.path().as_os_str(),
            env::current_exe().expect("the test's own path").as_os_str(),
        ])
        .arg(name)
        .env(FOLDER, folder.path())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.contains("1 passed"), "{name} is not the test's name:\n{said}");
        }
        Ok(output) if output.status.code() != Some(NOT_MOUNTED) && !output.stdout.is_empty() => panic!(
            "on the small disk:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        refused => skipped(&format!(
            "{name}: this system lets the test mount no file system: {refused:?}"
        )),
    }
}

/// Says that a test showed nothing here, and why. The harness hides what a test prints that passes, so `scripts/test.sh` names a file
/// for it.
pub(crate) fn skipped(why: &str) {
    eprintln!("skipped: {why}");
    if let Some(list) = env::var_os(SKIPPED) {
        let list = OpenOptions::new().create(true).append(true).open(list);
        writeln!(list.expect("the list of what was skipped"), "{why}").expect("a line in it");
    }
}

#[test]
fn what_is_skipped_is_in_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("skipped");
    // Without a PATH there is no unshare(1).
    let test = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "durable::file::tests::on_a_full_disk_the_old_file_stays_and_nothing_is_left_behind",
        ])
        .env("PATH", folder.path())
        .env(SKIPPED, &list)
        .output()
        .unwrap();
    assert!(test.status.success(), "{test:?}");
    let said = std::fs::read_to_string(&list).unwrap();
    assert!(said.contains("nothing_is_left_behind: this system lets"), "{said}");
}
