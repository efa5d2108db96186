//! A change of each setting while a key is in each state: it takes effect with the next key, and never re-times one that stands.

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

const STEP: Span = Span::hours(1);
const NODES: [&str; 2] = ["a", "b"];

/// A state, the profile, and the age of a fleet in minutes at which a key of it is in that state.
const STATES: [(&str, &str, u64); 7] = [
    ("prepublished", RSA, 600),
    ("armed", RSA, 47 * 60 + 30),
    ("active", RSA, 600),
    ("retiring", RSA, 48 * 60 + 10),
    ("staged", ENC, 47 * 60 + 10),
    ("published", ENC, 600),
    ("unpublished", ENC, 48 * 60 + 10),
];

type Change = fn(&mut Profile);

/// Every setting, changed; and what a key that stands has of it at once.
const CHANGES: [(&str, Change, Change); 21] = [
    ("interval longer", |new| new.windows.interval = Span::hours(96), |_| {}),
    ("interval shorter", |new| new.windows.interval = Span::hours(36), |_| {}),
    (
        "min_prepublish shorter",
        |new| new.windows.min_prepublish = Span::hours(20),
        |_| {},
    ),
    (
        "min_prepublish longer",
        |new| {
            new.windows.min_prepublish = Span::hours(30);
            if new.spec.key_use() == KeyUse::Enc {
                new.windows.min_prepublish = Span::hours(25);
            }
        },
        |_| {},
    ),
    ("arm_lead longer", |new| new.windows.arm_lead = Span::hours(3), |_| {}),
    ("arm_lead shorter", |new| new.windows.arm_lead = Span::mins(20), |_| {}),
    ("anchor", |new| new.windows.anchor = Some("02:00Z".parse().unwrap()), |_| {}),
    (
        "anchor and interval",
        |new| {
            new.windows.anchor = Some("14:00Z".parse().unwrap());
            new.windows.interval = Span::hours(72);
        },
        |_| {},
    ),
    (
        "token_lifetime longer",
        |new| new.windows.token_lifetime = Span::hours(5),
        |has| has.windows.token_lifetime = Span::hours(5),
    ),
    (
        "token_lifetime shorter",
        |new| new.windows.token_lifetime = Span::mins(5),
        |_| {},
    ),
    (
        "decrypt_window longer",
        |new| new.windows.decrypt_window = Span::hours(40),
        |has| has.windows.decrypt_window = Span::hours(40),
    ),
    (
        "decrypt_window shorter",
        |new| {
            new.windows.min_prepublish = Span::hours(20);
            new.windows.decrypt_window = Span::hours(20);
        },
        |_| {},
    ),
    (
        "clock_skew longer",
        |new| new.windows.clock_skew = Span::mins(9),
        |has| has.windows.clock_skew = Span::mins(9),
    ),
    ("clock_skew shorter", |new| new.windows.clock_skew = Span::mins(1), |_| {}),
    ("straggler_after", |new| new.windows.straggler_after = Span::hours(12), |_| {}),
    ("start_grace", |new| new.windows.start_grace = Span::mins(20), |_| {}),
    ("max_age", |new| new.windows.max_age = Span::mins(30), |_| {}),
    ("kid_format", |new| new.kid_format = KidFormat::Janssen, |_| {}),
    ("certificate_life", |new| new.certificate_life = Span::hours(24 * 30), |_| {}),
    ("nothing", |_| {}, |_| {}),
    (
        "alg",
        |new| {
            new.spec = match new.spec.key_use() {
                KeyUse::Sig => KeySpec::Ed25519,
                KeyUse::Enc => KeySpec::EcdhEs(Curve::P384),
            }
        },
        |_| {},
    ),
];

/// A fleet with a key in that state.
fn with_key(state: &str, of: &str, age: u64) -> (Bench, Kid) {
    let mut bench = Bench::with_profile(of, &NODES);
    bench.pass(Span::mins(age), STEP, &NODES);
    let is = |phase: &Phase| match phase {
        Phase::Published { .. } => state == "published",
        Phase::Unpublished { .. } => state == "unpublished",
        phase => phase.name() == state,
    };
    let kid = bench.kid_in(is).unwrap_or_else(|| panic!("no key is {state}"));
    (bench, kid)
}

fn configure(bench: &mut Bench, of: &str, change: Change) {
    let mut settings = bench.state.settings.clone();
    change(settings.profiles.get_mut(&profile(of)).unwrap());
    bench.run(&Command::Configure(settings)).unwrap();
}

