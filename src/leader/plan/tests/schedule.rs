use super::*;
use crate::rpc::documents::{Awaited, Planned};

fn times(plan: &Plan, event: Happening) -> Vec<Span> {
    let rows = plan.events.iter().filter(|row| row.event == event);
    rows.map(|row| row.at.since(NOW)).collect()
}

#[test]
fn the_two_day_schedule_is_told_to_the_minute() {
    let plan = plan_of(&fleet(&settings(&[("web", 48)]), Span::mins(1)), Span::hours(5 * 24));
    let hours = |hours: &[u64]| hours.iter().map(|hours| Span::hours(*hours)).collect::<Vec<_>>();
    assert_eq!(times(&plan, Happening::Signs), hours(&[48, 96]));
    assert_eq!(times(&plan, Happening::Retires), hours(&[48, 96]));
    assert_eq!(times(&plan, Happening::Armed), hours(&[47, 95]));
    let published = |armed: u64| Span::mins((armed - 26) * 60 - 10);
    assert_eq!(times(&plan, Happening::Published), [47, 95, 143].map(published));
    assert_eq!(
        times(&plan, Happening::Removed),
        [48, 96].map(|hours| Span::mins(hours * 60 + 65))
    );
    assert_eq!((plan.jwks.most, plan.jwks.profiles[0].most), (3, 3));
}

#[test]
fn a_key_to_come_has_one_name_through_its_life() {
    let course = fleet(&settings(&[("web", 48), ("api", 72)]), Span::mins(1));
    let plan = plan_of(&course, Span::hours(14 * 24));
    for profile in ["web", "api"] {
        let of = |event| {
            let rows = plan
                .events
                .iter()
                .filter(move |row| row.event == event && row.profile == Some(profile.parse().unwrap()));
            rows.map(|row| row.key.clone().unwrap()).collect::<Vec<PlannedKey>>()
        };
        let (published, armed) = (of(Happening::Published), of(Happening::Armed));
        assert_eq!(published[..2], [PlannedKey::Next(1), PlannedKey::Next(2)]);
        assert!(matches!(&armed[0], PlannedKey::Kid(_)), "the standby is there: {armed:?}");
        assert_eq!(armed[1..3], [PlannedKey::Next(1), PlannedKey::Next(2)]);
        assert_eq!(of(Happening::Signs)[..3], armed[..3]);
    }
}

#[test]
fn a_plan_made_later_says_the_rest_of_the_one_made_before() {
    let settings = settings(&[("web", 48), ("api", 60)]);
    let mut course = fleet(&settings, Span::hours(3));
    let day = Span::hours(24);
    let told = |plan: Plan, since: Time| {
        let rows = plan.events.into_iter().filter(move |row| row.at > since);
        rows.map(|row| (row.at, row.event, row.profile, row.waits_for))
            .collect::<Vec<_>>()
    };
    let first = plan_of(&course, day * 14);
    course.run(NOW + Span::hours(100));
    let later = plan_of(&course, first.until.since(course.clock));
    assert_eq!(told(first, course.clock), told(later, course.clock));
}

#[test]
fn every_row_says_what_it_waits_for() {
    let plan = plan_of(&fleet(&settings(&[("web", 48)]), Span::hours(1)), Span::hours(72));
    let find = |event| -> &Planned { plan.events.iter().find(|row| row.event == event).unwrap() };
    assert_eq!(find(Happening::Published).waits_for, Awaited::Key);
    let missing = Vec::new();
    let published = Awaited::Publication {
        span: Span::hours(26),
        missing: missing.clone(),
    };
    assert_eq!(find(Happening::Armed).waits_for, published);
    assert_eq!(find(Happening::Signs).waits_for, Awaited::Hour);
    let span = Span::mins(65);
    assert_eq!(find(Happening::Removed).waits_for, Awaited::Expiry { span, missing });
}

#[test]
fn a_configuration_is_planned_from_its_founding_on() {
    let settings = settings(&[("web", 48)]);
    let plan = of_settings(&settings, 3, NOW, Span::hours(48));
    assert_eq!(plan.subject, Subject::Configuration { nodes: 3 });
    let entered = plan
        .events
        .iter()
        .filter(|row| row.event == Happening::EntersService && row.at == NOW);
    assert_eq!(entered.count(), 3);
    let first = plan.events.iter().find(|row| row.event == Happening::Signs).unwrap();
    assert_eq!(
        (first.at, &first.waits_for),
        (NOW, &Awaited::Time),
        "its first key signs at once"
    );
    let later = plan_of(&fleet(&settings, Span(0)), Span::hours(48));
    let after = |plan: &Plan| {
        plan.events
            .iter()
            .filter(|row| row.at > NOW)
            .map(|row| (row.at, row.event))
            .collect::<Vec<_>>()
    };
    assert_eq!(after(&plan), after(&later));
}

#[test]
fn a_configuration_that_breaks_rules_is_not_planned_and_says_which_with_the_numbers() {
    let mut settings = settings(&[("web", 20)]);
    settings
        .profiles
        .values_mut()
        .for_each(|profile| profile.windows.max_age = Span::hours(14));
    let plan = of_settings(&settings, 3, NOW, Span::hours(48));
    let rules: Vec<&str> = plan.violations.iter().map(|violation| violation.rule.as_str()).collect();
    assert_eq!(rules, ["T1", "T4", "T5"]);
    let text = &plan.violations[0].text;
    assert!(
        text.contains("1day 3h 10m") && text.contains("20h") && text.contains("profile web"),
        "{text}"
    );
    assert!(plan.events.is_empty());
}

#[test]
fn a_fast_schedule_is_planned_as_far_as_anybody_reads() {
    let mut settings = settings(&[("web", 48)]);
    let windows = &mut settings.profiles.values_mut().next().unwrap().windows;
    windows.interval = Span::secs(30);
    windows.min_prepublish = Span::secs(12);
    (windows.arm_lead, windows.clock_skew, windows.max_age) = (Span::secs(4), Span(500), Span::secs(5));
    (windows.straggler_after, windows.token_lifetime) = (Span::secs(20), Span::secs(5));
    let plan = of_settings(&settings, 3, NOW, Span::hours(14 * 24));
    assert!(plan.violations.is_empty(), "{:?}", plan.violations);
    assert!(plan.until < NOW + Span::hours(3), "{}", plan.until);
    assert!((900..1100).contains(&plan.events.len()), "{}", plan.events.len());
}

#[test]
fn a_leader_that_decides_nothing_more_has_nothing_to_come() {
    let mut course = fleet(&settings(&[("web", 48)]), Span::hours(1));
    let halt = crate::lifecycle::Halt {
        node: "node-1".parse().unwrap(),
        epoch: crate::types::Epoch(9),
        generation: crate::types::Generation(99),
        checkpoint: None,
    };
    course.ask(crate::lifecycle::Command::NodeAhead(halt.clone()));
    let plan = plan_of(&course, Span::hours(100));
    assert_eq!(
        (plan.halted, plan.events),
        (Some(crate::lifecycle::Halted::NodeAhead(halt)), vec![])
    );
}
