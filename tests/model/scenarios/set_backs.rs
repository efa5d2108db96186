//! Leaders that know less than their nodes; and what must come right again.

use super::starts::{
    before_arming, set_back, set_back_and_alone, set_back_before_revocation, set_back_by_two_terms, told_of_a_revocation,
    told_of_another_encryption_key, told_of_other_keys,
};
use super::{Scenario, TIME, scenario};
use crate::world::act::Act::{
    self, Adopt, CrashAgent, CrashLeader, Cut, FailHooks, FillDisk, Heal, Join, Reboot, Rejoin, Revoke, RotateNow, SetClock,
    StartAgent, StartLeader, StopMakingKeys,
};
use crate::world::act::Pass;
use crate::world::act::Which::{Active, Retiring};
use crate::world::act::{A, B, C};

/// All of them.
pub fn set_backs() -> Vec<Scenario> {
    vec![
        scenario(
            "a leader that was set back",
            set_back,
            4,
            2,
            &[
                &[Act::Pass(Pass::Minutes)],
                &TIME,
                &[StartLeader, RotateNow(true), Revoke(Active), Heal(A), Heal(B)],
            ],
        ),
        scenario(
            "a leader that was set back, and went on alone",
            set_back_and_alone,
            5,
            3,
            &[&[Act::Pass(Pass::Minutes), RotateNow(true), Heal(A), Adopt]],
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
            "a leader that was set back goes on",
            told_of_a_revocation,
            4,
            1,
            &[
                &[Act::Pass(Pass::Minutes), Act::Pass(Pass::ToNext)],
                &[Adopt, Heal(B), RotateNow(true), CrashLeader, StartLeader],
            ],
        ),
        scenario(
            "a leader that was set back goes on with keys that it does not have",
            told_of_other_keys,
            4,
            1,
            &[
                &TIME,
                &[Adopt, Heal(B), Revoke(Active), Reboot(A), CrashAgent(B), StartAgent(B)],
            ],
        ),
        scenario(
            "a leader that was set back goes on with an encryption key that it does not have",
            told_of_another_encryption_key,
            4,
            1,
            &[
                &[Act::Pass(Pass::Minutes), Adopt, Heal(B)],
                &[Join(C), Rejoin(B), RotateNow(false)],
            ],
        ),
        scenario(
            "several things break",
            before_arming,
            2,
            2,
            &[
                &TIME,
                &[
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