/// What happens to a key from now on, with every time that is decided then.
fn course(bench: &mut Bench, kid: &Kid) -> Course {
    let before = bench.events.len();
    bench.settle();
    for node in NODES {
        bench.confirm(node);
    }
    bench.pass(Span::hours(110), STEP, &NODES);
    let of_key = bench.events[before..].iter().filter(|(_, event)| event.kid() == Some(kid));
    let decided = |event: &Event| match event {
        Event::Armed { activate_at: at, .. }
        | Event::Activated { retire_at: at, .. }
        | Event::Published { replace_at: at, .. } => Some(*at),
        _ => None,
    };
    of_key
        .map(|(at, event)| (*at, event.name().to_owned(), decided(event)))
        .collect()
}

#[test]
fn no_change_touches_a_key_that_stands_but_for_what_makes_it_safer() {
    for (state, of, age) in STATES {
        let (fleet, kid) = with_key(state, of, age);
        for (what, change, reaches) in CHANGES {
            let mut bench = fleet.clone();
            let key = bench.state.keys[&kid].clone();
            configure(&mut bench, of, change);
            bench.settle();
            let mut expected = bench.state.settings.profiles[&profile(of)].clone();
            expected.windows = key.windows;
            reaches(&mut expected);
            let expected = Key {
                windows: expected.windows,
                ..key
            };
            assert_eq!(bench.state.keys.get(&kid), Some(&expected), "{state}: {what}");
        }
    }
}

type Course = Vec<(Time, String, Option<Time>)>;

/// What a change must leave as it was. A longer life of tokens, or of what is encrypted, keeps a key for longer.
fn fixed(course: &Course, what: &str) -> Course {
    let kept = matches!(what, "token_lifetime longer" | "decrypt_window longer" | "clock_skew longer");
    let is_end = |event: &str| kept && ["removed", "discarded", "destroyed"].contains(&event);
    course.iter().filter(|(_, event, _)| !is_end(event)).cloned().collect()
}

fn ends_at(course: &Course) -> Option<Time> {
    let end = course
        .iter()
        .find(|(_, event, _)| ["removed", "discarded"].contains(&event.as_str()));
    end.map(|(at, ..)| *at)
}

#[test]
fn no_change_retimes_a_key_that_stands_and_each_takes_effect_with_the_next() {
    for (state, of, age) in STATES {
        let (fleet, kid) = with_key(state, of, age);
        let told = course(&mut fleet.clone(), &kid);
        for (what, change, _) in CHANGES {
            let mut bench = fleet.clone();
            configure(&mut bench, of, change);
            let happened = course(&mut bench, &kid);
            if what == "alg" && ["prepublished", "staged"].contains(&state) {
                let names: Vec<&str> = happened.iter().map(|(_, event, _)| event.as_str()).collect();
                assert!(
                    names[0] == "removed" || names[0] == "discarded",
                    "it gives way unused: {names:?}"
                );
            } else {
                assert_eq!(fixed(&happened, what), fixed(&told, what), "{state}: {what}");
                let (end, planned) = (ends_at(&happened), ends_at(&told));
                assert!(
                    end.is_none() || end >= planned,
                    "{state}: {what}: {end:?} is before {planned:?}"
                );
            }
            let made = bench.events[fleet.events.len()..].iter().find_map(|(_, event)| match event {
                Event::Prepublished { key, windows, .. } | Event::Staged { key, windows, .. } => Some((key.spec, *windows)),
                _ => None,
            });
            let asked = &bench.state.settings.profiles[&profile(of)];
            assert_eq!(made, Some((asked.spec, asked.windows)), "{state}: {what}");
        }
    }
}

#[test]
fn t1_a_longer_min_prepublish_publishes_the_next_key_so_much_earlier() {
    let (mut bench, _) = with_key("active", RSA, 600);
    configure(&mut bench, RSA, |new| new.windows.min_prepublish = Span::hours(30));
    bench.pass(Span::hours(60), STEP, &NODES);
    let made = bench
        .events
        .iter()
        .filter(|(_, event)| matches!(event, Event::Prepublished { .. }));
    let made: Vec<Span> = made.map(|(at, _)| at.since(START)).collect();
    assert_eq!(
        made,
        [0, 0, 17 * 60 - 10, 65 * 60 - 10].map(Span::mins),
        "30h before the standby is armed"
    );
}

