//! What is recorded, and what must be left of it: a keystore that does all that one does, and says each thing that it was told is
//! durable.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use jkeys::crypto::seal::MasterKey;
use jkeys::keystore::{Commit, Keystore, KeystoreError, NewRecord, SecretName, snapshot_files};
use jkeys::types::{Generation, Kid, Secret, Seq, Span, Time, Version};

use crate::trace::{Call, Event};

pub(super) const STEPS: u64 = 30;
/// How many steps each opening of the keystore does.
const STEPS_AN_OPENING: u64 = 10;

fn master() -> MasterKey {
    MasterKey::from_file(&Secret::new(vec![0xA5; 32])).unwrap()
}

fn key(number: u64) -> SecretName {
    SecretName::Key(format!("k{number}").parse().unwrap())
}

fn half(number: u64) -> Vec<u8> {
    format!("half {number}").into_bytes()
}

/// Enough that sled goes on to new segments of its log, and takes old ones again.
fn state(number: u64) -> Vec<u8> {
    let mut state = format!("state {number}").into_bytes();
    let large = if number.is_multiple_of(3) { 70_000 } else { 3_000 };
    state.resize(large, b'.');
    state
}

/// The records of step `number`: one, or several that no sector holds together.
fn records(number: u64) -> Vec<Vec<u8>> {
    let record = |place| format!("{{\"action\":\"{number}/{place} {}\"}}", "r".repeat(900));
    (0..=number % 3).map(|place| record(place).into_bytes()).collect()
}

fn step(number: u64) -> Commit {
    let kid: Kid = "k".parse().unwrap();
    let records = records(number).into_iter().map(|bytes| NewRecord {
        bytes,
        kids: vec![kid.clone()],
    });
    Commit {
        records: records.collect(),
        put_secrets: vec![(key(number), Secret::new(half(number)))],
        snapshot: number.is_multiple_of(2).then_some(Generation(number)),
        ..Commit::of_state(Version(number - 1), Time(0) + Span::hours(24 * number), state(number))
    }
}

