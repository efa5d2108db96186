//! R8, revoke is at once and named.

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

fn revoke(bench: &mut Bench, kid: &Kid) -> Decision {
    bench
        .run(&Command::Revoke {
            kid: kid.clone(),
            reason: Reason::Compromised,
            comment: None,
            destroy: false,
        })
        .unwrap()
}

#[test]
fn r8_a_revoked_key_leaves_the_set_at_once_whatever_its_state() {
    let mut bench = Bench::with_nodes(&["a"]);
    bench.pass(Span::mins(48 * 60 + 10), Span::mins(5), &["a"]);
    // Active, standby and retiring keys are there; an armed one is in the test below.
    for kid in bench.published() {
        revoke(&mut bench, &kid);
        assert!(bench.state.key_set().member(&kid).is_none());
        let destroyed = bench.when(|event| matches!(event, Event::Destroyed { kid: found } if *found == kid));
        assert!(bench.state.doomed.contains(&kid) || destroyed.is_some());
    }
}

#[test]
fn r8_an_armed_key_can_be_revoked_and_the_active_one_signs_on() {
    let mut bench = Bench::with_nodes(&["a"]);
    bench.pass(Span::mins(47 * 60 + 10), Span::mins(5), &["a"]);
    let (active, armed) = (
        bench.active(),
        bench.kid_in(|phase| matches!(phase, Phase::Armed { .. })).unwrap(),
    );
    revoke(&mut bench, &armed);
    bench.settle();
    assert_eq!(bench.active(), active);
    assert!(bench.state.prepublished(&profile(RSA)).count() >= 1);
    bench.pass(Span::hours(30), Span::mins(5), &["a"]);
    assert_ne!(
        bench.active(),
        active,
        "the next standby takes over once rule R1 holds for it"
    );
}

#[test]
fn r8_every_node_that_has_not_confirmed_is_listed_in_service_or_not() {
    let mut bench = Bench::with_nodes(&["a", "b", "gone"]);
    bench.pass(Span::hours(25), Span::mins(10), &["a", "b"]);
    assert!(!bench.in_service("gone"));
    let kid = bench.active();
    revoke(&mut bench, &kid);
    assert_eq!(
        unconfirmed(&bench.state, &bench.seen, &kid),
        [name("a"), name("b"), name("gone")]
    );
    bench.confirm("a");
    bench.settle();
    assert_eq!(unconfirmed(&bench.state, &bench.seen, &kid), [name("b"), name("gone")]);
    bench.confirm("b");
    bench.settle();
    assert!(
        bench
            .when(|event| matches!(event, Event::RevocationConfirmed { .. }))
            .is_none()
    );
    bench.now = bench.now + Span::mins(3);
    bench.confirm("gone");
    bench.settle();
    let confirmed = bench.when(|event| matches!(event, Event::RevocationConfirmed { .. }));
    assert_eq!(confirmed, Some(bench.now));
}

#[test]
fn r8_trust_ends_max_age_after_the_last_confirmation_where_that_is_known() {
    for (served, expected) in [(None, None), (Some(Span::mins(10)), Some(Span::mins(10)))] {
        let mut bench = Bench::with_nodes(&["a"]);
        bench.state.settings.served_max_age = served;
        let kid = bench.active();
        revoke(&mut bench, &kid);
        bench.now = bench.now + Span::mins(1);
        bench.confirm("a");
        bench.settle();
        let until = bench.events.iter().find_map(|(_, event)| match event {
            Event::RevocationConfirmed { trusted_until, .. } => Some(*trusted_until),
            _ => None,
        });
        assert_eq!(until, Some(expected.map(|span| bench.now + span)));
    }
}

#[test]
fn r8_a_clock_that_was_put_back_since_a_confirmation_makes_no_unlawful_record() {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    let kid = bench.active();
    revoke(&mut bench, &kid);
    let revoked_at = bench.state.last_record_at;
    bench.now = bench.now + Span::mins(1);
    bench.confirm("a");
    let confirmed_at = bench.now;
    bench.now = revoked_at - Span::mins(30);
    bench.confirm("b");
    // The bench holds each decision against the law, as a reader of the log does.
    bench.settle();
    let confirmed = bench.events.iter().find_map(|(at, event)| match event {
        Event::RevocationConfirmed { last_confirmation, .. } => Some((*at, *last_confirmation)),
        _ => None,
    });
    assert_eq!(confirmed, Some((bench.state.last_record_at, confirmed_at)));
    assert!(bench.state.last_record_at < confirmed_at);
}

