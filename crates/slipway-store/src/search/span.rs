//! Spans of time in filters: `90s`, `2h`, and, counted from now, `-7d`.

/// A span as it is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) ms: f64,
    /// It has a sign, so that it is counted from now.
    pub(super) from_now: bool,
}

/// Reads a number with a unit: `ms`, `s`, `m` (minutes), `h`, `d` or `w`.
pub(super) fn parse(text: &str) -> Option<Span> {
    let from_now = text.starts_with(['-', '+']);
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let unit_ms = match unit {
        "ms" => 1.0,
        "s" => 1_000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        "w" => 604_800_000.0,
        _ => return None,
    };
    let ms = number.parse::<f64>().ok()? * unit_ms;
    ms.is_finite().then_some(Span { ms, from_now })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_number_and_a_unit() {
        let ms = |text: &str| parse(text).map(|span| (span.ms, span.from_now));
        assert_eq!(ms("-7d"), Some((-604_800_000.0, true)));
        assert_eq!(ms("1.5h"), Some((5_400_000.0, false)));
        assert_eq!(ms("+30m"), Some((1_800_000.0, true)));
        for text in ["", "d", "-d", "7", "7x", "7dd", "7e2d", "2fa", "1e999w", "--7d"] {
            assert_eq!(ms(text), None, "{text}");
        }
    }
}
