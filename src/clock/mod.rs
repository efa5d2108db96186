//! The only reader of wall and monotonic time: the machine's, or one that a test steps.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::types::{Now, Span, Time};

/// How long a sleep goes without looking at the wall clock again, which may have been set meanwhile.
const LONGEST_SLEEP: Span = Span::mins(1);

/// A clock. Cheap to clone; clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    Machine { started: Arc<Instant> },
    Stepped(watch::Receiver<Now>),
}

/// Moves a stepped clock. Sleepers wake as soon as the clock stands at or past their instant.
#[derive(Clone, Debug)]
pub struct Stepper(Arc<watch::Sender<Now>>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
    pub fn machine() -> Self {
        Self(Source::Machine {
            started: Arc::new(Instant::now()),
        })
    }

    /// A clock that stands at `start` until its stepper moves it.
    #[must_use]
    pub fn stepped(start: Time) -> (Self, Stepper) {
        let (sender, receiver) = watch::channel(Now {
            wall: start,
            monotonic: Span(0),
        });
        (Self(Source::Stepped(receiver)), Stepper(Arc::new(sender)))
    }

    /// The wall clock.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn now(&self) -> Time {
        match &self.0 {
            Source::Machine { .. } => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
            }
            Source::Stepped(reading) => reading.borrow().wall,
        }
    }

    /// The time since some fixed instant, by a clock that nobody sets.
    #[must_use]
    pub fn monotonic(&self) -> Span {
        match &self.0 {
            Source::Machine { started } => Span(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)),
            Source::Stepped(reading) => reading.borrow().monotonic,
        }
    }

    /// Both clocks at one instant.
    #[must_use]
    pub fn read(&self) -> Now {
        match &self.0 {
            Source::Machine { .. } => Now {
                wall: self.now(),
                monotonic: self.monotonic(),
            },
            Source::Stepped(reading) => *reading.borrow(),
        }
    }

    /// Returns once the wall clock stands at `until` or later.
    pub async fn sleep_until(&self, until: Time) {
        match &self.0 {
            Source::Machine { .. } => loop {
                let left = until.since(self.now());
                if left == Span(0) {
                    return;
                }
                tokio::time::sleep(left.min(LONGEST_SLEEP).std()).await;
            },
            Source::Stepped(reading) => wait(reading, |now| now.wall >= until).await,
        }
    }

    /// Returns once `span` has passed by the monotonic clock.
    pub async fn sleep(&self, span: Span) {
        self.sleep_until_monotonic(self.monotonic() + span).await;
    }

    /// Returns once the monotonic clock stands at `until` or later.
    pub async fn sleep_until_monotonic(&self, until: Span) {
        match &self.0 {
            Source::Machine { .. } => {
                let left = until - self.monotonic();
                tokio::time::sleep(Duration::from_millis(left.0)).await;
            }
            Source::Stepped(reading) => wait(reading, |now| now.monotonic >= until).await,
        }
    }
}

async fn wait(reading: &watch::Receiver<Now>, reached: impl FnMut(&Now) -> bool) {
    if reading.clone().wait_for(reached).await.is_err() {
        // The stepper is gone, so this clock will never get there.
        std::future::pending::<()>().await;
    }
}

impl Stepper {
    /// Lets `span` pass: wall and monotonic clock move together.
    pub fn advance(&self, span: Span) {
        self.0.send_modify(|reading| {
            reading.wall = reading.wall + span;
            reading.monotonic = reading.monotonic + span;
        });
    }

    /// Sets the wall clock, as an operator or NTP does; the monotonic clock stays.
    pub fn set_wall(&self, wall: Time) {
        self.0.send_modify(|reading| reading.wall = wall);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stepped_sleeper_wakes_when_its_instant_is_reached() {
        let (clock, stepper) = Clock::stepped(Time(1000));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(Time(5000)).await }
        });
        stepper.advance(Span(3999));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        stepper.advance(Span(1));
        sleeper.await.unwrap();
        assert_eq!((clock.now(), clock.monotonic()), (Time(5000), Span(4000)));
    }

    #[tokio::test]
    async fn setting_the_wall_clock_leaves_the_monotonic_one() {
        let (clock, stepper) = Clock::stepped(Time(1000));
        stepper.set_wall(Time(10));
        assert_eq!((clock.now(), clock.monotonic()), (Time(10), Span(0)));
        clock.sleep_until(Time(10)).await;
    }
}
