//! The rows as measured, and the tables made of them.

use crate::load::Outcome;
use crate::stats::{mb, median, ms, percentile, short};
use std::fmt::Write as _;
use std::time::Duration;

/// What one server did in one row, over all rounds.
#[derive(Debug, Default)]
pub(crate) struct Side {
    /// One a round; the row shows the median.
    pub(crate) values: Vec<f64>,
    latencies: Vec<Duration>,
    cpu: Duration,
    client_cpu: Duration,
    wall: Duration,
    peak_bytes: u64,
    after_bytes: u64,
    refused: u64,
    refusal: Option<String>,
    /// The true value is larger: nobody waited for the end.
    at_least: bool,
}

impl Side {
    /// A value that needed no calls.
    pub(crate) fn of(value: f64) -> Self {
        Self { values: vec![value], ..Self::default() }
    }

    /// A time after which nobody waited any more.
    pub(crate) fn more_than(value: f64) -> Self {
        Self { at_least: true, ..Self::of(value) }
    }

    /// Adds a round, of which `value` makes the row's number.
    pub(crate) fn add(&mut self, value: impl FnOnce(&Outcome) -> f64, outcome: Outcome) {
        self.values.push(value(&outcome));
        self.latencies.extend(outcome.latencies);
        self.cpu += outcome.cpu;
        self.client_cpu += outcome.client_cpu;
        self.wall += outcome.wall;
        self.peak_bytes = self.peak_bytes.max(outcome.peak_bytes);
        self.after_bytes = outcome.after_bytes;
        self.refused += outcome.refused;
        self.refusal = self.refusal.take().or(outcome.refusal);
    }

    /// The median of all rounds. NaN when there was none.
    pub(crate) fn value(&self) -> f64 {
        median(&self.values)
    }

    /// The middle latency of all calls.
    pub(crate) fn p50(&self) -> Duration {
        percentile(&self.latencies, 50.0)
    }

    /// How long all rounds took.
    pub(crate) fn wall(&self) -> Duration {
        self.wall
    }

    /// The most memory in any round.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.peak_bytes
    }

    fn latency(&self) -> String {
        if self.latencies.is_empty() {
            return "–".to_owned();
        }
        format!("{} / {}", ms(self.p50()), ms(percentile(&self.latencies, 95.0)))
    }

    fn times(&self) -> String {
        if self.wall.is_zero() {
            return "–".to_owned();
        }
        let [cpu, wall] = [self.cpu, self.wall].map(|time| short(time.as_secs_f64()));
        format!("{cpu} / {wall}")
    }

    fn memory(&self) -> String {
        if self.peak_bytes == 0 {
            return "–".to_owned();
        }
        format!("{} / {}", mb(self.peak_bytes), mb(self.after_bytes))
    }
}

/// A promise and whether it is kept, or something to hold a number against that is no promise.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(crate) text: String,
    pub(crate) reached: Option<bool>,
}

/// One row: what was done, by whom how fast, and what it should reach.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    more_is_better: bool,
    pub(crate) slipway: Side,
    /// MLflow with one worker.
    pub(crate) one: Option<Side>,
    /// MLflow with four.
    pub(crate) four: Option<Side>,
    pub(crate) reach: Vec<Reach>,
}

impl Row {
    /// A row of which more is better.
    pub(crate) fn rate(name: impl Into<String>, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            unit,
            more_is_better: true,
            slipway: Side::default(),
            one: None,
            four: None,
            reach: Vec::new(),
        }
    }

    /// A row of which less is better: a time or a size.
    pub(crate) fn cost(name: impl Into<String>, unit: &'static str) -> Self {
        Self { more_is_better: false, ..Self::rate(name, unit) }
    }

    /// The number of the best form of MLflow that was measured.
    fn best_of_mlflow(&self) -> Option<f64> {
        let values = [&self.one, &self.four].into_iter().flatten().map(Side::value);
        let best = if self.more_is_better { values.reduce(f64::max) } else { values.reduce(f64::min) };
        best.filter(|value| value.is_finite())
    }

    /// How many times better Slipway is than the best form of MLflow.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let mlflow = self.best_of_mlflow()?;
        let slipway = self.slipway.value();
        Some(if self.more_is_better { slipway / mlflow } else { mlflow / slipway })
    }

    /// Promises at least this many times MLflow.
    pub(crate) fn reach_ratio(&mut self, times: f64) {
        let reached = self.ratio().is_some_and(|ratio| ratio >= times);
        self.reach.push(Reach { text: format!("{times:.0}x"), reached: Some(reached) });
    }

    /// Promises something else.
    pub(crate) fn reach(&mut self, text: impl Into<String>, reached: bool) {
        self.reach.push(Reach { text: text.into(), reached: Some(reached) });
    }

    /// Holds the number against what this machine could do at best.
    pub(crate) fn beside_floor(&mut self, floor: f64) {
        let share = self.slipway.value() / floor;
        let text = format!("floor {} {}: {}", short(floor), self.unit, short(share));
        self.reach.push(Reach { text, reached: None });
    }

    fn result(&self) -> String {
        let mark = |side: &Side| if side.at_least { "> " } else { "" };
        let number = |side: Option<&Side>| {
            side.map_or("–".to_owned(), |side| format!("{}{}", mark(side), short(side.value())))
        };
        let more = self.one.as_ref().map_or("", mark);
        let ratio = self.ratio().map_or("–".to_owned(), |ratio| format!("{more}{}x", short(ratio)));
        let texts: Vec<&str> = self.reach.iter().map(|reach| reach.text.as_str()).collect();
        let reached = self.reach.iter().filter_map(|reach| reach.reached);
        let reached: Vec<&str> = reached.map(|reached| if reached { "yes" } else { "**no**" }).collect();
        format!(
            "| {} | {} | {} | {} | {} | {ratio} | {} | {} |",
            self.name,
            self.unit,
            number(Some(&self.slipway)),
            number(self.one.as_ref()),
            number(self.four.as_ref()),
            texts.join("; "),
            reached.join("; ")
        )
    }

    fn cost_line(&self) -> Option<String> {
        if self.slipway.wall.is_zero() {
            return None;
        }
        let peer = |cell: fn(&Side) -> String| self.one.as_ref().map_or("–".to_owned(), cell);
        Some(format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            self.name,
            self.slipway.latency(),
            peer(Side::latency),
            self.slipway.times(),
            short(self.slipway.client_cpu.as_secs_f64()),
            peer(Side::times),
            self.slipway.memory(),
            peer(Side::memory)
        ))
    }

    fn refusals(&self) -> Vec<String> {
        [
            (Some(&self.slipway), "Slipway"),
            (self.one.as_ref(), "MLflow"),
            (self.four.as_ref(), "MLflow with 4 workers"),
        ]
        .into_iter()
        .filter_map(|(side, who)| {
            let side = side.filter(|side| side.refused > 0)?;
            let refusal = side.refusal.as_deref().unwrap_or_default().replace(['\n', '|'], " ");
            Some(format!("{}: {who} refused {} calls, the first with `{refusal}`.", self.name, side.refused))
        })
        .collect()
    }
}

