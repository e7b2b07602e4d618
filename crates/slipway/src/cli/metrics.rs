//! `slipway metrics`: every point of one metric of a run, nothing thinned.

use super::client::{Api, encoded};
use super::{Failure, Global, Result, find, output};
use clap::Args;
use slipway_server::app::wire::{MetricHistory, MetricPoint, RunDetail};
use std::io::{BufWriter, IsTerminal, Write};
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Id, first characters of the id, or name of a run.
    run: String,
    /// Name of the metric.
    key: String,
    /// As CSV: `run_id,run_name,metric,step,wall_time,value`.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// As JSON: `run_id`, `run_name`, `key`, `points` with `step`, `time_ms`, `value`.
    #[arg(long)]
    json: bool,
}

/// Points of one request.
const PAGE: u32 = 100_000;

pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<ExitCode> {
    let api = Api::open(&global.data_dir()?)?;
    let run = find::run(&api, &arguments.run)?;
    let key = &arguments.key;
    let target = format!("/runs/{}/metrics?key={}&limit={PAGE}", encoded(&run.run_id), encoded(key));
    let mut page: MetricHistory = api.get(&target)?;
    if page.points.is_empty() {
        return Err(no_such_metric(&api, &run.run_id, &run.name, key)?);
    }
    let to_terminal = std::io::stdout().is_terminal();
    let mut out = BufWriter::new(std::io::stdout().lock());
    if arguments.json {
        write!(
            out,
            "{{\"run_id\":{},\"run_name\":{},\"key\":{},\"points\":[",
            serde_json::to_string(&run.run_id)?,
            serde_json::to_string(&run.name)?,
            serde_json::to_string(key)?
        )?;
    } else if arguments.csv {
        writeln!(out, "run_id,run_name,metric,step,wall_time,value")?;
    } else {
        writeln!(out, "{:>10}  {:<24}  value", "step", "time")?;
    }
    let mut is_first = true;
    loop {
        for MetricPoint { step, time_ms, value, .. } in &page.points {
            if arguments.json {
                let comma = if is_first { "" } else { "," };
                let value = serde_json::to_string(value)?;
                write!(out, "{comma}{{\"step\":{step},\"time_ms\":{time_ms},\"value\":{value}}}")?;
                is_first = false;
            } else if arguments.csv {
                let (step, time, value) =
                    (step.to_string(), output::iso_time(*time_ms), output::exact(value));
                let fields = [run.run_id.as_str(), &run.name, key, &step, &time, &value];
                writeln!(out, "{}", output::csv_row(fields, to_terminal))?;
            } else {
                writeln!(out, "{step:>10}  {:<24}  {}", output::iso_time(*time_ms), output::exact(value))?;
            }
        }
        match page.next {
            Some(next) => page = api.get(&format!("{target}&after={}", encoded(&next)))?,
            None => break,
        }
    }
    if arguments.json {
        writeln!(out, "]}}")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn no_such_metric(api: &Api, run_id: &str, name: &str, key: &str) -> Result<Failure> {
    let detail: RunDetail = api.get(&format!("/runs/{}", encoded(run_id)))?;
    let has: Vec<String> = detail.metrics.iter().map(|metric| output::clean(&metric.key)).collect();
    let failure = Failure::not_found(format!(
        "the run `{}` has no metric `{}`",
        output::clean(name),
        output::clean(key)
    ));
    Ok(if has.is_empty() {
        failure.hint("It has no metrics at all.")
    } else {
        failure.hint(format!("It has {}.", has.join(", ")))
    })
}
