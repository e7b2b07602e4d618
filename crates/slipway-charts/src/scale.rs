//! From numbers to places on an axis, and which places get a tick.

use crate::XKind;
use chrono::DateTime;

/// More ticks than this help nobody; it also bounds the loops below.
const MAX_TICKS: usize = 40;
/// A symmetric logarithmic axis is straight this many times below its far end.
const SYMLOG_SPAN: f64 = 1000.0;

/// One axis: the data range and whether it is logarithmic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    log: bool,
    /// As `asinh`: logarithmic far from zero on both sides, straight near it.
    symlog: bool,
}

/// A place on an axis and what stands beside it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) label: String,
}

impl Scale {
    /// A linear axis over finite values, with `pad` (a share of the length) added at both ends.
    pub(crate) fn linear(low: f64, high: f64, pad: f64) -> Self {
        let (low, high) = if low == high {
            let half = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
            (low - half, high + half)
        } else {
            let extra = (high / 2.0 - low / 2.0) * 2.0 * pad;
            if extra.is_finite() { (low - extra, high + extra) } else { (low, high) }
        };
        Self {
            low: low.clamp(f64::MIN, f64::MAX),
            high: high.clamp(f64::MIN, f64::MAX),
            log: false,
            symlog: false,
        }
    }

    /// A symmetric logarithmic axis over finite values.
    pub(crate) fn symlog(low: f64, high: f64, pad: f64) -> Self {
        if low == high {
            return Self::linear(low, high, pad);
        }
        let plain = Self { low, high, log: false, symlog: true };
        let bend = plain.bend();
        let (from, to) = ((low / bend).asinh(), (high / bend).asinh());
        let extra = (to - from) * pad;
        let value = |place: f64| (place.sinh() * bend).clamp(f64::MIN, f64::MAX);
        Self { low: value(from - extra), high: value(to + extra), ..plain }
    }

    /// Where a symmetric logarithmic axis bends.
    fn bend(&self) -> f64 {
        (self.low.abs().max(self.high.abs()) / SYMLOG_SPAN).max(f64::MIN_POSITIVE)
    }

    /// A logarithmic axis over positive values.
    pub(crate) fn log(low: f64, high: f64, pad: f64) -> Self {
        let (low, high) = (low.max(f64::MIN_POSITIVE), high.max(f64::MIN_POSITIVE));
        let (low_log, high_log) = (low.log10(), high.log10());
        let extra = if low_log == high_log { 0.5 } else { (high_log - low_log) * pad };
        let power = |exponent: f64| 10f64.powf(exponent).clamp(f64::MIN_POSITIVE, f64::MAX);
        Self { low: power(low_log - extra), high: power(high_log + extra), log: true, symlog: false }
    }

    /// The same with ends that somebody chose. What leaves no axis is passed over.
    pub(crate) fn between(self, (low, high): (Option<f64>, Option<f64>)) -> Self {
        let usable = |end: &f64| end.is_finite() && (!self.log || *end > 0.0);
        let (low, high) = (low.filter(usable).unwrap_or(self.low), high.filter(usable).unwrap_or(self.high));
        if low < high { Self { low, high, ..self } } else { self }
    }

