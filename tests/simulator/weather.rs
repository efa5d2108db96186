//! What may happen in one course: its fleet, how long it lasts, and which faults and requests come how often.

use jkeys::lifecycle::{Ending, Settings};
use jkeys::types::{KeyUse, Span, Time};
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::world::act::Act;
use crate::world::act::Which::{self, Active, Armed, Prepublished, Published, Retiring, Staged, Unpublished};
use crate::world::act::Who;
use crate::world::network::Fate;
use crate::world::settings::{self, Change};
use crate::world::{Config, START};

/// A kind of fault or request. Each course has some of them only: what one of them hides, or ends early, another course shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cut,
    CutMany,
    Hold,
    CrashAgent,
    CrashAtWrite,
    Reboot,
    Hooks,
    FullDisk,
    TornDisk,
    SlowDisk,
    NodeClock,
    CrashLeader,
    CrashLeaderAtEffect,
    LeaderClock,
    WrongStart,
    Suspended,
    Asleep,
    NoKeys,
    Rotate,
    Revoke,
    Compromised,
    Join,
    Lose,
    Configure,
    SetBack,
    EndNode,
}

const KINDS: [Kind; 26] = [
    Kind::Cut,
    Kind::CutMany,
    Kind::Hold,
    Kind::CrashAgent,
    Kind::CrashAtWrite,
    Kind::Reboot,
    Kind::Hooks,
    Kind::FullDisk,
    Kind::TornDisk,
    Kind::SlowDisk,
    Kind::NodeClock,
    Kind::CrashLeader,
    Kind::CrashLeaderAtEffect,
    Kind::LeaderClock,
    Kind::WrongStart,
    Kind::Suspended,
    Kind::Asleep,
    Kind::NoKeys,
    Kind::Rotate,
    Kind::Revoke,
    Kind::Compromised,
    Kind::Join,
    Kind::Lose,
    Kind::Configure,
    Kind::SetBack,
    Kind::EndNode,
];

/// How large a course may be.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The most nodes at its beginning.
    pub nodes: u8,
    /// The most days.
    pub days: u64,
    /// Whether nodes hold the leader to its log.
    pub has_log: bool,
    /// Whether the leader is set back in each course, or in some only.
    pub always_set_back: bool,
}

/// A course as it is drawn.
#[derive(Debug, Clone)]
pub struct Weather {
    /// What the leader is started with.
    pub settings: Settings,
    /// How many nodes there are at the beginning.
    pub nodes: u8,
    /// How many days it lasts.
    pub days: u64,
    has_log: bool,
    kinds: Vec<Kind>,
    /// The mean time between two faults or requests.
    gap: Span,
    /// The mean time for which something stays broken.
    repair: Span,
    rng: ChaCha8Rng,
}

