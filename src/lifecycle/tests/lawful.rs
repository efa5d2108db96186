//! A reader of the log refuses each step that no rule allows. That every real decision passes, the bench checks at each one.

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

/// Every decision of a fleet that has rotated twice, revoked a key and lost a node.
fn story() -> Vec<(Time, Vec<Event>)> {
    let mut bench = Bench::with_nodes(&["a", "b"]);
    bench.pass(Span::hours(100), Span::mins(10), &["a", "b"]);
    let kid = bench.active();
    let (reason, comment, destroy) = (Reason::Compromised, None, false);
    bench
        .run(&Command::Revoke {
            kid,
            reason,
            comment,
            destroy,
        })
        .unwrap();
    bench.pass(Span::hours(30), Span::mins(10), &["a"]);
    bench.decisions.clone()
}

/// Every decision about an encryption key that was replaced, and discarded after its window.
fn encrypted_story() -> Vec<(Time, Vec<Event>)> {
    let mut bench = Bench::with_profile(ENC, &["a"]);
    bench.pass(Span::hours(80), Span::mins(10), &["a"]);
    let kid = bench.encrypted_to().unwrap();
    let (reason, comment, destroy) = (Reason::Superseded, None, false);
    bench
        .run(&Command::Revoke {
            kid,
            reason,
            comment,
            destroy,
        })
        .unwrap();
    bench.decisions.clone()
}

/// The story with one decision changed: why it is refused, if it is.
fn told(change: impl Fn(&State, &mut Vec<Event>, &mut Time) -> bool) -> Option<String> {
    retold(story(), change)
}

fn retold(story: Vec<(Time, Vec<Event>)>, change: impl Fn(&State, &mut Vec<Event>, &mut Time) -> bool) -> Option<String> {
    let mut state = State::default();
    let mut changed = false;
    for (at, events) in story {
        let (mut at, mut events) = (at, events);
        let here = !changed && change(&state, &mut events, &mut at);
        changed |= here;
        if let Err(unlawful) = state.replay(&events, at) {
            assert!(changed, "the story itself is unlawful: {unlawful}");
            return Some(unlawful.to_string());
        }
    }
    assert!(changed, "the story has no such event");
    None
}

/// Changes the first event that `edit` takes.
fn edited(edit: impl Fn(&mut Event) -> bool) -> String {
    told(|_, events, _| events.iter_mut().any(&edit)).expect("refused")
}

fn dropped(is: impl Fn(&Event) -> bool) -> String {
    let drop = |events: &mut Vec<Event>| {
        let before = events.len();
        events.retain(|event| !is(event));
        events.len() < before
    };
    told(|_, events, _| drop(events)).expect("refused")
}

#[test]
fn the_story_of_a_fleet_is_lawful() {
    assert_eq!(told(|_, _, _| true), None);
}

#[test]
fn a_key_that_signs_without_being_armed_is_refused() {
    let is_armed = |event: &Event| matches!(event, Event::Armed { .. });
    assert!(dropped(is_armed).contains("rule R2"));
}

#[test]
fn a_second_signer_is_refused() {
    let is_scheduled = |event: &Event| matches!(event, Event::Retired { .. });
    assert!(dropped(is_scheduled).contains("rule R4"));
}

#[test]
fn a_key_armed_before_it_was_published_for_long_enough_is_refused() {
    let refused = edited(|event| match event {
        Event::Armed { activate_at, .. } => {
            *activate_at = Time(activate_at.0 - Span::hours(24).0);
            true
        }
        _ => false,
    });
    assert!(refused.contains("armed"), "{refused}");
    // At the earliest moment that is not before the arming itself.
    let mut state = State::default();
    let mut refused = None;
    for (at, events) in story() {
        for event in &events {
            if let Event::Prepublished { profile, key, windows } = event {
                let mut hasty = state.clone();
                let (kid, activate_at) = (key.kid.clone(), at + windows.min_prepublish - Span(1));
                let (profile, key, windows) = (profile.clone(), key.clone(), *windows);
                let evidence = Evidence {
                    count: 0,
                    exceptions: NamedNodes::default(),
                    digest: Digest([0; 32]),
                };
                hasty.replay(&[Event::Prepublished { profile, key, windows }], at).unwrap();
                let armed = Event::Armed {
                    kid,
                    activate_at,
                    evidence,
                };
                refused = refused.or(hasty.replay(&[armed], at).err());
            }
        }
        state.replay(&events, at).unwrap();
    }
    assert!(refused.unwrap().to_string().contains("rule R1"));
}