/// One call of write(2): it is seen in the recording.
fn say(what: &str, number: u64) {
    let line = format!("{what} {number}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Makes a keystore and does all of its work.
pub(super) fn work(dir: &Path) {
    let mut store = Keystore::create(dir, &master()).unwrap();
    for number in 1..=STEPS {
        if number % STEPS_AN_OPENING == 1 && number > 1 {
            drop(store);
            store = Keystore::open(dir, &master()).unwrap();
        }
        say("committing", number);
        store.commit(&step(number)).unwrap();
        say("committed", number);
        if number.is_multiple_of(3) {
            say("observing", number);
            store
                .observe(&[(b"up".to_vec(), Some(number.to_be_bytes().to_vec()))])
                .unwrap();
            say("observed", number);
        }
        if number.is_multiple_of(5) {
            say("destroying", number - 3);
            store.destroy(&[key(number - 3)]).unwrap();
            say("destroyed", number - 3);
        }
    }
}

/// Makes a keystore whose records are as large as they may be: several of them in one page are more than sled keeps in its log.
pub(super) fn work_of_large_records(dir: &Path) {
    let store = Keystore::create(dir, &master()).unwrap();
    for number in 1..=LARGE_STEPS {
        let mut commit = Commit::of_state(Version(number - 1), Time(0), state(number));
        commit.records = vec![NewRecord {
            bytes: large_record(number),
            kids: Vec::new(),
        }];
        say("committing", number);
        store.commit(&commit).unwrap();
        say("large", number);
    }
}

const LARGE_STEPS: u64 = 16;

fn large_record(number: u64) -> Vec<u8> {
    format!("\"{number} {}\"", "r".repeat(47 * 1024)).into_bytes()
}

/// Only starts, as one does after a power cut.
pub(super) fn start(dir: &Path) {
    // What it says is the test's to know.
    let _ = Keystore::open(dir, &master());
}

/// What the process had begun, and what it had been told is durable, when the power went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    committing: u64,
    committed: u64,
    observing: u64,
    observed: u64,
    destroying: Vec<u64>,
    destroyed: Vec<u64>,
    /// A step with a large record that was acknowledged.
    large: u64,
}

impl Told {
    pub(super) fn take(&mut self, event: &Event) {
        let Event::Begun {
            call: Call::Write { fd: 2, bytes, .. },
            ..
        } = event
        else {
            return;
        };
        let Some((what, number)) = std::str::from_utf8(bytes).ok().and_then(|line| line.trim().split_once(' ')) else {
            return;
        };
        let Ok(number) = number.parse() else { return };
        match what {
            "committing" => self.committing = number,
            "committed" => self.committed = number,
            "large" => self.large = number,
            "observing" => self.observing = number,
            "observed" => self.observed = number,
            "destroying" => self.destroying.push(number),
            "destroyed" => self.destroyed.push(number),
            _ => {}
        }
    }

    /// Whether a step is under way that was not acknowledged.
    pub(super) fn is_under_way(&self) -> bool {
        self.committing > self.committed.max(self.large)
            || self.observing > self.observed
            || self.destroying.len() > self.destroyed.len()
    }

    pub(super) fn is_all(&self) -> bool {
        self.committed == STEPS
    }

    /// Whether a step with a large record was acknowledged, and nothing was begun after it.
    pub(super) fn is_idle(&self) -> bool {
        self.large > 0 && self.large == self.committing
    }

    /// Opens what a power cut has left in `dir`; what does not hold is said.
    pub(super) fn check(&self, dir: &Path) -> Result<(), String> {
        let store = match Keystore::open(dir, &master()) {
            Ok(store) => store,
            Err(KeystoreError::Absent { .. } | KeystoreError::Empty { .. }) if self.committed == 0 => return Ok(()),
            Err(error) => return Err(format!("it does not open: {error}")),
        };
        if self.large > 0 {
            return self.check_large(&store).map_err(|error| error.to_string());
        }
        self.check_open(dir, &store).map_err(|what| format!("{what}; told: {self:?}"))
    }

    fn check_open(&self, dir: &Path, store: &Keystore) -> Result<(), String> {
        let found = store.load().map_err(|error| error.to_string())?;
        let version = found.version.0;
        holds(
            self.committed <= version && version <= self.committing,
            &format!("version {version}"),
        )?;
        holds(found.state == state(version), "another state than that of its version")?;
        let expected: Vec<Vec<u8>> = (1..=version).flat_map(records).collect();
        holds(found.next_seq == Seq(expected.len() as u64), "another number of records")?;
        let found = store.records(Seq(0)..found.next_seq).map_err(|error| error.to_string())?;
        let found: Vec<Vec<u8>> = found.into_iter().map(|record| record.bytes).collect();
        holds(found == expected, "other records")?;
        self.check_observed(store)?;
        self.check_secrets(store, version)?;
        self.check_files(dir, &expected)
    }

    fn check_large(&self, store: &Keystore) -> Result<(), KeystoreError> {
        let found = store.load()?;
        let records = store.records(Seq(0)..found.next_seq)?;
        let expected: Vec<Vec<u8>> = (1..=self.large).map(large_record).collect();
        let is_same = records.iter().map(|record| &record.bytes).eq(&expected);
        assert!(found.version == Version(self.large) && is_same, "another keystore opens");
        Ok(())
    }

    fn check_observed(&self, store: &Keystore) -> Result<(), String> {
        let observed = store.observations().map_err(|error| error.to_string())?;
        let observed = observed
            .first()
            .map_or(0, |(_, value)| u64::from_be_bytes(value[..].try_into().expect("eight bytes")));
        holds(
            observed == self.observed || observed == self.observing,
            &format!("observation {observed}"),
        )
    }

    fn check_secrets(&self, store: &Keystore, version: u64) -> Result<(), String> {
        for number in 1..=version {
            match store.secret(&key(number)) {
                Ok(half) => {
                    holds(half.expose() == self::half(number), "another secret")?;
                    holds(!self.destroyed.contains(&number), "a destroyed secret")?;
                }
                Err(KeystoreError::Missing(_)) => holds(self.destroying.contains(&number), &format!("no secret {number}"))?,
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    /// What lies beside the database has been brought level with it.
    fn check_files(&self, dir: &Path, records: &[Vec<u8>]) -> Result<(), String> {
        let lines: Vec<u8> = records.iter().flat_map(|record| [&record[..], b"\n"].concat()).collect();
        let segment = fs::read(dir.join("segments/00000000000000000000.jsonl")).unwrap_or_default();
        holds(segment == lines, "a segment that is not level")?;
        for path in snapshot_files(dir).map_err(|error| error.to_string())? {
            let keys = fs::read_to_string(path.with_extension("keys")).map_err(|error| error.to_string())?;
            let is_clear = self
                .destroyed
                .iter()
                .all(|number| !keys.contains(&format!("\"key/k{number}\"")));
            holds(is_clear, "a destroyed data key in a snapshot")?;
        }
        Ok(())
    }
}

fn holds(is_so: bool, what: &str) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(format!("it holds {what}")) }
}