impl Weather {
    /// The course of this seed.
    pub fn of(seed: u64, bounds: Bounds) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let settings = settings::drawn(&mut rng);
        let mut kinds = KINDS.to_vec();
        kinds.shuffle(&mut rng);
        kinds.truncate(rng.random_range(3..=16));
        if bounds.always_set_back && !kinds.contains(&Kind::SetBack) {
            kinds.push(Kind::SetBack);
        }
        let most = if rng.random_ratio(1, 2) {
            bounds.nodes.min(4)
        } else {
            bounds.nodes
        };
        Self {
            settings,
            nodes: rng.random_range(2..=most),
            days: rng.random_range(bounds.days / 2..=bounds.days),
            has_log: bounds.has_log,
            kinds,
            gap: Span::mins(*[90, 300, 900].choose(&mut rng).expect("one")),
            repair: Span::mins(*[5, 60, 400, 1500].choose(&mut rng).expect("one")),
            rng,
        }
    }

    /// The world in which it begins, without nodes.
    pub fn config(&self) -> Config {
        Config {
            settings: self.settings.clone(),
            report_every: Span::hours(6),
            has_log: self.has_log,
            ..Config::of([])
        }
    }

    /// When it ends.
    pub fn ends_at(&self) -> Time {
        START + Span::hours(24) * self.days
    }

    /// How long it is until something happens.
    pub fn next_in(&mut self) -> Span {
        self.around(self.gap)
    }

    /// How long it takes until somebody, or systemd, starts what has ended.
    pub fn restarts_in(&mut self) -> Span {
        if self.rng.random_ratio(2, 3) {
            Span::secs(self.rng.random_range(1..60))
        } else {
            self.around(self.repair)
        }
    }

    /// One fault or request with what comes of it: acts, each so long after the first.
    pub fn draw(&mut self) -> Vec<(Span, Act)> {
        let kind = *self.kinds.choose(&mut self.rng).expect("some kinds");
        let later = self.around(self.repair);
        let at_once = |act: Act| vec![(Span(0), act)];
        let with = |act: Act, repair: Act| vec![(Span(0), act), (later, repair)];
        let who = self.who();
        match kind {
            Kind::Cut => with(Act::Cut(who), Act::Heal(who)),
            Kind::CutMany => (0..self.nodes)
                .filter(|_| self.rng.random_ratio(1, 2))
                .flat_map(|who| with(Act::Cut(Who(who)), Act::Heal(Who(who))))
                .collect(),
            Kind::Hold => with(Act::Hold(who), Act::Release(who, self.fate())),
            Kind::CrashAgent => at_once(Act::CrashAgent(who)),
            Kind::CrashAtWrite => at_once(Act::CrashAgentAt(who, self.rng.random_range(0..5), self.rng.random())),
            Kind::Reboot => at_once(Act::Reboot(who)),
            Kind::Hooks => with(Act::FailHooks(who), Act::MendHooks(who)),
            Kind::FullDisk => with(Act::FillDisk(who), Act::ClearDisk(who)),
            Kind::TornDisk => with(Act::TearDisk(who), Act::ClearDisk(who)),
            Kind::SlowDisk => with(Act::StallDisk(who), Act::ClearDisk(who)),
            Kind::NodeClock => with(Act::SetClock(who, self.mins_off()), Act::SetClock(who, 0)),
            Kind::CrashLeader => at_once(Act::CrashLeader),
            Kind::CrashLeaderAtEffect => at_once(Act::CrashLeaderAfter(self.rng.random_range(0..12))),
            Kind::LeaderClock => with(Act::SetLeaderClock(self.mins_off()), Act::SetLeaderClock(0)),
            Kind::WrongStart => self.wrong_start(later),
            Kind::Suspended => self.suspended(later),
            Kind::Asleep => self.asleep(later),
            Kind::NoKeys => with(Act::StopMakingKeys, Act::MakeKeys),
            Kind::Rotate => at_once(self.rotation()),
            Kind::Revoke => at_once(self.revocation()),
            Kind::Compromised => at_once(self.compromise()),
            Kind::Join => at_once(if self.rng.random() {
                Act::Rejoin(who)
            } else {
                Act::Join(self.newcomer())
            }),
            Kind::Lose => with(Act::Lose(who), Act::Join(who)),
            Kind::Configure => at_once(Act::Configure(Change(self.rng.random()))),
            Kind::SetBack => self.set_back(later),
            Kind::EndNode => self.end_node(who, later),
        }
    }

    /// A node is taken out of the fleet, and the machine comes back later, or another one under its name. After a theft its keys are
    /// revoked right then.
    fn end_node(&mut self, who: Who, later: Span) -> Vec<(Span, Act)> {
        let back = if self.rng.random() {
            Act::EnrolAgain(who)
        } else {
            Act::Rejoin(who)
        };
        let mut acts = vec![(later, back)];
        if self.rng.random() {
            acts.insert(0, (Span(0), Act::EndNode(who, Ending::Removed)));
        } else {
            acts.insert(0, (Span(0), Act::EndNode(who, Ending::Revoked)));
            acts.insert(1, (Span::secs(1), self.compromise()));
        }
        acts
    }

    /// The leader starts with a clock that is wrong, and somebody sets it right later.
    fn wrong_start(&mut self, later: Span) -> Vec<(Span, Act)> {
        let mins = self.mins_off();
        let right_after = self.around(self.repair);
        vec![
            (Span(0), Act::CrashLeader),
            (Span(1), Act::SetLeaderClock(mins)),
            (later, Act::StartLeader),
            (later + right_after, Act::SetLeaderClock(0)),
        ]
    }

    /// The leader's machine stands still; its process begins anew with a clock that still shows when that was, and that is set right
    /// minutes later.
    fn suspended(&mut self, later: Span) -> Vec<(Span, Act)> {
        let mins = i64::try_from(later.0 / 60_000).expect("some minutes");
        let right_after = Span::secs(self.rng.random_range(1..3600));
        vec![
            (Span(0), Act::CrashLeader),
            (later, Act::SetLeaderClock(-mins)),
            (later, Act::StartLeader),
            (later + right_after, Act::SetLeaderClock(0)),
        ]
    }

    /// The leader's machine stands still and goes on; its clock is set right minutes later. Half of the times one node could not switch
    /// before, and is the first to reach the leader then.
    fn asleep(&mut self, later: Span) -> Vec<(Span, Act)> {
        let (slept, right_after) = (self.around(self.repair), Span::secs(self.rng.random_range(1..3600)));
        let (wakes, right) = (later + slept, later + slept + right_after);
        let mut acts = vec![
            (later, Act::SleepLeader),
            (wakes, Act::WakeLeader),
            (right, Act::SetLeaderClock(0)),
        ];
        if self.rng.random() {
            let (first, before) = (self.who(), later + Span(slept.0 / 2));
            acts.insert(0, (Span(0), Act::FailHooks(first)));
            acts.insert(2, (before, Act::MendHooks(first)));
            for other in (0..self.nodes).map(Who).filter(|who| *who != first) {
                acts.push((before, Act::Cut(other)));
                acts.push((right + Span::secs(5), Act::Heal(other)));
            }
        }
        acts
    }

    /// The leader is set back, and once its nodes have told it, it is made to go on.
    fn set_back(&mut self, later: Span) -> Vec<(Span, Act)> {
        let (mut acts, mut told) = if self.rng.random_ratio(1, 3) {
            self.set_back_by_one_generation()
        } else {
            self.set_back_by_starts(later)
        };
        for _ in 0..2 {
            told = told + self.around(Span::mins(90));
            acts.push((told, Act::Adopt));
        }
        acts
    }

    /// It is set back to a copy from before a revocation, and makes another one while no node reaches it: its newest generation then has
    /// the number of one that they hold. Also when they reach it again.
    fn set_back_by_one_generation(&mut self) -> (Vec<(Span, Act)>, Span) {
        let (back, heals) = (Span::secs(10), Span::secs(20) + self.around(Span::mins(10)));
        let mut acts = vec![
            (Span(0), Act::CopyLeader),
            (Span(1), self.revocation()),
            (back, Act::SetLeaderBack),
            (back + Span::secs(1), Act::StartLeader),
            (back + Span::secs(2), self.revocation()),
        ];
        for who in (0..self.nodes).map(Who) {
            acts.extend([(back, Act::Cut(who)), (heals, Act::Heal(who))]);
        }
        (acts, heals)
    }

    /// It is set back to a copy from before some starts and a request of operators. Half of the times nobody can reach it then, for a
    /// while in which operators ask for more. Also when its nodes reach it.
    fn set_back_by_starts(&mut self, later: Span) -> (Vec<(Span, Act)>, Span) {
        let mut acts = vec![(Span(0), Act::CopyLeader)];
        for _ in 0..self.rng.random_range(0..=2) {
            acts.extend([(Span(1), Act::CrashLeader), (Span(1), Act::StartLeader)]);
        }
        let back = if self.rng.random() { later } else { Span::secs(10) };
        acts.extend([(Span(2), self.request()), (back, Act::SetLeaderBack)]);
        let mut told = back;
        if self.rng.random() {
            let heals = back + self.around(Span::hours(10));
            told = heals;
            for who in (0..self.nodes).map(Who) {
                acts.extend([(back, Act::Cut(who)), (heals, Act::Heal(who))]);
            }
            acts.push((back + Span(1), Act::StartLeader));
            for n in 0..self.rng.random_range(0..4) {
                acts.push((back + Span::secs(2 + n), self.request()));
            }
        }
        (acts, told)
    }

    fn request(&mut self) -> Act {
        if self.rng.random() {
            self.rotation()
        } else {
            self.revocation()
        }
    }

    fn rotation(&mut self) -> Act {
        match self.rng.random_range(0..4) {
            0 => Act::Hasten,
            1 => Act::RotateNow(true),
            _ => Act::RotateNow(false),
        }
    }

    fn revocation(&mut self) -> Act {
        let which = self.which();
        if self.rng.random() {
            Act::Revoke(which)
        } else {
            Act::Destroy(which)
        }
    }

    fn compromise(&mut self) -> Act {
        if self.rng.random_ratio(1, 6) {
            Act::CompromisedAll
        } else {
            Act::Compromised(self.which())
        }
    }

    fn which(&mut self) -> Which {
        let all = [Prepublished, Armed, Active, Retiring, Staged, Published, Unpublished];
        *all.choose(&mut self.rng).expect("one")
    }

    fn fate(&mut self) -> Fate {
        let all = [Fate::InOrder, Fate::Reversed, Fate::Twice, Fate::Lost];
        *all.choose(&mut self.rng).expect("one")
    }

    fn who(&mut self) -> Who {
        Who(self.rng.random_range(0..self.nodes))
    }

    /// One of the names that are free at the beginning.
    fn newcomer(&mut self) -> Who {
        Who(self.nodes + self.rng.random_range(0..3))
    }

    /// How wrong a clock is: within most values of `clock_skew`, by hours, days or years.
    fn mins_off(&mut self) -> i64 {
        let (hour, day) = (60, 24 * 60);
        let most = *[4, 15, 3 * hour, 4 * day, 900 * day].choose(&mut self.rng).expect("one");
        self.rng.random_range(-most..=most)
    }

    /// A time from next to nothing to some times `mean`: most are shorter, as those between events that know nothing of each other are.
    fn around(&mut self, mean: Span) -> Span {
        let unit: f64 = self.rng.random_range(0.02..1.0);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some milliseconds"
        )]
        let millis = (-unit.ln() * mean.0 as f64) as u64;
        Span(millis.max(1))
    }

    /// How many of its profiles there are for each use of keys, to be shown.
    pub fn profiles(&self) -> String {
        let count = |of: KeyUse| {
            self.settings
                .profiles
                .values()
                .filter(|profile| profile.spec.key_use() == of)
                .count()
        };
        format!("{}+{}", count(KeyUse::Sig), count(KeyUse::Enc))
    }
}
