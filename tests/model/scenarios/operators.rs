//! What operators ask for.

use jkeys::lifecycle::Ending;
use jkeys::types::KeyUse;

use super::starts::{armed, evicted, switched, two_profiles};
use super::{Scenario, TIME, scenario};
use crate::world::act::Act::{
    AddProfile, ClearDisk, Compromised, CompromisedAll, CrashAgent, CrashLeader, Cut, EndNode, EnrolAgain, FillDisk, Heal, Join,
    MakeKeys, Rejoin, RemoveProfile, Revoke, RotateNow, StartAgent, StartLeader, StopMakingKeys,
};
use crate::world::act::Which::{Active, Armed, Prepublished, Retiring};
use crate::world::act::{A, C};

/// All of them.
pub fn operators() -> Vec<Scenario> {
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
            &[&TIME, &[Revoke(Active), Heal(A), StartAgent(A), Rejoin(A), RotateNow(false)]],
        ),
        scenario(
            "a node that is removed and comes back",
            armed,
            4,
            3,
            &[
                &TIME,
                &[EndNode(A, Ending::Removed), Cut(A), Heal(A), EnrolAgain(A), Rejoin(A)],
            ],
        ),
        scenario(
            "a stolen node",
            switched,
            4,
            2,
            &[
                &TIME,
                &[
                    EndNode(A, Ending::Revoked),
                    Compromised(Active),
                    Cut(A),
                    Heal(A),
                    FillDisk(A),
                    ClearDisk(A),
                    CrashLeader,
                    StartLeader,
                ],
            ],
        ),
        scenario(
            "a profile goes and comes back",
            two_profiles,
            4,
            3,
            &[&TIME, &[RemoveProfile, AddProfile(KeyUse::Sig), Cut(A), Heal(A)]],
        ),
    ]
}
