//! Keys that relying parties encrypt to.

use jkeys::types::KeyUse;

use super::starts::{before_staging, not_on_a, only_in_the_cache, quiet, staged, still_published_on_a, unpublished};
use super::{CRASH_POINTS, Scenario, TIME, scenario};
use crate::world::act::Act::{
    AddProfile, ClearDisk, Compromised, CompromisedAll, CrashAgent, CrashLeader, CrashLeaderAfter, Cut, Destroy, FailHooks,
    FillDisk, Heal, Join, MakeKeys, MendHooks, Reboot, Rejoin, RemoveProfile, Revoke, RotateNow, StartAgent, StartLeader,
    StopMakingKeys, TearDisk,
};
use crate::world::act::Which::{Published, Staged, Unpublished};
use crate::world::act::{A, B, C};

/// All of them.
pub fn encryption() -> Vec<Scenario> {
    [publications(), removals()].concat()
}

/// What rule E1 waits for.
fn publications() -> Vec<Scenario> {
    vec![
        scenario(
            "a key is staged",
            before_staging,
            4,
            2,
            &[
                &TIME,
                &[
                    Cut(A),
                    Heal(A),
                    FailHooks(A),
                    MendHooks(A),
                    TearDisk(A),
                    ClearDisk(A),
                    RotateNow(false),
                ],
            ],
        ),
        scenario(
            "a staged key that a node lacks",
            not_on_a,
            3,
            2,
            &[
                &TIME,
                &[
                    Heal(A),
                    Rejoin(A),
                    Join(C),
                    RotateNow(false),
                    RotateNow(true),
                    Revoke(Published),
                    Compromised(Published),
                ],
            ],
        ),
        scenario(
            "a staged key that is in the cache only",
            only_in_the_cache,
            4,
            2,
            &[&TIME, &[StartAgent(A), FillDisk(A), ClearDisk(A), RotateNow(false)]],
        ),
        scenario(
            "a crash at each write of a staged key",
            before_staging,
            4,
            2,
            &[&TIME, &[StartAgent(A), CrashLeader, StartLeader], &CRASH_POINTS],
        ),
        scenario(
            "a profile for encryption comes and goes",
            quiet,
            4,
            2,
            &[&TIME, &[AddProfile(KeyUse::Enc), RemoveProfile, Cut(A), Heal(A)]],
        ),
    ]
}

/// What rule E2 waits for.
fn removals() -> Vec<Scenario> {
    vec![
        scenario(
            "a key is unpublished",
            staged,
            4,
            2,
            &[
                &TIME,
                &[
                    CrashAgent(A),
                    StartAgent(A),
                    FailHooks(A),
                    MendHooks(A),
                    Cut(B),
                    Heal(B),
                    Reboot(A),
                    Rejoin(A),
                ],
            ],
        ),
        scenario(
            "a node that publishes an unpublished key",
            still_published_on_a,
            4,
            2,
            &[&TIME, &[Heal(A), Rejoin(A), Join(C), RotateNow(false), Revoke(Unpublished)]],
        ),
        scenario(
            "new nodes and an unpublished key",
            unpublished,
            4,
            2,
            &[&TIME, &[Rejoin(A), Join(C), Reboot(B), Destroy(Unpublished)]],
        ),
        scenario(
            "a stolen encryption key",
            staged,
            3,
            2,
            &[
                &TIME,
                &[
                    Revoke(Published),
                    Destroy(Published),
                    Destroy(Unpublished),
                    Compromised(Published),
                    Compromised(Staged),
                    CompromisedAll,
                    Cut(A),
                    Heal(A),
                    StopMakingKeys,
                    MakeKeys,
                ],
            ],
        ),
        scenario(
            "a revoked encryption key and crashes of the leader",
            staged,
            4,
            2,
            &[
                &TIME,
                &[StartLeader, Revoke(Published), RotateNow(false)],
                &[0, 1, 2, 3, 4].map(CrashLeaderAfter),
            ],
        ),
    ]
}
