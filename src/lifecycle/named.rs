//! Nodes as a record names them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::types::NodeName;

/// How many names a record holds.
const NAMED: usize = 32;

/// How many nodes there are, and the first of them by name: a record stays small with ten thousand nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NamedNodes {
    /// How many there are.
    pub count: u64,
    /// The first of them, in order.
    pub first: Vec<NodeName>,
}

impl NamedNodes {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl From<Vec<NodeName>> for NamedNodes {
    fn from(mut nodes: Vec<NodeName>) -> Self {
        let count = nodes.len() as u64;
        nodes.sort();
        nodes.truncate(NAMED);
        Self { count, first: nodes }
    }
}

impl fmt::Display for NamedNodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.first.iter().map(NodeName::as_str).collect();
        f.write_str(&names.join(", "))?;
        match self.count - names.len() as u64 {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_nodes_are_counted_and_the_first_are_named() {
        let all: Vec<NodeName> = (0..10_000).map(|n| format!("vm-{n:05}").parse().unwrap()).collect();
        let named = NamedNodes::from(all);
        let text = named.to_string();
        assert!(
            text.starts_with("vm-00000, vm-00001, ") && text.ends_with(", vm-00031 and 9968 more"),
            "{text}"
        );
        assert!(serde_json::to_vec(&named).unwrap().len() < 1000);
        let two: Vec<NodeName> = ["vm-2", "vm-1"].map(|name| name.parse().unwrap()).into();
        assert_eq!(NamedNodes::from(two).to_string(), "vm-1, vm-2");
        assert!(NamedNodes::from(vec![]).is_empty());
    }
}
