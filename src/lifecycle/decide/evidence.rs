//! The list of confirmations that allowed a decision.

use std::collections::BTreeSet;

use super::Decision;
use crate::lifecycle::event::Evidence;
use crate::lifecycle::sightings::{Sighting, Sightings};
use crate::lifecycle::state::{Node, Standing, State};
use crate::types::{Digest, Enrolment, NodeName, Time};

/// One row of the list: node, enrolment, and when what counts was confirmed.
type Row<'a> = (&'a NodeName, Enrolment, Time);

impl Decision {
    /// Takes the confirmations of nodes in service as a list of this decision and says what an event needs of it.
    pub(super) fn evidence(&mut self, state: &State, seen: &Sightings, when: impl Fn(&Sighting) -> Option<Time>) -> Evidence {
        let row = |(name, node, _)| confirmation(name, node, seen, &when);
        let rows: Vec<Row> = state.in_service().filter_map(row).collect();
        self.list(state, &rows)
    }

    /// The same over all nodes of the node table, in service or not.
    pub(super) fn evidence_of_all(
        &mut self,
        state: &State,
        seen: &Sightings,
        when: impl Fn(&Sighting) -> Option<Time>,
    ) -> Evidence {
        let row = |(name, node)| confirmation(name, node, seen, &when);
        let rows: Vec<Row> = state.nodes.iter().filter_map(row).collect();
        self.list(state, &rows)
    }

    fn list(&mut self, state: &State, rows: &[Row]) -> Evidence {
        let list = serde_json::to_vec(rows).expect("names and numbers always serialize");
        let digest = Digest::of(&list);
        self.lists.push((digest, list));
        let listed: BTreeSet<&NodeName> = rows.iter().map(|(name, ..)| *name).collect();
        let out = |node: &Node| !matches!(node.standing, Standing::InService { .. });
        let exceptions: Vec<NodeName> = state
            .nodes
            .iter()
            .filter(|(name, node)| out(node) && !listed.contains(name))
            .map(|(name, _)| name.clone())
            .collect();
        Evidence {
            count: rows.len() as u64,
            exceptions: exceptions.into(),
            digest,
        }
    }
}

fn confirmation<'a>(
    name: &'a NodeName,
    node: &Node,
    seen: &Sightings,
    when: &impl Fn(&Sighting) -> Option<Time>,
) -> Option<Row<'a>> {
    let at = seen.get(&node.enrolment).and_then(when)?;
    Some((name, node.enrolment, at))
}
