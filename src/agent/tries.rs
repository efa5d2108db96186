//! What comes next after an attempt to reach the leader: how long to wait, and where to begin.

use std::num::NonZeroU64;
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::types::HostPort;

/// The shortest and the longest wait before the leader is dialled again. Network waits are real time, whatever the clock.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// The attempts so far.
#[derive(Debug, Default)]
pub(super) struct Tries {
    /// How many in a row came to nothing.
    failed: u32,
    /// How many came to nothing in all: so many addresses are passed over.
    passed_over: usize,
    /// Whether the one under way has come to a leader that the node listens to.
    is_good: bool,
}

impl Tries {
    /// The one under way has come to a leader that the node listens to.
    pub(super) fn came_to_something(&mut self) {
        self.is_good = true;
    }

    /// The one under way is over; says how long to wait before the next.
    pub(super) fn ended(&mut self) -> Duration {
        if std::mem::take(&mut self.is_good) {
            self.failed = 0;
        } else {
            self.passed_over = self.passed_over.wrapping_add(1);
        }
        let pause = backoff(self.failed);
        self.failed = self.failed.saturating_add(1);
        pause
    }

    /// The addresses, the next one to begin with first. Whoever answers there is taken, so one that answers and is of no use must not be
    /// the first for ever.
    pub(super) fn in_order(&self, addresses: &[HostPort]) -> Vec<HostPort> {
        let mut addresses = addresses.to_vec();
        let first = self.passed_over % addresses.len().max(1);
        addresses.rotate_left(first);
        addresses
    }
}

/// A random number of this agent, as long as the machine gives one.
pub(super) fn instance() -> Option<NonZeroU64> {
    random().map(u64::from_be_bytes).and_then(NonZeroU64::new)
}

fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok().map(|()| bytes)
}

/// A wait that doubles with each attempt, spread by half so that a fleet does not come back all at once.
fn backoff(attempt: u32) -> Duration {
    let (shortest, longest) = BACKOFF;
    let full = shortest.saturating_mul(1 << attempt.min(16)).min(longest);
    // Without randomness the wait is the full one.
    let spread = random().map_or(u16::MAX, u16::from_be_bytes);
    full / 2 + full.mul_f64(f64::from(spread) / f64::from(u16::MAX)) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> Vec<HostPort> {
        ["old:7443", "new:7443", "dead:7443"].map(|text| text.parse().unwrap()).into()
    }

    #[test]
    fn an_address_that_nothing_comes_of_is_the_last_one_next_time() {
        let (mut tries, all) = (Tries::default(), addresses());
        let first = |tries: &Tries| tries.in_order(&all)[0].clone();
        assert_eq!(tries.in_order(&all), all);
        tries.ended();
        assert_eq!(first(&tries), all[1]);
        tries.came_to_something();
        tries.ended();
        assert_eq!(first(&tries), all[1], "where a leader was found it is looked for again");
        tries.ended();
        tries.ended();
        assert_eq!(first(&tries), all[0]);
        assert_eq!(tries.in_order(&[]), []);
    }

    #[test]
    fn the_wait_begins_anew_once_a_leader_was_found() {
        let mut tries = Tries::default();
        for _ in 0..9 {
            tries.ended();
        }
        assert!(tries.ended() >= BACKOFF.1 / 2);
        tries.came_to_something();
        assert!(tries.ended() <= BACKOFF.0);
    }

    #[test]
    fn the_wait_doubles_up_to_its_limit_and_is_spread() {
        for attempt in [0, 3, 8, 40] {
            let full = BACKOFF.0.saturating_mul(1 << attempt.min(16)).min(BACKOFF.1);
            let waits: Vec<Duration> = (0..50).map(|_| backoff(attempt)).collect();
            assert!(waits.iter().all(|wait| *wait >= full / 2 && *wait <= full), "{waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]));
        }
    }
}
