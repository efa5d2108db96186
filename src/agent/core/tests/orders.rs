//! Whatever order inputs, crashes and failures come in.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Act {
    Connect(u64),
    Lose,
    /// A generation with so many keys gone, in an altered form or not.
    Send(u64, bool),
    Answer(u64),
    Pass(u64),
    SetClock(u64),
    Crash,
    /// How many kinds of work the disk refuses.
    Refuse(u8),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (1..4u64).prop_map(Act::Connect),
        Just(Act::Lose),
        (1..6u64, any::<bool>()).prop_map(|(number, altered)| Act::Send(number, altered)),
        (0..20u64).prop_map(Act::Answer),
        (1..90u64).prop_map(Act::Pass),
        (0..240u64).prop_map(Act::SetClock),
        Just(Act::Crash),
        (0..4u8).prop_map(Act::Refuse),
    ]
}

/// Generation `number` has key `number - 1` as active and the next as armed; an altered one arms it later.
fn numbered(number: u64, altered: bool) -> Bundle {
    let first = usize::try_from(number).unwrap() - 1;
    let at = Span::mins(60 * number + if altered { 5 } else { 0 });
    if first + 1 < 6 {
        bundle(number, &[(first, Active), (first + 1, armed(at))])
    } else {
        bundle(number, &[(first, Active)])
    }
}

fn perform(node: &mut Node, act: Act) {
    match act {
        Act::Connect(epoch) => node.input(Input::Connected(welcome(epoch))),
        Act::Lose => node.input(Input::Lost),
        Act::Send(number, altered) => node.send(numbered(number, altered)),
        Act::Answer(minutes) if !node.reports.is_empty() => node.answer(Span::mins(minutes)),
        Act::Answer(_) => {}
        Act::Pass(minutes) => node.pass(Span::mins(minutes)),
        Act::SetClock(minutes) => {
            node.now.wall = START + Span::mins(minutes);
            node.input(Input::Tick);
        }
        Act::Crash => node.restart(),
        Act::Refuse(kinds) => {
            node.refuses = match kinds {
                0 => |_| false,
                1 => |work| matches!(work, DiskWork::WriteCache { .. }),
                2 => |work| matches!(work, DiskWork::SaveTrusted(_)),
                _ => |work| matches!(work, DiskWork::Install { .. }),
            }
        }
    }
}

proptest! {
    // Each case proves real keys, which takes a while.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn r5_no_order_of_events_lowers_a_generation_or_an_epoch_or_undoes_a_switch(acts in prop::collection::vec(act(), 1..60)) {
        let mut node = Node::new(Settings::default());
        let (mut live, mut switches, mut epoch) = (0, Switches::new(), 0);
        let mut digests = std::collections::BTreeMap::new();
        for act in acts {
            perform(&mut node, act);
            let Some(installed) = &node.installed else { continue };
            prop_assert!(installed.generation.0 >= live, "{act:?} lowered the generation");
            if installed.generation.0 == live {
                prop_assert!(installed.switches.is_superset(&switches), "{act:?} undid a switch");
            }
            prop_assert!(installed.signing.len() == 1, "r4: {act:?}");
            prop_assert!(installed.signing.is_subset(&installed.published));
            (live, switches) = (installed.generation.0, installed.switches.clone());
            let trusted = node.trusted.clone().unwrap();
            prop_assert!(trusted.epoch.0 >= epoch, "{act:?} lowered the epoch");
            epoch = trusted.epoch.0;
            let newest = trusted.newest.unwrap();
            let first = *digests.entry(newest.generation).or_insert(newest.digest);
            prop_assert_eq!(first, newest.digest, "{:?} changed what a generation is", act);
        }
    }

    #[test]
    fn r5_whatever_came_before_the_newest_generation_is_installed_in_the_end(acts in prop::collection::vec(act(), 1..40)) {
        let mut node = Node::new(Settings::default());
        for act in acts {
            perform(&mut node, act);
        }
        node.refuses = |_| false;
        node.input(Input::Connected(welcome(9)));
        node.send(bundle(9, &[(5, Active)]));
        prop_assert_eq!((node.generation(), node.signing(), node.problem()), (9, kids(&[5]), String::new()));
    }
}
