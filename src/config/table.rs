//! Reading one TOML table: known keys are taken, errors are gathered, and what is left over is unknown.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, ConfigErrors};

/// A parsed text, for lines of errors.
pub(super) struct Document<'a> {
    text: &'a str,
    root: DeTable<'a>,
}

impl<'a> Document<'a> {
    /// # Errors
    /// Every place where `text` is not TOML.
    pub(super) fn parse(text: &'a str) -> Result<Self, ConfigErrors> {
        let (root, wrong) = DeTable::parse_recoverable(text);
        let errors = wrong.into_iter().map(|error| ConfigError {
            line: error.span().map(|span| line_of(text, span.start)),
            text: format!("this is not TOML: {}", error.message()),
        });
        ConfigErrors::none_of(errors.collect())?;
        let root = root.into_inner();
        Ok(Self { text, root })
    }

    /// The top of the document.
    pub(super) fn top(&self) -> Fields<'_> {
        Fields::new(self.text, &self.root, String::new(), None)
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// One table of a document, while it is read.
pub(super) struct Fields<'a> {
    text: &'a str,
    table: &'a DeTable<'a>,
    place: String,
    line: Option<usize>,
    asked: Vec<&'static str>,
    errors: Vec<ConfigError>,
}

impl<'a> Fields<'a> {
    fn new(text: &'a str, table: &'a DeTable<'a>, place: String, line: Option<usize>) -> Self {
        Self {
            text,
            table,
            place,
            line,
            asked: Vec::new(),
            errors: Vec::new(),
        }
    }

    fn find(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.push(key);
        self.table.get(key)
    }

    fn fail(&mut self, line: Option<usize>, text: &str) {
        let text = format!("{}{text}", self.place);
        self.errors.push(ConfigError { line, text });
    }

    /// The value of `key`; none where it is absent or wrong.
    pub(super) fn get<T>(&mut self, key: &'static str, read: impl FnOnce(&'a DeValue<'a>) -> Result<T, String>) -> Option<T> {
        let value = self.find(key)?;
        match read(value.get_ref()) {
            Ok(read) => Some(read),
            Err(why) => {
                self.fail(Some(line_of(self.text, value.span().start)), &format!("{key}: {why}"));
                None
            }
        }
    }

    /// The value of a key that must be there; `why` says what it is for.
    pub(super) fn need<T>(
        &mut self,
        key: &'static str,
        why: &str,
        read: impl FnOnce(&'a DeValue<'a>) -> Result<T, String>,
    ) -> Option<T> {
        if !self.table.contains_key(key) {
            self.asked.push(key);
            let line = self.line;
            self.fail(line, &format!("{key} is missing: {why}"));
            return None;
        }
        self.get(key, read)
    }

    /// The table `key`, written `[key]`.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Fields<'a>> {
        let value = self.find(key)?;
        let line = line_of(self.text, value.span().start);
        if let DeValue::Table(table) = value.get_ref() {
            return Some(Fields::new(self.text, table, format!("[{key}] "), Some(line)));
        }
        self.fail(Some(line), &format!("{key}: write it as a table, [{key}]"));
        None
    }

    /// The tables `key`, written `[[key]]`.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Fields<'a>> {
        let Some(value) = self.find(key) else {
            return Vec::new();
        };
        let items = match value.get_ref() {
            DeValue::Array(items) => items.as_ref(),
            _ => std::slice::from_ref(value),
        };
        let mut tables = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let line = Some(line_of(self.text, item.span().start));
            match (value.get_ref(), item.get_ref()) {
                (DeValue::Array(_), DeValue::Table(table)) => {
                    let place = format!("[[{key}]] number {} ", index + 1);
                    tables.push(Fields::new(self.text, table, place, line));
                }
                _ => self.fail(line, &format!("{key}: write each as a table, [[{key}]]")),
            }
        }
        tables
    }

    /// Whether every value read so far was right.
    pub(super) fn is_sound(&self) -> bool {
        self.errors.is_empty()
    }

    /// An error about this table as a whole.
    pub(super) fn object(&mut self, text: &str) {
        let line = self.line;
        self.fail(line, text);
    }

    /// Ends a reading that is not about the rest: the errors so far.
    pub(super) fn wrong(self) -> Vec<ConfigError> {
        self.errors
    }

    /// Ends the reading: the errors, with one for each key that nobody asked for.
    pub(super) fn finish(mut self) -> Vec<ConfigError> {
        for (key, _) in self.table {
            if !self.asked.contains(&key.get_ref().as_ref()) {
                let line = Some(line_of(self.text, key.span().start));
                let known = self.asked.join(", ");
                self.fail(line, &format!("{}: unknown key; the keys here are {known}", key.get_ref()));
            }
        }
        self.errors
    }
}
