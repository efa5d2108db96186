//! What a node counts since its start, and what it shows of itself to Prometheus.

use std::sync::Arc;

use super::core::{DiskResult, Input, Reason, Signer, Status};
use crate::crypto;
use crate::lifecycle::Follower;
use crate::telemetry::metrics::{Counters, Durations, Page, seconds};
use crate::types::{HookEvent, Now, Span, Time};

/// From one fast disk to one that is nearly given up, in seconds.
const SWAP_BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// What a node counts. Clones are one and the same.
#[derive(Debug, Clone)]
pub struct Counts(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    refusals: Counters,
    hook_failures: Counters,
    probe_failures: Counters,
    disk_failures: Counters,
    streams_lost: Counters,
    swaps: Durations,
}

impl Default for Counts {
    fn default() -> Self {
        Self(Arc::new(Counted {
            refusals: Counters::by(
                "reason",
                &Reason::ALL.map(Reason::as_str),
                "jkeys_refusals_total",
                "What the node has refused, by the kind of reason: of the leader's, and of its own sealed cache.",
            ),
            hook_failures: Counters::by(
                "event",
                &HookEvent::ALL.map(HookEvent::as_str),
                "jkeys_hook_failures_total",
                "Runs of hooks that have failed, by the event that they ran on.",
            ),
            probe_failures: Counters::one(
                "jkeys_probe_failures_total",
                "Looks at what is served that did not find exactly the keys of the live view.",
            ),
            disk_failures: Counters::one(
                "jkeys_disk_failures_total",
                "Work on the disk that has failed; it is tried again.",
            ),
            streams_lost: Counters::one(
                "jkeys_leader_streams_lost_total",
                "Streams to the leader that have ended, and attempts that came to none.",
            ),
            swaps: Durations::up_to(
                &SWAP_BOUNDS,
                "jkeys_swap_duration_seconds",
                "How long it took to put a view in place: staged, durable, live, copied where it is to be, and read back.",
            ),
        }))
    }
}

impl Counts {
    /// Counts what has failed.
    pub(super) fn came(&self, input: &Input) {
        let counted = &self.0;
        match input {
            Input::HooksRan(_, Err(_)) => counted.hook_failures.add(Some(HookEvent::Swap.as_str())),
            Input::HookRan(run, Err(_)) => counted.hook_failures.add(Some(run.occasion.event().as_str())),
            Input::Probed(_, Err(_)) => counted.probe_failures.add(None),
            Input::Disk(DiskResult::Failed(_) | DiskResult::Uncopied(..)) => counted.disk_failures.add(None),
            Input::Lost => counted.streams_lost.add(None),
            _ => {}
        }
    }

    /// Something was refused.
    pub(super) fn refused(&self, reason: Reason) {
        self.0.refusals.add(Some(reason.as_str()));
    }

    /// A view was put in place.
    pub(super) fn swapped(&self, took: Span) {
        self.0.swaps.took(took);
    }

    /// The page of a node that is as `status` says. `certified_until`: when its certificate ends, where it has one.
    #[must_use]
    pub fn page(&self, status: &Status, certified_until: Option<Time>, now: Now) -> String {
        let mut page = Page::default();
        states(&mut page, status);
        numbers(&mut page, status);
        times(&mut page, status, certified_until, now);
        let counted = &self.0;
        page.counters(&counted.refusals);
        page.counters(&counted.hook_failures);
        page.counters(&counted.probe_failures);
        page.counters(&counted.disk_failures);
        page.counters(&counted.streams_lost);
        page.durations(&counted.swaps);
        page.text()
    }
}

/// What is so, 1, or is not, 0.
fn states(page: &mut Page, status: &Status) {
    let version = vec![env!("CARGO_PKG_VERSION").to_owned()];
    page.gauges(
        "jkeys_build_info",
        "The release that runs; always 1.",
        &["version"],
        [(version, 1.0)],
    );
    let mut state = |name, help, is: Option<bool>| page.gauge(name, help, is.map(|is| f64::from(u8::from(is))));
    state(
        "jkeys_leader_connected",
        "Whether a stream to the leader stands.",
        Some(status.connected),
    );
    state(
        "jkeys_leader_stale",
        "Whether the leader has not answered for longer than straggler_after.",
        Some(status.stale),
    );
    state(
        "jkeys_ready",
        "Whether a view has been in place since the start.",
        Some(status.ready),
    );
    state(
        "jkeys_in_service",
        "Whether the leader counts the node as in service, as it last said.",
        status.in_service,
    );
    let confirmed = status.installed.as_ref().map(|installed| installed.hooks_succeeded);
    state(
        "jkeys_view_confirmed",
        "Whether all that follows the swap to the live view has succeeded: copies, hooks and probes.",
        confirmed,
    );
    state(
        "jkeys_problem",
        "Whether something keeps the node from going on; its status says what.",
        Some(status.problem.is_some()),
    );
}

