//! What a chart says in words, and texts from outside made fit to be drawn.

use super::{has_point, pairs};
use crate::{Chart, Error, Role, paint};

/// A text from outside, made safe to show on one line: no control characters, none that turn the reading order.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .take(300)
        .map(|letter| match letter {
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FFFE}' | '\u{FFFF}' => '\u{FFFD}',
            letter if letter.is_control() => '\u{FFFD}',
            letter => letter,
        })
        .collect()
}

/// The text, cut with an ellipsis to what fits.
pub(crate) fn fit(text: &str, size: f64, room: f64) -> Result<String, Error> {
    let text = clean(text);
    if paint::text_width(&text, size)? <= room {
        return Ok(text);
    }
    let letters: Vec<char> = text.chars().collect();
    let cut = |count: usize| letters.iter().take(count).collect::<String>().trim_end().to_owned() + "…";
    let (mut low, mut high) = (0, letters.len());
    while low < high {
        let middle = (low + high).div_ceil(2);
        if paint::text_width(&cut(middle), size)? <= room {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(cut(low))
}

/// The chart in words.
pub(crate) fn summary(chart: &Chart) -> String {
    if let Some(reason) = emptiness(chart) {
        return clean(&reason);
    }
    let finite = |values: &mut dyn Iterator<Item = f64>| {
        values.filter(|value| value.is_finite()).fold(None, |range: Option<(f64, f64)>, value| {
            Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        })
    };
    let count = chart.series.len();
    let points = chart.series.iter().any(|series| series.role == Role::Dots);
    let noun = match (points, count) {
        (true, 1) => "point",
        (true, _) => "points",
        (false, 1) => "line",
        (false, _) => "lines",
    };
    let mut text = format!("{count} {noun} of {}", clean(&chart.y_label));
    if let Some((low, high)) =
        finite(&mut chart.series.iter().flat_map(|series| series.line.y.iter().copied()))
    {
        text.push_str(&format!(", values from {low} to {high}"));
    }
    if chart.log_y {
        text.push_str(", logarithmic axis");
    } else if chart.symlog_y {
        text.push_str(", symmetric logarithmic axis");
    }
    text
}

/// Why there is nothing to see, in words; None when there is something.
pub(super) fn emptiness(chart: &Chart) -> Option<String> {
    let points = || chart.series.iter().flat_map(|series| pairs(&series.line));
    if points().next().is_none() {
        let reason =
            if chart.series.is_empty() { "No runs to draw" } else { "The chosen runs have no points" };
        return Some(chart.empty_reason.clone().unwrap_or_else(|| reason.to_owned()));
    }
    if !points().any(|(x, y)| x.is_finite() && y.is_finite()) {
        return Some("Every point is NaN or infinite".to_owned());
    }
    if !chart.series.iter().any(|series| has_point(&series.line, chart)) {
        return Some("No point is above 0, so a logarithmic axis shows nothing".to_owned());
    }
    None
}

/// What the marks on the edge mean, if there are any.
pub(super) fn edge_note(chart: &Chart) -> Option<&'static str> {
    let mut non_finite = false;
    let mut not_positive = false;
    for (_, y) in chart.series.iter().flat_map(|series| pairs(&series.line)) {
        non_finite |= !y.is_finite();
        not_positive |= chart.log_y && y <= 0.0 && y.is_finite();
    }
    match (non_finite, not_positive) {
        (true, true) => Some("On the edge: × NaN, ▲ +infinity, ▼ -infinity or not above 0"),
        (true, false) => Some("On the edge: × NaN, ▲ +infinity, ▼ -infinity"),
        (false, true) => Some("On the edge: ▼ not above 0"),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_to_what_fits() {
        let name = "a name that is far too long for the place it has".repeat(20);
        let cut = fit(&name, 11.0, 100.0).unwrap();
        assert!(cut.ends_with('…'));
        assert!(paint::text_width(&cut, 11.0).unwrap() <= 100.0, "{cut}");
        assert_eq!(fit("short", 11.0, 100.0).unwrap(), "short");
    }

    #[test]
    fn control_and_direction_characters_are_replaced() {
        assert_eq!(clean("a\u{1b}[31m\u{202e}b\nc"), "a\u{fffd}[31m\u{fffd}b\u{fffd}c");
    }
}