    /// Where a value lies: 0 at the low end, 1 at the high end. None where the axis cannot show it.
    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        if !value.is_finite() {
            return None;
        }
        // Halved first, because the length of an axis from -1e308 to 1e308 is not a number.
        let share = if self.log {
            if value <= 0.0 {
                return None;
            }
            let (low, high) = (self.low.log10(), self.high.log10());
            (value.log10() - low) / (high - low)
        } else if self.symlog {
            let at = |value: f64| (value / self.bend()).asinh();
            (at(value) - at(self.low)) / (at(self.high) - at(self.low))
        } else {
            (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0)
        };
        share.is_finite().then_some(share)
    }

    /// Ticks for an axis of plain numbers, about `wanted` of them.
    pub(crate) fn ticks(&self, wanted: usize) -> Vec<Tick> {
        if self.log {
            let ticks = self.log_ticks(wanted);
            if ticks.len() >= 2 {
                return ticks;
            }
        }
        if self.symlog {
            let ticks = self.symlog_ticks(wanted);
            if ticks.len() >= 2 {
                return ticks;
            }
        }
        let step = nice_step((self.high / 2.0 - self.low / 2.0) / wanted.max(1) as f64 * 2.0);
        let values = self.multiples(step);
        let largest = self.low.abs().max(self.high.abs());
        values.into_iter().map(|value| Tick { value, label: number(value, step, largest) }).collect()
    }

    /// Zero, and powers of ten on both sides of it.
    fn symlog_ticks(&self, wanted: usize) -> Vec<Tick> {
        let largest = self.low.abs().max(self.high.abs());
        let (first, last) = (self.bend().log10().ceil() as i32, largest.log10().floor() as i32);
        let sides = if self.low < 0.0 && self.high > 0.0 { 2 } else { 1 };
        let count = (last - first + 1).max(0) * sides;
        let every = (count / wanted.max(1) as i32).max(1);
        let mut values: Vec<f64> = (first..=last)
            .rev()
            .step_by(every as usize)
            .take(MAX_TICKS)
            .flat_map(|exponent| [10f64.powi(exponent), -10f64.powi(exponent)])
            .chain([0.0])
            .filter(|value| (self.low..=self.high).contains(value))
            .collect();
        values.sort_by(f64::total_cmp);
        let label = |value: f64| number(value, value.abs(), value.abs());
        values.into_iter().map(|value| Tick { value, label: label(value) }).collect()
    }

    /// Ticks for an axis of the given kind.
    pub(crate) fn x_ticks(&self, kind: XKind, wanted: usize) -> Vec<Tick> {
        let span = self.high - self.low;
        match kind {
            XKind::Number => self.whole_ticks(wanted),
            XKind::Metric => self.ticks(wanted),
            XKind::TimeMs | XKind::Seconds if self.log => self.ticks(wanted),
            XKind::TimeMs => {
                let step = time_step_ms(span / wanted.max(1) as f64);
                self.multiples(step)
                    .into_iter()
                    .map(|value| Tick { value, label: time_of_day(value, step, span) })
                    .collect()
            }
            XKind::Seconds => {
                let step = time_step_ms(span * 1000.0 / wanted.max(1) as f64) / 1000.0;
                self.multiples(step)
                    .into_iter()
                    .map(|value| Tick { value, label: duration(value, step) })
                    .collect()
            }
        }
    }

    /// Steps are whole numbers: no ticks at 0.5 when they would only be halves of a step.
    fn whole_ticks(&self, wanted: usize) -> Vec<Tick> {
        let ticks = self.ticks(wanted);
        let whole: Vec<Tick> = ticks.iter().filter(|tick| tick.value.fract() == 0.0).cloned().collect();
        if whole.len() < 2 {
            ticks
        } else {
            whole
                .into_iter()
                .map(|tick| Tick { label: number(tick.value, 1.0, tick.value.abs()), ..tick })
                .collect()
        }
    }

    fn multiples(&self, step: f64) -> Vec<f64> {
        if !(step.is_finite() && step > 0.0) {
            return vec![self.low, self.high];
        }
        let first = (self.low / step).ceil();
        let values: Vec<f64> = (0..MAX_TICKS)
            .map(|index| (first + index as f64) * step)
            .take_while(|value| *value <= self.high)
            // Adding 0 turns -0 into 0.
            .map(|value| value + 0.0)
            .collect();
        let distinct = values.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
        if distinct && !values.is_empty() { values } else { vec![self.low, self.high] }
    }

    fn log_ticks(&self, wanted: usize) -> Vec<Tick> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let decades = (last - first).max(1) as usize;
        let every = decades.div_ceil(wanted.max(1)).max(1);
        let within: &[f64] = if decades <= 3 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let mut ticks = Vec::new();
        for exponent in (first..=last).step_by(every) {
            for factor in within {
                let value = factor * 10f64.powi(exponent);
                if value >= self.low && value <= self.high && ticks.len() < MAX_TICKS {
                    ticks.push(Tick { value, label: number(value, value, value) });
                }
            }
        }
        ticks
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is not below `rough`.
fn nice_step(rough: f64) -> f64 {
    if !(rough.is_finite() && rough > 0.0) {
        return f64::NAN;
    }
    let magnitude = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * magnitude)
        .find(|step| *step >= rough * 0.999_999)
        .unwrap_or(rough)
}

const SECOND_MS: f64 = 1000.0;
const MINUTE_MS: f64 = 60.0 * SECOND_MS;
const HOUR_MS: f64 = 60.0 * MINUTE_MS;
const DAY_MS: f64 = 24.0 * HOUR_MS;

fn time_step_ms(rough: f64) -> f64 {
    let steps = [
        SECOND_MS,
        2.0 * SECOND_MS,
        5.0 * SECOND_MS,
        10.0 * SECOND_MS,
        15.0 * SECOND_MS,
        30.0 * SECOND_MS,
        MINUTE_MS,
        2.0 * MINUTE_MS,
        5.0 * MINUTE_MS,
        10.0 * MINUTE_MS,
        15.0 * MINUTE_MS,
        30.0 * MINUTE_MS,
        HOUR_MS,
        2.0 * HOUR_MS,
        3.0 * HOUR_MS,
        6.0 * HOUR_MS,
        12.0 * HOUR_MS,
        DAY_MS,
        2.0 * DAY_MS,
    ];
    if rough < SECOND_MS {
        return nice_step(rough);
    }
    steps.into_iter().find(|step| *step >= rough).unwrap_or_else(|| nice_step(rough / DAY_MS) * DAY_MS)
}

