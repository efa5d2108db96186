//! How long a durable step takes. `cargo bench --bench commit`; the folder is `$TMPDIR`, so point that at the disk in question.

use std::time::Instant;

use jkeys::crypto::seal::MasterKey;
use jkeys::keystore::{Commit, Keystore, NewRecord};
use jkeys::types::{Generation, Span, Time};

const ROUNDS: u64 = 300;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().join("keystore");
    let master = MasterKey::generate().expect("random bytes");
    let store = Keystore::create(&dir, &master).expect("a new keystore");
    for (what, state_bytes, snapshot) in [
        ("step, state of 8 KiB", 8 << 10, false),
        ("step, state of 256 KiB", 256 << 10, false),
        ("step with a generation and its snapshot, state of 8 KiB", 8 << 10, true),
    ] {
        report(what, ROUNDS, || step(&store, state_bytes, snapshot));
    }
    for entries in [1, 100, 1000] {
        let batch: Vec<_> = (0..entries)
            .map(|node| (format!("node/{node}").into_bytes(), Some(vec![b'x'; 200])))
            .collect();
        report(&format!("batch of {entries} observations"), ROUNDS, || {
            store.observe(&batch).expect("a durable batch");
        });
    }
    drop(store);
    report("opening it again, checked", 5, || {
        Keystore::open(&dir, &master).expect("the same keystore");
    });
}

fn step(store: &Keystore, state_bytes: usize, snapshot: bool) {
    let version = store.load().expect("a state").version;
    let mut commit = Commit::of_state(version, Time(0) + Span::hours(version.0), vec![b's'; state_bytes]);
    commit.records = vec![NewRecord {
        bytes: format!("{{\"action\":\"{}\"}}", "x".repeat(400)).into_bytes(),
        kids: vec!["k".parse().expect("a kid")],
    }];
    commit.snapshot = snapshot.then_some(Generation(version.0 + 1));
    store.commit(&commit).expect("a durable step");
}

#[expect(clippy::disallowed_methods, reason = "the clock of jkeys shows whole milliseconds")]
fn report(what: &str, rounds: u64, mut run: impl FnMut()) {
    let mut time = || {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    let mut times: Vec<_> = (0..rounds).map(|_| time()).collect();
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("{what}: p50 {:?}, p99 {:?}, longest {:?}", at(50), at(99), at(100));
}
