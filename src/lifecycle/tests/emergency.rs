//! Emergency rotation (DESIGN part 4), state by state.

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

fn request(compromised: Option<Compromised>) -> RotateNow {
    let reason = if compromised.is_some() {
        Reason::Compromised
    } else {
        Reason::Superseded
    };
    RotateNow {
        profiles: vec![],
        compromised,
        take: None,
        force: false,
        reason,
        comment: None,
        destroy: false,
    }
}

fn rotate(bench: &mut Bench, request: RotateNow) -> Decision {
    bench.run(&Command::RotateNow(request)).unwrap()
}

/// Two days in, ten minutes before the next key is armed: active and a ready standby, and the one after it.
fn midlife() -> Bench {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    bench.pass(Span::mins(46 * 60 + 50), Span::mins(10), &["a", "b"]);
    bench
}

fn with_armed() -> Bench {
    let mut bench = midlife();
    bench.pass(Span::mins(20), Span::mins(10), &["a", "b"]);
    assert!(bench.armed().is_some());
    bench
}

fn armed_kid(bench: &Bench) -> Kid {
    bench.kid_in(|phase| matches!(phase, Phase::Armed { .. })).unwrap()
}

#[test]
fn the_standby_signs_at_once_its_predecessor_retires_and_a_new_standby_is_made() {
    let mut bench = midlife();
    let (active, standby, made) = (bench.active(), bench.standby(), bench.published().len());
    let generation = bench.state.head.generation;
    rotate(&mut bench, request(None));
    assert_eq!(bench.state.head.generation, generation.next(), "one generation");
    assert_eq!(bench.active(), standby);
    assert!(matches!(bench.state.keys[&active].phase, Phase::Retiring { .. }));
    bench.settle();
    assert_eq!(bench.published().len(), made + 1);
}

#[test]
fn an_armed_key_counts_as_standby_when_nothing_is_compromised() {
    let mut bench = with_armed();
    let armed = armed_kid(&bench);
    rotate(&mut bench, request(None));
    assert_eq!(bench.active(), armed);
    assert_eq!(bench.armed(), None);
}

#[test]
fn a_compromised_active_key_is_revoked_and_the_standby_signs() {
    let mut bench = midlife();
    let (active, standby) = (bench.active(), bench.standby());
    let decision = rotate(&mut bench, request(Some(Compromised::Key(active.clone()))));
    assert_eq!(bench.active(), standby);
    assert!(!bench.published().contains(&active));
    assert!(decision.events.iter().any(|event| matches!(
        event,
        Event::Activated {
            cause: Cause::Emergency { .. },
            ..
        }
    )));
}

#[test]
fn after_a_theft_the_young_standby_is_taken_and_the_armed_key_revoked_too() {
    let mut bench = with_armed();
    let (active, armed, young) = (bench.active(), armed_kid(&bench), bench.standby());
    let decision = rotate(&mut bench, request(Some(Compromised::Key(active))));
    assert_eq!(bench.active(), young);
    assert!(bench.state.revocations.contains_key(&armed));
    assert!(!bench.published().contains(&armed));
    assert!(
        decision.remarks.iter().any(|remark| remark.contains("--use")),
        "{:?}",
        decision.remarks
    );
}

#[test]
fn the_armed_key_is_taken_when_it_is_named() {
    let mut bench = with_armed();
    let (active, armed) = (bench.active(), armed_kid(&bench));
    let named = RotateNow {
        take: Some(armed.clone()),
        ..request(Some(Compromised::Key(active)))
    };
    rotate(&mut bench, named);
    assert_eq!(bench.active(), armed);
}

#[test]
fn who_names_a_standby_that_is_not_used_is_told() {
    let unused = |decision: &Decision| decision.remarks.iter().any(|remark| remark.contains("has no effect"));
    let mut bench = with_armed();
    let (active, armed, standby) = (bench.active(), armed_kid(&bench), bench.standby());
    for stolen in [Compromised::Gone("long-gone".parse().unwrap()), Compromised::Key(armed)] {
        let named = RotateNow {
            take: Some(standby.clone()),
            ..request(Some(stolen))
        };
        assert!(unused(&rotate(&mut bench, named)));
        assert_eq!(bench.active(), active, "nothing rotates");
    }
    let used = RotateNow {
        take: Some(standby),
        ..request(Some(Compromised::Key(active)))
    };
    assert!(!unused(&rotate(&mut bench, used)));
}

#[test]
fn an_armed_key_that_is_passed_over_without_a_theft_retires() {
    let mut bench = with_armed();
    let (armed, young) = (armed_kid(&bench), bench.standby());
    let forced = RotateNow {
        take: Some(young.clone()),
        force: true,
        ..request(None)
    };
    rotate(&mut bench, forced);
    assert_eq!(bench.active(), young);
    assert!(matches!(&bench.state.keys[&armed].phase, Phase::Retiring { successor, .. } if *successor == Some(young)));
}

