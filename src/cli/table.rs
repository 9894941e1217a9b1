//! Plain tables: columns as wide as their widest cell, two blanks between them.

use std::fmt::Write as _;

/// Rows of cells under a heading.
#[derive(Debug)]
pub struct Table {
    columns: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self { columns: N, rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Adds a row; control characters of a cell are shown escaped, since file names and errors may hold any.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into_iter().map(|cell| printable(&cell)).collect());
    }

    /// Whether there is nothing but headings.
    pub fn is_empty(&self) -> bool {
        self.rows.len() <= 1
    }
}

/// The text without characters that could move a terminal's cursor or change its colours.
pub fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
        shown
    })
}

/// The same for a text of several lines.
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                write!(line, "{cell:<width$}  ")?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_without_blanks() {
        let mut table = Table::new(["FILE", "IMAGE"]);
        table.row(["Dockerfile:12".into(), "nginx".into()]);
        table.row(["a".into(), String::new()]);
        assert_eq!(table.to_string(), "FILE           IMAGE\nDockerfile:12  nginx\na\n");
    }

    #[test]
    fn control_characters_are_shown_not_obeyed() {
        let mut table = Table::new(["A"]);
        table.row(["x\u{1b}[2J\ny".into()]);
        assert_eq!(table.to_string(), "A\nx\\u{1b}[2J\\ny\n");
    }
}
