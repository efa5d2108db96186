//! A node with outputs of every format, and copies of them, is killed at every system call with which it takes a generation. A reader finds
//! one whole view then, and whole copies; and the node goes on by itself, with nothing but its disk.
//!
//! The node is a process of its own with the real core and real files; strace(1) kills it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::machine::PASSWORD;
use super::reader::look;
use super::*;
use crate::agent::core::{self, Effect, Input, Now, Settings, State};
use crate::agent::testing::{PROOFS, answer, log_key, logged, welcome};
use crate::durable::small_disk::skipped;
use crate::outputs::{Format, Password, Rendered, kids_of};
use crate::rpc::fleet::LeaderMessage;
use crate::types::Generation;

const FOLDER: &str = "JKEYS_TEST_KILLED_NODE";
const TEST: &str = "agent::disk::tests::killed::killed_at_every_system_call_of_a_swap_it_goes_on_by_itself";
/// The calls that can change what is on a disk. Of those that open a file, only the ones that may make it: a node that is killed before
/// another one leaves what it leaves before the next call.
const CHANGING: [&str; 16] = [
    "openat",
    "mkdirat",
    "mkdir",
    "symlinkat",
    "renameat2",
    "renameat",
    "rename",
    "unlinkat",
    "unlink",
    "rmdir",
    "write",
    "ftruncate",
    "fsync",
    "fdatasync",
    "fchmod",
    "fchown",
];
/// Those that can't.
const HARMLESS: [&str; 24] = [
    "read",
    "close",
    "fstat",
    "statx",
    "newfstatat",
    "lseek",
    "getdents64",
    "readlink",
    "readlinkat",
    "mmap",
    "munmap",
    "mremap",
    "brk",
    "madvise",
    "mprotect",
    "futex",
    "getrandom",
    "fcntl",
    "geteuid",
    "sched_yield",
    "clock_gettime",
    "prctl",
    "poll",
    "getpid",
];

/// The core on a real disk; a leader that answers what it is told.
struct Alone<'a> {
    disk: &'a Disk,
    state: State,
    now: Now,
}

impl<'a> Alone<'a> {
    fn start(disk: &'a Disk, found: Found) -> Self {
        let now = Now {
            wall: START + Span::mins(1),
            monotonic: Span(0),
        };
        let found = Found {
            log: Some(log_key()),
            ..found
        };
        let (state, effects) = core::start(Settings::default(), PROOFS, found, now);
        let mut node = Self { disk, state, now };
        node.carry_out(effects);
        node
    }

    fn input(&mut self, input: Input) {
        let (state, effects) = core::step(self.state.clone(), input, self.now);
        self.state = state;
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Disk(work) => {
                    let done = self.disk.work(work);
                    self.input(Input::Disk(done));
                }
                Effect::Send(report) => {
                    let answer = answer(report.sent_at, report.sent_at);
                    self.input(Input::Message(LeaderMessage::Answer(answer)));
                }
                _ => {}
            }
        }
    }

    fn take(&mut self, number: u64) {
        self.input(Input::Message(LeaderMessage::Generation(logged(
            generation(number),
            number - 1,
        ))));
    }
}

/// No key of one generation is in the other, so that a mixture shows.
fn generation(number: u64) -> Bundle {
    match number % 2 {
        0 => bundle(number, &[(0, Active), (2, Prepublished)]),
        _ => bundle(number, &[(1, Active), (3, Prepublished)]),
    }
}

/// What a reader finds: what is published, and what signs.
type Seen = (BTreeSet<Kid>, BTreeSet<Kid>);

/// What he finds in the files that the configuration asks for, of a view or copied, in the order of [`Machine::all`]. Each must be whole.
fn look_at_outputs(folder: &Path) -> [BTreeSet<Kid>; 4] {
    let secret = |bytes: &[u8]| Secret::new(bytes.to_vec());
    let file = |name: &str| Rendered::File(secret(&fs::read(folder.join(name)).unwrap()));
    let password = Password::from_file(&secret(PASSWORD.as_bytes())).unwrap();
    let pem = pem_files(folder).into_iter().map(|(name, bytes)| (name, secret(&bytes)));
    [
        (Format::Jwks { has_x5c: true }, file("certified.json")),
        (Format::PrivateJwks { has_x5c: false }, file("private.json")),
        (Format::Pem, Rendered::Folder(pem.collect())),
        (Format::Pkcs12 { password: &password }, file("keys.p12")),
    ]
    .map(|(format, read)| kids_of(format, &read).unwrap())
}