#[test]
fn a_compromised_standby_or_retiring_key_rotates_nothing() {
    let mut bench = Bench::with_nodes(&["a"]);
    bench.pass(Span::mins(48 * 60 + 10), Span::mins(5), &["a"]);
    let active = bench.active();
    let retiring = bench.kid_in(|phase| matches!(phase, Phase::Retiring { .. })).unwrap();
    let standby = bench.standby();
    for kid in [retiring, standby] {
        rotate(&mut bench, request(Some(Compromised::Key(kid.clone()))));
        assert!(!bench.published().contains(&kid));
        assert_eq!(bench.active(), active);
    }
    bench.settle();
    assert!(bench.state.prepublished(&profile(RSA)).next().is_some());
}

#[test]
fn a_private_half_is_destroyed_once_though_its_key_retires_and_is_revoked() {
    let mut bench = Bench::with_nodes(&["a"]);
    bench.pass(Span::mins(48 * 60 + 10), Span::mins(5), &["a"]);
    let kid = bench.kid_in(|phase| matches!(phase, Phase::Retiring { .. })).unwrap();
    rotate(&mut bench, request(Some(Compromised::Key(kid.clone()))));
    bench.settle();
    let destroyed = |event: &Event| matches!(event, Event::Destroyed { kid: found } if *found == kid);
    assert_eq!(
        bench.events.iter().filter(|(_, event)| destroyed(event)).count(),
        1,
        "a second time there is nothing to destroy"
    );
}

#[test]
fn a_key_that_is_gone_is_only_recorded() {
    let mut bench = midlife();
    let before = bench.state.keys.clone();
    let gone = Compromised::Gone("long-gone".parse().unwrap());
    let decision = rotate(&mut bench, request(Some(gone)));
    assert!(matches!(decision.events[..], [Event::ReportedCompromised { .. }]));
    assert_eq!(bench.state.keys, before);
}

#[test]
fn compromised_all_revokes_every_key_and_a_key_asked_for_before_is_not_used() {
    let mut bench = midlife();
    let before = bench.published();
    let in_the_making = bench.key_made(&profile(RSA));
    bench.now = bench.now + Span(1);
    rotate(&mut bench, request(Some(Compromised::All)));
    assert!(bench.state.keys.is_empty());
    assert_eq!(bench.run(&in_the_making), Err(Refusal::NotWanted));
    bench.settle();
    assert!(bench.published().is_disjoint(&before));
    assert!(bench.state.active(&profile(RSA)).is_some());
    assert!(bench.state.prepublished(&profile(RSA)).next().is_some());
}

#[test]
fn only_the_profile_of_the_compromised_key_is_touched() {
    let mut bench = Bench::started(&[RSA, "ec"]);
    let other = bench.state.active(&profile("ec")).unwrap().clone();
    let active = bench.active();
    rotate(&mut bench, request(Some(Compromised::Key(active))));
    assert_eq!(bench.state.active(&profile("ec")), Some(&other));
}

#[test]
fn all_profiles_rotate_in_one_generation_or_none_does() {
    let mut bench = Bench::started(&[RSA, "ec"]);
    bench.join("a");
    bench.confirm("a");
    bench.settle();
    bench.pass(Span::hours(27), Span::mins(10), &["a"]);
    let ec = bench.state.prepublished(&profile("ec")).next().unwrap().kid().clone();
    bench
        .run(&Command::Revoke {
            kid: ec,
            reason: Reason::Superseded,
            comment: None,
            destroy: false,
        })
        .unwrap();
    bench.settle();
    let before = bench.state.clone();
    let refused = bench.run(&Command::RotateNow(request(None)));
    assert!(matches!(refused, Err(Refusal::NotPublished { .. })), "{refused:?}");
    assert_eq!(bench.state, before);
    let one = RotateNow {
        profiles: vec![profile(RSA)],
        ..request(None)
    };
    bench.run(&Command::RotateNow(one)).unwrap();
}

#[test]
fn what_can_not_take_over_is_refused_in_words() {
    let mut bench = midlife();
    let active = bench.active();
    let unknown: Kid = "unknown".parse().unwrap();
    let cases = [
        (
            RotateNow {
                take: Some(active.clone()),
                ..request(None)
            },
            "signs already",
        ),
        (
            RotateNow {
                take: Some(unknown.clone()),
                ..request(None)
            },
            "no key unknown",
        ),
        (request(Some(Compromised::Key(unknown))), "no key unknown"),
        (
            RotateNow {
                profiles: vec![profile("nope")],
                ..request(None)
            },
            "no profile nope",
        ),
    ];
    for (request, expected) in cases {
        let refusal = bench.run(&Command::RotateNow(request)).unwrap_err().to_string();
        assert!(refusal.contains(expected), "{refusal}");
    }
}

