use super::super::settings::Windows;
use super::*;
use crate::types::KeySpec;

const MS: Span = Span(1);

fn profile(name: &str, change: impl FnOnce(&mut Windows)) -> Profile {
    let mut profile = Profile::new(name.parse().unwrap(), KeySpec::Es256);
    change(&mut profile.windows);
    profile
}

fn broken_by(change: impl FnOnce(&mut Windows)) -> Vec<Violation> {
    check(&Settings::from_iter([profile("web", change)]))
}

/// The one violation of `change`, as text.
fn refused(rule: TimingRule, change: impl FnOnce(&mut Windows)) -> String {
    let violations = broken_by(change);
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert_eq!(violations[0].rule, rule);
    assert_eq!(violations[0].profile, Some("web".parse().unwrap()));
    violations[0].to_string()
}

fn assert_safe(change: impl FnOnce(&mut Windows)) {
    assert_eq!(broken_by(change), []);
}

#[test]
fn the_defaults_and_the_fast_schedule_are_safe() {
    assert_safe(|_| {});
    assert_safe(|windows| {
        *windows = Windows {
            interval: Span::secs(30),
            min_prepublish: Span::secs(15),
            arm_lead: Span::secs(1),
            token_lifetime: Span::secs(2),
            decrypt_window: Span::secs(15),
            clock_skew: Span(200),
            straggler_after: Span::secs(10),
            start_grace: Span::secs(2),
            max_age: Span::secs(1),
            anchor: None,
        };
    });
}

#[test]
fn t1_a_key_stands_published_and_armed_within_one_interval() {
    // 26h + 1h + 2*5m
    let least = Span::mins(27 * 60 + 10);
    assert_safe(|windows| windows.interval = least + MS);
    let text = refused(TimingRule::T1, |windows| windows.interval = least);
    assert_eq!(
        text,
        "rule T1, profile web: min_prepublish + arm_lead + 2*clock_skew (1day 3h 10m) must be less than interval (1day 3h 10m); \
         make interval longer, or min_prepublish shorter if no verifier caches that long"
    );
}

#[test]
fn t2_arming_is_longer_than_the_skew_and_shorter_than_a_straggler() {
    assert_safe(|windows| windows.arm_lead = Span::mins(10) + MS);
    let text = refused(TimingRule::T2, |windows| windows.arm_lead = Span::mins(10));
    assert!(text.contains("2*clock_skew (10m) must be less than arm_lead (10m)"), "{text}");
    assert_safe(|windows| windows.straggler_after = Span::hours(1) + MS);
    let text = refused(TimingRule::T2, |windows| windows.straggler_after = Span::hours(1));
    assert!(
        text.contains("arm_lead (1h) must be less than straggler_after (1h)"),
        "{text}"
    );
}

#[test]
fn t3_a_token_lives_shorter_than_its_key_signs() {
    let limit = Span::hours(48) - Span::mins(10);
    assert_safe(|windows| windows.token_lifetime = limit - MS);
    let text = refused(TimingRule::T3, |windows| windows.token_lifetime = limit);
    assert!(
        text.contains("token_lifetime + 2*clock_skew (2days) must be less than interval (2days)"),
        "{text}"
    );
    assert_safe(|windows| windows.token_lifetime = MS);
    let zero = broken_by(|windows| windows.token_lifetime = Span(0));
    assert_eq!(zero[0].rule, TimingRule::T3);
    assert!(
        zero[0].to_string().contains("0 (0s) must be less than token_lifetime (0s)"),
        "{}",
        zero[0]
    );
}

#[test]
fn t4_caches_turn_over_twice_before_a_key_signs() {
    assert_safe(|windows| windows.max_age = Span::hours(13));
    let text = refused(TimingRule::T4, |windows| windows.max_age = Span::hours(13) + MS);
    assert!(
        text.contains("2*max_age (1day 2h 2ms) must be at most min_prepublish (1day 2h)"),
        "{text}"
    );
}

#[test]
fn t5_a_straggler_delays_by_less_than_two_intervals() {
    assert_safe(|windows| windows.straggler_after = Span::hours(70) - MS);
    let text = refused(TimingRule::T5, |windows| windows.straggler_after = Span::hours(70));
    assert!(
        text.contains("straggler_after + min_prepublish (4days) must be less than 2*interval (4days)"),
        "{text}"
    );
}

fn for_encryption(change: fn(&mut Windows)) -> Settings {
    let mut enc = profile("enc", change);
    enc.spec = "ECDH-ES/256".parse().unwrap();
    [enc].into_iter().collect()
}

#[test]
fn t4_a_key_decrypts_for_as_long_as_relying_parties_cache_it() {
    let short = |windows: &mut Windows| windows.decrypt_window = windows.min_prepublish - Span(1);
    let rules: Vec<TimingRule> = check(&for_encryption(short)).iter().map(|violation| violation.rule).collect();
    assert_eq!(rules, [TimingRule::T4]);
    assert_eq!(
        check(&for_encryption(|windows| windows.decrypt_window = windows.min_prepublish)),
        []
    );
    let signing: Settings = [profile("sig", short)].into_iter().collect();
    assert_eq!(check(&signing), [], "it means nothing to keys that sign");
}

#[test]
fn t1_t3_and_t5_ask_less_of_a_profile_for_encryption() {
    let often = for_encryption(|windows| windows.interval = Span::hours(2));
    assert_eq!(check(&often), []);
    let too_often = check(&for_encryption(|windows| windows.interval = Span::hours(1)));
    assert_eq!(too_often[0].rule, TimingRule::T1);
    assert!(
        too_often[0].to_string().contains("arm_lead + 2*clock_skew"),
        "{}",
        too_often[0]
    );
}

