//! Where a search begins, and what may happen in it. A few acts for each theme keep the number of states small, so that every order of
//! them can be tried.

use jkeys::lifecycle::{Profile, Windows};
use jkeys::types::{KeySpec, Span};

use crate::act::Act::{
    self, AddProfile, ClearDisk, Compromised, CompromisedAll, CrashAgent, CrashAgentAt, CrashLeader, CrashLeaderAfter, Cut,
    FailHooks, FillDisk, Hasten, Heal, Hold, Join, MakeKeys, MendHooks, Reboot, Recover, Release, Revoke, RotateNow, SetClock,
    SetLeaderClock, StartAgent, StartLeader, StopMakingKeys,
};
use crate::act::Pass;
use crate::act::Which::{self, Active, Armed, Prepublished, Retiring};
use crate::act::Who::{self, A, B, C};
use crate::world::network::Fate;
use crate::world::{Config, START, World};

/// A theme.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// The world in which it begins.
    pub start: fn() -> World,
    /// What may happen.
    pub acts: Vec<Act>,
    /// How many acts may follow each other.
    pub depth: usize,
    /// How many of them may be faults, or requests of operators.
    pub faults: u8,
}

const TIME: [Act; 2] = [Act::Pass(Pass::ToNext), Act::Pass(Pass::Hours)];

fn scenario(name: &'static str, start: fn() -> World, depth: usize, faults: u8, acts: &[&[Act]]) -> Scenario {
    Scenario {
        name,
        start,
        acts: acts.concat(),
        depth,
        faults,
    }
}

/// All themes.
pub fn scenarios() -> Vec<Scenario> {
    [standbys(), switches(), crashes(), operators(), set_backs()].concat()
}

/// What rule R1 waits for.
fn standbys() -> Vec<Scenario> {
    vec![
        scenario(
            "a young standby",
            quiet,
            4,
            3,
            &[&TIME, &[Revoke(Prepublished), Cut(A), Heal(A), Hasten, RotateNow(false)]],
        ),
        scenario(
            "a slow node",
            quiet,
            4,
            3,
            &[&TIME, &[Revoke(Prepublished), Hold(A), Release(A, Fate::InOrder), Hasten]],
        ),
        scenario(
            "a node that lacks the standby",
            lacking,
            4,
            2,
            &[&TIME, &[Heal(A), Join(A), Join(C), Hasten, RotateNow(false)]],
        ),
        scenario(
            "a node that is waited for",
            waited_for,
            4,
            2,
            &[&TIME, &[Heal(A), Join(A), Hasten, RotateNow(false)]],
        ),
        scenario(
            "a node that signs on by itself",
            left_behind,
            3,
            2,
            &[&TIME, &[StartAgent(A), Join(A), Cut(B), Heal(B), RotateNow(false)]],
        ),
        scenario(
            "a profile is added",
            quiet,
            3,
            2,
            &[&TIME, &[AddProfile, Cut(A), Heal(A), CrashLeader, StartLeader]],
        ),
    ]
}

/// A key takes over from another.
fn switches() -> Vec<Scenario> {
    vec![
        scenario(
            "a tight switch",
            tight,
            3,
            2,
            &[
                &TIME,
                &[
                    SetClock(A, 4),
                    SetClock(A, -4),
                    SetClock(A, 120),
                    SetClock(A, -120),
                    Cut(A),
                    Heal(A),
                ],
            ],
        ),
        scenario(
            "a node that does not switch",
            armed,
            3,
            2,
            &[
                &TIME,
                &[
                    CrashAgent(A),
                    StartAgent(A),
                    FailHooks(A),
                    MendHooks(A),
                    FillDisk(A),
                    ClearDisk(A),
                    Cut(A),
                    Heal(A),
                ],
            ],
        ),
        scenario(
            "a switch without the leader",
            armed,
            4,
            3,
            &[
                &TIME,
                &[
                    CrashLeader,
                    StartLeader,
                    CrashAgent(A),
                    StartAgent(A),
                    Reboot(A),
                    SetClock(A, -60),
                ],
            ],
        ),
    ]
}