#[test]
fn compromised_all_with_a_choice_is_refused() {
    let mut bench = midlife();
    let before = bench.state.clone();
    let standby = bench.standby();
    for choice in [
        RotateNow {
            profiles: vec![profile(RSA)],
            ..request(Some(Compromised::All))
        },
        RotateNow {
            take: Some(standby),
            ..request(Some(Compromised::All))
        },
    ] {
        assert_eq!(bench.run(&Command::RotateNow(choice)), Err(Refusal::AllIsAll));
    }
    assert_eq!(bench.state, before);
}

#[test]
fn a_profile_that_is_named_twice_rotates_once() {
    let mut bench = midlife();
    let twice = RotateNow {
        profiles: vec![profile(RSA), profile(RSA)],
        force: true,
        ..request(None)
    };
    let standby = bench.standby();
    rotate(&mut bench, twice);
    assert_eq!(bench.active(), standby);
}

#[test]
fn compromised_all_makes_keys_that_sign_even_while_a_started_leader_waits_for_its_nodes() {
    let mut bench = midlife();
    bench
        .run(&Command::Start {
            last_up: Some(bench.now),
        })
        .unwrap();
    rotate(&mut bench, request(Some(Compromised::All)));
    bench.settle();
    assert!(bench.state.waits.contains_key(&Wait::Start));
    assert!(bench.state.active(&profile(RSA)).is_some());
    assert!(
        bench.state.prepublished(&profile(RSA)).next().is_none(),
        "the standby is of the schedule, which waits"
    );
}

#[test]
fn t6_the_last_place_goes_to_a_profile_without_a_signer() {
    let mut bench = Bench::started(&["aa", "zz"]);
    while bench.state.keys.len() < MAX_PUBLISHED {
        let forced = RotateNow {
            profiles: vec![profile("aa")],
            force: true,
            ..request(None)
        };
        bench.run(&Command::RotateNow(forced)).unwrap();
        bench.settle();
    }
    let forced = RotateNow {
        profiles: vec![profile("aa")],
        force: true,
        ..request(None)
    };
    bench.run(&Command::RotateNow(forced)).unwrap();
    bench.settle();
    assert_eq!(
        bench.state.keys.len(),
        MAX_PUBLISHED,
        "a standby is due, and there is no room"
    );
    let kids: Vec<Kid> = bench
        .state
        .prepublished(&profile("aa"))
        .map(|key| key.kid().clone())
        .collect();
    let standby = bench.state.prepublished(&profile("zz")).next().unwrap().kid().clone();
    let signer = bench.state.active(&profile("zz")).unwrap().kid().clone();
    for kid in kids.iter().chain([&standby, &signer]) {
        bench
            .run(&Command::Revoke {
                kid: kid.clone(),
                reason: Reason::Superseded,
                comment: None,
                destroy: false,
            })
            .unwrap();
    }
    let first = wanted(&bench.state, &bench.seen, bench.now)
        .first()
        .map(|wanted| wanted.profile.name.clone());
    assert_eq!(first, Some(profile("zz")));
}

#[test]
fn what_nodes_have_switched_to_by_their_clocks_signs_before_an_operator_is_heard() {
    for revoke in [false, true] {
        let mut bench = with_armed();
        let (kid, armed) = (bench.active(), armed_kid(&bench));
        bench.now = bench.armed().unwrap();
        let (reason, comment) = (Reason::Compromised, None);
        let command = if revoke {
            Command::Revoke {
                kid,
                reason,
                comment,
                destroy: false,
            }
        } else {
            Command::RotateNow(request(Some(Compromised::Key(kid))))
        };
        bench.run(&command).unwrap();
        assert_eq!(bench.active(), armed, "what is revoked was retiring already: nothing rotates");
    }
}

#[test]
fn a_key_of_a_profile_that_is_gone_does_not_take_over() {
    let mut bench = midlife();
    let active = bench.active();
    let settings = Settings::from_iter([Profile::new("other".parse().unwrap(), KeySpec::Ed25519)]);
    bench.run(&Command::Configure(settings)).unwrap();
    let profile = bench.state.keys[&active].profile.clone();
    let named = RotateNow {
        take: Some(active),
        ..request(None)
    };
    let refused = bench.run(&Command::RotateNow(named)).unwrap_err();
    assert_eq!(refused, Refusal::NoProfile(profile));
}