#[test]
fn t6_unpublished_keys_count() {
    let hoards = check(&for_encryption(|windows| windows.decrypt_window = Span::hours(48 * 98)));
    assert_eq!(hoards[0].rule, TimingRule::T6);
    assert_eq!(
        check(&for_encryption(|windows| windows.decrypt_window = Span::hours(48 * 96))),
        []
    );
}

#[test]
fn t6_at_most_a_hundred_keys_are_published() {
    let of = |count: usize| (0..count).map(|n| profile(&format!("p{n}"), |_| {})).collect::<Settings>();
    assert_eq!(check(&of(20)), []);
    let violations = check(&of(21));
    assert_eq!(violations.len(), 1);
    assert_eq!((violations[0].rule, &violations[0].profile), (TimingRule::T6, &None));
    let text = violations[0].to_string();
    assert!(
        text.starts_with(
            "rule T6: 21 profiles can have 105 keys at once (5 each, more for encryption where decrypt_window is longer"
        ),
        "{text}"
    );
}

#[test]
fn t7_every_length_is_above_zero_and_below_ten_years() {
    let fields: [fn(&mut Windows) -> &mut Span; 9] = [
        |windows| &mut windows.interval,
        |windows| &mut windows.min_prepublish,
        |windows| &mut windows.arm_lead,
        |windows| &mut windows.token_lifetime,
        |windows| &mut windows.decrypt_window,
        |windows| &mut windows.clock_skew,
        |windows| &mut windows.straggler_after,
        |windows| &mut windows.start_grace,
        |windows| &mut windows.max_age,
    ];
    let has_t7 = |violations: &[Violation]| violations.iter().any(|violation| violation.rule == TimingRule::T7);
    for field in fields {
        for (span, outside) in [
            (Span(0), true),
            (MS, false),
            (Span::TEN_YEARS - MS, false),
            (Span::TEN_YEARS, true),
        ] {
            assert_eq!(has_t7(&broken_by(|windows| *field(windows) = span)), outside, "{span}");
        }
    }
    let text = refused(TimingRule::T7, |windows| windows.decrypt_window = Span(0));
    assert!(text.contains("decrypt_window (0s) must be above 0s"), "{text}");
}

#[test]
fn t7_a_certificate_lives_at_most_ten_years() {
    for (life, outside) in [
        (Span(0), true),
        (MS, false),
        (Span::TEN_YEARS, false),
        (Span::TEN_YEARS + MS, true),
    ] {
        let mut profile = profile("web", |_| {});
        profile.certificate_life = life;
        let violations = check(&Settings::from_iter([profile]));
        assert_eq!(!violations.is_empty(), outside, "{life}");
    }
}

#[test]
fn each_profile_and_each_rule_is_reported() {
    let settings = Settings::from_iter([
        profile("a", |windows| windows.interval = Span::hours(1)),
        profile("b", |windows| windows.max_age = Span::hours(20)),
    ]);
    let found: Vec<_> = check(&settings)
        .into_iter()
        .map(|violation| (violation.profile.unwrap().to_string(), violation.rule))
        .collect();
    let a = |rule| ("a".to_owned(), rule);
    assert_eq!(
        found,
        [
            a(TimingRule::T1),
            a(TimingRule::T3),
            a(TimingRule::T5),
            ("b".to_owned(), TimingRule::T4)
        ]
    );
}

#[test]
fn a_rule_allows_for_what_another_profile_brings_to_the_fleet() {
    // The clocks that "loose" tolerates sign for "tight" too, and its own straggler leaves service for both.
    let loose = || {
        profile("loose", |windows| {
            windows.clock_skew = Span::mins(20);
            windows.straggler_after = Span::mins(50);
            windows.arm_lead = Span::mins(45);
        })
    };
    assert_eq!(check(&Settings::from_iter([loose()])), []);
    let short_lead = profile("tight", |windows| windows.arm_lead = Span::mins(30));
    assert_eq!(check(&Settings::from_iter([short_lead.clone()])), []);
    let violations = check(&Settings::from_iter([loose(), short_lead]));
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert!(
        violations[0]
            .to_string()
            .contains("2*clock_skew (40m) must be less than arm_lead (30m)")
    );
    let long_lead = profile("tight", |windows| windows.arm_lead = Span::hours(1));
    let violations = check(&Settings::from_iter([loose(), long_lead]));
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert!(
        violations[0]
            .to_string()
            .contains("arm_lead (1h) must be less than straggler_after (50m)")
    );
}

#[test]
fn t8_an_anchored_schedule_has_whole_days_or_whole_parts_of_one() {
    let anchored = |interval| {
        move |windows: &mut Windows| {
            windows.anchor = Some("02:00Z".parse().unwrap());
            windows.interval = interval;
        }
    };
    for hours in [48, 72, 168] {
        assert_safe(anchored(Span::hours(hours)));
    }
    assert_safe(|windows| {
        anchored(Span::hours(12))(windows);
        (windows.min_prepublish, windows.straggler_after) = (Span::hours(6), Span::hours(6));
    });
    assert_eq!(
        refused(TimingRule::T8, anchored(Span::hours(60))),
        "rule T8, profile web: with anchor 02:00Z interval (2days 12h) must be a whole number of days, or a day a whole number of \
         intervals; give interval such a length, 12h or 48h for example, or take anchor out"
    );
    assert_safe(|windows| windows.interval = Span::hours(60));
}
