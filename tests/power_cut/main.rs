//! The power goes at any moment: what was acknowledged is there, whole.
//!
//! strace(1) records the calls of a real process, a keystore that makes its steps. A model of a disk says what each moment could have
//! left, in what order and how torn, and each of those is opened as a start after the power cut would.

mod cut;
mod disk;
#[path = "../processes/skipped.rs"]
mod skipped;
mod trace;
mod victim;

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};

use jkeys::types::Digest;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use self::cut::{Fate, Image};
use self::disk::Disk;
use self::skipped::skipped;
use self::trace::{CALLS, Call, Event, Trace};
use self::victim::Told;

const FOLDER: &str = "JKEYS_TEST_KEYSTORE";
const SEED: u64 = 4;
const WORKERS: usize = 2;

/// Runs the test `name` again as a process of its own that finds `dir` in its environment, and records it. `None` where the system
/// lets nobody be traced.
fn record(name: &str, dir: &Path) -> Option<Trace> {
    let file = dir.with_extension("strace");
    let mut strace = Command::new("strace");
    let output = strace
        .args(["-f", "-qq", "-a", "1", "-xx", "-s", "16000000", "-e", "signal=none", "-e"])
        .arg(format!("trace={CALLS}"))
        .arg("-o")
        .arg(&file)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(FOLDER, dir)
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => Some(Trace::read(&fs::read_to_string(&file).unwrap())),
        Ok(output) if dir.exists() => panic!("the recorded process failed: {output:?}"),
        refused => {
            skipped(&format!("{name}: strace(1) records nothing here: {refused:?}"));
            None
        }
    }
}

/// What a power cut leaves, and what must be in it.
struct Case {
    image: Image,
    told: Told,
    /// For people: when, and with which fate.
    moment: String,
}

#[derive(Default)]
struct Tried {
    moments: usize,
    images: usize,
    failures: Vec<String>,
}

impl Tried {
    fn add(&mut self, more: Self) {
        self.moments += more.moments;
        self.images += more.images;
        self.failures.extend(more.failures);
    }

    fn all_hold(&self) {
        println!("{} moments, {} images of the disk", self.moments, self.images);
        let shown: Vec<&String> = self.failures.iter().take(20).collect();
        assert!(self.failures.is_empty(), "{} fail: {shown:#?}", self.failures.len());
    }
}

/// Cuts the power at every call that forces or renames something, and at one of `every` others; where `may` allows it.
fn cut_everywhere(trace: &Trace, mut disk: Disk, mut told: Told, every: usize, may: fn(&Told) -> bool) -> Tried {
    let (cases, images) = sync_channel(4);
    let images = Mutex::new(images);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(|| try_images(&images))).collect();
        let mut tried = Tried::default();
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        let mut seen: HashMap<Digest, Told> = HashMap::new();
        for (place, event) in trace.events.iter().enumerate() {
            if may(&told) && (is_decisive(event, &trace.events[..place]) || place.is_multiple_of(every)) {
                tried.moments += 1;
                for fate in Fate::TRIED {
                    let image = disk.cut(fate, &mut random);
                    if seen.insert(digest(&image), told.clone()).as_ref() != Some(&told) {
                        tried.images += 1;
                        let moment = format!("before event {place}, {event:.120?}, {fate:?}");
                        let told = told.clone();
                        cases.send(Case { image, told, moment }).unwrap();
                    }
                }
            }
            disk.take(event);
            told.take(event);
        }
        drop(cases);

        tried.failures = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        tried
    })
}

/// Before and after what forces or renames something, the most depends on the moment.
fn is_decisive(event: &Event, before: &[Event]) -> bool {
    let is_strong = |event: &Event| {
        matches!(
            event,
            Event::Begun {
                call: Call::Sync(_) | Call::Rename { .. } | Call::Remove(_) | Call::Truncate { .. },
                ..
            }
        )
    };
    is_strong(event) || before.last().is_some_and(is_strong)
}

/// What tells one image from another.
fn digest(image: &Image) -> Digest {
    let mut all = Vec::new();
    for (path, content) in image {
        all.extend(path.as_os_str().as_encoded_bytes());
        all.extend(content.as_ref().map_or(Digest([0; 32]), |content| Digest::of(content)).0);
    }
    Digest::of(&all)
}

