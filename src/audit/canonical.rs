//! The canonical JSON of a value (RFC 8785).
//!
//! Records and generations are written in it for every check of the log, so it is written here without detours: a value goes
//! straight into the bytes, and the members of each object are put in order where they stand. A number that is not whole, is below
//! zero, or that a double may not hold, is left to `serde_json_canonicalizer`.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::ops::Range;

use serde::Serialize;
use serde::ser::Error as _;
use serde_json::Error;

/// The largest whole number up to which a double holds each (RFC 8785, section 3.2.2.3).
const WHOLE: u64 = 1 << 53;

/// The canonical JSON of a value (RFC 8785).
///
/// # Panics
/// Never for our own types: their maps have string keys.
#[must_use]
pub fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    let mut form = Canonical::default();
    form.bytes.reserve(1024);
    form.write(value);
    form.bytes
}

/// The canonical JSON of one value after another, in the same memory.
#[derive(Debug, Default)]
pub(super) struct Canonical {
    bytes: Vec<u8>,
    /// The members so far of each object that is open, those of an inner one after those of the outer.
    members: Vec<Member>,
    /// The members of one object, while they are put in order.
    ordered: Vec<u8>,
}

/// Where a member stands in the bytes.
#[derive(Debug, Clone, Copy)]
struct Member {
    /// The quote before its name.
    start: usize,
    /// The colon after its name.
    colon: usize,
    /// What comes after its value.
    end: usize,
    order: Order,
}

/// The beginning of a name, so that most names are put in order without a look at the bytes.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// Of ASCII without escapes: its first eight bytes.
    Plain(u64),
    /// Of any other.
    Other,
}

/// An object that is open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object {
    /// Where its first member stands in the bytes.
    start: usize,
    /// How many members the objects around it have.
    outer: usize,
}

impl Canonical {
    /// The canonical JSON of `value`, until the next is written.
    ///
    /// # Panics
    /// Never for our own types: their maps have string keys.
    pub(super) fn of<T: Serialize>(&mut self, value: &T) -> &[u8] {
        self.write(value);
        &self.bytes
    }

    fn write<T: Serialize>(&mut self, value: &T) {
        self.bytes.clear();
        self.members.clear();
        value.serialize(&mut *self).expect("our own types always have a JSON form");
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Puts a comma before all but the first of what stands in a list that began at `start`.
    pub(super) fn separate(&mut self, start: usize) {
        if self.bytes.len() > start {
            self.bytes.push(b',');
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn whole_number(&mut self, number: u64) -> Result<(), Error> {
        if number > WHOLE {
            return self.other_number(number);
        }
        write!(self.bytes, "{number}").map_err(Error::custom)
    }

    pub(super) fn signed_number(&mut self, number: i64) -> Result<(), Error> {
        match u64::try_from(number) {
            Ok(whole) => self.whole_number(whole),
            Err(_) => self.other_number(number),
        }
    }

    pub(super) fn other_number(&mut self, number: impl Serialize) -> Result<(), Error> {
        self.bytes.extend(serde_json_canonicalizer::to_vec(&number)?);
        Ok(())
    }

    /// `serde_json` escapes what RFC 8785 escapes, in the same way, and nothing else.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Error> {
        if has_escapes(text.as_bytes()) {
            return serde_json::to_writer(&mut self.bytes, text);
        }
        self.bytes.push(b'"');
        self.put(text.as_bytes());
        self.bytes.push(b'"');
        Ok(())
    }

    /// The text that `shown` is.
    pub(super) fn shown<T: fmt::Display + ?Sized>(&mut self, shown: &T) -> Result<(), Error> {
        self.bytes.push(b'"');
        let start = self.bytes.len();
        write!(self.bytes, "{shown}").map_err(Error::custom)?;
        if has_escapes(&self.bytes[start..]) {
            let mut text = String::new();
            write!(text, "{shown}").map_err(Error::custom)?;
            self.bytes.truncate(start - 1);
            return self.text(&text);
        }
        self.bytes.push(b'"');
        Ok(())
    }

    pub(super) fn open_object(&mut self) -> Object {
        self.bytes.push(b'{');
        Object {
            start: self.bytes.len(),
            outer: self.members.len(),
        }
    }

    /// Writes the name of the next member, which its value is to follow.
    pub(super) fn name<T: Serialize + ?Sized>(&mut self, object: Object, name: &T) -> Result<(), Error> {
        self.separate(object.start);
        let start = self.bytes.len();
        name.serialize(&mut *self)?;
        let colon = self.bytes.len();
        if self.bytes[start] != b'"' {
            return Err(Error::custom("the name of a member is no text"));
        }
        let order = Order::of(&self.bytes[start + 1..colon - 1]);
        self.bytes.push(b':');
        self.members.push(Member {
            start,
            colon,
            end: colon,
            order,
        });
        Ok(())
    }

    /// The value of the member that was named last is written.
    pub(super) fn end_member(&mut self) {
        let end = self.bytes.len();
        if let Some(member) = self.members.last_mut() {
            member.end = end;
        }
    }

    /// Puts the members in order, and ends the object.
    pub(super) fn close_object(&mut self, object: Object) -> Result<(), Error> {
        let (bytes, members) = (&mut self.bytes, &mut self.members[object.outer..]);
        let order = |one: &Member, other: &Member| one.order_against(*other, bytes);
        if !members.is_sorted_by(|one, other| order(one, other).is_lt()) {
            members.sort_unstable_by(order);
            if members.windows(2).any(|pair| order(&pair[0], &pair[1]).is_eq()) {
                return Err(Error::custom("two members have one name"));
            }
            self.ordered.clear();
            for member in &*members {
                self.ordered.extend_from_slice(&bytes[member.start..member.end]);
                self.ordered.push(b',');
            }
            self.ordered.pop();
            bytes.truncate(object.start);
            bytes.extend_from_slice(&self.ordered);
        }
        self.members.truncate(object.outer);
        self.bytes.push(b'}');
        Ok(())
    }
}

impl Member {
    /// Its name without the quotes.
    fn name(self) -> Range<usize> {
        self.start + 1..self.colon - 1
    }

    /// Members are ordered by the UTF-16 code units of their names (RFC 8785, section 3.2.3), which is by the bytes of ASCII without
    /// escapes.
    fn order_against(self, other: Self, bytes: &[u8]) -> Ordering {
        let (one, two) = (&bytes[self.name()], &bytes[other.name()]);
        match (self.order, other.order) {
            (Order::Plain(first), Order::Plain(second)) => first.cmp(&second).then_with(|| one.cmp(two)),
            _ => code_units(one).cmp(&code_units(two)),
        }
    }
}

impl Order {
    fn of(name: &[u8]) -> Self {
        if !name.is_ascii() || name.contains(&b'\\') {
            return Self::Other;
        }
        let mut first = [0; 8];
        let most = name.len().min(8);
        first[..most].copy_from_slice(&name[..most]);
        Self::Plain(u64::from_be_bytes(first))
    }
}

/// A written name.
fn code_units(name: &[u8]) -> Vec<u16> {
    let text: String = serde_json::from_slice(&[b"\"", name, b"\""].concat()).expect("what was just written as a text");
    text.encode_utf16().collect()
}

/// Whether a text is written with escapes. All of it is looked at, which is faster than to stop at the first.
fn has_escapes(text: &[u8]) -> bool {
    let is_escaped = |byte: u8| matches!(byte, 0..b' ' | b'"' | b'\\');
    text.iter().fold(false, |found, byte| found | is_escaped(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use serde_json::Value;

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
