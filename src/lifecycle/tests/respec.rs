//! A profile whose algorithm is changed on a live fleet: a rotation into the new one.

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

const NODES: [&str; 2] = ["a", "b"];
const STEP: Span = Span::mins(10);

/// The settings in force, with another algorithm for one profile.
fn into(bench: &mut Bench, of: &str, spec: KeySpec) {
    let mut settings = bench.state.settings.clone();
    settings.profiles.get_mut(&profile(of)).unwrap().spec = spec;
    bench.run(&Command::Configure(settings)).unwrap();
    bench.settle();
    for node in NODES {
        bench.confirm(node);
    }
    bench.settle();
}

/// A fleet so long after its founding, which then changes to `Ed25519`.
fn changed_after(age: Span) -> Bench {
    let mut bench = Bench::with_nodes(&NODES);
    bench.pass(age, STEP, &NODES);
    into(&mut bench, RSA, KeySpec::Ed25519);
    bench
}

fn specs(bench: &Bench, phase: &str) -> Vec<KeySpec> {
    let keys = bench.state.keys.values().filter(|key| key.phase.name() == phase);
    let mut specs: Vec<KeySpec> = keys.map(|key| key.public.spec).collect();
    specs.sort();
    specs
}

fn signs(bench: &Bench) -> KeySpec {
    bench.state.active(&profile(RSA)).unwrap().public.spec
}

/// When each key began to sign, and what it is.
fn rotations(bench: &Bench) -> Vec<(Span, KeySpec)> {
    let mut specs = std::collections::BTreeMap::new();
    let mut rotations = Vec::new();
    for (_, event) in &bench.events {
        match event {
            Event::Prepublished { key, .. } => drop(specs.insert(key.kid.clone(), key.spec)),
            Event::Activated { kid, since, .. } => rotations.push((since.since(START), specs[kid])),
            _ => {}
        }
    }
    rotations
}

#[test]
fn a_key_of_the_new_algorithm_is_made_at_once_and_takes_over_on_time() {
    let mut bench = changed_after(Span::hours(10));
    assert_eq!(specs(&bench, "prepublished"), [KeySpec::Es256, KeySpec::Ed25519]);
    bench.pass(Span::hours(48), STEP, &NODES);
    assert_eq!(
        rotations(&bench),
        [(Span(0), KeySpec::Es256), (Span::hours(48), KeySpec::Ed25519)]
    );
}

#[test]
fn the_standby_of_the_old_algorithm_stays_until_the_new_one_can_take_over_and_goes_then() {
    let mut bench = changed_after(Span::hours(10));
    bench.pass(Span::hours(25), STEP, &NODES);
    let new = specs(&bench, "prepublished")
        .iter()
        .filter(|spec| **spec == KeySpec::Ed25519)
        .count();
    assert!(new >= 1 && specs(&bench, "prepublished").contains(&KeySpec::Es256), "{new}");
    bench.pass(Span::hours(2), STEP, &NODES);
    assert!(!specs(&bench, "prepublished").contains(&KeySpec::Es256));
    assert!(bench.state.doomed.is_empty(), "its private half is destroyed");
    let removed = |event: &Event| {
        matches!(
            event,
            Event::Removed {
                last_signature: None,
                ..
            }
        )
    };
    assert_eq!(bench.when(removed).unwrap().since(START), Span::hours(36));
}

#[test]
fn the_old_algorithm_takes_over_once_more_where_the_new_one_would_be_late() {
    let mut bench = changed_after(Span::hours(30));
    bench.pass(Span::hours(80), STEP, &NODES);
    let hours = |hours, spec| (Span::hours(hours), spec);
    assert_eq!(
        rotations(&bench),
        [
            hours(0, KeySpec::Es256),
            hours(48, KeySpec::Es256),
            hours(96, KeySpec::Ed25519)
        ]
    );
}

#[test]
fn an_armed_key_goes_on_as_armed() {
    let mut bench = Bench::with_nodes(&NODES);
    bench.pass(Span::mins(47 * 60 + 30), STEP, &NODES);
    let armed = bench.state.armed(&profile(RSA)).unwrap().0.clone();
    into(&mut bench, RSA, KeySpec::Ed25519);
    assert_eq!(bench.state.keys[armed.kid()], armed);
    bench.pass(Span::hours(1), STEP, &NODES);
    assert_eq!(bench.active(), *armed.kid());
    bench.pass(Span::hours(48), STEP, &NODES);
    assert_eq!(signs(&bench), KeySpec::Ed25519);
}

