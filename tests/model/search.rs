//! The search through every order of a scenario's acts, by stateright.

use std::hash::{Hash, Hasher};

use jkeys::clock::Clock;
use jkeys::types::Span;
use stateright::{Checker as _, HasDiscoveries, Model, Property};

use crate::act::Act;
use crate::scenario::Scenario;
use crate::world::World;
use crate::world::oracle::Broken;

const RULES: &str = "no rule is broken";

/// A world, and how many faults may still come.
#[derive(Debug, Clone)]
pub struct Step {
    world: World,
    faults_left: u8,
    over: bool,
}

impl Hash for Step {
    fn hash<H: Hasher>(&self, into: &mut H) {
        (self.world.fingerprint(), self.faults_left, self.over).hash(into);
    }
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        (self.faults_left, self.over) == (other.faults_left, other.over) && self.world.fingerprint() == other.world.fingerprint()
    }
}

impl Model for Scenario {
    type State = Step;
    type Action = Act;

    fn init_states(&self) -> Vec<Step> {
        let (world, faults_left) = ((self.start)(), self.faults);
        vec![Step {
            world,
            faults_left,
            over: false,
        }]
    }

    fn actions(&self, step: &Step, actions: &mut Vec<Act>) {
        if step.over || step.world.oracle.broken.is_some() {
            return;
        }
        let allowed = |act: &&Act| step.faults_left > 0 || !act.is_fault();
        actions.extend(self.acts.iter().filter(allowed).filter(|act| act.is_open(&step.world)));
    }

    fn next_state(&self, step: &Step, act: Act) -> Option<Step> {
        let mut next = step.clone();
        next.faults_left -= u8::from(act.is_fault());
        next.over = act == Act::Recover;
        act.perform(&mut next.world);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(RULES, |_, step: &Step| step.world.oracle.broken.is_none())]
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
        let counterexample = checker.discovery(RULES).map(|path| {
            let broken = path.last_state().world.oracle.broken.clone();
            (path.into_actions(), broken.expect("a rule is broken"))
        });
        Found {
            states: checker.unique_state_count(),
            depth: checker.max_depth().saturating_sub(1).min(self.depth),
            took: clock.monotonic() - began,
            counterexample,
        }
    }
}
