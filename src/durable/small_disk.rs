//! For tests: a file system that is soon full.

use std::env;
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "JKEYS_TEST_SMALL_DISK";
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
        refused => eprintln!("skipped: this system lets the test mount no file system: {refused:?}"),
    }
}