#[test]
fn a_standby_is_ready_for_an_emergency_at_every_instant_of_the_change() {
    for hours in [28, 30, 36, 44, 47] {
        let mut bench = changed_after(Span::hours(hours));
        for _ in 0..72 * 6 {
            bench.pass(STEP, STEP, &NODES);
            let name = profile(RSA);
            let ready = ready_first(&bench.state, &bench.seen, &name, bench.now);
            let is_ready = ready.is_some_and(|key| Publication::of(&bench.state, &bench.seen, key).holds_at(bench.now));
            assert!(is_ready, "changed after {hours}h: nothing stands by at {}", bench.now);
            assert!(bench.state.keys.len() <= 5, "T6: {:?}", bench.published());
        }
        assert_eq!(signs(&bench), KeySpec::Ed25519, "{hours}");
    }
}

#[test]
fn an_emergency_takes_the_new_algorithm_once_relying_parties_know_it_and_the_old_one_before() {
    for (wait, taken) in [(1, KeySpec::Es256), (25, KeySpec::Es256), (27, KeySpec::Ed25519)] {
        for compromised in [false, true] {
            let mut bench = Bench::with_nodes(&NODES);
            bench.pass(Span::hours(50), STEP, &NODES);
            into(&mut bench, RSA, KeySpec::Ed25519);
            bench.pass(Span::hours(wait), STEP, &NODES);
            let what = compromised.then(|| Compromised::Key(bench.active()));
            let request = RotateNow {
                compromised: what,
                ..superseded()
            };
            let decision = bench.run(&Command::RotateNow(request)).unwrap();
            assert_eq!(signs(&bench), taken, "{wait}h");
            let said = decision.remarks.iter().any(|remark| remark.contains("of ES256 takes over"));
            assert_eq!(said, taken == KeySpec::Es256, "{:?}", decision.remarks);
        }
    }
}

#[test]
fn an_emergency_prefers_a_known_key_of_the_new_algorithm_to_an_armed_one_of_the_old() {
    // The new one is ready three minutes before the old one signs: too late to be armed in its place.
    let mut bench = changed_after(Span::mins(21 * 60 + 57));
    bench.pass(Span::mins(25 * 60 + 59), STEP, &NODES);
    let armed = bench.state.armed(&profile(RSA)).unwrap().0.clone();
    assert_eq!(armed.public.spec, KeySpec::Es256);
    let armed = armed.kid().clone();
    bench.now = bench.now + Span::mins(2);
    bench.run(&Command::RotateNow(superseded())).unwrap();
    assert_eq!(signs(&bench), KeySpec::Ed25519);
    assert_eq!(bench.state.keys[&armed].phase.name(), "retiring", "rule R3: nodes hold it");
}

#[test]
fn a_hastened_rotation_says_that_the_old_algorithm_takes_over_once_more() {
    let mut bench = changed_after(Span::hours(30));
    let (profiles, why) = (vec![], Why::default());
    let decision = bench.run(&Command::Hasten { profiles, why }).unwrap();
    assert!(decision.remarks[0].contains("of ES256 takes over"), "{:?}", decision.remarks);
    bench.pass(Span::hours(2), STEP, &NODES);
    assert_eq!(rotations(&bench).len(), 2);
    bench.pass(Span::hours(48), STEP, &NODES);
    assert_eq!(signs(&bench), KeySpec::Ed25519);
}

#[test]
fn a_change_that_is_taken_back_leaves_no_trace_in_the_schedule() {
    let mut bench = changed_after(Span::hours(30));
    let standby = bench.standby();
    into(&mut bench, RSA, KeySpec::Es256);
    assert!(!specs(&bench, "prepublished").contains(&KeySpec::Ed25519));
    assert!(bench.state.keys.contains_key(&standby));
    bench.pass(Span::hours(70), STEP, &NODES);
    assert!(rotations(&bench).iter().all(|(_, spec)| *spec == KeySpec::Es256));
    assert_eq!(rotations(&bench).len(), 3);
}

