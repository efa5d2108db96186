//! How a run is shown: a table that is drawn again and again, plain lines, or JSON.

mod json;
mod lines;
mod table;
mod words;

use std::io::{self, Write};
use std::path::Path;

use super::watch::Look;
use super::{Format, Summary};
use crate::types::Time;

/// How many failures of one look are told; the rest is a number.
const TOLD_FAILURES: usize = 10;
/// How often a line of counts comes where no table stands, in looks.
const LOOKS_PER_LINE: u64 = 5;

/// Shows a run on `out`.
pub(super) struct Show<'a> {
    format: Format,
    out: &'a mut (dyn Write + Send),
    began: Time,
    looks: u64,
    /// How many lines of the table stand on the terminal.
    drawn: usize,
}

impl<'a> Show<'a> {
    pub(super) fn new(format: Format, out: &'a mut (dyn Write + Send), began: Time) -> Self {
        Self {
            format,
            out,
            began,
            looks: 0,
            drawn: 0,
        }
    }

    /// The cluster stands in `dir`.
    pub(super) fn started(&mut self, dir: &Path, agents: usize, config: &Path) -> io::Result<()> {
        match self.format {
            Format::Json => self.line(&json::started(dir, agents, config)),
            Format::Table | Format::Lines => {
                self.line(&format!("one leader and {agents} agents run in {}", dir.display()))?;
                self.line(&format!("try: jkeys status --config {}", config.display()))
            }
        }
    }

    /// Shows a look, after which the whole run has come to `so_far`.
    pub(super) fn look(&mut self, look: &Look, so_far: &Summary) -> io::Result<()> {
        let counted = self.looks.is_multiple_of(LOOKS_PER_LINE);
        self.looks += 1;
        let lines = match self.format {
            Format::Table => return self.draw(look, so_far),
            Format::Lines => lines::look(look, so_far, self.began, counted),
            Format::Json => json::look(look, so_far, counted),
        };
        lines.iter().try_for_each(|line| self.line(line))
    }

    /// The run is over.
    pub(super) fn ended(&mut self, summary: &Summary) -> io::Result<()> {
        match self.format {
            Format::Json => self.line(&json::summary(summary)),
            Format::Table | Format::Lines => self.line(&words::summary(summary)),
        }
    }

    /// Failures go above the table and stay; the table is drawn in the place of the last one.
    fn draw(&mut self, look: &Look, so_far: &Summary) -> io::Result<()> {
        let table = table::table(look, so_far, self.began);
        let mut text = match self.drawn {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\r\x1b[J"),
        };
        for line in words::failures(&look.round).iter().chain(&table) {
            text.push_str(line);
            text.push('\n');
        }
        self.drawn = table.len();
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