#[test]
fn an_anchored_schedule_comes_to_its_hour_with_the_next_key_and_again_after_an_emergency() {
    let mut bench = Bench::with_nodes(&NODES);
    configure(&mut bench, RSA, |new| new.windows.anchor = Some("02:00Z".parse().unwrap()));
    bench.pass(Span::hours(24 * 9 + 1), STEP, &NODES);
    bench.run(&Command::RotateNow(superseded())).unwrap();
    bench.pass(Span::hours(24 * 8), STEP, &NODES);
    let signs = bench.events.iter().filter_map(|(_, event)| match event {
        Event::Activated { since, .. } => Some(since.to_string()),
        _ => None,
    });
    let signs: Vec<String> = signs.map(|at| at[5..16].to_owned()).collect();
    let emergency = "01-24T09:00";
    let expected = [
        // The first key and its standby were made before.
        "01-15T08:00",
        "01-17T08:00",
        "01-19T08:00",
        "01-21T02:00",
        "01-23T02:00",
        emergency,
        "01-26T02:00",
        "01-28T02:00",
        "01-30T02:00",
        "02-01T02:00",
    ];
    assert_eq!(signs, expected);
}

#[test]
fn a_configuration_without_profiles_is_refused_in_words() {
    let mut bench = Bench::with_nodes(&NODES);
    let before = bench.state.clone();
    let refusal = bench.run(&Command::Configure(Settings::default())).unwrap_err();
    assert_eq!(refusal, Refusal::NoProfiles);
    assert!(refusal.to_string().contains("leave one in it"), "{refusal}");
    assert_eq!(bench.state, before);
}

/// The profile of the bench for the other use.
fn for_other_use(bench: &mut Bench, of: &str, other: KeySpec) -> Result<Decision, Refusal> {
    let mut settings = bench.state.settings.clone();
    settings.profiles.insert(profile(of), Profile::new(profile(of), other));
    bench.run(&Command::Configure(settings))
}

#[test]
fn a_profile_changes_its_use_only_when_no_key_of_it_is_left_and_begins_anew() {
    for (of, other) in [(RSA, KeySpec::EcdhEs(Curve::P256)), (ENC, KeySpec::Es256)] {
        let mut bench = Bench::started(&[of, "keep"]);
        bench.join("a");
        bench.confirm("a");
        bench.pass(Span::hours(5), STEP, &["a"]);
        assert_eq!(for_other_use(&mut bench, of, other), Err(Refusal::OtherUse(profile(of))));
        bench.run(&Command::Configure(settings(&["keep"]))).unwrap();
        bench.pass(Span::mins(30), STEP, &["a"]);
        let refused = for_other_use(&mut bench, of, other).unwrap_err().to_string();
        assert!(refused.contains("bring it back when"), "{refused}");
        bench.pass(Span::hours(27), STEP, &["a"]);
        for_other_use(&mut bench, of, other).unwrap();
        bench.pass(Span::hours(28), STEP, &["a"]);
        let name = profile(of);
        let in_use = bench
            .state
            .active(&name)
            .or(bench.state.encrypted_to(&name).map(|(key, _)| key));
        assert_eq!(in_use.unwrap().public.spec, other);
        let exception = |event: &Event| {
            let of_profile = event.kid().is_some_and(|kid| kid.as_str().starts_with(of));
            of_profile
                && matches!(
                    event,
                    Event::Activated {
                        cause: Cause::Forced { .. } | Cause::Compromised { .. },
                        ..
                    }
                )
        };
        assert!(!bench.events.iter().any(|(_, event)| exception(event)));
    }
}

#[test]
fn r1_a_profile_whose_keys_were_all_destroyed_does_not_change_its_use_into_a_signer_at_once() {
    let mut bench = Bench::with_profile(ENC, &NODES);
    bench.run(&Command::RotateNow(compromised(Compromised::All, true))).unwrap();
    assert!(bench.state.keys.is_empty());
    for_other_use(&mut bench, ENC, KeySpec::Es256).unwrap();
    bench.pass(Span::hours(25), STEP, &NODES);
    assert!(bench.state.active(&profile(ENC)).is_none(), "its first key is a first key");
    bench.pass(Span::hours(3), STEP, &NODES);
    assert!(bench.state.active(&profile(ENC)).is_some());
}
