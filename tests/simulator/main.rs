//! The seeded simulator: the real cores with simulated network, disks and clocks, for months, under faults and requests that a seed
//! draws. After each event the oracle looks at what nodes serve, sign with and can open.
//!
//! `make simulate SEEDS=1000` runs that many new seeds, `make simulate SEED=316` one again; `NODES=5 DAYS=16` are the bounds of the
//! search for what is missed when a rule is taken out, and `SET_BACKS=1` has the leader set back in every course, as some of those have.

mod course;
mod weather;
#[path = "../world/mod.rs"]
mod world;

use std::collections::VecDeque;
use std::sync::Mutex;

use course::Course;
use jkeys::clock::Clock;
use jkeys::types::{Span, Time};
use weather::Bounds;
use world::act::Act;

/// The courses that run each time: those of the first seeds.
const FIXED: u64 = 13;

/// How many new ones run with them.
const FRESH: u64 = 3;

const BOUNDS: Bounds = Bounds {
    nodes: 24,
    days: 60,
    has_log: true,
    always_set_back: false,
};

#[test]
fn no_course_of_a_fleet_breaks_a_rule() {
    let fresh = rand::random::<u64>() >> 24;
    let seeds: Vec<u64> = match (number("SEED"), number("SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, Some(count)) => (fresh..fresh + count).collect(),
        (None, None) => (0..FIXED).chain(fresh..fresh + FRESH).collect(),
    };
    run_all(seeds);
}

/// The same seed is the same course: what is printed can be run again.
#[test]
fn a_seed_is_one_course() {
    let small = Bounds {
        nodes: 4,
        days: 20,
        ..BOUNDS
    };
    let (once, again) = (Course::of(7, small), Course::of(7, small));
    assert_eq!(once.acts, again.acts);
    let world = once.performed_again(&once.acts, false);
    assert_eq!(world.leader.store.state.halted.is_some(), once.halted);
    assert_eq!(world.oracle.broken, once.broken);
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number: {text}")))
}

#[derive(Default)]
struct Sum {
    courses: usize,
    fleet_time: Span,
    node_time: Span,
    takeovers: usize,
    acts: usize,
    halted: usize,
    broken: Vec<Course>,
}

/// Runs the courses of these seeds, on all processors.
fn run_all(seeds: Vec<u64>) {
    let clock = Clock::machine();
    let began = clock.monotonic();
    let bounds = Bounds {
        nodes: number("NODES").map_or(BOUNDS.nodes, |nodes| u8::try_from(nodes).expect("up to 255 nodes")),
        days: number("DAYS").unwrap_or(BOUNDS.days),
        always_set_back: number("SET_BACKS").is_some(),
        ..BOUNDS
    };
    let open = Mutex::new(seeds.into_iter().collect::<VecDeque<_>>());
    let sum = Mutex::new(Sum::default());
    println!(
        "{:>20} {:>5} {:>8} {:>5} {:>5} {:>9}",
        "seed", "nodes", "profiles", "days", "acts", "takeovers"
    );
    let work = || {
        while let Some(seed) = { open.lock().unwrap().pop_front() } {
            let course = Course::of(seed, bounds);
            println!("{}", line(&course));
            sum.lock().unwrap().add(course);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    sum.into_inner().unwrap().conclude(clock.monotonic() - began);
}

fn line(course: &Course) -> String {
    let Course {
        seed,
        weather,
        acts,
        takeovers,
        ..
    } = course;
    let (nodes, profiles, days, acts) = (weather.nodes, weather.profiles(), course.lasted.0 / DAY.0, acts.len());
    let how = match (&course.broken, course.halted) {
        (Some(broken), _) => format!("  BREAKS {}: {}", broken.rule, broken.how),
        (None, true) => "  halted".to_owned(),
        (None, false) => String::new(),
    };
    format!("{seed:>20} {nodes:>5} {profiles:>8} {days:>5} {acts:>5} {takeovers:>9}{how}")
}

/// How many decisions are shown before the one with which a rule was broken.
const DECISIONS_SHOWN: usize = 12;

const DAY: Span = Span(24 * 3_600_000);

impl Sum {
    fn add(&mut self, course: Course) {
        self.courses += 1;
        self.fleet_time = self.fleet_time + course.lasted;
        self.node_time = self.node_time + course.node_time;
        self.takeovers += course.takeovers;
        self.acts += course.acts.len();
        self.halted += usize::from(course.halted);
        if course.broken.is_some() {
            self.broken.push(course);
        }
    }

    fn conclude(self, took: Span) {
        let years = |time: Span| time.std().as_secs_f64() / (365.0 * DAY.std().as_secs_f64());
        println!(
            "{} courses, {:.1} years of a fleet and {:.1} of nodes, {} takeovers, {} faults and requests, {} leaders halted in the end, \
             in {:.0} s: {:.1} years of a fleet a minute",
            self.courses,
            years(self.fleet_time),
            years(self.node_time),
            self.takeovers,
            self.acts,
            self.halted,
            took.std().as_secs_f64(),
            years(self.fleet_time) * 60.0 / took.std().as_secs_f64(),
        );
        for course in self.broken.iter().take(3) {
            explain(course);
        }
        let seeds: Vec<u64> = self.broken.iter().map(|course| course.seed).collect();
        assert!(seeds.is_empty(), "a rule is broken with these seeds: {seeds:?}");
        assert!(self.takeovers > 5 * self.courses, "keys hardly ever took over");
    }
}

/// How to see it again; what was decided last; and, which may take a while, what it takes to break the rule.
fn explain(course: &Course) {
    let broken = course.broken.as_ref().expect("it breaks a rule");
    println!("\nseed {}: {}: {}", course.seed, broken.rule, broken.how);
    println!("run it again with `make simulate SEED={}`", course.seed);
    println!(
        "settings: {}",
        serde_json::to_string(&course.weather.settings).expect("settings are JSON")
    );
    tell_last(course, &course.acts);
    let acts = course.shortened();
    println!("it takes no more than this:");
    for (at, act) in &acts {
        println!("  {}  {act:?}", since_start(*at));
    }
    tell_last(course, &acts);
}

fn tell_last(course: &Course, acts: &[(Time, Act)]) {
    let world = course.performed_again(acts, true);
    let told: Vec<&String> = world.told.iter().flatten().collect();
    println!("the last decisions before {:?}:", world.oracle.broken);
    let shown = number("SHOW").map_or(DECISIONS_SHOWN, |shown| usize::try_from(shown).expect("a number of lines"));
    for line in &told[told.len().saturating_sub(shown)..] {
        println!("  {line}");
    }
}

fn since_start(at: Time) -> String {
    let elapsed = at.since(world::START);
    format!("{at} (after {elapsed})")
}
