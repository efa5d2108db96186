//! Emergency rotation and revocation of encryption keys (DESIGN part 4), state by state.

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

const STEP: Span = Span::mins(10);

fn stolen(kid: &Kid) -> RotateNow {
    compromised(Compromised::Key(kid.clone()), false)
}

fn run(bench: &mut Bench, request: RotateNow) -> Result<Decision, Refusal> {
    bench.run(&Command::RotateNow(request))
}

fn revoke(kid: &Kid, destroy: bool) -> Command {
    let (kid, reason, comment) = (kid.clone(), Reason::Superseded, None);
    Command::Revoke {
        kid,
        reason,
        comment,
        destroy,
    }
}

/// The next key is staged, and these nodes have confirmed it.
fn staged(confirming: &[&str]) -> (Bench, Kid, Kid) {
    let mut bench = Bench::with_profile(ENC, &["a", "b"]);
    bench.pass(Span::mins(46 * 60 + 50), STEP, &["a", "b"]);
    bench.now = bench.now + STEP;
    bench.settle();
    for node in confirming {
        bench.confirm(node);
    }
    let (published, staged) = (bench.encrypted_to().unwrap(), bench.staged().unwrap());
    (bench, published, staged)
}

fn is_held(bench: &Bench, kid: &Kid) -> bool {
    view(&bench.state.key_set(), &Switches::new(), bench.now).held.contains(kid)
}

#[test]
fn a_staged_key_that_every_node_holds_is_published_at_once() {
    let (mut bench, before, next) = staged(&["a", "b"]);
    let decision = run(&mut bench, superseded()).unwrap();
    assert!(matches!(
        decision.events.last(),
        Some(Event::Published {
            grounds: Grounds::Emergency { evidence },
            ..
        }) if evidence.count == 2
    ));
    assert_eq!(bench.encrypted_to(), Some(next));
    assert!(is_held(&bench, &before));
}

#[test]
fn e1_a_rotation_at_once_is_refused_with_the_nodes_that_lack_the_key() {
    let (mut bench, before, next) = staged(&["a"]);
    let refused = run(&mut bench, superseded()).unwrap_err();
    let (profile, missing) = (profile(ENC), vec![name("b")]);
    assert_eq!(
        refused,
        Refusal::NotHeld {
            profile,
            kid: next.clone(),
            missing: missing.clone()
        }
    );
    assert!(refused.to_string().contains("not confirmed by b") && refused.to_string().contains("--force"));
    assert_eq!(bench.encrypted_to(), Some(before));
    let force = true;
    let decision = run(&mut bench, RotateNow { force, ..superseded() }).unwrap();
    let grounds = Grounds::Forced { missing: missing.into() };
    assert!(matches!(decision.events.last(), Some(Event::Published { grounds: found, .. }) if *found == grounds));
    assert_eq!(bench.encrypted_to(), Some(next));
}

#[test]
fn without_a_staged_key_one_is_made_and_published_as_soon_as_every_node_holds_it() {
    let mut bench = Bench::with_profile(ENC, &["a", "b"]);
    bench.pass(Span::hours(5), STEP, &["a", "b"]);
    let before = bench.encrypted_to().unwrap();
    let decision = run(&mut bench, superseded()).unwrap();
    assert!(decision.remarks[0].contains("one is made now"), "{:?}", decision.remarks);
    bench.settle();
    assert_eq!(bench.encrypted_to(), Some(before.clone()));
    bench.confirm("a");
    bench.confirm("b");
    bench.settle();
    assert_ne!(bench.encrypted_to(), Some(before));
}

#[test]
fn a_planned_rotation_that_is_hastened_stages_at_once() {
    let mut bench = Bench::with_profile(ENC, &["a"]);
    let before = bench.encrypted_to();
    let (profiles, why) = (vec![], Why::default());
    bench.run(&Command::Hasten { profiles, why }).unwrap();
    bench.settle();
    bench.confirm("a");
    bench.settle();
    assert_ne!(bench.encrypted_to(), before);
}

#[test]
fn e1_after_a_theft_the_staged_key_is_tainted_and_a_new_one_is_made() {
    let (mut bench, published, tainted) = staged(&["a", "b"]);
    let decision = run(&mut bench, stolen(&published)).unwrap();
    assert!(
        decision
            .remarks
            .iter()
            .any(|remark| remark.contains("is known to whoever holds a node"))
    );
    assert!(
        decision
            .remarks
            .iter()
            .any(|remark| remark.contains("publishes no encryption key"))
    );
    bench.settle();
    assert_eq!(bench.encrypted_to(), None, "a new key is on no node yet");
    let next = bench.staged().expect("a new one is made at once");
    assert_ne!(next, tainted);
    assert!(is_held(&bench, &published), "what was encrypted to it still opens");
    assert!(!is_held(&bench, &tainted), "nothing was ever encrypted to it");
    bench.confirm("a");
    bench.settle();
    assert_eq!(bench.encrypted_to(), None, "E1 holds for it");
    bench.confirm("b");
    bench.settle();
    assert_eq!(bench.encrypted_to(), Some(next));
    bench.confirm("a");
    bench.confirm("b");
    assert_eq!(unconfirmed(&bench.state, &bench.seen, &published), []);
}

