//! Columns that line up.

use std::fmt;

/// A table with a line of headings. The last column is not padded; a table without rows is no text at all.
pub(super) struct Table {
    lines: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(headings: &[&str]) -> Self {
        let headings = headings.iter().map(ToString::to_string).collect();
        Self { lines: vec![headings] }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.lines.push(cells.into_iter().collect());
    }

    /// The length of the longest line.
    pub(super) fn width(&self) -> usize {
        self.to_string().lines().map(|line| line.chars().count()).max().unwrap_or(0)
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.lines.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column| {
            let cells = self.lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell: &String| cell.chars().count()).max().unwrap_or(0)
        };
        (0..columns).map(width).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lines.len() < 2 {
            return Ok(());
        }
        let widths = self.widths();
        for line in &self.lines {
            let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_with_text() {
        let mut table = Table::new(&["A", "LONGER", "C"]);
        assert_eq!(table.to_string(), "");
        table.row(["ä…".to_owned(), "x".to_owned(), String::new()]);
        table.row(["wide".to_owned(), "y".to_owned(), "z".to_owned()]);
        assert_eq!(table.to_string(), "A     LONGER  C\nä…    x\nwide  y       z\n");
        assert_eq!(table.width(), 15);
    }
}
