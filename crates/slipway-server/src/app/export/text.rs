//! Tables as text: CSV, TSV, JSON, Markdown and LaTeX, row by row.
//!
//! CSV, TSV and JSON are for programs: every digit of a number, every character of a text. Markdown and LaTeX are for
//! readers: four significant digits, times as dates. A text that begins like a formula (`=`, `+`, `-`, `@`, a tab or a
//! return) is kept as it is, since a file that is read back must give what was logged; who opens files from strangers
//! in a spreadsheet asks for `spreadsheet_safe`, which puts a `'` in front of such texts. Numbers are never changed.

use super::super::wire::ExportFormat;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

/// A value on its way out.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Cell {
    Empty,
    Text(String),
    Number(f64),
    /// A moment in milliseconds since 1970.
    TimeMs(i64),
    /// A span in milliseconds.
    SpanMs(i64),
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// Writes a table in one of the text formats.
pub(super) struct TextTable<W> {
    out: W,
    format: ExportFormat,
    spreadsheet_safe: bool,
    heads: Vec<String>,
    rows: u64,
}

impl<W: Write> TextTable<W> {
    /// Begins a table. `numeric` says of each column whether it is set right.
    pub(super) fn begin(
        mut out: W,
        format: ExportFormat,
        spreadsheet_safe: bool,
        heads: Vec<String>,
        numeric: &[bool],
    ) -> io::Result<Self> {
        let safe = |head: &str| defused(head, spreadsheet_safe).into_owned();
        match format {
            ExportFormat::Csv => {
                let heads: Vec<String> = heads.iter().map(|head| csv_field(&safe(head))).collect();
                write!(out, "{}\r\n", heads.join(","))?;
            }
            ExportFormat::Tsv => {
                let heads: Vec<String> = heads.iter().map(|head| tsv_field(&safe(head))).collect();
                writeln!(out, "{}", heads.join("\t"))?;
            }
            ExportFormat::Md => {
                let names: Vec<String> = heads.iter().map(|head| markdown(head)).collect();
                writeln!(out, "| {} |", names.join(" | "))?;
                let rules = numeric.iter().map(|numeric| if *numeric { "---:" } else { "---" });
                writeln!(out, "| {} |", rules.collect::<Vec<_>>().join(" | "))?;
            }
            ExportFormat::Latex => {
                let columns: String =
                    numeric.iter().map(|numeric| if *numeric { 'r' } else { 'l' }).collect();
                let names: Vec<String> = heads.iter().map(|head| latex(head)).collect();
                writeln!(
                    out,
                    "% Needs \\usepackage{{booktabs}}.\n\\begin{{tabular}}{{{columns}}}\n\\toprule"
                )?;
                writeln!(out, "{} \\\\\n\\midrule", names.join(" & "))?;
            }
            ExportFormat::Json => write!(out, "[")?,
            ExportFormat::Parquet => return Err(io::Error::other("Parquet is no text")),
        }
        Ok(Self { out, format, spreadsheet_safe, heads, rows: 0 })
    }

    /// Writes one row; it has a cell for each head.
    pub(super) fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        let safe = self.spreadsheet_safe;
        let joined = |separator: &str, print: &dyn Fn(&Cell) -> String| {
            cells.iter().map(print).collect::<Vec<_>>().join(separator)
        };
        match self.format {
            ExportFormat::Csv => {
                write!(self.out, "{}\r\n", joined(",", &|cell| csv_field(&exact(cell, safe))))?
            }
            ExportFormat::Tsv => {
                writeln!(self.out, "{}", joined("\t", &|cell| tsv_field(&exact(cell, safe))))?
            }
            ExportFormat::Md => {
                writeln!(self.out, "| {} |", joined(" | ", &|cell| markdown(&readable(cell))))?
            }
            ExportFormat::Latex => writeln!(self.out, "{} \\\\", joined(" & ", &latex_cell))?,
            ExportFormat::Json => {
                let object: serde_json::Map<String, serde_json::Value> =
                    self.heads.iter().cloned().zip(cells.iter().map(json)).collect();
                self.out.write_all(if self.rows == 0 { b"\n  " } else { b",\n  " })?;
                serde_json::to_writer(&mut self.out, &object)?;
            }
            ExportFormat::Parquet => {}
        }
        self.rows += 1;
        Ok(())
    }

    /// Ends the table.
    pub(super) fn end(mut self) -> io::Result<()> {
        match self.format {
            ExportFormat::Latex => writeln!(self.out, "\\bottomrule\n\\end{{tabular}}"),
            ExportFormat::Json => writeln!(self.out, "\n]"),
            _ => Ok(()),
        }
    }
}

/// The shortest text that reads back as the same number.
pub(super) fn exact_number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else if value != 0.0 && !(1e-5..1e16).contains(&value.abs()) {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

fn exact(cell: &Cell, spreadsheet_safe: bool) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => defused(text, spreadsheet_safe).into_owned(),
        Cell::Number(number) => exact_number(*number),
        Cell::TimeMs(ms) | Cell::SpanMs(ms) => ms.to_string(),
    }
}