/// What is no temporary in a folder of PEM files.
fn pem_files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let pem = folder.join("pem");
    let names = names(&pem)
        .into_iter()
        .filter(|name| !name.starts_with(durable::TEMPORARY_PREFIX));
    names.map(|name| (name.clone(), fs::read(pem.join(name)).unwrap())).collect()
}

/// A view, whose files are of one generation.
fn check_view(folder: &Path, (published, signing): &Seen, at: &str) {
    let found = look_at_outputs(folder);
    assert_eq!(
        found,
        [published, signing, signing, signing].map(Clone::clone),
        "{at}: {folder:?}"
    );
    let signer = signing.first().unwrap();
    assert_eq!(names(&folder.join("pem")), pem_names(signer), "{at}: {folder:?}");
    let files = pem_files(folder);
    let key = &files[&format!("{signer}.pem")];
    assert!(files.values().all(|file| file == key), "{at}: {folder:?}");
}

/// Copies, each of which is whole and of either generation. Gives the kids whose private half is in one.
fn check_copies(machine: &Machine, seen: &[Seen], at: &str) -> BTreeSet<Kid> {
    let [certified, private, pem, pkcs12] = look_at_outputs(&machine.places);
    assert!(seen.iter().any(|seen| seen.0 == certified), "{at}: {certified:?}");
    for kids in [&private, &pkcs12] {
        assert!(seen.iter().any(|seen| seen.1 == *kids), "{at}: {kids:?}");
    }
    let files = pem_files(&machine.places);
    let whole: Vec<_> = [machine.agent.join("live"), machine.places.clone()]
        .iter()
        .flat_map(|folder| pem_files(folder).into_iter().filter(|(name, _)| !name.starts_with("active")))
        .collect();
    for (name, file) in files.iter().filter(|(name, _)| name.starts_with("active")) {
        assert!(whole.iter().any(|(_, key)| key == file), "{at}: {name} is no key's file");
    }
    [private, pem, pkcs12].into_iter().flatten().collect()
}

/// The process that is killed: it holds the first generation, and takes the second once it is told to.
fn victim(root: &Path) {
    let machine = Machine::under(root);
    let disk = machine.open(machine.all(true));
    let mut node = Alone::start(&disk, Found::default());
    node.input(Input::Connected(welcome(1)));
    node.take(1);
    let seen: Vec<Seen> = (1..=2)
        .map(|number| {
            let view = view_now(&generation(number));
            (view.published.iter().cloned().collect(), view.signing())
        })
        .collect();
    // strace is no ancestor of this process.
    let _ = rustix::process::set_ptracer(rustix::process::PTracer::Any);
    let thread = rustix::thread::gettid().as_raw_nonzero();
    println!("\nnode {thread} {}", serde_json::to_string(&seen).unwrap());
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
    node.take(2);
    println!("taken");
}

struct Victim {
    process: Child,
    output: BufReader<ChildStdout>,
    thread: String,
    seen: Vec<Seen>,
}

