//! E2: private halves stay until `decrypt_window` after the last node in service confirmed that it publishes the key no more.

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

const STEP: Span = Span::mins(10);
const WINDOW: Span = Span::hours(26);

/// A key that has just been unpublished, which nobody has confirmed.
fn unpublished() -> (Bench, Kid) {
    let mut bench = Bench::with_profile(ENC, &["a", "b"]);
    bench.pass(Span::mins(47 * 60 + 50), STEP, &["a", "b"]);
    let kid = bench.encrypted_to().unwrap();
    bench.now = bench.now + STEP;
    bench.settle();
    assert!(matches!(bench.state.keys[&kid].phase, Phase::Unpublished { .. }));
    (bench, kid)
}

fn is_there(bench: &Bench, kid: &Kid) -> bool {
    let there = bench.state.keys.contains_key(kid);
    let destroyed = bench.when(|event| matches!(event, Event::Destroyed { kid: found } if found == kid));
    assert_eq!(
        there,
        destroyed.is_none(),
        "the leader keeps its half for as long as the nodes do"
    );
    there
}

#[test]
fn e2_the_private_half_stays_for_decrypt_window_after_the_last_confirmation() {
    let (mut bench, kid) = unpublished();
    bench.pass(Span::hours(5), STEP, &["a"]);
    bench.confirm("b");
    bench.pass(WINDOW - Span::mins(10), STEP, &["a", "b"]);
    assert!(is_there(&bench, &kid), "b published it until five hours later");
    assert!(
        view(&bench.state.key_set(), &Switches::new(), bench.now)
            .decrypting
            .contains(&kid)
    );
    bench.pass(STEP, STEP, &["a", "b"]);
    bench.settle();
    assert!(!is_there(&bench, &kid));
}

#[test]
fn e2_a_node_that_leaves_service_counts_until_it_left() {
    let (mut bench, kid) = unpublished();
    bench.confirm("a");
    bench.pass(Span::hours(25), STEP, &["a"]);
    assert!(!bench.in_service("b"));
    let left = bench.when(|event| matches!(event, Event::LeftService { .. })).unwrap();
    bench.now = left + WINDOW - Span(1);
    bench.confirm("a");
    bench.settle();
    assert!(is_there(&bench, &kid));
    bench.now = left + WINDOW;
    bench.settle();
    assert!(!is_there(&bench, &kid));
}

#[test]
fn e2_a_report_of_an_older_generation_is_no_confirmation() {
    let (mut bench, kid) = unpublished();
    bench.confirm("a");
    let generation = bench.state.head.generation;
    let mut older = bench.installed("b");
    older.generation = Generation(generation.0 - 2);
    bench.report("b", Some(older));
    let keeping = Keeping::of(&bench.state, &bench.seen, &bench.state.keys[&kid]).unwrap();
    assert_eq!(
        keeping.missing,
        [name("b")],
        "before it was published it was not published either"
    );
}

#[test]
fn e2_a_node_whose_hooks_failed_may_publish_it_still() {
    let (mut bench, kid) = unpublished();
    let mut installed = bench.installed("b");
    installed.hooks_succeeded = false;
    bench.report("b", Some(installed));
    bench.confirm("a");
    let keeping = Keeping::of(&bench.state, &bench.seen, &bench.state.keys[&kid]).unwrap();
    assert_eq!(keeping.missing, [name("b")]);
}

#[test]
fn e2_a_node_that_publishes_it_again_has_withdrawn_its_confirmation() {
    let (mut bench, kid) = unpublished();
    bench.confirm("a");
    bench.confirm("b");
    let mut again = bench.installed("b");
    again.published.insert(kid.clone());
    bench.report("b", Some(again));
    let keeping = Keeping::of(&bench.state, &bench.seen, &bench.state.keys[&kid]).unwrap();
    assert_eq!(keeping.missing, [name("b")]);
}

