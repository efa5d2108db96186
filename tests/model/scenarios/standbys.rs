//! What rule R1 waits for.

use jkeys::types::KeyUse;

use super::starts::{away_of_three, lacking, left_behind, quiet, waited_for};
use super::{Scenario, TIME, scenario};
use crate::world::act::Act::{
    AddProfile, CrashLeader, Cut, Hasten, Heal, Hold, Join, Rejoin, Release, RemoveProfile, Revoke, RotateNow, StartAgent,
    StartLeader,
};
use crate::world::act::Which::Prepublished;
use crate::world::act::{A, B, C, D};
use crate::world::network::Fate;

/// All of them.
pub fn standbys() -> Vec<Scenario> {
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
            &[&TIME, &[Heal(A), Rejoin(A), Join(C), Hasten, RotateNow(false)]],
        ),
        scenario(
            "a node that is waited for",
            waited_for,
            4,
            2,
            &[&TIME, &[Heal(A), Rejoin(A), Hasten, RotateNow(false)]],
        ),
        scenario(
            "a node that signs on by itself",
            left_behind,
            3,
            2,
            &[&TIME, &[StartAgent(A), Rejoin(A), Cut(B), Heal(B), RotateNow(false)]],
        ),
        scenario(
            "a profile is added",
            quiet,
            3,
            2,
            &[
                &TIME,
                &[
                    AddProfile(KeyUse::Sig),
                    RemoveProfile,
                    Cut(A),
                    Heal(A),
                    CrashLeader,
                    StartLeader,
                ],
            ],
        ),
        scenario(
            "a node that was away for too long",
            away_of_three,
            3,
            2,
            &[&TIME, &[Heal(A), Rejoin(A), Join(D), Cut(B), Heal(B), RotateNow(false)]],
        ),
    ]
}