/// A number with as many decimals as its neighbours on the axis need.
pub(crate) fn number(value: f64, step: f64, largest: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !(1e-3..1e7).contains(&largest) {
        let digits = (largest.log10().floor() - step.log10().floor()).clamp(0.0, 12.0) as usize;
        let text = format!("{value:.digits$e}");
        return match text.split_once('e') {
            Some((mantissa, exponent)) if mantissa.contains('.') => {
                format!("{}e{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.'))
            }
            _ => text,
        };
    }
    let decimals = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
    let text = format!("{value:.decimals$}");
    if largest < 10_000.0 { text } else { with_thousands(&text) }
}

fn with_thousands(text: &str) -> String {
    let (whole, rest) = match text.find('.') {
        Some(dot) => text.split_at(dot),
        None => (text, ""),
    };
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut out = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

fn time_of_day(value_ms: f64, step_ms: f64, span_ms: f64) -> String {
    let Some(time) = DateTime::from_timestamp_millis(value_ms as i64) else {
        return number(value_ms, step_ms, value_ms.abs());
    };
    let midnight = value_ms.rem_euclid(DAY_MS) == 0.0;
    let format = if step_ms < SECOND_MS {
        "%H:%M:%S%.3f"
    } else if step_ms < MINUTE_MS {
        "%H:%M:%S"
    } else if span_ms > 300.0 * DAY_MS {
        "%Y-%m-%d"
    } else if midnight {
        "%b %-d"
    } else {
        "%H:%M"
    };
    time.format(format).to_string()
}

fn duration(seconds: f64, step: f64) -> String {
    let sign = if seconds < 0.0 { "-" } else { "" };
    let magnitude = seconds.abs();
    if magnitude < 60.0 || step < 1.0 {
        return format!("{sign}{}s", number(magnitude, step.min(1.0), magnitude.max(1.0)));
    }
    if magnitude >= 1e15 {
        return format!("{sign}{magnitude:.1e}s");
    }
    let total = magnitude.round() as u64;
    let parts = [(total / 86_400, "d"), (total / 3600 % 24, "h"), (total / 60 % 60, "m"), (total % 60, "s")];
    let words: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .take(2)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    format!("{sign}{}", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn linear_ticks_are_round_numbers() {
        assert_eq!(
            labels(&Scale::linear(0.0, 1.0, 0.0).ticks(5)),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"].map(|label| if label == "0.0" { "0" } else { label })
        );
        assert_eq!(labels(&Scale::linear(-3.0, 12_000.0, 0.0).ticks(4)), ["0", "5,000", "10,000"]);
        assert_eq!(labels(&Scale::linear(0.0, 3e-6, 0.0).ticks(3)), ["0", "1e-6", "2e-6", "3e-6"]);
    }

    #[test]
    fn log_ticks_are_decades() {
        assert_eq!(
            labels(&Scale::log(1e-5, 1.0, 0.0).ticks(8)),
            ["1e-5", "1e-4", "0.001", "0.01", "0.1", "1"]
        );
        assert_eq!(Scale::log(1.0, 100.0, 0.0).place(10.0), Some(0.5));
        assert_eq!(Scale::log(1.0, 100.0, 0.0).place(0.0), None);
    }

    #[test]
    fn steps_are_whole() {
        assert_eq!(labels(&Scale::linear(0.0, 3.0, 0.0).x_ticks(XKind::Number, 8)), ["0", "1", "2", "3"]);
    }

    #[test]
    fn times_and_durations_read_as_such() {
        let start = 1_790_000_000_000.0;
        let ticks = Scale::linear(start, start + 4.0 * HOUR_MS, 0.0).x_ticks(XKind::TimeMs, 4);
        assert_eq!(labels(&ticks), ["15:00", "16:00", "17:00", "18:00"]);
        assert_eq!(
            labels(&Scale::linear(0.0, 5400.0, 0.0).x_ticks(XKind::Seconds, 3)),
            ["0s", "30m", "1h", "1h 30m"]
        );
    }

    #[test]
    fn hostile_ranges_still_give_an_axis() {
        for (low, high) in [
            (f64::MIN, f64::MAX),
            (1.0, 1.0 + f64::EPSILON),
            (0.0, 5e-324),
            (f64::MAX, f64::MAX),
            (-1e300, 1e-300),
            (0.0, 0.0),
        ] {
            for scale in [Scale::linear(low, high, 0.04), Scale::log(low, high, 0.04)] {
                for ticks in [
                    scale.ticks(6),
                    scale.x_ticks(XKind::TimeMs, 6),
                    scale.x_ticks(XKind::Seconds, 6),
                    scale.x_ticks(XKind::Number, 6),
                ] {
                    assert!(ticks.len() <= MAX_TICKS + 1, "{low} {high}: {} ticks", ticks.len());
                    assert!(ticks.iter().all(|tick| tick.label.len() < 40), "{low} {high}: {ticks:?}");
                }
            }
        }
    }
}
