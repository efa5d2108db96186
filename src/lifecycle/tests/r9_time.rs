//! Rule R9: what was noted while the clock was in doubt.

use super::bench::*;
use crate::lifecycle::*;
use crate::types::*;

const HOUR: Span = Span::hours(1);

/// A fleet whose active key is in `phase`, three days after a doubt that began an hour after the start.
fn after_a_doubt(phase: &Phase) -> (Bench, Key, Time) {
    let mut bench = Bench::with_nodes(&["a"]);
    let kid: Kid = bench.active();
    bench.state.keys.get_mut(&kid).unwrap().phase = phase.clone();
    let to = START + HOUR * 72;
    bench.now = to;
    let confirmed = Command::ClockConfirmed {
        doubted_since: START + HOUR,
        from: START + HOUR * 2,
        to,
        vote: Vote { heard: 1, differing: 0 },
    };
    bench.run(&confirmed).unwrap();
    let key = bench.state.keys[&kid].clone();
    (bench, key, to)
}

#[test]
fn r3_a_key_that_retired_in_doubt_stays_as_long_as_if_it_had_retired_at_the_end_of_it() {
    let (generation, successor) = (Generation(9), None);
    for (since, counts_from_the_end) in [(START, false), (START + HOUR, true)] {
        let (bench, key, to) = after_a_doubt(&Phase::Retiring {
            since,
            generation,
            successor: successor.clone(),
        });
        let retirement = Retirement::of(&bench.state, &bench.seen, &key, since);
        assert_eq!(retirement.last_signature == to, counts_from_the_end, "{since}");
    }
}

#[test]
fn e2_a_key_that_was_unpublished_in_doubt_is_kept_as_long_as_if_that_had_been_at_the_end_of_it() {
    for (since, counts_from_the_end) in [(START, false), (START + HOUR, true)] {
        let (bench, key, to) = after_a_doubt(&Phase::Unpublished {
            since,
            generation: Generation(9),
            served_until: since,
            revoked: false,
        });
        let keeping = Keeping::of(&bench.state, &bench.seen, &key).unwrap();
        assert_eq!(
            keeping.kept_until == to + key.windows.decrypt_window,
            counts_from_the_end,
            "{since}"
        );
    }
}

#[test]
fn a_period_that_began_in_doubt_is_as_long_as_ever() {
    let (since, until) = (START + HOUR, START + HOUR * 49);
    let (_, key, to) = after_a_doubt(&Phase::Active { since, retire_at: until });
    assert!(matches!(key.phase, Phase::Active { since, retire_at } if since == to && retire_at == to + HOUR * 48));
    let (_, key, to) = after_a_doubt(&Phase::Published {
        since,
        replace_at: until,
    });
    assert!(matches!(key.phase, Phase::Published { since, replace_at } if since == to && replace_at == to + HOUR * 48));
}
