//! Ages as `mlflow gc` takes them: `30d`, `1d2h3m4s`, `1.5h`.

use std::str::FromStr;

/// A span of time back from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Age {
    pub(super) ms: i64,
}

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an age; write it like `30d`, `1d12h`, `90m` or `1.5h`");
        let units = [('d', 86_400_000.0), ('h', 3_600_000.0), ('m', 60_000.0), ('s', 1000.0)];
        let mut rest = text;
        let mut ms = 0.0;
        // Each unit once at most, the larger ones first.
        for (unit, unit_ms) in units {
            if let Some((number, after)) = rest.split_once(unit)
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
            {
                ms += number.parse::<f64>().map_err(|_| wrong())? * unit_ms;
                rest = after;
            }
        }
        // Some three thousand years: more is a slip of the finger.
        if !rest.is_empty() || text.is_empty() || !(0.0..1e14).contains(&ms) {
            return Err(wrong());
        }
        Ok(Self { ms: ms as i64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_as_mlflow_reads_them() {
        for (text, ms) in [
            ("30d", 2_592_000_000),
            ("1d2h3m4s", 93_784_000),
            ("1.5h", 5_400_000),
            ("90m", 5_400_000),
            ("0s", 0),
            ("1d4s", 86_404_000),
        ] {
            assert_eq!(text.parse::<Age>().unwrap().ms, ms, "{text}");
        }
        for text in ["", "30", "d", "1h1d", "-1d", "1e3d", "1d 2h", "1..5h", "week", "99999999999999d"] {
            assert!(text.parse::<Age>().is_err(), "{text}");
        }
    }
}