#[test]
fn an_exception_that_is_called_bootstrap_later_is_refused() {
    let refused = edited(|event| match event {
        Event::Activated { cause, .. } if !matches!(cause, Cause::Bootstrap) => {
            *cause = Cause::Bootstrap;
            true
        }
        _ => false,
    });
    assert!(refused.contains("rule R1"), "{refused}");
}

#[test]
fn a_key_removed_while_its_tokens_live_is_refused() {
    let early = told(|_, events, at| {
        let removes = events.iter().any(|event| {
            matches!(
                event,
                Event::Removed {
                    last_signature: Some(_),
                    ..
                }
            )
        });
        if removes {
            *at = Time(at.0 - Span::mins(11).0);
        }
        removes
    });
    assert!(early.unwrap().contains("rule R3"));
    let claimed = edited(|event| match event {
        Event::Removed {
            last_signature: Some(last),
            ..
        } => {
            *last = Time(last.0 - Span::hours(9).0);
            true
        }
        _ => false,
    });
    assert!(claimed.contains("may have signed until"), "{claimed}");
    let never = edited(|event| match event {
        Event::Removed { last_signature, .. } => last_signature.take().is_some(),
        _ => false,
    });
    assert!(never.contains("was retiring"), "{never}");
}

#[test]
fn a_revocation_or_an_enrolment_that_was_taken_out_is_missed() {
    assert!(dropped(|event| matches!(event, Event::Revoked { .. })).contains("rule R4"));
    assert!(dropped(|event| matches!(event, Event::Enrolled { .. })).contains("is not 1"));
    assert!(dropped(|event| matches!(event, Event::TokenIssued { .. })).contains("join token"));
    assert!(dropped(|event| matches!(event, Event::EnteredService { .. })).contains("not in service"));
}

#[test]
fn what_is_done_twice_is_refused() {
    let doubled = |is: fn(&Event) -> bool| {
        told(|_, events, _| {
            let found = events.iter().find(|event| is(event)).cloned();
            events.extend(found.clone());
            found.is_some()
        })
        .expect("refused")
    };
    assert!(doubled(|event| matches!(event, Event::Started { .. })).contains("does not follow"));
    assert!(doubled(|event| matches!(event, Event::Prepublished { .. })).contains("there already"));
    assert!(doubled(|event| matches!(event, Event::Enrolled { .. })).contains("join token"));
    assert!(doubled(|event| matches!(event, Event::Revoked { .. })).contains("there is no key"));
    assert!(doubled(|event| matches!(event, Event::Destroyed { .. })).contains("gone"));
}

#[test]
fn r5_a_decision_after_the_leader_had_stopped_deciding_is_refused() {
    let halt = Halt {
        node: name("a"),
        epoch: Epoch(9),
        generation: Generation(99),
        checkpoint: None,
    };
    let refused = told(|state, events, _| {
        let late = !state.nodes.is_empty();
        if late {
            events.insert(0, Event::Halted { halt: halt.clone() });
        }
        late
    });
    assert!(refused.unwrap().contains("rule R5"));
}

#[test]
fn r5_a_leader_that_had_stopped_deciding_may_be_backed_up_and_get_another_master_key() {
    let halt = Halt {
        node: name("a"),
        epoch: Epoch(9),
        generation: Generation(99),
        checkpoint: None,
    };
    let [one, other] = [[1; 16], [2; 16]].map(MasterKeyName::of);
    let rekeyed = |from: &MasterKeyName, to: &MasterKeyName| Event::Rekeyed {
        from: from.clone(),
        to: to.clone(),
    };
    let told = |act: &Event| {
        let mut state = State::default();
        let after = vec![Event::Halted { halt: halt.clone() }, act.clone()];
        state.replay(&after, Time(1)).map(|()| state)
    };
    for act in [Event::BackedUp, rekeyed(&one, &other)] {
        let state = told(&act).unwrap();
        assert!(
            state.halted.is_some() && state.head.generation == Generation(0),
            "it changes nothing"
        );
    }
    assert!(told(&rekeyed(&one, &one)).unwrap_err().to_string().contains("that it had"));
    let halted = told(&Event::BackedUp).unwrap();
    let decided = decide(&halted, &Sightings::new(), &Command::BackUp, Time(1)).unwrap();
    assert_eq!(decided.events, [Event::BackedUp]);
}

