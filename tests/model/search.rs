//! The search through every order of a scenario's acts, by stateright.

use std::hash::{Hash, Hasher};

use jkeys::clock::Clock;
use jkeys::types::Span;
use stateright::{Checker as _, HasDiscoveries, Model, Property};

use crate::scenarios::Scenario;
use crate::world::World;
use crate::world::act::Act;
use crate::world::oracle::Broken;

const RULES: &str = "no rule is broken";
const ENDS: &str = "everything comes right once nothing is broken any more";

/// A world, and how many faults may still come.
#[derive(Debug, Clone)]
pub struct Step {
    world: World,
    faults_left: u8,
    /// The fingerprint of both.
    print: u64,
}

impl Hash for Step {
    fn hash<H: Hasher>(&self, into: &mut H) {
        self.print.hash(into);
    }
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        self.print == other.print
    }
}

impl Model for Scenario {
    type State = Step;
    type Action = Act;

    fn init_states(&self) -> Vec<Step> {
        vec![Step::new((self.start)(), self.faults)]
    }

    fn actions(&self, step: &Step, actions: &mut Vec<Act>) {
        if step.world.oracle.broken.is_some() {
            return;
        }
        let allowed = |act: &&Act| step.faults_left > 0 || !act.is_fault();
        actions.extend(self.acts.iter().filter(allowed).filter(|act| act.is_open(&step.world)));
    }

    fn next_state(&self, step: &Step, act: Act) -> Option<Step> {
        let mut world = step.world.clone();
        act.perform(&mut world);
        Some(Step::new(world, step.faults_left - u8::from(act.is_fault())))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(RULES, |_, step: &Step| step.world.oracle.broken.is_none()),
            Property::always(ENDS, |scenario: &Self, step: &Step| {
                !step.is_looked_into(scenario.look_into) || step.recovered().oracle.broken.is_none()
            }),
        ]
    }
}

impl Step {
    fn new(world: World, faults_left: u8) -> Self {
        let print = world.fingerprint() ^ u64::from(faults_left).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self {
            world,
            faults_left,
            print,
        }
    }

    /// Whether this is one of the states that are mended: one of `every`, always the same ones. What is broken already is found
    /// without that.
    fn is_looked_into(&self, every: u64) -> bool {
        self.world.oracle.broken.is_none() && every > 0 && self.print.is_multiple_of(every)
    }

    /// What comes of it when nothing is broken any more, and days pass.
    fn recovered(&self) -> World {
        let mut world = self.world.clone();
        world.recover();
        world
    }
}

/// What a search came to.
#[derive(Debug)]
pub struct Found {
    /// How many different states were seen.
    pub states: usize,
    /// How many acts lead to the furthest of them.
    pub depth: usize,
    /// How long it took.
    pub took: Span,
    /// A way to a broken rule, if there is one.
    pub counterexample: Option<(Vec<Act>, Broken)>,
}

impl Scenario {
    /// Tries every order of acts within the bounds, until a rule is broken.
    pub fn search(&self) -> Found {
        let clock = Clock::machine();
        let began = clock.monotonic();
        // With one thread the search goes level by level. With more a state may be seen first at the end of a longer way, and what comes
        // after it would be cut off by the bound. The bound counts the first state, and a state that reaches it is not looked at.
        let builder = self.clone().checker().target_max_depth(self.depth + 2);
        let checker = builder.finish_when(HasDiscoveries::Any).spawn_bfs().join();
        let of_rules = checker.discovery(RULES).map(|path| {
            let broken = path.last_state().world.oracle.broken.clone();
            (path.into_actions(), broken.expect("a rule is broken"))
        });
        let counterexample = of_rules.or_else(|| {
            let path = checker.discovery(ENDS)?;
            let broken = path.last_state().recovered().oracle.broken;
            Some((path.into_actions(), broken.expect("it does not come right")))
        });
        Found {
            states: checker.unique_state_count(),
            depth: checker.max_depth().saturating_sub(1).min(self.depth),
            took: clock.monotonic() - began,
            counterexample,
        }
    }
}
