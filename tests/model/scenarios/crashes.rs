//! Processes that end at any moment, and messages that do not come as they were sent.

use super::starts::{armed, before_arming, evicted, half_armed, quiet};
use super::{CRASH_POINTS, Scenario, TIME, scenario};
use crate::world::act::A;
use crate::world::act::Act::{
    self, ClearDisk, CrashAgent, CrashLeader, CrashLeaderAfter, Cut, Heal, Hold, Reboot, Release, Revoke, RotateNow, StartAgent,
    StartLeader, TearDisk,
};
use crate::world::act::Pass;
use crate::world::act::Which::{Active, Prepublished};
use crate::world::network::Fate;

/// All of them.
pub fn crashes() -> Vec<Scenario> {
    vec![
        scenario(
            "a crash at each write",
            before_arming,
            5,
            1,
            &[&TIME, &[CrashLeader, StartLeader, StartAgent(A)], &CRASH_POINTS],
        ),
        scenario(
            "a crash while a key is armed",
            half_armed,
            4,
            2,
            &[&TIME, &[CrashLeader, StartLeader, StartAgent(A), Reboot(A)]],
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
            2,
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
        scenario(
            "half a view",
            armed,
            4,
            2,
            &[
                &TIME,
                &[TearDisk(A), ClearDisk(A), CrashAgent(A), StartAgent(A), RotateNow(false)],
            ],
        ),
        scenario(
            "half a view on a node that comes back",
            evicted,
            4,
            2,
            &[&TIME, &[TearDisk(A), ClearDisk(A), StartAgent(A), RotateNow(false)]],
        ),
    ]
}
