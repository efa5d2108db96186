//! A key takes over from another.

use super::starts::{armed, tight};
use super::{Scenario, TIME, scenario};
use crate::world::act::A;
use crate::world::act::Act::{
    ClearDisk, CrashAgent, CrashLeader, Cut, FailHooks, FillDisk, Heal, MendHooks, Reboot, SetClock, StartAgent, StartLeader,
};

/// All of them.
pub fn switches() -> Vec<Scenario> {
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
            2,
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