fn numbers(page: &mut Page, status: &Status) {
    page.gauge(
        "jkeys_epoch",
        "The highest term of a leader that the node has accepted.",
        Some(whole(status.highest_epoch.0)),
    );
    page.gauge(
        "jkeys_generation",
        "The highest generation that the node has accepted.",
        Some(whole(status.highest_generation.0)),
    );
    page.gauge(
        "jkeys_live_generation",
        "The generation of the live view.",
        status.installed.as_ref().map(|installed| whole(installed.generation.0)),
    );
    let failing = |is: fn(&Follower) -> bool| whole(status.failing.iter().filter(|failing| is(&failing.what)).count() as u64);
    page.gauges(
        "jkeys_failing",
        "Hooks and probes that have failed and not succeeded since.",
        &["what"],
        [
            (vec!["hook".to_owned()], failing(|what| matches!(what, Follower::Hook(_)))),
            (vec!["probe".to_owned()], failing(|what| matches!(what, Follower::Probe))),
        ],
    );
}

fn times(page: &mut Page, status: &Status, certified_until: Option<Time>, now: Now) {
    let ages = status.signers.iter().filter_map(|signer| age(signer, now.wall));
    page.gauges(
        "jkeys_active_key_age_seconds",
        "How long ago the certificate of the key that signs began: clock_skew before the key was made.",
        &["profile", "kid"],
        ages,
    );
    page.gauge(
        "jkeys_next_change_timestamp_seconds",
        "When an armed key becomes active next, in seconds since 1970.",
        status.next_change.map(|at| seconds(at.since(Time(0)))),
    );
    page.gauge(
        "jkeys_leader_silence_seconds",
        "How long ago the last report was sent that the leader answered; since the start where it has answered none.",
        status.silence.map(|silence| seconds(silence.lasts(now))),
    );
    page.gauge(
        "jkeys_certificate_remaining_seconds",
        "How long the node's certificate is still good; below 0 once it is not.",
        certified_until.map(|until| seconds(until.since(now.wall)) - seconds(now.wall.since(until))),
    );
    page.gauge(
        "jkeys_served_after_seconds",
        "How long after the swap the live view was found served by every probe.",
        status.served_after.map(seconds),
    );
}

fn age(signer: &Signer, now: Time) -> Option<(Vec<String>, f64)> {
    let since = crypto::certified_since(&signer.public)?;
    let labels = vec![signer.profile.to_string(), signer.public.kid.to_string()];
    Some((labels, seconds(now.since(since))))
}

/// Exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "Prometheus knows no other numbers")]
fn whole(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::agent::core::{HookRun, Occasion, Unserved, ViewId};
    use crate::agent::testing::{START, key_set};
    use crate::lifecycle::{Failing, Installed, Stage};
    use crate::types::{Epoch, Generation, PublicKey};

    const NOW: Now = Now {
        wall: Time(START.0 + 5_000_000),
        monotonic: Span(10_000),
    };

    /// The lines of a page that are no comments.
    fn values(page: &str) -> Vec<&str> {
        page.lines().filter(|line| !line.starts_with('#')).collect()
    }

    fn public() -> Arc<PublicKey> {
        key_set(7, &[(0, Stage::Active)]).members[0].public.clone()
    }

    fn view() -> ViewId {
        ViewId {
            generation: Generation(7),
            switches: BTreeSet::new(),
        }
    }

    fn well() -> Status {
        let signer = Signer {
            profile: "web".parse().unwrap(),
            public: public(),
        };
        Status {
            connected: true,
            ready: true,
            in_service: Some(true),
            highest_epoch: Epoch(3),
            highest_generation: Generation(8),
            installed: Some(Installed {
                generation: Generation(7),
                switches: BTreeSet::new(),
                published: BTreeSet::new(),
                signing: BTreeSet::new(),
                decrypting: BTreeSet::new(),
                held: BTreeSet::new(),
                hooks_succeeded: true,
            }),
            next_change: Some(Time(1_800_000_000_500)),
            signers: vec![signer],
            served_after: Some(Span(250)),
            ..Status::default()
        }
    }

    #[test]
    fn a_page_says_how_the_node_stands() {
        let page = Counts::default().page(&well(), Some(NOW.wall + Span::hours(24)), NOW);
        let since = crypto::certified_since(&public()).unwrap();
        let age = format!(
            "jkeys_active_key_age_seconds{{kid=\"{}\",profile=\"web\"}} {}",
            public().kid,
            seconds(NOW.wall.since(since))
        );
        for line in [
            "jkeys_leader_connected 1",
            "jkeys_leader_stale 0",
            "jkeys_ready 1",
            "jkeys_in_service 1",
            "jkeys_view_confirmed 1",
            "jkeys_problem 0",
            "jkeys_epoch 3",
            "jkeys_generation 8",
            "jkeys_live_generation 7",
            "jkeys_next_change_timestamp_seconds 1800000000.5",
            "jkeys_certificate_remaining_seconds 86400",
            "jkeys_served_after_seconds 0.25",
            "jkeys_failing{what=\"hook\"} 0",
            age.as_str(),
        ] {
            assert!(values(&page).contains(&line), "{line} is not in\n{page}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_on_the_page() {
        let page = Counts::default().page(&Status::default(), None, NOW);
        for name in [
            "jkeys_in_service",
            "jkeys_live_generation",
            "jkeys_active_key_age_seconds",
            "jkeys_leader_silence_seconds",
            "jkeys_certificate_remaining_seconds",
            "jkeys_served_after_seconds",
        ] {
            assert!(!page.contains(name), "{name} is in\n{page}");
        }
        assert!(values(&page).contains(&"jkeys_ready 0"));
    }

    #[test]
    fn a_certificate_that_is_over_has_less_than_nothing_left() {
        let page = Counts::default().page(&well(), Some(NOW.wall - Span::secs(90)), NOW);
        assert!(values(&page).contains(&"jkeys_certificate_remaining_seconds -90"), "{page}");
    }

    #[test]
    fn what_fails_is_counted_and_what_succeeds_is_not() {
        let counts = Counts::default();
        let failed = || Err("it failed".to_owned());
        let unserved = || {
            let words = "it is not served".to_owned();
            Err(Unserved { words, served: None })
        };
        let stale = HookRun {
            hook: 0,
            generation: Generation(7),
            occasion: Occasion::Stale,
        };
        for input in [
            Input::HooksRan(view(), failed()),
            Input::HooksRan(view(), Ok(())),
            Input::HookRan(stale.clone(), failed()),
            Input::HookRan(stale, Ok(())),
            Input::Probed(view(), unserved()),
            Input::Probed(view(), unserved()),
            Input::Probed(view(), Ok(())),
            Input::Disk(DiskResult::Failed("full".to_owned())),
            Input::Lost,
            Input::Tick,
        ] {
            counts.came(&input);
        }
        counts.refused(Reason::Log);
        counts.swapped(Span(30));
        let mut status = well();
        status.failing = vec![Failing {
            what: Follower::Probe,
            why: "it failed".to_owned(),
            times: 2,
            since: START,
            is_given_up: false,
        }];
        let page = counts.page(&status, None, NOW);
        for line in [
            "jkeys_hook_failures_total{event=\"swap\"} 1",
            "jkeys_hook_failures_total{event=\"stale\"} 1",
            "jkeys_hook_failures_total{event=\"fresh\"} 0",
            "jkeys_probe_failures_total 2",
            "jkeys_disk_failures_total 1",
            "jkeys_leader_streams_lost_total 1",
            "jkeys_refusals_total{reason=\"log\"} 1",
            "jkeys_refusals_total{reason=\"limits\"} 0",
            "jkeys_swap_duration_seconds_bucket{le=\"0.025\"} 0",
            "jkeys_swap_duration_seconds_bucket{le=\"0.05\"} 1",
            "jkeys_swap_duration_seconds_sum 0.03",
            "jkeys_failing{what=\"probe\"} 1",
        ] {
            assert!(values(&page).contains(&line), "{line} is not in\n{page}");
        }
    }

    #[test]
    fn every_reason_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = Reason::ALL.map(Reason::as_str).into();
        assert_eq!(names.len(), Reason::ALL.len());
    }
}
