//! How a keystore and its log grow: commit, start and open with 10 and 100,000 versions, or 2,000 lists of the confirmations of 10,000
//! nodes, and a leader with a log of 1,000,000 records.
//!
//! `cargo bench --bench scale -- [versions N | lists N | records N]`

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jkeys::audit::{Record, SCHEMA, canonical, public_form};
use jkeys::clock::Clock;
use jkeys::crypto::seal::MasterKey;
use jkeys::crypto::{CertificateLife, NewKey, make_key};
use jkeys::keystore::{Commit, Keystore, NewRecord, SecretName};
use jkeys::leader::founding;
use jkeys::lifecycle::{Cause, Event, Evidence, NamedNodes, Profile, Settings, State, Why, Windows};
use jkeys::types::{Actor, Digest, KeySpec, Kid, KidFormat, PublicJwk, PublicKey, Secret, Seq, Span, Time, Version};

const JKEYS: &str = env!("CARGO_BIN_EXE_jkeys");
/// So many records are committed at once while a log is made.
const BATCH: usize = 1000;
/// A rotation each.
const EVERY: Span = Span::secs(20);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let number = |what: &str| {
        let at = words.iter().position(|word| word == what)?;
        words.get(at + 1)?.parse().ok()
    };
    let all = words.is_empty();
    for versions in number("versions").map_or(vec![10, 100_000], |number| vec![number]) {
        if all || words.contains(&"versions".to_owned()) {
            grown_by_versions(versions);
        }
    }
    if all || words.contains(&"lists".to_owned()) {
        grown_by_lists(number("lists").unwrap_or(2000));
    }
    for records in number("records").map_or(vec![1000, 1_000_000], |number| vec![number]) {
        if all || words.contains(&"records".to_owned()) {
            grown_by_records(records);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock of jkeys shows whole milliseconds")]
fn now() -> Instant {
    Instant::now()
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("  {what}: p50 {:?}, p99 {:?}, longest {:?}", at(50), at(99), at(100));
}

fn timed(what: &str, rounds: u64, mut run: impl FnMut()) {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let start = now();
        run();
        times.push(start.elapsed());
    }
    report(what, &mut times);
}

/// A step with one record each, as the schedule makes them.
fn grown_by_versions(versions: u64) {
    println!("{versions} versions");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (dir, master) = (folder.path().join("keystore"), MasterKey::generate().expect("random bytes"));
    let store = Keystore::create(&dir, &master).expect("a new keystore");
    let step = |version: u64| {
        let mut commit = Commit::of_state(Version(version), Time(version * 1000), vec![b's'; 8 << 10]);
        commit.records = vec![NewRecord {
            bytes: format!("{{\"action\":\"{}\"}}", "x".repeat(400)).into_bytes(),
            kids: vec![format!("k{}", version / 6).parse().expect("a kid")],
        }];
        store.commit(&commit).expect("a durable step");
    };
    let mut version = 0;
    while version + 100 < versions {
        step(version);
        version += 1;
    }
    timed("commit", (versions - version).min(100), || {
        step(version);
        version += 1;
    });
    drop(store);
    timed_openings(&dir, &master, 3);
}

/// A step with the confirmations of many nodes each.
fn grown_by_lists(lists: u64) {
    const LIST_BYTES: usize = 400_000;
    println!("{lists} lists of {LIST_BYTES} bytes");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (dir, master) = (folder.path().join("keystore"), MasterKey::generate().expect("random bytes"));
    let store = Keystore::create(&dir, &master).expect("a new keystore");
    let mut version = 0;
    timed("commit", lists, || {
        let mut list = format!("list {version} ").into_bytes();
        list.resize(LIST_BYTES, b'.');
        let mut commit = Commit::of_state(Version(version), Time(version * 1000), vec![b's'; 8 << 10]);
        commit.evidence = vec![(Digest::of(&list), list)];
        store.commit(&commit).expect("a durable step");
        version += 1;
    });
    drop(store);
    timed_openings(&dir, &master, 3);
}

/// How long it takes until a keystore that was closed is there again, and how large it is.
fn timed_openings(dir: &Path, master: &MasterKey, openings: u64) {
    timed("start, as a leader", 3, || {
        drop(Keystore::start(dir, master).expect("the same keystore"));
    });
    timed("open, checked", openings, || {
        drop(Keystore::open(dir, master).expect("the same keystore"));
    });
    println!("  the database has {} MiB", mebibytes(&dir.join("db")));
}

fn mebibytes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").metadata());
    files
        .map(|metadata| metadata.map_or(0, |metadata| metadata.len()))
        .sum::<u64>()
        >> 20
}