/// A text that a spreadsheet does not take for a formula.
pub(super) fn defused(text: &str, spreadsheet_safe: bool) -> Cow<'_, str> {
    let looks_like_formula =
        text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    if spreadsheet_safe && looks_like_formula { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// Four significant digits; dates and spans in words.
pub(super) fn readable(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Number(number) => readable_number(*number),
        Cell::TimeMs(ms) => date(*ms),
        Cell::SpanMs(ms) => span(*ms),
    }
}

fn readable_number(value: f64) -> String {
    if !value.is_finite() || value == 0.0 || value.fract() == 0.0 && value.abs() < 1e7 {
        return exact_number(value);
    }
    let size = value.abs().log10().floor();
    let trimmed = |text: String| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    if !(-4.0..7.0).contains(&size) {
        let text = format!("{value:.3e}");
        return match text.split_once('e') {
            Some((mantissa, exponent)) => format!("{}e{exponent}", trimmed(mantissa.to_owned())),
            None => text,
        };
    }
    let decimals = (3.0 - size).max(0.0) as usize;
    trimmed(format!("{value:.decimals$}"))
}

/// Date and time in UTC.
pub(super) fn date(ms: i64) -> String {
    let days = ms.div_euclid(86_400_000);
    let second = ms.rem_euclid(86_400_000) / 1000;
    // Days since 1 March of the year 0, in cycles of 400 years.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

fn span(ms: i64) -> String {
    let seconds = ms / 1000;
    match ms {
        ..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{:.1} s", ms as f64 / 1000.0),
        60_000..3_600_000 => format!("{} m {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} m", seconds / 3600, seconds / 60 % 60),
    }
}

pub(super) fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// As spreadsheets paste it: quoted like CSV where a tab, an end of line or a quote is inside.
pub(super) fn tsv_field(text: &str) -> String {
    if text.contains(['\t', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A text in a cell of a Markdown table that shows as itself.
fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("<br>"),
            '\r' => {}
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '|' | '\\' | '*' | '`' | '[' | ']' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            // An underscore inside a word is only an underscore.
            '_' if out.is_empty() || out.ends_with(' ') => out.push_str("\\_"),
            c => out.push(c),
        }
    }
    out
}

/// A text that LaTeX sets as itself.
fn latex(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '<' => out.push_str("\\textless{}"),
            '>' => out.push_str("\\textgreater{}"),
            '|' => out.push_str("\\textbar{}"),
            '"' => out.push_str("\\textquotedbl{}"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    // A row that begins with a bracket would be the argument of the `\\` before it.
    if out.starts_with('[') { format!("{{}}{out}") } else { out }
}

fn latex_cell(cell: &Cell) -> String {
    match cell {
        Cell::Number(number) if number.is_infinite() => {
            if *number > 0.0 {
                "$\\infty$".to_owned()
            } else {
                "$-\\infty$".to_owned()
            }
        }
        Cell::Number(number) if number.is_finite() => {
            let text = readable_number(*number);
            let mut out = String::from("$");
            match text.split_once('e') {
                Some((mantissa, exponent)) => {
                    let _ = write!(out, "{mantissa} \\times 10^{{{exponent}}}");
                }
                None => out.push_str(&text),
            }
            out.push('$');
            out
        }
        other => latex(&readable(other)),
    }
}

fn json(cell: &Cell) -> serde_json::Value {
    match cell {
        Cell::Empty => serde_json::Value::Null,
        Cell::Text(text) => serde_json::Value::from(text.as_str()),
        // JSON has no word for those that are not finite.
        Cell::Number(number) if !number.is_finite() => serde_json::Value::from(exact_number(*number)),
        Cell::Number(number) => serde_json::Value::from(*number),
        Cell::TimeMs(ms) | Cell::SpanMs(ms) => serde_json::Value::from(*ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = "a|b\"c\\d,e\tf\ng & <i> $x_1$ 100% #1 {z} ~^";

    fn written(format: ExportFormat, safe: bool, rows: &[Vec<Cell>]) -> String {
        let mut out = Vec::new();
        let heads = vec!["run_id".to_owned(), "metrics.val_loss".to_owned(), EVIL.to_owned()];
        let mut table = TextTable::begin(&mut out, format, safe, heads, &[false, true, false]).unwrap();
        for row in rows {
            table.row(row).unwrap();
        }
        table.end().unwrap();
        String::from_utf8(out).unwrap()
    }

    fn rows() -> Vec<Vec<Cell>> {
        vec![
            vec![Cell::text("r1"), Cell::Number(0.123_456_789), Cell::text(EVIL)],
            vec![Cell::text("=1+1"), Cell::Number(f64::NEG_INFINITY), Cell::text("-0.5")],
            vec![Cell::text(""), Cell::Number(f64::NAN), Cell::Empty],
        ]
    }

    /// A reader of CSV of its own, after RFC 4180.
    fn parse(text: &str, separator: char) -> Vec<Vec<String>> {
        let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
        let mut chars = text.chars().peekable();
        let mut quoted = false;
        while let Some(c) = chars.next() {
            match c {
                '"' if quoted && chars.peek() == Some(&'"') => {
                    field.push('"');
                    chars.next();
                }
                '"' => quoted = !quoted,
                '\r' if !quoted => {}
                '\n' if !quoted => {
                    row.push(std::mem::take(&mut field));
                    rows.push(std::mem::take(&mut row));
                }
                c if c == separator && !quoted => row.push(std::mem::take(&mut field)),
                c => field.push(c),
            }
        }
        rows
    }

    #[test]
    fn csv_and_tsv_read_back_as_they_were() {
        for (format, separator) in [(ExportFormat::Csv, ','), (ExportFormat::Tsv, '\t')] {
            let found = parse(&written(format, false, &rows()), separator);
            assert_eq!(found[0][2], EVIL);
            assert_eq!(found[1], ["r1", "0.123456789", EVIL]);
            assert_eq!(found[2], ["=1+1", "-Infinity", "-0.5"]);
            assert_eq!(found[3], ["", "NaN", ""]);
            assert_eq!(found.len(), 4);
        }
    }

    #[test]
    fn formulas_are_defused_when_that_is_asked_and_numbers_never() {
        let found = parse(&written(ExportFormat::Csv, true, &rows()), ',');
        assert_eq!(found[2], ["'=1+1", "-Infinity", "-0.5"]);
        for text in ["=cmd()", "+a", "-a", "@a", "\ta"] {
            assert_eq!(defused(text, true), format!("'{text}"));
            assert_eq!(defused(text, false), text);
        }
    }

    #[test]
    fn json_reads_back() {
        let found: Vec<serde_json::Map<String, serde_json::Value>> =
            serde_json::from_str(&written(ExportFormat::Json, false, &rows())).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!(found[0][EVIL], EVIL);
        assert_eq!(found[0]["metrics.val_loss"].as_f64(), Some(0.123_456_789));
        assert_eq!(found[1]["metrics.val_loss"], "-Infinity");
        assert!(found[2][EVIL].is_null());
        assert_eq!(written(ExportFormat::Json, false, &[]), "[\n]\n");
    }

    #[test]
    fn a_markdown_table_keeps_its_shape() {
        let text = written(ExportFormat::Md, false, &rows());
        for line in text.lines() {
            let bars = line.match_indices('|').filter(|(at, _)| *at == 0 || line.as_bytes()[at - 1] != b'\\');
            assert_eq!(bars.count(), 4, "{line}");
        }
        assert!(text.contains("a\\|b\"c\\\\d,e\tf<br>g &amp; &lt;i> \\$x_1\\$ 100% #1 {z} \\~^"), "{text}");
        assert!(text.contains("| 0.1235 |"), "{text}");
    }

    #[test]
    fn latex_escapes_what_it_would_take_for_its_own() {
        let text = written(ExportFormat::Latex, false, &rows());
        let expected = "a\\textbar{}b\\textquotedbl{}c\\textbackslash{}d,e f g \\& \\textless{}i\\textgreater{} \
                        \\$x\\_1\\$ 100\\% \\#1 \\{z\\} \\textasciitilde{}\\textasciicircum{}";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("$-\\infty$") && text.contains("NaN") && text.contains("$0.1235$"), "{text}");
        assert_eq!(latex_cell(&Cell::Number(1.5e-9)), "$1.5 \\times 10^{-9}$");
        assert_eq!(latex("[1, 2]"), "{}[1, 2]");
    }

    #[test]
    fn numbers_and_dates_for_readers() {
        for (value, text) in [
            (0.0, "0"),
            (12.0, "12"),
            (1234.56, "1235"),
            (0.000_123_45, "0.0001234"),
            (1e300, "1e300"),
            (-0.5, "-0.5"),
        ] {
            assert_eq!(readable_number(value), text);
        }
        for (ms, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400_000, "2000-02-29 00:00:00"),
            (1_789_999_999_000, "2026-09-21 14:13:19"),
            (-1000, "1969-12-31 23:59:59"),
        ] {
            assert_eq!(date(ms), text);
        }
        assert_eq!(
            [span(5), span(1500), span(61_000), span(7_260_000)],
            ["5 ms", "1.5 s", "1 m 1 s", "2 h 1 m"]
        );
    }

    #[test]
    fn exact_numbers_read_back_equal() {
        for value in [0.1, 1.0 / 3.0, 5e-324, f64::MAX, -0.0, 1e15 + 0.3, 123_456_789.0] {
            assert_eq!(exact_number(value).parse::<f64>().unwrap().to_bits(), value.to_bits(), "{value}");
        }
    }
}
