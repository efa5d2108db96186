//! What programs see that read a node's files while views come and go.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::*;
use crate::outputs;

const FOLDER: &str = "JKEYS_TEST_READER";
const TEST: &str = "agent::disk::tests::reader::r6_a_reader_sees_whole_views_and_whole_files_during_ten_thousand_swaps";

/// One look at the live view, as the manual tells readers to look: the folder once, and again when a file is gone.
pub(super) fn look(root: &Path) -> (BTreeSet<Kid>, BTreeSet<Kid>) {
    for _ in 0..10_000 {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = match openat(CWD, root.join("live"), flags, Mode::empty()) {
            // The view that the link pointed to is gone by now: there is a newer one.
            Err(Errno::NOENT) => continue,
            opened => opened.unwrap(),
        };
        let read = |name: &str| {
            let mut bytes = Vec::new();
            let file = openat(&folder, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
            File::from(file).read_to_end(&mut bytes).unwrap();
            Some(bytes)
        };
        if let (Some(public), Some(private)) = (read("jwks.json"), read("private.jwks.json")) {
            return (
                outputs::kids_of_public(&public).unwrap(),
                outputs::kids_of_private(&private).unwrap().signing,
            );
        }
    }
    panic!("there is no whole view")
}

/// A program that knows the path only. A folder that goes while it looks is no file, and never half a one.
fn look_by_path(root: &Path) {
    if let Ok(public) = fs::read(root.join("live/jwks.json")) {
        outputs::kids_of_public(&public).expect("a whole file");
    }
    if let Ok(private) = fs::read(root.join("live/private.jwks.json")) {
        outputs::kids_of_private(&private).expect("a whole file");
    }
}

/// The reading process: until its standard input ends. Then it says how often it looked, and which signers it saw.
fn reader(root: &Path) {
    println!("\nreading");
    let (closed, is_closed) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        closed.send(()).unwrap();
    });
    let (mut looks, mut seen) = (0_u64, BTreeSet::new());
    while is_closed.try_recv().is_err() {
        seen.insert(look(root));
        look_by_path(root);
        looks += 1;
    }
    let seen: Vec<_> = seen.into_iter().collect();
    println!("\nlooked {looks} {}", serde_json::to_string(&seen).unwrap());
}

#[test]
fn r6_a_reader_sees_whole_views_and_whole_files_during_ten_thousand_swaps() {
    const SWAPS: u64 = 10_000;
    if let Some(root) = std::env::var_os(FOLDER) {
        return reader(Path::new(&root));
    }
    // Where there is memory to be had as a disk, nothing waits for a real one.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let root = folder.path();
    let disk = open(root);
    // Odd generations publish and sign with other keys than even ones, so that a mixture shows.
    let members = |number: u64| match number % 2 {
        0 => [(0, Active), (2, Prepublished)],
        _ => [(1, Active), (3, Prepublished)],
    };
    install(&disk, &bundle(1, &members(1)));
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(FOLDER, root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line == "reading"));
    for number in 2..=SWAPS + 1 {
        install(&disk, &bundle(number, &members(number)));
    }
    process.stdin.take().unwrap().flush().unwrap();
    let looked = said
        .find_map(|line| line.strip_prefix("looked ").map(str::to_owned))
        .expect("the reader failed");
    assert!(process.wait().unwrap().success());
    let (looks, seen) = looked.split_once(' ').unwrap();
    let seen: BTreeSet<(BTreeSet<Kid>, BTreeSet<Kid>)> = serde_json::from_str::<Vec<_>>(seen).unwrap().into_iter().collect();
    let whole = BTreeSet::from([(kids(&[0, 2]), kids(&[0])), (kids(&[1, 3]), kids(&[1]))]);
    assert_eq!(seen, whole, "a mixture of two views");
    println!("{looks} looks at {SWAPS} swaps");
    assert!(looks.parse::<u64>().unwrap() > SWAPS / 100, "{looks} looks");
}