/// The story of a fleet that rotates one profile, as lawful as the leader's own.
struct Story {
    state: State,
    seq: u64,
    at: Time,
    digest: Digest,
    key: NewKey,
    number: u64,
    pending: Vec<NewRecord>,
}

impl Story {
    fn windows() -> Windows {
        Windows {
            interval: EVERY,
            min_prepublish: Span::secs(5),
            arm_lead: Span::secs(1),
            token_lifetime: Span::secs(2),
            decrypt_window: Span::secs(5),
            clock_skew: Span(200),
            straggler_after: Span::secs(8),
            start_grace: Span::secs(1),
            max_age: Span::secs(1),
            anchor: None,
        }
    }

    fn kid(number: u64) -> Kid {
        format!("key-{number}").parse().expect("a kid")
    }

    /// The same public half again under another kid: making keys is not what is measured.
    fn public(&self, number: u64) -> PublicKey {
        let kid = Self::kid(number);
        let mut members: std::collections::BTreeMap<String, String> = self.key.public.jwk.clone().into();
        members.insert("kid".to_owned(), kid.to_string());
        PublicKey {
            jwk: PublicJwk::try_from(members).expect("public"),
            kid,
            ..self.key.public.clone()
        }
    }

    fn tell(&mut self, events: Vec<Event>) {
        let before = self.state.head.generation;
        self.state.apply(&events, self.at);
        if self.state.head.generation != before {
            (_, self.digest) = public_form(&self.state.key_set());
        }
        for event in events {
            let kids = event.kid().cloned().into_iter().collect();
            let record = Record {
                schema: SCHEMA,
                seq: Seq(self.seq),
                time: self.at,
                clock: None,
                actor: Actor::Schedule,
                event,
                generation: self.state.head.generation,
                digest: self.digest,
            };
            self.seq += 1;
            let bytes = record.to_bytes();
            self.pending.push(NewRecord { bytes, kids });
        }
    }

    fn evidence() -> Evidence {
        Evidence {
            count: 0,
            exceptions: NamedNodes::default(),
            digest: Digest::of(b"[]"),
        }
    }

    fn publish(&mut self, number: u64) -> Event {
        Event::Prepublished {
            profile: "web".parse().expect("a name"),
            key: Box::new(self.public(number)),
            windows: Self::windows(),
        }
    }

    /// Seven records: one rotation, with a wait in it.
    fn rotate(&mut self) {
        let (old, new) = (Self::kid(self.number), Self::kid(self.number + 1));
        let activate_at = self.at + Span::secs(10);
        self.at = activate_at - Span::secs(1);
        self.tell(vec![Event::Armed {
            kid: new.clone(),
            activate_at,
            evidence: Self::evidence(),
        }]);
        self.at = activate_at;
        let published = self.publish(self.number + 2);
        self.tell(vec![
            Event::Retired {
                kid: old.clone(),
                successor: Some(new.clone()),
            },
            Event::Activated {
                kid: new,
                since: activate_at,
                retire_at: activate_at + EVERY,
                cause: Cause::Scheduled,
                why: Why::default(),
            },
        ]);
        self.at = self.at + Span(1);
        self.tell(vec![
            Event::Destroyed { kid: old.clone() },
            Event::Refused {
                request: "rotate".to_owned(),
                refusal: "a standby is too young".to_owned(),
            },
        ]);
        self.tell(vec![published]);
        self.at = self.at + Span::secs(4);
        self.tell(vec![Event::Removed {
            kid: old,
            last_signature: Some(activate_at),
            evidence: Self::evidence(),
        }]);
        self.at = activate_at + Span::secs(10);
        self.number += 1;
    }

    /// What the leader must hold to go on.
    fn keep_privates(&mut self, store: &Keystore) {
        let version = store.load().expect("a state").version;
        let stored = serde_json::json!({ "schema": 1, "value": self.state });
        let mut commit = Commit::of_state(version, self.at, canonical(&stored));
        let private = |kid: &Kid| (SecretName::Key(kid.clone()), Secret::new(self.key.private.expose().to_vec()));
        commit.put_secrets = self.state.keys.keys().map(private).collect();
        store.commit(&commit).expect("a durable step");
    }

    fn commit(&mut self, store: &Keystore) {
        let version = store.load().expect("a state").version;
        let stored = serde_json::json!({ "schema": 1, "value": self.state });
        let mut commit = Commit::of_state(version, self.at, canonical(&stored));
        commit.records = std::mem::take(&mut self.pending);
        store.commit(&commit).expect("a durable step");
    }
}