#[test]
fn r8_revocation_waits_for_no_key_to_be_made() {
    let mut bench = Bench::with_nodes(&["a"]);
    let standby = bench.standby();
    bench
        .run(&Command::Revoke {
            kid: standby,
            reason: Reason::Superseded,
            comment: None,
            destroy: false,
        })
        .unwrap();
    let active = bench.active();
    let decision = revoke(&mut bench, &active);
    assert!(
        bench.state.active(&profile(RSA)).is_none(),
        "R8 before R4: no signer until a key is made"
    );
    assert!(decision.remarks.iter().any(|remark| remark.contains("without a signing key")));
    bench.settle();
    assert!(bench.state.active(&profile(RSA)).is_some());
    assert!(
        matches!(last_cause(&bench), Cause::Compromised { .. }),
        "the exception to rule R1 is recorded"
    );
}

fn last_cause(bench: &Bench) -> Cause {
    let cause = |(_, event): &(Time, Event)| match event {
        Event::Activated { cause, .. } => Some(cause.clone()),
        _ => None,
    };
    bench.events.iter().rev().find_map(cause).expect("a key has signed")
}

#[test]
fn r1_an_exception_after_a_revocation_is_called_by_its_reason() {
    let revoked_for = |reason: Reason, standby_too: bool| {
        let mut bench = Bench::with_nodes(&["a"]);
        let (active, standby) = (bench.active(), bench.standby());
        let comment = None;
        let order = if standby_too { vec![standby, active] } else { vec![active] };
        for kid in order {
            let comment = comment.clone();
            let destroy = false;
            let revoke = Command::Revoke {
                kid,
                reason,
                comment,
                destroy,
            };
            bench.run(&revoke).unwrap();
        }
        // Every node confirms before a key is made, so the revocation is complete by then.
        bench.confirm("a");
        bench.settle();
        last_cause(&bench)
    };
    for standby_too in [false, true] {
        let compromised = revoked_for(Reason::Compromised, standby_too);
        assert!(matches!(compromised, Cause::Compromised { .. }), "{compromised:?}");
        for reason in [Reason::Superseded, Reason::Unspecified] {
            let forced = revoked_for(reason, standby_too);
            assert!(matches!(forced, Cause::Forced { .. }), "{reason}: {forced:?}");
        }
    }
}

#[test]
fn r8_a_node_out_of_service_that_confirmed_is_no_exception() {
    let mut bench = Bench::with_nodes(&["a", "gone"]);
    bench.pass(Span::hours(25), Span::mins(10), &["a"]);
    let kid = bench.standby();
    revoke(&mut bench, &kid);
    for node in ["a", "gone"] {
        bench.confirm(node);
    }
    let decision = bench.run(&Command::Tick).unwrap();
    let evidence = decision.events.iter().find_map(|event| match event {
        Event::RevocationConfirmed { evidence, .. } => Some(evidence.clone()),
        _ => None,
    });
    let evidence = evidence.expect("all have confirmed");
    assert_eq!((evidence.count, evidence.exceptions), (2, NamedNodes::default()));
}

#[test]
fn r8_a_node_that_joined_later_never_held_the_key_and_is_not_listed() {
    let mut bench = Bench::with_nodes(&["a"]);
    let kid = bench.standby();
    revoke(&mut bench, &kid);
    bench.now = bench.now + Span::mins(1);
    bench.join("new");
    bench.report("new", None);
    assert_eq!(unconfirmed(&bench.state, &bench.seen, &kid), [name("a")]);
}

#[test]
fn r8_a_name_enrolled_anew_does_not_confirm_for_the_machine_before() {
    let mut bench = Bench::with_nodes(&["a", "stolen"]);
    let mut settings = settings(&[RSA]);
    settings.served_max_age = Some(Span::mins(10));
    bench.run(&Command::Configure(settings)).unwrap();
    let kid = bench.standby();
    revoke(&mut bench, &kid);
    bench.confirm("a");
    bench.now = bench.now + Span::mins(1);
    bench.join("stolen");
    let decision = bench.run(&Command::Tick).unwrap();
    let confirmed = decision.events.iter().find_map(|event| match event {
        Event::RevocationConfirmed {
            replaced, trusted_until, ..
        } => Some((replaced.first.clone(), *trusted_until)),
        _ => None,
    });
    assert_eq!(
        confirmed,
        Some((vec![name("stolen")], None)),
        "what the old machine holds is not known"
    );
}

#[test]
fn r8_a_key_that_is_still_on_a_disk_is_not_confirmed_as_gone() {
    let mut bench = Bench::with_nodes(&["a"]);
    let kid = bench.active();
    revoke(&mut bench, &kid);
    let mut installed = bench.installed("a");
    installed.held.insert(kid.clone());
    // A newer generation comes before the report, so it is not held against the generation in force.
    bench.settle();
    bench.report("a", Some(installed.clone()));
    assert_eq!(unconfirmed(&bench.state, &bench.seen, &kid), [name("a")]);
    installed.held.remove(&kid);
    bench.report("a", Some(installed));
    assert!(unconfirmed(&bench.state, &bench.seen, &kid).is_empty());
}