/// All rows and remarks, in the order measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) notes: Vec<String>,
}

const RESULT_HEAD: &str = "| | unit | Slipway | MLflow | MLflow, 4 workers | ratio | reach | reached |\n\
                           |---|---|--:|--:|--:|--:|---|---|\n";
const COST_HEAD: &str = "| | p50 / p95 ms | MLflow's | CPU s / wall s | client CPU s | MLflow's CPU / wall | \
                         memory MB, peak / after | MLflow's |\n|---|--:|--:|--:|--:|--:|--:|--:|\n";

impl Report {
    /// Adds a row and says it at once, for whoever is waiting.
    pub(crate) fn add(&mut self, row: Row) {
        eprintln!("{}", row.result());
        if let Some(line) = row.cost_line() {
            eprintln!("      {line}");
        }
        self.notes.extend(row.refusals());
        self.rows.push(row);
    }

    /// Adds a remark below the tables.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        eprintln!("      {text}");
        self.notes.push(text);
    }

    /// Both tables and the remarks, as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from(RESULT_HEAD);
        for row in &self.rows {
            let _ = writeln!(text, "{}", row.result());
        }
        let _ = write!(text, "\n### What it cost\n\n{COST_HEAD}");
        for line in self.rows.iter().filter_map(Row::cost_line) {
            let _ = writeln!(text, "{line}");
        }
        if !self.notes.is_empty() {
            text.push_str("\n### Measured along the way\n\n");
        }
        for note in &self.notes {
            let _ = writeln!(text, "- {note}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_take_the_best_form_of_the_peer() {
        let mut row = Row::rate("calls", "calls/s");
        row.slipway = Side::of(1000.0);
        (row.one, row.four) = (Some(Side::of(10.0)), Some(Side::of(20.0)));
        row.reach_ratio(50.0);
        row.reach_ratio(51.0);
        assert_eq!(
            row.result(),
            "| calls | calls/s | 1,000 | 10.0 | 20.0 | 50.0x | 50x; 51x | yes; **no** |"
        );
        row.beside_floor(1250.0);
        assert!(
            row.result().ends_with("| 50x; 51x; floor 1,250 calls/s: 0.800 | yes; **no** |"),
            "{}",
            row.result()
        );
        let mut row = Row::cost("size", "MB");
        row.slipway = Side::of(2.0);
        row.one = Some(Side::of(8.0));
        assert_eq!(row.ratio(), Some(4.0));
        assert_eq!(row.cost_line(), None);
        row.one = Some(Side::more_than(9.0));
        assert_eq!(row.result(), "| size | MB | 2.00 | > 9.00 | – | > 4.50x |  |  |");
    }

    #[test]
    fn a_row_without_a_peer_reaches_no_ratio() {
        let mut row = Row::cost("x", "ms");
        row.slipway = Side::of(2.0);
        row.reach_ratio(1.0);
        assert_eq!(row.reach[0].reached, Some(false));
        row.one = Some(Side::default());
        assert_eq!(row.ratio(), None);
    }

    #[test]
    fn refused_calls_are_told() {
        let mut side = Side::default();
        let outcome = Outcome {
            latencies: vec![Duration::from_millis(2)],
            wall: Duration::from_millis(4),
            refused: 3,
            refusal: Some("500 no|pe".to_owned()),
            ..Outcome::default()
        };
        side.add(Outcome::calls_per_s, outcome);
        let mut row = Row::rate("calls", "calls/s");
        row.slipway = side;
        let mut report = Report::default();
        report.add(row);
        let text = report.markdown();
        assert!(text.contains("| calls | calls/s | 250 |"), "{text}");
        assert!(text.contains("refused 3 calls, the first with `500 no pe`"), "{text}");
        assert!(text.contains("| calls | 2.00 / 2.00 |"), "{text}");
    }
}
