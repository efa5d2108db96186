//! The only reader of wall and monotonic time: the machine's, or one that a test steps.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

use crate::types::{Now, Span, Time};

/// How long a sleep goes without looking at the wall clock again, which may have been set meanwhile.
const LONGEST_SLEEP: Span = Span::mins(1);

/// A clock. Cheap to clone; clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    Machine,
    Stepped(watch::Receiver<Now>),
    /// Its wall clock is what was last told, carried on by the monotonic clock of another.
    Led {
        by: watch::Receiver<Now>,
        of: Arc<Source>,
    },
}

/// Moves a stepped clock. Sleepers wake as soon as the clock stands at or past their instant.
#[derive(Clone, Debug)]
pub struct Stepper(Arc<watch::Sender<Now>>);

/// Tells a led clock what its wall clock shows.
#[derive(Clone, Debug)]
pub struct Guide(Arc<watch::Sender<Now>>);

impl Guide {
    /// The wall clock shows `now.wall` at the monotonic instant `now.monotonic`.
    pub fn tell(&self, now: Now) {
        self.0.send_replace(now);
    }
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn machine() -> Self {
        Self(Source::Machine)
    }

    /// A clock whose wall clock is told by a guide, and goes on by the monotonic clock of this one: nobody else can set it.
    #[must_use]
    pub fn led(&self) -> (Self, Guide) {
        let (sender, by) = watch::channel(self.read());
        let of = Arc::new(self.0.clone());
        (Self(Source::Led { by, of }), Guide(Arc::new(sender)))
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
    pub fn now(&self) -> Time {
        self.read().wall
    }

    /// The time since some fixed instant, by a clock that nobody sets. It goes on while the machine is suspended.
    #[must_use]
    pub fn monotonic(&self) -> Span {
        self.read().monotonic
    }

    /// Both clocks at one instant.
    #[must_use]
    pub fn read(&self) -> Now {
        self.0.read()
    }

    /// Returns once the wall clock stands at `until` or later.
    pub async fn sleep_until(&self, until: Time) {
        match &self.0 {
            Source::Machine | Source::Led { .. } => loop {
                let left = until.since(self.now());
                if left == Span(0) {
                    return;
                }
                self.doze(left).await;
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
            // Sleeps do not go on while the machine is suspended, so that one look at the end would come late.
            Source::Machine => loop {
                let left = until - self.monotonic();
                if left == Span(0) {
                    return;
                }
                self.doze(left).await;
            },
            Source::Led { of, .. } => Box::pin(Self(Source::clone(of)).sleep_until_monotonic(until)).await,
            Source::Stepped(reading) => wait(reading, |now| now.monotonic >= until).await,
        }
    }

    /// A part of a sleep of `left`.
    async fn doze(&self, left: Span) {
        let part = left.min(LONGEST_SLEEP);
        match &self.0 {
            Source::Led { of, .. } => Box::pin(Self(Source::clone(of)).sleep(part)).await,
            Source::Machine | Source::Stepped(_) => tokio::time::sleep(part.std()).await,
        }
    }
}

impl Source {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clocks")]
    fn read(&self) -> Now {
        match self {
            Self::Machine => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let wall = Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
                let up = clock_gettime(ClockId::Boottime);
                let (secs, nanos) = (u64::try_from(up.tv_sec).unwrap_or(0), u64::try_from(up.tv_nsec).unwrap_or(0));
                let monotonic = Span(secs * 1000 + nanos / 1_000_000);
                Now { wall, monotonic }
            }
            Self::Stepped(reading) => *reading.borrow(),
            Self::Led { by, of } => {
                let (told, monotonic) = (*by.borrow(), of.read().monotonic);
                Now {
                    wall: told.wall + (monotonic - told.monotonic),
                    monotonic,
                }
            }
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
    async fn a_led_clock_goes_by_its_guide_and_the_monotonic_clock() {
        let (clock, stepper) = Clock::stepped(Time(1000));
        let (led, guide) = clock.led();
        stepper.set_wall(Time(9_000_000));
        stepper.advance(Span(500));
        assert_eq!((led.now(), led.monotonic()), (Time(1500), Span(500)));
        let sleeper = tokio::spawn({
            let led = led.clone();
            async move { led.sleep_until(Time(9000)).await }
        });
        guide.tell(Now {
            wall: Time(5000),
            monotonic: Span(500),
        });
        tokio::task::yield_now().await;
        stepper.advance(Span(3999));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished() && led.now() == Time(8999));
        stepper.advance(Span(60_000));
        sleeper.await.unwrap();
    }

    #[test]
    fn the_machines_clocks_go_forward_together() {
        let clock = Clock::machine();
        let (before, after) = (clock.read(), clock.read());
        assert!(before.wall > Time(1_700_000_000_000) && before.monotonic > Span(0));
        assert!(before.monotonic <= after.monotonic);
    }

    #[tokio::test]
    async fn setting_the_wall_clock_leaves_the_monotonic_one() {
        let (clock, stepper) = Clock::stepped(Time(1000));
        stepper.set_wall(Time(10));
        assert_eq!((clock.now(), clock.monotonic()), (Time(10), Span(0)));
        clock.sleep_until(Time(10)).await;
    }
}
