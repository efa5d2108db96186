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

use std::collections::{BTreeMap, HashMap};
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
    /// Images of moments in which a step was under way that was not acknowledged.
    under_way: usize,
    /// By kind of file: the parts of it in which a write was cut short, each with the number of images.
    within: BTreeMap<&'static str, BTreeMap<u64, usize>>,
    failures: Vec<String>,
}

/// What sled fills one after another.
const SEGMENT_BYTES: u64 = 512 * 1024;

fn kind(path: &Path) -> &'static str {
    let text = path.to_string_lossy();
    let text = text.strip_prefix("keystore/").unwrap_or(&text);
    match text {
        "db/db" => "database",
        _ if text.starts_with("db/blobs/") => "blobs",
        _ if text.starts_with("db/snap.") => "snapshots of sled's own",
        _ if text.starts_with("segments/") => "segments",
        _ if text.starts_with("snapshots/") => "snapshots and data keys",
        _ if text.starts_with("lock") || text.starts_with("db/conf") => "lock and settings",
        _ => "anchor",
    }
}

impl Tried {
    fn add(&mut self, more: Self) {
        self.moments += more.moments;
        self.images += more.images;
        self.under_way += more.under_way;
        for (kind, parts) in more.within {
            let own = self.within.entry(kind).or_default();
            for (part, count) in parts {
                *own.entry(part).or_default() += count;
            }
        }
        self.failures.extend(more.failures);
    }

    fn all_hold(&self) {
        println!(
            "{} moments, {} images of the disk, {} of them in a step that was not acknowledged; cut within a write: {:?}",
            self.moments, self.images, self.under_way, self.within
        );
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
            let before = &trace.events[..place];
            let mut fates: Vec<Fate> = Vec::new();
            let newest = disk.newest_write().filter(|_| is_write(before.last()));
            if is_decisive(event, before) || place.is_multiple_of(every) {
                fates.extend(Fate::TRIED);
            }
            fates.extend(newest.iter().flat_map(|_| Fate::WITHIN));
            fates.retain(|_| may(&told));
            tried.moments += usize::from(!fates.is_empty());
            for fate in fates {
                let image = disk.cut(fate, &mut random);
                if seen.insert(digest(&image), told.clone()).as_ref() == Some(&told) {
                    continue;
                }
                tried.images += 1;
                tried.under_way += usize::from(told.is_under_way());
                if let Some(newest) = newest.as_ref().filter(|_| Fate::WITHIN.contains(&fate)) {
                    let parts = tried.within.entry(kind(&newest.path)).or_default();
                    *parts.entry(newest.offset / SEGMENT_BYTES).or_default() += 1;
                }
                let moment = format!("before event {place}, {event:.120?}, {fate:?}");
                let told = told.clone();
                cases.send(Case { image, told, moment }).unwrap();
            }
            disk.take(event);
            told.take(event);
        }
        drop(cases);

        tried.failures = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        tried
    })
}

fn is_write(event: Option<&Event>) -> bool {
    matches!(
        event,
        Some(Event::Begun {
            call: Call::Write { .. },
            ..
        })
    )
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
    assert!(tried.under_way > 500, "{}", tried.under_way);
    for kind in ["database", "segments", "snapshots and data keys", "anchor"] {
        let images: usize = tried.within.get(kind).iter().flat_map(|parts| parts.values()).sum();
        assert!(images >= 50, "{kind}: {images}");
    }
    // In every segment of sled's log that was written to.
    let parts = &tried.within["database"];
    assert!(
        parts.len() > 2 && parts.keys().copied().eq(0..parts.len() as u64),
        "{parts:?}"
    );
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
