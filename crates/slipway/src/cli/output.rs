//! Writing for people: what may be coloured, what must be escaped, how numbers and times read.

use chrono::{DateTime, Local, Utc};
use slipway_server::app::wire::{CellValue, RunState};
use std::io::{IsTerminal, Write};

/// Whether colour is wanted at all.
pub(crate) fn colour_allowed() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether stdout may be coloured.
pub(crate) fn colour_stdout() -> bool {
    colour_allowed() && std::io::stdout().is_terminal()
}

/// Says something on stderr. That nobody listens is no error.
pub(crate) fn chatter(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A text from outside on one line of a terminal: control characters, and those that turn the reading order, are
/// shown by their code.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}' => {
                out.extend(letter.escape_unicode());
            }
            letter if letter.is_control() => out.extend(letter.escape_default()),
            letter => out.push(letter),
        }
    }
    out
}

/// The same for a text of several lines.
pub(crate) fn clean_lines(text: &str) -> String {
    text.split('\n').map(clean).collect::<Vec<_>>().join("\n")
}

/// A number with six digits that count: `0.123457`, `12`, `1.5e-7`.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    let magnitude = value.abs();
    if value.fract() == 0.0 && magnitude < 1e12 {
        return format!("{value:.0}").replace("-0", if value == 0.0 { "0" } else { "-0" });
    }
    let trimmed = |text: String| text.trim_end_matches('0').trim_end_matches('.').to_owned();
    if (1e-4..1e12).contains(&magnitude) {
        let decimals = (5.0 - magnitude.log10().floor()).clamp(0.0, 12.0) as usize;
        let text = format!("{value:.decimals$}");
        return if text.contains('.') { trimmed(text) } else { text };
    }
    match format!("{value:.5e}").split_once('e') {
        Some((mantissa, exponent)) => format!("{}e{exponent}", trimmed(mantissa.to_owned())),
        None => format!("{value:e}"),
    }
}

/// A cell of a table for reading.
pub(crate) fn cell(value: &CellValue) -> String {
    match value {
        CellValue::Number(number) => self::number(*number),
        CellValue::Text(text) => clean(text),
    }
}

/// A cell with every digit, for other programs.
pub(crate) fn exact(value: &CellValue) -> String {
    match value {
        CellValue::Number(number) => exact_number(*number),
        CellValue::Text(text) => text.clone(),
    }
}

/// The shortest text that reads back as the same number.
pub(crate) fn exact_number(value: f64) -> String {
    if value != 0.0 && value.is_finite() && !(1e-5..1e16).contains(&value.abs()) {
        return format!("{value:e}");
    }
    format!("{value}")
}

/// Local date and time.
pub(crate) fn time(epoch_ms: i64) -> String {
    match DateTime::<Utc>::from_timestamp_millis(epoch_ms) {
        Some(time) => time.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string(),
        None => epoch_ms.to_string(),
    }
}

/// Date and time in UTC, as programs read it.
pub(crate) fn iso_time(epoch_ms: i64) -> String {
    match DateTime::<Utc>::from_timestamp_millis(epoch_ms) {
        Some(time) => time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        None => epoch_ms.to_string(),
    }
}

/// A span of time in its two largest units.
pub(crate) fn duration(span_ms: i64) -> String {
    let seconds = span_ms / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match span_ms {
        ..0 => "-".to_owned(),
        0..10_000 => format!("{:.1}s", span_ms as f64 / 1000.0),
        10_000..60_000 => format!("{seconds}s"),
        60_000..3_600_000 => format!("{minutes}m {}s", seconds % 60),
        3_600_000..86_400_000 => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// A state in words.
pub(crate) fn state(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "queued",
        RunState::Running => "running",
        RunState::Succeeded => "succeeded",
        RunState::Failed => "failed",
        RunState::Canceled => "canceled",
    }
}

/// The colour of a state's word, as an SGR parameter.
pub(crate) fn state_colour(word: &str) -> Option<&'static str> {
    match word {
        "running" => Some("34"),
        "succeeded" => Some("32"),
        "failed" => Some("31"),
        "canceled" => Some("35"),
        _ => None,
    }
}

/// A text that terminals can open as a link, as plain text where they cannot.
pub(crate) fn link(url: &str, text: &str, to_terminal: bool) -> String {
    if to_terminal { format!("\u{1b}]8;;{url}\u{1b}\\{text}\u{1b}]8;;\u{1b}\\") } else { text.to_owned() }
}

/// One field of a CSV row.
pub(crate) fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A row of CSV, without the end of the line. On a terminal control characters are escaped.
pub(crate) fn csv_row<'a>(fields: impl IntoIterator<Item = &'a str>, to_terminal: bool) -> String {
    let fields: Vec<String> = fields
        .into_iter()
        .map(|field| if to_terminal { csv_field(&clean(field)) } else { csv_field(field) })
        .collect();
    fields.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (12.0, "12"),
            (-100.0, "-100"),
            (0.123_456_789, "0.123457"),
            (1234.5678, "1234.57"),
            (1.5e-7, "1.5e-7"),
            (1e300, "1e300"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn exact_numbers_read_back_equal() {
        for value in [0.1, 1.0 / 3.0, 5e-324, f64::MAX, -0.0, 1e15 + 0.3, 123_456_789.0] {
            assert_eq!(exact_number(value).parse::<f64>().unwrap().to_bits(), value.to_bits(), "{value}");
        }
    }

    #[test]
    fn names_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}]0;x\u{7}\u{9b}b\n\u{202e}c"), "a\\u{1b}]0;x\\u{7}\\u{9b}b\\n\\u{202e}c");
        assert_eq!(clean("Übung 漢字 🚢"), "Übung 漢字 🚢");
    }

    #[test]
    fn durations_have_two_units() {
        for (ms, text) in
            [(1500, "1.5s"), (59_000, "59s"), (61_000, "1m 1s"), (7_260_000, "2h 1m"), (90_000_000, "1d 1h")]
        {
            assert_eq!(duration(ms), text);
        }
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        assert_eq!(csv_row(["a", "b,c", "d\"e", "f\ng"], false), "a,\"b,c\",\"d\"\"e\",\"f\ng\"");
    }
}