fn grown_by_records(records: u64) {
    println!("{records} records");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path();
    let (dir, key_file) = (root.join("leader"), root.join("master.key"));
    founding::make_master_key(&key_file).expect("a master key");
    let master = founding::read_master_key(&key_file).expect("the master key");
    let begin = Clock::machine().now() - Span(EVERY.0 * (records / 7 + 10));
    let (clock, _stepper) = Clock::stepped(begin);
    let domain = "bench.example".parse().expect("a trust domain");
    founding::found(&dir, &master, &domain, &Actor::Schedule, &clock).expect("a fleet");
    let store = Keystore::open(&dir, &master).expect("the keystore");
    let mut told = first_keys(&store, begin);
    while told.seq < records {
        while told.pending.len() < BATCH && told.seq < records {
            told.rotate();
        }
        told.commit(&store);
    }
    let middle = Story::kid(told.number / 2);
    timed("commit of seven records", 100, || {
        told.rotate();
        told.commit(&store);
    });
    told.keep_privates(&store);
    drop(store);
    timed_openings(&dir, &master, 1);
    ask(root, &middle);
}

fn first_keys(store: &Keystore, begin: Time) -> Story {
    let loaded = store.load().expect("a state");
    let stored: serde_json::Value = serde_json::from_slice(&loaded.state).expect("JSON");
    let state: State = serde_json::from_value(stored["value"].clone()).expect("a state");
    let life = CertificateLife::new(begin, Span::TEN_YEARS).expect("a life");
    let key = make_key(KeySpec::Es256, KidFormat::Thumbprint, life).expect("a key");
    let (_, digest) = public_form(&state.key_set());
    let (seq, at) = (loaded.next_seq.0, begin + Span::secs(1));
    let (number, pending) = (0, Vec::new());
    let mut told = Story {
        state,
        seq,
        at,
        digest,
        key,
        number,
        pending,
    };
    let mut profile = Profile::new("web".parse().expect("a name"), KeySpec::Es256);
    profile.windows = Story::windows();
    let settings: Settings = [profile].into_iter().collect();
    let epoch = told.state.epoch.next();
    told.tell(vec![Event::Started { epoch, absence: None }]);
    told.tell(vec![Event::Configured { settings }]);
    let first = told.publish(0);
    let activated = Event::Activated {
        kid: Story::kid(0),
        since: told.at,
        retire_at: told.at + EVERY,
        cause: Cause::Bootstrap,
        why: Why::default(),
    };
    told.tell(vec![first, activated]);
    let second = told.publish(1);
    told.tell(vec![second]);
    told.commit(store);
    told
}

/// The real program: how long a leader takes to answer, and what is asked of it.
fn ask(root: &Path, kid: &Kid) {
    let config = root.join("leader.toml");
    let at = root.display();
    let text = format!(
        "listen = \"127.0.0.1:0\"\nstate_dir = \"{at}/leader\"\nmaster_key_file = \"{at}/master.key\"\nadmin_socket = \
         \"{at}/leader.sock\"\nadmin_group = \"\"\ntrust_domain = \"bench.example\"\n[[profile]]\nname = \"web\"\nalg = \"ES256\"\n"
    );
    jkeys::durable::write_file(&config, text.as_bytes(), &jkeys::durable::FileAttrs::mode(0o600)).expect("a file");
    let run = |words: &[&str]| {
        let mut command = Command::new(JKEYS);
        let said = command
            .arg("--config")
            .arg(&config)
            .args(words)
            .output()
            .expect("the program");
        (
            said.status.success(),
            said.stdout.len(),
            String::from_utf8_lossy(&said.stderr).into_owned(),
        )
    };
    let begun = now();
    let leader = Command::new(JKEYS)
        .arg("--config")
        .arg(&config)
        .arg("leader")
        .stderr(Stdio::null())
        .spawn()
        .expect("a leader");
    let mut leader = Killed(leader);
    while !run(&["status"]).0 {
        assert!(leader.0.try_wait().expect("a child").is_none(), "the leader ended");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    println!("  leader, from its start to its first answer: {:?}", begun.elapsed());
    timed("history --kid, the whole command", 20, || {
        assert!(run(&["history", "--kid", kid.as_str()]).1 > 0);
    });
    timed("history --action halted, which none has", 1, || {
        assert!(run(&["history", "--action", "halted"]).0);
    });
    timed("history of the last hour", 5, || {
        assert!(run(&["history", "--since", "1h"]).0);
    });
    let out = root.join("log").display().to_string();
    timed("audit export", 1, || assert!(run(&["audit", "export", "--out", &out]).0));
    timed("audit verify DIR", 1, || {
        let (done, _, said) = run(&["audit", "verify", &out]);
        assert!(done, "{said}");
    });
    timed("history --historical-keys, those of the last hour", 1, || {
        let (done, _, said) = run(&["history", "--historical-keys", "https://bench.example", "--since", "1h"]);
        assert!(done, "{said}");
    });
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