#[test]
fn r5_a_restored_leader_decides_nothing_and_a_key_in_use_is_not_given_up() {
    let restored = |lost: fn(&State) -> Option<Kid>, after: Option<Event>| {
        told(move |state, events, at| {
            let found = lost(state);
            let late = !state.nodes.is_empty() && found.is_some();
            if late {
                let restoration = Restoration {
                    version: Version(7),
                    taken_at: *at,
                    records: 9,
                    later: 1,
                };
                let lost = found.into_iter().collect();
                events.insert(0, Event::Restored { restoration, lost });
                events.truncate(1);
                events.extend(after.clone());
            }
            late
        })
    };
    let standby = |state: &State| state.keys.values().find(|key| key.is_unused()).map(|key| key.kid().clone());
    let active = |state: &State| state.keys.values().find(|key| !key.is_unused()).map(|key| key.kid().clone());
    let why = restored(standby, Some(Event::DistrustedAll)).unwrap();
    assert!(why.contains("rule R5") && why.contains("restored from version 7"), "{why}");
    // It is the next decision of the story that is refused, not the restoration.
    assert!(restored(standby, None).unwrap().contains("restored from version 7"));
    assert!(restored(active, None).unwrap().contains("\"restored\" there: key"));
}

#[test]
fn settings_that_are_not_safe_are_refused() {
    let refused = edited(|event| match event {
        Event::Configured { settings } => {
            settings
                .profiles
                .values_mut()
                .for_each(|profile| profile.windows.interval = Span::hours(1));
            true
        }
        _ => false,
    });
    assert!(refused.contains("rule T1"), "{refused}");
}

#[test]
fn an_encryption_key_that_leaves_its_order_is_refused() {
    let dropped = |is: fn(&Event) -> bool| {
        let drop = |_: &State, events: &mut Vec<Event>, _: &mut Time| {
            let before = events.len();
            events.retain(|event| !is(event));
            events.len() < before
        };
        retold(encrypted_story(), drop).expect("refused")
    };
    assert!(dropped(|event| matches!(event, Event::Staged { .. })).contains("there is no key"));
    assert!(dropped(|event| matches!(event, Event::Unpublished { .. })).contains("was published"));
    assert!(dropped(|event| matches!(event, Event::Published { .. })).contains("was staged"));
    let edited =
        |edit: fn(&mut Event) -> bool| retold(encrypted_story(), |_, events, _| events.iter_mut().any(edit)).expect("refused");
    let early = edited(|event| match event {
        Event::Discarded { published_until, .. } => {
            *published_until = published_until.map(|last| last + Span::mins(30));
            published_until.is_some()
        }
        _ => false,
    });
    assert!(early.contains("rule E2"), "{early}");
    let lost = edited(|event| match event {
        Event::Staged { key, .. } => {
            key.spec = KeySpec::Es256;
            true
        }
        _ => false,
    });
    assert!(lost.contains("other use"), "{lost}");
}

#[test]
fn a_clock_that_the_nodes_did_not_agree_with_is_not_confirmed() {
    let refused = told(|state, events, at| {
        let late = !state.nodes.is_empty();
        if late {
            events.push(Event::ClockConfirmed {
                doubted_since: *at,
                from: *at,
                to: *at,
                vote: Vote { heard: 2, differing: 1 },
            });
        }
        late
    });
    assert!(refused.unwrap().contains("rule R9"));
}

/// What is said of a confirmation of the clock by nobody, where this is so of the node table.
fn confirmed_by_nobody(is_so: fn(&State) -> bool) -> Option<String> {
    told(move |state, events, at| {
        let now = is_so(state);
        if now {
            events.push(Event::ClockConfirmed {
                doubted_since: *at,
                from: *at,
                to: *at,
                vote: Vote::default(),
            });
        }
        now
    })
}

#[test]
fn a_clock_that_nobody_has_agreed_with_counts_only_where_there_is_no_node() {
    assert!(
        confirmed_by_nobody(|state| !state.nodes.is_empty())
            .unwrap()
            .contains("rule R9")
    );
    assert_eq!(confirmed_by_nobody(|state| state.nodes.is_empty()), None);
}