/// Processes that end at any moment, and messages that do not come as they were sent.
fn crashes() -> Vec<Scenario> {
    let crash_points = [0, 1, 2, 3]
        .map(|after| [CrashAgentAt(A, after, false), CrashAgentAt(A, after, true)])
        .concat();
    vec![
        scenario(
            "a crash at each write",
            before_arming,
            5,
            2,
            &[&TIME, &[CrashLeader, StartLeader, StartAgent(A)], &crash_points],
        ),
        scenario(
            "a start before the nodes are back",
            before_arming,
            4,
            2,
            &[&TIME, &[Act::Pass(Pass::Minutes), CrashLeader, StartLeader, Cut(A), Heal(A)]],
        ),
        scenario(
            "crashes of the leader",
            quiet,
            4,
            3,
            &[
                &TIME,
                &[StartLeader, Revoke(Active), RotateNow(false), Cut(A), Heal(A)],
                &[0, 1, 2, 3, 4].map(CrashLeaderAfter),
            ],
        ),
        scenario(
            "lost, repeated and reordered",
            before_arming,
            4,
            2,
            &[
                &TIME,
                &[Hold(A), RotateNow(false), Revoke(Prepublished)],
                &[Fate::InOrder, Fate::Reversed, Fate::Twice, Fate::Lost].map(|fate| Release(A, fate)),
            ],
        ),
    ]
}

/// What operators ask for.
fn operators() -> Vec<Scenario> {
    vec![
        scenario(
            "a stolen key",
            armed,
            3,
            2,
            &[
                &TIME,
                &[
                    Revoke(Active),
                    Revoke(Armed),
                    Compromised(Active),
                    Compromised(Armed),
                    CompromisedAll,
                    Cut(A),
                    Heal(A),
                    CrashAgent(A),
                    StartAgent(A),
                ],
            ],
        ),
        scenario(
            "a revocation right after a switch",
            switched,
            3,
            2,
            &[
                &TIME,
                &[
                    Revoke(Active),
                    Revoke(Retiring),
                    Compromised(Prepublished),
                    StopMakingKeys,
                    MakeKeys,
                    Cut(A),
                    Heal(A),
                    Join(C),
                ],
            ],
        ),
        scenario(
            "a revocation and a node that was evicted",
            evicted,
            3,
            2,
            &[&TIME, &[Revoke(Active), Heal(A), StartAgent(A), Join(A), RotateNow(false)]],
        ),
        scenario(
            "a clock of the leader put back",
            recorded,
            3,
            2,
            &[
                &TIME,
                &[
                    SetLeaderClock(-720),
                    SetLeaderClock(-3),
                    SetLeaderClock(0),
                    Hasten,
                    RotateNow(false),
                    Cut(A),
                    Heal(A),
                ],
            ],
        ),
    ]
}

/// Leaders that know less than their nodes; and what must come right again.
fn set_backs() -> Vec<Scenario> {
    vec![
        scenario(
            "a leader that was set back",
            set_back,
            4,
            3,
            &[
                &[Act::Pass(Pass::Minutes)],
                &TIME,
                &[StartLeader, RotateNow(true), Revoke(Active), Heal(A), Heal(B)],
            ],
        ),
        scenario(
            "a leader that was set back by two terms",
            set_back_by_two_terms,
            5,
            2,
            &[
                &[Act::Pass(Pass::Minutes), Act::Pass(Pass::ToNext)],
                &[StartLeader, RotateNow(true), Revoke(Retiring), Heal(A)],
            ],
        ),
        scenario(
            "a leader that was set back before a revocation",
            set_back_before_revocation,
            5,
            2,
            &[
                &[Act::Pass(Pass::Minutes), Act::Pass(Pass::ToNext)],
                &[StartLeader, RotateNow(true), Revoke(Retiring), Heal(A)],
            ],
        ),
        scenario(
            "recovery",
            before_arming,
            2,
            2,
            &[
                &TIME,
                &[
                    Recover,
                    CrashLeader,
                    Cut(A),
                    CrashAgent(B),
                    FailHooks(A),
                    FillDisk(B),
                    StopMakingKeys,
                    Revoke(Active),
                    Join(C),
                    SetClock(A, 120),
                ],
            ],
        ),
    ]
}

