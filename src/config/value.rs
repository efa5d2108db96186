//! Reading one TOML value as a valid type, or saying what it should have been.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml::de::DeValue;

use crate::types::{Anchor, Span};

pub(super) fn text<'a>(value: &'a DeValue<'a>) -> Result<&'a str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("write it as a text in quotes, not as {}", kind(value)))
}

/// Any type that knows its own text.
pub(super) fn parsed<T: FromStr<Err: Display>>(value: &DeValue<'_>) -> Result<T, String> {
    text(value)?.parse().map_err(|why: T::Err| why.to_string())
}

/// A program by its absolute path, and its arguments.
pub(super) fn argv(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let argv = list(value, |item| text(item).map(ToOwned::to_owned))?;
    let program = argv.first().ok_or("it is empty; name a program")?;
    if !Path::new(program).is_absolute() {
        return Err(format!(
            "the program {program:?} must be a path that begins with /: there is no PATH"
        ));
    }
    if argv.iter().any(|word| word.contains('\0')) {
        return Err("a word holds a NUL, which no program can be given".to_owned());
    }
    Ok(argv)
}

pub(super) fn boolean(value: &DeValue<'_>) -> Result<bool, String> {
    value
        .as_bool()
        .ok_or_else(|| format!("write true or false, not {}", kind(value)))
}

/// A text with something in it.
pub(super) fn name(value: &DeValue<'_>) -> Result<String, String> {
    match text(value)? {
        "" => Err("it is empty".to_owned()),
        name => Ok(name.to_owned()),
    }
}

/// The name of a group; empty for none.
pub(super) fn group(value: &DeValue<'_>) -> Result<Option<String>, String> {
    Ok(Some(text(value)?).filter(|name| !name.is_empty()).map(str::to_owned))
}

/// A time of day; empty for none.
pub(super) fn anchor(value: &DeValue<'_>) -> Result<Option<Anchor>, String> {
    match text(value)? {
        "" => Ok(None),
        _ => parsed(value).map(Some),
    }
}

/// A path from the root: a service has no folder of its own to start from.
pub(super) fn path(value: &DeValue<'_>) -> Result<PathBuf, String> {
    let path = PathBuf::from(text(value)?);
    if path.is_absolute() {
        return Ok(path);
    }
    Err(format!("\"{}\" must begin with /", path.display()))
}

/// A length of time; the timing rules bound it.
pub(super) fn span(value: &DeValue<'_>) -> Result<Span, String> {
    let text = text(value)?;
    let wrong = |why| format!("{text:?} is not a length of time such as \"48h\" or \"5m\": {why}");
    text.parse().map_err(wrong)
}

/// A length of time above zero and below ten years.
pub(super) fn bounded_span(value: &DeValue<'_>) -> Result<Span, String> {
    let span = span(value)?;
    if Span(0) < span && span < Span::TEN_YEARS {
        return Ok(span);
    }
    Err(format!("{span} must be above 0s and below ten years"))
}

pub(super) fn listen(value: &DeValue<'_>) -> Result<SocketAddr, String> {
    let text = text(value)?;
    text.parse()
        .map_err(|_| format!("{text:?} is not an IP address and a port, such as \"0.0.0.0:7443\""))
}

pub(super) fn number(value: &DeValue<'_>) -> Result<u32, String> {
    let integer = value
        .as_integer()
        .ok_or_else(|| format!("write it as a whole number, not as {}", kind(value)))?;
    u32::from_str_radix(integer.as_str(), integer.radix())
        .map_err(|_| format!("{integer} is not a number from 0 to {}", u32::MAX))
}

/// A list in which every item is right; every wrong one is named.
pub(super) fn list<'a, T>(value: &'a DeValue<'a>, read: impl Fn(&'a DeValue<'a>) -> Result<T, String>) -> Result<Vec<T>, String> {
    let items = value
        .as_array()
        .ok_or_else(|| format!("write it as a list in brackets, not as {}", kind(value)))?;
    let mut right = Vec::new();
    let mut wrong = Vec::new();
    for item in items {
        match read(item.get_ref()) {
            Ok(item) => right.push(item),
            Err(why) => wrong.push(why),
        }
    }
    if wrong.is_empty() { Ok(right) } else { Err(wrong.join("; ")) }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
