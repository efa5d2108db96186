//! The canonical JSON of a value (RFC 8785).
//!
//! Records and generations are written in it for every check of the log, so what they consist of is written here without detours:
//! objects, lists, texts, whole numbers that a double holds. Any other number is left to `serde_json_canonicalizer`.

use serde::Serialize;
use serde_json::{Number, Value};

/// The largest whole number up to which a double holds each (RFC 8785, section 3.2.2.3).
const WHOLE: u64 = 1 << 53;

/// The canonical JSON of a value (RFC 8785).
///
/// # Panics
/// Never for our own types: their maps have string keys.
#[must_use]
pub fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    let value = serde_json::to_value(value).expect("our own types always have a JSON form");
    let mut bytes = Vec::with_capacity(1024);
    write(&value, &mut bytes);
    bytes
}

fn write(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Null => to.extend(b"null"),
        Value::Bool(is) => to.extend(if *is { &b"true"[..] } else { b"false" }),
        Value::Number(number) => write_number(number, to),
        Value::String(text) => write_text(text, to),
        Value::Array(items) => {
            to.push(b'[');
            for (place, item) in items.iter().enumerate() {
                separate(place, to);
                write(item, to);
            }
            to.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_unstable_by(|(one, _), (other, _)| in_order(one, other));
            to.push(b'{');
            for (place, (name, member)) in members.into_iter().enumerate() {
                separate(place, to);
                write_text(name, to);
                to.push(b':');
                write(member, to);
            }
            to.push(b'}');
        }
    }
}

fn separate(place: usize, to: &mut Vec<u8>) {
    if place > 0 {
        to.push(b',');
    }
}

/// Members are ordered by their UTF-16 code units (RFC 8785, section 3.2.3), which is by their bytes for ASCII.
fn in_order(one: &str, other: &str) -> std::cmp::Ordering {
    if one.is_ascii() && other.is_ascii() {
        return one.cmp(other);
    }
    one.encode_utf16().cmp(other.encode_utf16())
}

/// `serde_json` escapes what RFC 8785 escapes, in the same way, and nothing else.
fn write_text(text: &str, to: &mut Vec<u8>) {
    serde_json::to_writer(to, text).expect("memory takes every byte");
}

fn write_number(number: &Number, to: &mut Vec<u8>) {
    match number.as_u64().filter(|whole| *whole <= WHOLE) {
        Some(whole) => to.extend(whole.to_string().as_bytes()),
        None => to.extend(serde_json_canonicalizer::to_vec(number).expect("every number of JSON has a canonical form")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9..1e9f64).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[\\x00-\\x7f]{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..8).prop_map(Value::from),
                btree_map(any::<String>(), inner, 0..8).prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_has_the_form_that_another_implementation_gives_it(value in any_json()) {
            let other = serde_json_canonicalizer::to_vec(&value).unwrap();
            prop_assert_eq!(String::from_utf8(canonical(&value)), String::from_utf8(other));
        }
    }

    #[test]
    fn the_order_and_the_escapes_of_rfc_8785() {
        // Section 3.2.3.
        let json = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
            "\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
        let value: Value = serde_json::from_str(json).unwrap();
        let names: Vec<String> = String::from_utf8(canonical(&value))
            .unwrap()
            .split('"')
            .map(str::to_owned)
            .collect();
        let values: Vec<&str> = names.iter().skip(3).step_by(4).map(String::as_str).collect();
        assert_eq!(
            values,
            [
                "Carriage Return",
                "One",
                "Control",
                "Latin Small Letter O With Diaeresis",
                "Euro Sign",
                "Emoji: Grinning Face",
                "Hebrew Letter Dalet With Dagesh"
            ]
        );
        let escaped = canonical(&"\u{8}\t\n\u{b}\u{c}\r\u{1f}\"\\/\u{7f}");
        assert_eq!(
            String::from_utf8(escaped).unwrap(),
            "\"\\b\\t\\n\\u000b\\f\\r\\u001f\\\"\\\\/\u{7f}\""
        );
    }
}