/// Two nodes in service, the first key active and a standby that every relying party will know in a day.
fn quiet() -> World {
    World::with_nodes(
        Config {
            report_every: Span::hours(12),
            ..Config::usual(&["main"])
        },
        &["a", "b"],
    )
}

/// Node a has been away for twenty hours, since the standby was revoked: it lacks the new one.
fn lacking() -> World {
    lacks_the_standby(quiet(), Span::hours(20))
}

/// The same after a day, with a `straggler_after` longer than `min_prepublish`: it is in service still.
fn waited_for() -> World {
    lacks_the_standby(patient(), Span::hours(24))
}

fn lacks_the_standby(mut world: World, since: Span) -> World {
    Act::Cut(Who::A).perform(&mut world);
    Act::Revoke(Which::Prepublished).perform(&mut world);
    world.advance(START + since);
    world
}

/// Node a's agent stopped before the switch, eighteen hours ago; its server signs on with the key before.
fn left_behind() -> World {
    let mut world = armed();
    Act::CrashAgent(Who::A).perform(&mut world);
    world.advance(START + Span::hours(66));
    world
}

/// [`quiet`], with a `straggler_after` longer than `min_prepublish`.
fn patient() -> World {
    let mut profile = Profile::new("main".parse().expect("a profile's name"), KeySpec::Es256);
    profile.windows = Windows {
        straggler_after: Span::hours(40),
        ..profile.windows
    };
    let settings = [profile].into_iter().collect();
    let config = Config::usual(&["main"]);
    World::with_nodes(
        Config {
            settings,
            report_every: Span::hours(12),
            ..config
        },
        &["a", "b"],
    )
}

fn at(hours: u64, mins: u64) -> World {
    let mut world = quiet();
    world.advance(START + Span::hours(hours) + Span::mins(mins));
    world
}

/// The standby may take over at any time.
fn rested() -> World {
    at(30, 0)
}

/// The same, with a record of this very moment.
fn recorded() -> World {
    let mut world = rested();
    Act::Join(Who::C).perform(&mut world);
    world
}

/// Ten minutes before the standby is armed.
fn before_arming() -> World {
    at(46, 50)
}

/// The standby is armed, and takes over in 50 minutes.
fn armed() -> World {
    at(47, 10)
}

/// The standby took over five minutes ago.
fn switched() -> World {
    at(48, 5)
}

/// A young standby is armed for the first moment that rule R1 allows.
fn tight() -> World {
    let mut world = quiet();
    Act::Revoke(Which::Prepublished).perform(&mut world);
    Act::Hasten.perform(&mut world);
    world.advance(START + Span::mins(25 * 60 + 10));
    world
}

/// Node a has been out of service for an hour; its agent does not run, and its server still signs.
fn evicted() -> World {
    let mut world = quiet();
    world.advance(START + Span::hours(1));
    Act::CrashAgent(Who::A).perform(&mut world);
    world.advance(START + Span::hours(27));
    world
}

/// The leader's machine is as it was before a forced rotation, and nobody can reach it.
fn set_back() -> World {
    set_back_to_before(|world| Act::RotateNow(true).perform(world))
}

/// The same, before two starts as well.
fn set_back_by_two_terms() -> World {
    set_back_to_before(|world| {
        for act in [
            Act::CrashLeader,
            Act::StartLeader,
            Act::CrashLeader,
            Act::StartLeader,
            Act::RotateNow(true),
        ] {
            act.perform(world);
        }
    })
}

/// The leader's machine is as it was before a standby was revoked.
fn set_back_before_revocation() -> World {
    set_back_to_before(|world| Act::Revoke(Which::Prepublished).perform(world))
}

fn set_back_to_before(then: fn(&mut World)) -> World {
    let mut world = rested();
    let store = world.leader.store.clone();
    then(&mut world);
    for act in [Act::CrashLeader, Act::Cut(Who::A), Act::Cut(Who::B)] {
        act.perform(&mut world);
    }
    world.leader.store = store;
    world
}
