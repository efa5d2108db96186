//! Where a search begins, and what may happen in it. A few acts for each theme keep the number of states small, so that every order of
//! them can be tried.

mod clocks;
mod crashes;
mod encryption;
mod operators;
mod set_backs;
mod standbys;
mod starts;
mod switches;

use crate::world::World;
use crate::world::act::{A, Act, Pass};
#[cfg_attr(feature = "mutants", allow(unused_imports))]
pub use starts::told_of_other_keys;

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
    /// Of how many states one is mended, to see that all comes right; 0 for none.
    pub look_into: u64,
}

const TIME: [Act; 2] = [Act::Pass(Pass::ToNext), Act::Pass(Pass::Hours)];

/// Of so many states one is mended.
const LOOK_INTO: u64 = 50;

/// Where an agent can crash: at each of its first writes, which is then done or not.
const CRASH_POINTS: [Act; 8] = [
    Act::CrashAgentAt(A, 0, false),
    Act::CrashAgentAt(A, 0, true),
    Act::CrashAgentAt(A, 1, false),
    Act::CrashAgentAt(A, 1, true),
    Act::CrashAgentAt(A, 2, false),
    Act::CrashAgentAt(A, 2, true),
    Act::CrashAgentAt(A, 3, false),
    Act::CrashAgentAt(A, 3, true),
];

fn scenario(name: &'static str, start: fn() -> World, depth: usize, faults: u8, acts: &[&[Act]]) -> Scenario {
    Scenario {
        name,
        start,
        acts: acts.concat(),
        depth,
        faults,
        look_into: LOOK_INTO,
    }
}

/// All themes.
pub fn scenarios() -> Vec<Scenario> {
    [
        standbys::standbys(),
        switches::switches(),
        crashes::crashes(),
        operators::operators(),
        encryption::encryption(),
        clocks::clocks(),
        set_backs::set_backs(),
    ]
    .concat()
}
