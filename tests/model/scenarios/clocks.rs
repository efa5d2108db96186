//! Clocks that are wrong (rule R9).

use super::starts::{ahead, asleep, before_arming, cut_and_leaderless, leaderless, recorded, three};
use super::{Scenario, TIME, scenario};
use crate::world::act::Act::{
    self, CrashLeader, Cut, Hasten, Heal, Reboot, Revoke, RotateNow, SetClock, SetLeaderClock, StartLeader, WakeLeader,
};
use crate::world::act::Pass;
use crate::world::act::Which::Active;
use crate::world::act::{A, B, C};

const HOURS: i64 = 10 * 60;
const DAYS: i64 = 3 * 24 * 60;
const YEARS: i64 = 3 * 365 * 24 * 60;

/// All of them.
pub fn clocks() -> Vec<Scenario> {
    [of_the_leader(), of_nodes()].concat()
}

/// The leader's own.
fn of_the_leader() -> Vec<Scenario> {
    vec![
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
        scenario(
            "a clock of the leader put forward",
            before_arming,
            3,
            2,
            &[
                &TIME,
                &[
                    SetLeaderClock(HOURS),
                    SetLeaderClock(DAYS),
                    SetLeaderClock(YEARS),
                    SetLeaderClock(0),
                    RotateNow(false),
                    Revoke(Active),
                    CrashLeader,
                    StartLeader,
                ],
            ],
        ),
        scenario(
            "a clock that is wrong at a start",
            leaderless,
            4,
            2,
            &[
                &[Act::Pass(Pass::ToNext), Act::Pass(Pass::Minutes)],
                &[
                    SetLeaderClock(HOURS),
                    SetLeaderClock(-HOURS),
                    SetLeaderClock(YEARS),
                    SetLeaderClock(0),
                    StartLeader,
                    RotateNow(false),
                ],
            ],
        ),
        scenario(
            "a clock that is wrong at a start, and nobody to ask",
            cut_and_leaderless,
            5,
            1,
            &[
                &[Act::Pass(Pass::Hours), Act::Pass(Pass::Minutes)],
                &[
                    SetLeaderClock(HOURS),
                    SetLeaderClock(DAYS),
                    SetLeaderClock(0),
                    StartLeader,
                    Heal(A),
                ],
            ],
        ),
        scenario(
            "a leader's machine that stood still",
            asleep,
            5,
            1,
            &[
                &[Act::Pass(Pass::ToNext), Act::Pass(Pass::Minutes)],
                &[WakeLeader, SetLeaderClock(0), Heal(B), Heal(C)],
            ],
        ),
    ]
}

/// Those of nodes, and whom they outvote.
fn of_nodes() -> Vec<Scenario> {
    vec![
        scenario(
            "most clocks of the nodes differ",
            three,
            4,
            2,
            &[
                &TIME,
                &[SetClock(A, HOURS), SetClock(B, HOURS), SetClock(A, 0), RotateNow(false)],
            ],
        ),
        scenario(
            "one node agrees with a leader whose clock is wrong",
            three,
            4,
            2,
            &[
                &TIME,
                &[
                    SetClock(A, HOURS),
                    SetLeaderClock(HOURS),
                    SetLeaderClock(0),
                    CrashLeader,
                    StartLeader,
                ],
            ],
        ),
        scenario(
            "a node's clock is wrong, and it boots without the leader",
            ahead,
            4,
            2,
            &[
                &TIME,
                &[CrashLeader, StartLeader, Reboot(A), SetClock(A, 0), SetClock(A, -120)],
            ],
        ),
    ]
}
