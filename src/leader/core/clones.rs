//! Two agents with one identity, as when a machine was copied: they come in turns, and a number that each made at its start tells them
//! apart. An agent that was started anew has another number, and the one before never comes again.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU64;

use super::{Effect, Leader};
use crate::lifecycle::Command;
use crate::types::{Enrolment, NodeName, Now};

/// How many agents of one identity are remembered.
const REMEMBERED: usize = 8;

/// The agents that have come in this term, newest last.
#[derive(Debug, Clone, Default)]
pub(super) struct Instances(BTreeMap<Enrolment, VecDeque<NonZeroU64>>);

impl Instances {
    /// An agent has come. Says whether another came since it did before.
    fn come(&mut self, enrolment: Enrolment, instance: NonZeroU64) -> bool {
        let known = self.0.entry(enrolment).or_default();
        if known.back() == Some(&instance) {
            return false;
        }
        let came_before = known.contains(&instance);
        known.retain(|other| *other != instance);
        known.push_back(instance);
        if known.len() > REMEMBERED {
            known.pop_front();
        }
        came_before
    }

    pub(super) fn forget(&mut self, enrolment: Enrolment) {
        self.0.remove(&enrolment);
    }
}

impl Leader {
    /// A node has opened a stream.
    pub(super) fn came(
        &mut self,
        node: &NodeName,
        enrolment: Enrolment,
        instance: NonZeroU64,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let is_cloned = self.is_enrolled(node, enrolment) && self.instances.come(enrolment, instance);
        // A leader that decides nothing more says so of a later one that comes.
        if is_cloned && self.state.halted.is_none() {
            let (node, clock) = (node.clone(), self.reading(now));
            self.own(&Command::NodeCloned { node, enrolment }, clock, effects);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(instances: &mut Instances, numbers: &[u64]) -> Vec<bool> {
        let come = |number: &u64| instances.come(Enrolment(1), NonZeroU64::new(*number).unwrap());
        numbers.iter().map(come).collect()
    }

    #[test]
    fn agents_of_one_identity_that_come_in_turns_are_told_from_one_that_is_started_anew() {
        let mut instances = Instances::default();
        assert_eq!(
            came(&mut instances, &[1, 1, 2, 2, 3]),
            [false; 5],
            "started anew, and lost its stream"
        );
        assert_eq!(came(&mut instances, &[2]), [true]);
        assert_eq!(came(&mut instances, &[4, 5, 2]), [false, false, true], "of three");
        assert!(instances.come(Enrolment(1), NonZeroU64::new(5).unwrap()));
        assert!(
            !instances.come(Enrolment(2), NonZeroU64::new(5).unwrap()),
            "another enrolment"
        );
        instances.forget(Enrolment(1));
        assert_eq!(came(&mut instances, &[2]), [false]);
    }

    #[test]
    fn an_agent_that_is_started_again_and_again_takes_no_more_room() {
        let mut instances = Instances::default();
        let numbers: Vec<u64> = (1..100).collect();
        assert!(came(&mut instances, &numbers).iter().all(|is_clone| !is_clone));
        assert_eq!(instances.0[&Enrolment(1)].len(), REMEMBERED);
    }
}