#[test]
fn a_tainted_key_can_be_taken_by_name() {
    let (mut bench, published, staged) = staged(&["a", "b"]);
    let take = Some(staged.clone());
    run(
        &mut bench,
        RotateNow {
            take,
            ..stolen(&published)
        },
    )
    .unwrap();
    assert_eq!(bench.encrypted_to(), Some(staged));
}

#[test]
fn without_a_theft_the_staged_key_takes_over_where_every_node_holds_it() {
    for (confirming, takes) in [(&["a", "b"][..], true), (&["a"][..], false)] {
        let (mut bench, published, staged) = staged(confirming);
        bench.run(&revoke(&published, false)).unwrap();
        assert_eq!(bench.encrypted_to(), takes.then(|| staged.clone()));
        bench.confirm("b");
        bench.settle();
        assert_eq!(bench.encrypted_to(), Some(staged));
    }
}

#[test]
fn r8_a_revoked_encryption_key_is_unpublished_at_once_and_decrypts_on_unless_destroyed() {
    for destroy in [false, true] {
        let mut bench = Bench::with_profile(ENC, &["a", "b"]);
        let kid = bench.encrypted_to().unwrap();
        bench.run(&revoke(&kid, destroy)).unwrap();
        let view = view(&bench.state.key_set(), &Switches::new(), bench.now);
        assert!(!view.published.contains(&kid));
        assert_eq!(view.decrypting.contains(&kid), !destroy);
        assert_eq!(bench.state.doomed.contains(&kid), destroy);
        assert_eq!(unconfirmed(&bench.state, &bench.seen, &kid), [name("a"), name("b")]);
        let mut half_done = bench.installed("a");
        half_done.held.insert(kid.clone());
        half_done.generation = bench.state.head.generation;
        bench.confirm("b");
        assert_eq!(unconfirmed(&bench.state, &bench.seen, &kid), [name("a")]);
        bench.report("a", Some(half_done));
        let gone = unconfirmed(&bench.state, &bench.seen, &kid).is_empty();
        assert_eq!(gone, !destroy, "a destroyed key is gone when its private half is");
    }
}

#[test]
fn r8_a_kept_key_that_is_destroyed_later_must_be_confirmed_again() {
    let mut bench = Bench::with_profile(ENC, &["a"]);
    let kid = bench.encrypted_to().unwrap();
    bench.run(&revoke(&kid, false)).unwrap();
    assert_eq!(bench.run(&revoke(&kid, false)), Err(Refusal::RevokedAlready(kid.clone())));
    // The confirmation is there, and the leader has not looked at it yet.
    bench.confirm("a");
    assert_eq!(unconfirmed(&bench.state, &bench.seen, &kid), []);
    bench.run(&revoke(&kid, true)).unwrap();
    assert!(!is_held(&bench, &kid));
    assert_eq!(unconfirmed(&bench.state, &bench.seen, &kid), [name("a")]);
    bench.confirm("a");
    assert_eq!(unconfirmed(&bench.state, &bench.seen, &kid), []);
    bench.settle();
    assert!(!bench.state.revocations.contains_key(&kid));
}

#[test]
fn e2_a_revoked_key_keeps_its_window_and_a_retiring_one_its_own() {
    let (mut bench, published, _) = staged(&["a", "b"]);
    run(&mut bench, superseded()).unwrap();
    bench.confirm("a");
    bench.confirm("b");
    bench.pass(Span::hours(20), STEP, &["a", "b"]);
    let kept = |bench: &Bench| {
        Keeping::of(&bench.state, &bench.seen, &bench.state.keys[&published])
            .unwrap()
            .kept_until
    };
    let before = kept(&bench);
    run(&mut bench, stolen(&published)).unwrap();
    assert_eq!((kept(&bench), bench.state.keys[&published].phase.name()), (before, "revoked"));
    bench.pass(Span::hours(7), STEP, &["a", "b"]);
    assert!(!bench.state.keys.contains_key(&published));
}

#[test]
fn a_staged_key_that_is_revoked_is_replaced_and_the_published_one_stays() {
    let (mut bench, published, staged) = staged(&["a", "b"]);
    bench.run(&revoke(&staged, false)).unwrap();
    bench.settle();
    assert!(!is_held(&bench, &staged));
    assert_eq!(bench.encrypted_to(), Some(published));
    assert!(bench.staged().is_some_and(|next| next != staged));
}

#[test]
fn all_compromised_leaves_old_halves_for_a_while_and_publishes_a_new_key_by_rule_e1() {
    for destroy in [false, true] {
        let (mut bench, published, staged) = staged(&["a", "b"]);
        let decision = run(&mut bench, compromised(Compromised::All, destroy));
        assert!(decision.unwrap().remarks.iter().any(|remark| remark.contains("rule E1")));
        assert_eq!((is_held(&bench, &published), is_held(&bench, &staged)), (!destroy, false));
        bench.settle();
        assert_eq!(bench.encrypted_to(), None);
        bench.confirm("a");
        bench.confirm("b");
        bench.settle();
        assert!(bench.encrypted_to().is_some());
    }
}

#[test]
fn only_a_staged_key_can_be_named() {
    let (mut bench, published, _) = staged(&["a", "b"]);
    let take = Some(published.clone());
    let refused = run(&mut bench, RotateNow { take, ..superseded() }).unwrap_err();
    assert!(refused.to_string().contains("it is published already"), "{refused}");
}