#[test]
fn t6_many_changes_in_a_row_leave_one_new_key() {
    let mut bench = Bench::with_nodes(&NODES);
    bench.pass(Span::hours(30), STEP, &NODES);
    let fallback = bench.standby();
    assert_eq!(bench.state.keys.len(), 3, "active, standby, successor");
    for spec in [
        KeySpec::Ed25519,
        KeySpec::Es384,
        KeySpec::Ps256(RsaBits::B3072),
        KeySpec::Ed25519,
    ] {
        into(&mut bench, RSA, spec);
        bench.pass(Span::hours(1), STEP, &NODES);
        assert!(bench.state.keys.contains_key(&fallback));
        assert_eq!(bench.state.keys.len(), 4, "and the new one: {:?}", bench.published());
    }
    bench.pass(Span::hours(70), STEP, &NODES);
    assert_eq!(signs(&bench), KeySpec::Ed25519);
}

#[test]
fn a_profile_that_has_come_to_its_algorithm_does_not_go_back_by_its_schedule() {
    let mut bench = Bench::with_nodes(&NODES);
    bench.pass(Span::hours(30), STEP, &NODES);
    // The standby that relying parties know is of an algorithm before; the one after it is not ready on time.
    let old = bench.standby();
    std::sync::Arc::make_mut(&mut bench.state.keys.get_mut(&old).unwrap().public).spec = KeySpec::Ed25519;
    let (planned, name) = (START + Span::hours(40), profile(RSA));
    let next = NextUp::of(&bench.state, &bench.seen, &name, planned, bench.now).unwrap();
    assert!(*next.key.kid() != old && next.activate_at > planned, "{next:?}");
    let ready = ready_first(&bench.state, &bench.seen, &name, bench.now).unwrap();
    assert_eq!(*ready.kid(), old, "in an emergency it is the one");
}

#[test]
fn a_profile_that_never_signed_begins_with_the_new_algorithm() {
    let mut bench = Bench::with_nodes(&NODES);
    bench.run(&Command::Configure(settings(&[RSA, "ec"]))).unwrap();
    bench.pass(Span::hours(20), STEP, &NODES);
    into(&mut bench, "ec", KeySpec::Ed25519);
    let of_ec: Vec<KeySpec> = bench.state.keys_of(&profile("ec")).map(|key| key.public.spec).collect();
    assert_eq!(of_ec, [KeySpec::Ed25519]);
    bench.pass(Span::hours(28), STEP, &NODES);
    assert_eq!(bench.state.active(&profile("ec")).unwrap().public.spec, KeySpec::Ed25519);
}

#[test]
fn e1_a_staged_key_gives_way_to_one_of_the_new_algorithm_once_every_node_holds_that() {
    let mut bench = Bench::with_profile(ENC, &NODES);
    bench.pass(Span::mins(47 * 60 + 10), STEP, &NODES);
    let old = bench.staged().unwrap();
    let mut settings = bench.state.settings.clone();
    settings.profiles.get_mut(&profile(ENC)).unwrap().spec = KeySpec::RsaOaep256(RsaBits::B2048);
    bench.run(&Command::Configure(settings)).unwrap();
    bench.settle();
    let new = bench.staged().unwrap();
    assert_ne!(new, old);
    bench.confirm("a");
    bench.settle();
    assert!(bench.state.keys.contains_key(&old), "b has not confirmed the new one");
    bench.confirm("b");
    bench.settle();
    assert!(!bench.state.keys.contains_key(&old));
    bench.pass(Span::hours(1), STEP, &NODES);
    assert_eq!(bench.encrypted_to(), Some(new));
}

#[test]
fn e1_the_old_algorithm_is_published_once_more_where_the_new_one_would_be_late() {
    let mut bench = Bench::with_profile(ENC, &NODES);
    bench.pass(Span::mins(47 * 60 + 10), STEP, &NODES);
    let old = bench.staged().unwrap();
    into(&mut bench, ENC, KeySpec::EcdhEs(Curve::P384));
    assert!(!bench.state.keys.contains_key(&old));
    let mut bench = Bench::with_profile(ENC, &NODES);
    bench.pass(Span::mins(47 * 60 + 10), STEP, &NODES);
    let mut settings = bench.state.settings.clone();
    settings.profiles.get_mut(&profile(ENC)).unwrap().spec = KeySpec::EcdhEs(Curve::P384);
    bench.run(&Command::Configure(settings)).unwrap();
    bench.pass(Span::hours(2), STEP, &["a"]);
    assert_eq!(bench.encrypted_to(), Some(old), "b holds only that");
    bench.pass(Span::hours(49), STEP, &NODES);
    let now = bench.encrypted_to().unwrap();
    assert_eq!(bench.state.keys[&now].public.spec, KeySpec::EcdhEs(Curve::P384));
}