impl Victim {
    fn start(root: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture"])
            .env(FOLDER, root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while output.read_line(&mut line).unwrap() > 0 {
            if let Some((thread, seen)) = line.strip_prefix("node ").and_then(|rest| rest.split_once(' ')) {
                return Self {
                    thread: thread.to_owned(),
                    seen: serde_json::from_str(seen).unwrap(),
                    process,
                    output,
                };
            }
            line.clear();
        }
        panic!("the node ended before its time: {}", process.wait().unwrap());
    }

    /// Lets it take the second generation under strace(1), to its end. None where the system lets nobody be traced.
    fn go_on(mut self, strace: &[&str]) -> Option<(std::process::ExitStatus, Vec<Seen>)> {
        let tracer = Command::new("strace")
            .args(["-p", &self.thread])
            .args(strace)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut said = String::new();
        if let Ok(mut tracer) = tracer {
            let mut words = BufReader::new(tracer.stderr.take().unwrap());
            words.read_line(&mut said).unwrap();
            if said.contains("attached") {
                self.process.stdin.take().unwrap().write_all(b"\n").unwrap();
                let _ = std::io::copy(&mut self.output, &mut std::io::sink());
                let status = self.process.wait().unwrap();
                let _ = std::io::copy(&mut words, &mut std::io::sink());
                tracer.wait().unwrap();
                return Some((status, self.seen));
            }
            let _ = tracer.wait();
        }
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        skipped(&format!("{TEST}: strace(1) can't watch a process here: {said}"));
        None
    }
}

/// The calls of a node that is left alone, each by its name and which of that name it is.
fn calls() -> Option<Vec<(String, usize)>> {
    let folder = folder();
    let record = folder.path().join("strace");
    let (status, _) = Victim::start(folder.path()).go_on(&["-o", record.to_str().unwrap()])?;
    assert!(status.success(), "{status}");
    let mut counts = BTreeMap::new();
    let mut found = Vec::new();
    for line in text(&record).lines() {
        let Some((name, _)) = line.split_once('(') else { continue };
        if line.contains("\"taken\\n\"") {
            return Some(found);
        }
        if CHANGING.contains(&name) {
            let count = counts.entry(name.to_owned()).or_insert(0);
            *count += 1;
            if name != "openat" || line.contains("O_CREAT") {
                found.push((name.to_owned(), *count));
            }
        } else {
            assert!(HARMLESS.contains(&name), "is it a change of the disk? {line}");
        }
    }
    panic!("the recording has no end");
}

/// What a killed process has written is there without a disk, where there is memory to be had as one.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn kill_at(name: &str, which: usize) {
    let folder = folder();
    let machine = Machine::under(folder.path());
    let root = &machine.agent;
    let at = format!("before {name} {which}");
    let inject = format!("inject={name}:signal=SIGKILL:when={which}");
    let ended = Victim::start(folder.path()).go_on(&["-o", "/dev/null", "-e", &inject]);
    let (status, seen) = ended.expect("it was traced before");
    assert_eq!(status.signal(), Some(9), "{at}: it was not killed");
    let found = look(root);
    assert!(seen.contains(&found), "{at}: a reader finds {found:?}");
    check_view(&root.join("live"), &found, &at);
    let copied = check_copies(&machine, &seen, &at);

    let disk = machine.open(machine.all(true));
    let found = disk.load().unwrap();
    assert_eq!(found.problem, None, "{at}");
    let held = &found.installed.as_ref().unwrap().held;
    assert!(
        held.is_superset(&copied),
        "{at}: {copied:?} are in copies, and {held:?} is told"
    );
    let mut node = Alone::start(&disk, found);
    node.now.monotonic = Settings::default().ask_leader_for;
    node.input(Input::Tick);
    let status = node.state.status(node.now);
    let installed = status.installed.unwrap();
    let Generation(newest @ 1..=2) = installed.generation else {
        panic!("{at}: {installed:?}")
    };
    let newest_seen = &seen[usize::try_from(newest).unwrap() - 1];
    let (published, signing) = newest_seen;
    assert_eq!((&installed.published, &installed.signing), (published, signing), "{at}");
    assert_eq!(&installed.held, signing, "{at}: a private half is left: {:?}", status.problem);
    assert_eq!(look(root), *newest_seen, "{at}");
    for place in [&root.join("live"), &machine.places] {
        check_view(place, newest_seen, &at);
    }
    check_names(&machine, newest, &at);
    assert_eq!(disk.load().unwrap().trusted.unwrap().generation(), Generation(newest), "{at}");
}

/// Nothing is left behind.
fn check_names(machine: &Machine, newest: u64, at: &str) {
    let outputs = ["certified.json", "keys.p12", "pem", "private.json"];
    let always = ["jwks.json", "private.jwks.json", "view.json"];
    let mut view: Vec<_> = outputs.iter().chain(&always).map(ToString::to_string).collect();
    view.sort_unstable();
    assert_eq!(names(&machine.agent.join("live")), view, "{at}");
    assert_eq!(names(&machine.places), outputs, "{at}");
    assert_eq!(names(&machine.agent.join("views")), [format!("00000{newest}.1")], "{at}");
    let own = ["cache.key", "cache.sealed", "live", "trusted.json", "views", "written.json"];
    assert_eq!(names(&machine.agent), own, "{at}");
}

#[test]
fn killed_at_every_system_call_of_a_swap_it_goes_on_by_itself() {
    if let Some(root) = std::env::var_os(FOLDER) {
        return victim(Path::new(&root));
    }
    let Some(calls) = calls() else { return };
    let all = |name: &str| calls.iter().filter(|call| call.0.starts_with(name)).count();
    println!("{} calls: {} renames, {} of fsync", calls.len(), all("rename"), all("fsync"));
    assert!(all("rename") >= 12 && all("fsync") >= 30 && all("unlink") >= 6, "{calls:?}");
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((name, which)) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                    kill_at(name, *which);
                }
            });
        }
    });
}
