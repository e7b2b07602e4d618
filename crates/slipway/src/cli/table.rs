//! Tables as text and as Markdown.

use super::output;
use std::io::Write;

/// Wider cells are cut.
const MAX_CELL: usize = 48;

/// Rows of text with a head.
pub(crate) struct TextTable {
    /// Names of the columns.
    pub(crate) head: Vec<String>,
    /// Cells, already clean.
    pub(crate) rows: Vec<Vec<String>>,
    /// Which columns hold numbers and stand to the right.
    pub(crate) numeric: Vec<bool>,
}

fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_CELL {
        return text.to_owned();
    }
    text.chars().take(MAX_CELL - 1).chain(['…']).collect()
}

impl TextTable {
    fn is_numeric(&self, column: usize) -> bool {
        self.numeric.get(column).copied().unwrap_or(false)
    }

    /// Leaves out the last columns that are wider than `room` together. Answers how many.
    pub(crate) fn narrow(&mut self, room: usize) -> usize {
        let mut used = 0;
        let fitting = (0..self.head.len())
            .take_while(|column| {
                used += self.width(*column) + if *column == 0 { 0 } else { 2 };
                used <= room
            })
            .count()
            .max(1);
        let left_out = self.head.len().saturating_sub(fitting);
        self.head.truncate(fitting);
        self.rows.iter_mut().for_each(|row| row.truncate(fitting));
        left_out
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.chain(self.head.get(column)).map(|cell| cell.chars().count().min(MAX_CELL)).max().unwrap_or(0)
    }

    /// Columns aligned by spaces; `colour` gives some cells a colour.
    pub(crate) fn print(
        &self,
        out: &mut impl Write,
        colour: impl Fn(usize, &str) -> Option<&'static str>,
    ) -> std::io::Result<()> {
        let rows: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(|cell| cut(cell)).collect()).collect();
        let head: Vec<String> = self.head.iter().map(|name| cut(name)).collect();
        let widths: Vec<usize> = (0..head.len()).map(|column| self.width(column)).collect();
        let mut line = |cells: &[String], is_head: bool| -> std::io::Result<()> {
            let mut text = String::new();
            for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                let space = " ".repeat(width.saturating_sub(cell.chars().count()));
                let tinted = match (is_head, colour(column, cell)) {
                    (false, Some(code)) => format!("\u{1b}[{code}m{cell}\u{1b}[0m"),
                    _ => cell.clone(),
                };
                if self.is_numeric(column) {
                    text.push_str(&space);
                    text.push_str(&tinted);
                } else {
                    text.push_str(&tinted);
                    text.push_str(&space);
                }
                text.push_str("  ");
            }
            writeln!(out, "{}", text.trim_end())
        };
        line(&head, true)?;
        rows.iter().try_for_each(|row| line(row, false))
    }

    /// A Markdown table.
    pub(crate) fn print_markdown(&self, out: &mut impl Write) -> std::io::Result<()> {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells
                .iter()
                .map(|cell| output::clean(cell).replace('\\', "\\\\").replace('|', "\\|"))
                .collect();
            format!("| {} |", cells.join(" | "))
        };
        writeln!(out, "{}", line(&self.head))?;
        let rule: Vec<String> = (0..self.head.len())
            .map(|column| if self.is_numeric(column) { "--:" } else { "---" }.to_owned())
            .collect();
        writeln!(out, "| {} |", rule.join(" | "))?;
        self.rows.iter().try_for_each(|row| writeln!(out, "{}", line(row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TextTable {
        TextTable {
            head: vec!["name".into(), "loss".into()],
            rows: vec![vec!["a|b".into(), "0.5".into()], vec!["longer name".into(), "12".into()]],
            numeric: vec![false, true],
        }
    }

    #[test]
    fn columns_line_up() {
        let mut out = Vec::new();
        table().print(&mut out, |_, _| None).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "name         loss\na|b           0.5\nlonger name    12\n"
        );
    }

    #[test]
    fn what_does_not_fit_is_left_out_from_the_right() {
        let mut all = table();
        assert_eq!(all.narrow(17), 0);
        let mut narrow = table();
        assert_eq!(narrow.narrow(16), 1);
        assert_eq!(narrow.head, ["name"]);
        assert_eq!(narrow.narrow(1), 0, "the first column stays");
    }

    #[test]
    fn markdown_keeps_its_columns() {
        let mut out = Vec::new();
        table().print_markdown(&mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "| name | loss |\n| --- | --: |\n| a\\|b | 0.5 |\n| longer name | 12 |\n"
        );
    }
}
