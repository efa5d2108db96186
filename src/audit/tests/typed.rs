//! The canonical form of every kind of value that `serde` knows, against another implementation.

use std::collections::BTreeMap;

use proptest::collection::btree_map;
use proptest::prelude::*;
use serde::{Serialize, Serializer};

use super::super::canonical;
use super::super::canonical::Canonical;

#[derive(Debug, Clone, Serialize)]
struct Kinds {
    whole: (u8, u16, u32, u64),
    signed: (i8, i16, i32, i64),
    double: f64,
    single: f32,
    letter: char,
    is: bool,
    nothing: (),
    none: Option<u8>,
    some: Option<Unit>,
    wrapped: Wrapped,
    pair: Pair,
    plain: Variant,
    one: Variant,
    two: Variant,
    named: Variant,
    tagged: [Tagged; 3],
    beside: [Beside; 2],
    shown: Shown,
    map: BTreeMap<String, Option<String>>,
    #[serde(flatten)]
    more: More,
}

#[derive(Debug, Clone, Serialize)]
struct Unit;

#[derive(Debug, Clone, Serialize)]
struct Wrapped(u64);

#[derive(Debug, Clone, Serialize)]
struct Pair(String, u8);

#[derive(Debug, Clone, Serialize)]
enum Variant {
    Plain,
    One(String),
    Two(u8, String),
    Named { second: String, first: u8 },
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind")]
enum Tagged {
    Plain,
    Named { zeal: u8, able: String },
    Around(More),
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "for", content = "of")]
enum Beside {
    Plain,
    One(String),
}

#[derive(Debug, Clone, Serialize)]
struct More {
    yet: String,
    another: u8,
}

#[derive(Debug, Clone)]
struct Shown(String);

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

fn kinds(text: &str, number: i64, double: f64, map: BTreeMap<String, Option<String>>) -> Kinds {
    let [low, high, ..] = number.to_be_bytes();
    let (text, more) = (text.to_owned(), |yet: &str| More {
        yet: yet.to_owned(),
        another: high,
    });
    Kinds {
        whole: (low, u16::from(high), u32::from(low), number.unsigned_abs()),
        signed: (low.cast_signed(), i16::from(high), i32::from(low), number),
        double,
        single: f32::from(low) / 3.0,
        letter: text.chars().next().unwrap_or('"'),
        is: number > 0,
        nothing: (),
        none: None,
        some: Some(Unit),
        wrapped: Wrapped(number.unsigned_abs()),
        pair: Pair(text.clone(), low),
        plain: Variant::Plain,
        one: Variant::One(text.clone()),
        two: Variant::Two(high, text.clone()),
        named: Variant::Named {
            second: text.clone(),
            first: low,
        },
        tagged: [
            Tagged::Plain,
            Tagged::Named {
                zeal: low,
                able: text.clone(),
            },
            Tagged::Around(more(&text)),
        ],
        beside: [Beside::Plain, Beside::One(text.clone())],
        shown: Shown(text.clone()),
        map,
        more: more(&text),
    }
}

proptest! {
    #[test]
    fn any_kind_of_value_has_the_form_that_another_implementation_gives_it(
        text in prop_oneof![any::<String>(), "[\\x00-\\x7f]{0,8}"],
        number in any::<i64>(),
        double in -1e9..1e9f64,
        map in btree_map(prop_oneof![any::<String>(), "[\\x00-\\x7f]{0,4}", "a{7,9}b?"], any::<Option<String>>(), 0..8),
    ) {
        let value = kinds(&text, number, double, map);
        let other = serde_json_canonicalizer::to_vec(&serde_json::to_value(&value).unwrap()).unwrap();
        prop_assert_eq!(String::from_utf8(canonical(&value)), String::from_utf8(other));
    }
}

#[test]
fn one_value_after_another_leaves_nothing_of_the_one_before() {
    let mut form = Canonical::default();
    let values: Vec<Kinds> = ["long and \"escaped\" é", "", "b"]
        .iter()
        .map(|text| kinds(text, 7, 0.5, BTreeMap::new()))
        .collect();
    for value in &values {
        assert_eq!(form.of(value), canonical(value));
    }
}

#[test]
fn what_has_no_one_form_is_refused() {
    #[derive(Serialize)]
    struct Twice {
        yet: u8,
        #[serde(flatten)]
        more: More,
    }
    let yet = String::new();
    let twice = Twice {
        yet: 1,
        more: More { yet, another: 2 },
    };
    let refused = twice.serialize(&mut Canonical::default()).unwrap_err().to_string();
    assert!(refused.contains("two members have one name"), "{refused}");
    let numbered = BTreeMap::from([(1, 2)]);
    let refused = numbered.serialize(&mut Canonical::default()).unwrap_err().to_string();
    assert!(refused.contains("is no text"), "{refused}");
}
