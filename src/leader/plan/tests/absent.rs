use super::*;
use crate::rpc::documents::{Awaited, Planned};
use crate::types::NodeName;

fn first(plan: &Plan, event: Happening) -> &Planned {
    plan.events.iter().find(|row| row.event == event).unwrap()
}

fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

#[test]
fn a_silent_node_is_waited_for_until_it_leaves_service_and_its_answer_would_help() {
    let settings = settings(&[("web", 48)]);
    // At 20h 50m the next key is published; the node is silent from an hour before that on.
    let course = fleet(&settings, Span::hours(20));
    let plan = plan_without(&course, "node-2", Span::hours(100));
    assert_eq!(plan.absent, [node("node-2")]);
    let leaves = first(&plan, Happening::LeavesService);
    assert_eq!((&leaves.node, &leaves.waits_for), (&Some(node("node-2")), &Awaited::Silence));
    let heard_at = course.leader.sighting(&node("node-2")).unwrap().heard_at;
    assert_eq!(leaves.at, heard_at + Span::hours(24) + Span(1));

    let armed: Vec<&Planned> = plan.events.iter().filter(|row| row.event == Happening::Armed).collect();
    assert_eq!(
        (armed[0].at, armed[0].if_answered),
        (NOW + Span::hours(47), None),
        "its key is published already"
    );
    let waits = Awaited::Publication {
        span: Span::hours(26),
        missing: vec![node("node-2")],
    };
    assert_eq!(armed[1].waits_for, waits);
    assert_eq!(armed[1].if_answered, None, "it leaves service before it delays that one");
}

#[test]
fn a_row_that_a_silent_node_makes_late_says_when_it_would_come_if_the_node_answered() {
    let mut course = fleet(&settings(&[("web", 48)]), Span::mins(1239));
    // It goes a minute before the next key is published, which then waits until it has left service.
    course.nodes.remove(&node("node-2"));
    course.run(NOW + Span::hours(30));
    let plan = plan_without(&course, "node-2", Span::hours(100));
    let rows = |event| plan.events.iter().filter(move |row| row.event == event).collect::<Vec<_>>();
    let leaves = rows(Happening::LeavesService)[0];
    let second = rows(Happening::Signs)[1];
    assert_eq!(second.at, (leaves.at + Span::hours(26)).max(NOW + Span::hours(96)));
    // The first is not held up, but the key before it stays published until the node has let go of it or left.
    let removed = rows(Happening::Removed)[0];
    assert!(
        matches!(&removed.waits_for, Awaited::Expiry { missing, .. } if missing.is_empty()),
        "{removed:?}"
    );
}

#[test]
fn a_switch_that_is_not_confirmed_keeps_the_old_key_published() {
    let mut course = fleet(&settings(&[("web", 48)]), Span::mins(47 * 60 + 30));
    course.nodes.remove(&node("node-2"));
    course.run(NOW + Span::mins(48 * 60 + 30));
    let plan = plan_without(&course, "node-2", Span::hours(100));
    let (leaves, removed) = (first(&plan, Happening::LeavesService), first(&plan, Happening::Removed));
    let missing = vec![node("node-2")];
    let span = Span::mins(65);
    assert_eq!(removed.waits_for, Awaited::Expiry { span, missing });
    assert_eq!(removed.at, leaves.at + span);
    assert_eq!(removed.if_answered, Some(course.clock + span));
}

#[test]
fn a_node_that_something_keeps_from_confirming_does_not_answer() {
    let course = fleet(&settings(&[("web", 48)]), Span::hours(1));
    let connected: BTreeSet<Enrolment> = course.leader.state().nodes.values().map(|node| node.enrolment).collect();
    assert_eq!(answering(&course.leader, &connected, course.clock).len(), 2);
    let mut seen = course.leader.seen().clone();
    let stuck = seen.values_mut().next().unwrap();
    stuck.problem = Some("the disk is full".to_owned());
    let leader = |seen: &crate::lifecycle::Sightings| Leader::new(course.leader.state().clone(), seen.clone(), Seq(0));
    assert_eq!(
        answering(&leader(&seen), &connected, course.clock).len(),
        2,
        "it owes nothing"
    );
    let stuck = seen.values_mut().next().unwrap();
    (stuck.confirmed, stuck.withdrawn_at) = (None, Some(course.clock));
    assert_eq!(answering(&leader(&seen), &connected, course.clock).len(), 1);
}