#[test]
fn e2_a_new_node_gets_the_private_half_and_does_not_prolong_its_stay() {
    let (mut bench, kid) = unpublished();
    bench.pass(STEP, STEP, &["a", "b"]);
    let keeping = |bench: &Bench| Keeping::of(&bench.state, &bench.seen, &bench.state.keys[&kid]).unwrap();
    let kept_until = keeping(&bench).kept_until;
    bench.pass(Span::hours(20), STEP, &["a", "b"]);
    bench.join("c");
    assert!(bench.installed("c").decrypting.contains(&kid));
    bench.confirm("c");
    bench.settle();
    assert!(bench.in_service("c"));
    bench.confirm("c");
    assert_eq!((keeping(&bench).kept_until, keeping(&bench).missing), (kept_until, vec![]));
}

#[test]
fn e2_a_wait_for_a_node_is_recorded() {
    let mut short = settings(&[ENC]);
    for profile in short.profiles.values_mut() {
        (profile.windows.min_prepublish, profile.windows.decrypt_window) = (Span::hours(2), Span::hours(2));
    }
    assert_eq!(check(&short), []);
    let mut bench = Bench::started(&[ENC]);
    let kid = bench.encrypted_to().unwrap();
    bench.state.keys.get_mut(&kid).unwrap().windows.decrypt_window = Span::hours(2);
    for node in ["a", "b"] {
        bench.join(node);
        bench.confirm(node);
    }
    bench.settle();
    bench.run(&Command::Configure(short)).unwrap();
    bench.pass(Span::mins(47 * 60 + 50), STEP, &["a", "b"]);
    bench.now = bench.now + STEP;
    bench.settle();
    bench.pass(Span::hours(3), STEP, &["a"]);
    let wait = Wait::Discard(kid.clone());
    assert!(bench.state.waits.contains_key(&wait) && is_there(&bench, &kid));
    bench.confirm("b");
    bench.settle();
    assert!(!bench.state.waits.contains_key(&wait) && is_there(&bench, &kid));
    bench.pass(Span::hours(2), STEP, &["a", "b"]);
    assert!(!is_there(&bench, &kid));
}

#[test]
fn e2_a_longer_window_applies_at_once_and_a_shorter_one_does_not() {
    for (window, expected) in [(40, 40), (26, 26)] {
        let (mut bench, kid) = unpublished();
        let mut settings = settings(&[ENC]);
        for profile in settings.profiles.values_mut() {
            profile.windows.decrypt_window = Span::hours(window);
            profile.windows.min_prepublish = Span::hours(20);
        }
        bench.run(&Command::Configure(settings.clone())).unwrap();
        settings
            .profiles
            .values_mut()
            .for_each(|profile| profile.windows.decrypt_window = Span::hours(21));
        bench.run(&Command::Configure(settings)).unwrap();
        assert_eq!(bench.state.keys[&kid].windows.decrypt_window, Span::hours(expected));
    }
}

#[test]
fn e2_the_key_of_a_profile_that_is_gone_decrypts_on() {
    let mut bench = Bench::with_profile(ENC, &["a"]);
    let kid = bench.encrypted_to().unwrap();
    bench.run(&Command::Configure(settings(&[RSA]))).unwrap();
    bench.settle();
    assert_eq!(bench.encrypted_to(), None);
    bench.confirm("a");
    bench.pass(WINDOW - STEP, STEP, &["a"]);
    assert!(is_there(&bench, &kid));
    bench.pass(STEP * 2, STEP, &["a"]);
    assert!(!is_there(&bench, &kid));
}

#[test]
fn keys_of_both_uses_never_share_a_profile() {
    let mut bench = Bench::with_profile(ENC, &["a"]);
    let other: Settings = [Profile::new(profile(ENC), KeySpec::Es256)].into_iter().collect();
    assert_eq!(
        bench.run(&Command::Configure(other.clone())),
        Err(Refusal::OtherUse(profile(ENC)))
    );
    bench.run(&Command::Configure(settings(&[RSA]))).unwrap();
    bench.pass(WINDOW + STEP, STEP, &["a"]);
    assert!(
        bench.run(&Command::Configure(other)).is_ok(),
        "once the old keys are gone the name is free"
    );
}
