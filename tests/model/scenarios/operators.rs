//! What operators ask for.

use jkeys::types::KeyUse;

use super::starts::{armed, evicted, switched, two_profiles};
use super::{Scenario, TIME, scenario};
use crate::world::act::Act::{
    AddProfile, Compromised, CompromisedAll, CrashAgent, Cut, Heal, Join, MakeKeys, Rejoin, RemoveProfile, Revoke, RotateNow,
    StartAgent, StopMakingKeys,
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
            "a profile goes and comes back",
            two_profiles,
            4,
            3,
            &[&TIME, &[RemoveProfile, AddProfile(KeyUse::Sig), Cut(A), Heal(A)]],
        ),
    ]
}
