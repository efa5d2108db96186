//! Plain lines: one for each change, and the counts from time to time.

use super::words::{decided, failures, seconds, summary};
use crate::dev::Summary;
use crate::dev::watch::Look;
use crate::types::Time;

pub(super) fn look(look: &Look, so_far: &Summary, began: Time, counted: bool) -> Vec<String> {
    let now = look.status.now;
    let at = |time: Time, what: &str| format!("{:>8}  {what}", seconds(time.since(began)));
    let records = look.records.iter();
    let mut lines: Vec<String> = records
        .filter_map(|record| Some(at(record.time, &decided(record, record.time)?)))
        .collect();
    lines.extend(failures(&look.round).iter().map(|failure| at(now, failure)));
    if counted {
        let nodes = &look.status.nodes;
        let serving = nodes.iter().filter(|node| node.standing == "in_service").count();
        let (generation, counts) = (look.status.generation, summary(so_far));
        let fleet = format!("generation {generation}, {serving} of {} nodes in service", nodes.len());
        lines.push(at(now, &format!("{fleet}; {counts}")));
    }
    lines
}