fn try_images(images: &Mutex<Receiver<Case>>) -> Vec<String> {
    let mut failures = Vec::new();
    loop {
        let next = images.lock().unwrap().recv();
        let Ok(case) = next else { return failures };
        let folder = memory_folder();
        write_image(&case.image, folder.path());
        if let Err(what) = case.told.check(&keystore_in(folder.path())) {
            failures.push(format!("{}: {what}", case.moment));
        }
    }
}

/// A folder that needs no disk, where there is one: what is opened is an image of a disk already.
fn memory_folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn write_image(image: &Image, root: &Path) {
    for (path, content) in image {
        let path = root.join(path);
        match content {
            Some(content) => fs::File::create(&path).unwrap().write_all(content).unwrap(),
            None => fs::create_dir(&path).unwrap(),
        }
    }
}

/// Run again in a process of its own, it is what is recorded.
#[test]
fn the_power_goes_at_any_moment_and_nothing_acknowledged_is_lost_or_torn() {
    if let Some(root) = std::env::var_os(FOLDER) {
        return victim::work(&keystore_in(root.as_ref()));
    }
    let name = "the_power_goes_at_any_moment_and_nothing_acknowledged_is_lost_or_torn";
    let Some((_temp, root, trace)) = recorded(name) else { return };
    let mut told = Told::default();
    trace.events.iter().for_each(|event| told.take(event));
    assert!(told.is_all(), "the recording is not whole: {told:?}");
    let tried = cut_everywhere(&trace, Disk::new(&root), Told::default(), 9, |_| true);
    tried.all_hold();
    assert!(tried.moments > 500 && tried.images > 500, "too little was tried");
}

fn recorded(name: &str) -> Option<(TempDir, PathBuf, Trace)> {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("disk");
    fs::create_dir(&root).unwrap();
    let trace = record(name, &root)?;
    Some((temp, root, trace))
}

/// Of what is not acknowledged yet, blobs and log may come apart: see `keystore::plan`.
#[test]
fn what_sled_puts_into_files_of_its_own_is_durable_too_once_it_is_acknowledged() {
    if let Some(root) = std::env::var_os(FOLDER) {
        return victim::work_of_large_records(&keystore_in(root.as_ref()));
    }
    let name = "what_sled_puts_into_files_of_its_own_is_durable_too_once_it_is_acknowledged";
    let Some((_temp, root, trace)) = recorded(name) else { return };
    assert!(trace.touches("keystore/db/blobs/"), "the records are not large enough");
    let tried = cut_everywhere(&trace, Disk::new(&root), Told::default(), 3, Told::is_idle);
    tried.all_hold();
    assert!(tried.images > 4, "too little was tried");
}

/// How many of the images that a first cut leaves are cut again.
const AGAIN: usize = 6;

/// The start after a power cut writes too: it clears what is torn away. Run again in a process of its own, it is that start.
#[test]
fn the_power_goes_again_while_the_start_after_it_mends_what_it_left() {
    if let Some(root) = std::env::var_os(FOLDER) {
        return victim::start(&keystore_in(root.as_ref()));
    }
    let name = "the_power_goes_at_any_moment_and_nothing_acknowledged_is_lost_or_torn";
    let Some((_temp, root, trace)) = recorded(name) else { return };
    let mut random = ChaCha8Rng::seed_from_u64(SEED + 1);
    let (mut disk, mut told, mut tried) = (Disk::new(&root), Told::default(), Tried::default());
    let apart = trace.events.len() / (AGAIN + 1);
    let mut next = apart;
    for (place, event) in trace.events.iter().enumerate() {
        // A write of the database that is not synced yet is what is torn.
        if place >= next
            && matches!(event, Event::Begun { call: Call::Sync(_), .. })
            && disk.has_torn(Path::new("keystore/db/db"))
        {
            next += apart;
            let image = disk.cut(Fate::Torn, &mut random);
            tried.add(cut_a_start(&image, &told));
        }
        disk.take(event);
        told.take(event);
    }
    tried.all_hold();
    assert!(tried.moments > 60, "too little was tried: {} moments", tried.moments);
}

/// Records a start on what a first cut left, and cuts that everywhere.
fn cut_a_start(image: &Image, told: &Told) -> Tried {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("disk");
    fs::create_dir(&root).unwrap();
    write_image(image, &root);
    let name = "the_power_goes_again_while_the_start_after_it_mends_what_it_left";
    record(name, &root).map_or_else(Tried::default, |trace| {
        cut_everywhere(&trace, Disk::with(&root, image), told.clone(), 5, |_| true)
    })
}

fn keystore_in(root: &Path) -> PathBuf {
    root.join("keystore")
}
