//! `slipway runs show`: everything known of one run.

use super::super::client::Api;
use super::super::table::TextTable;
use super::super::{Result, output};
use super::detail;
use clap::Args;
use std::io::{BufWriter, Write};

#[derive(Args)]
pub(crate) struct Show {
    /// Id, first characters of the id, or name.
    run: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn show(api: &Api, arguments: &Show) -> Result<()> {
    let run = detail(api, &arguments.run)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    if arguments.json {
        serde_json::to_writer_pretty(&mut out, &run)?;
        writeln!(out)?;
        out.flush()?;
        return Ok(());
    }
    let state = output::state(run.state);
    let state = match output::state_colour(state).filter(|_| output::colour_stdout()) {
        Some(code) => format!("\u{1b}[{code}m{state}\u{1b}[0m"),
        None => state.to_owned(),
    };
    let mut facts: Vec<(&str, String)> = vec![
        ("run", format!("{} ({})", output::clean(&run.name), run.run_id)),
        ("experiment", output::clean(&run.experiment_name)),
        ("state", state),
    ];
    facts.extend(run.start_ms.map(|start| ("started", output::time(start))));
    if let (Some(start), Some(end)) = (run.start_ms, run.end_ms) {
        facts.push(("took", output::duration(end - start)));
    }
    if !run.user.is_empty() {
        facts.push(("user", output::clean(&run.user)));
    }
    if let Some(command) = &run.command {
        facts.push(("command", output::clean(&command.command)));
        facts.extend(command.working_dir.as_ref().map(|dir| ("folder", output::clean(dir))));
        facts.extend(command.git_commit.as_ref().map(|commit| {
            let dirty = if command.git_dirty { ", with changes" } else { "" };
            ("commit", format!("{}{dirty}", output::clean(commit)))
        }));
        facts.extend(command.host.as_ref().map(|host| ("host", output::clean(host))));
        facts.extend(command.exit_code.map(|code| ("exit code", code.to_string())));
    }
    facts.extend(run.parent.as_ref().map(|parent| ("parent", output::clean(&parent.name))));
    if !run.children.is_empty() {
        facts.push(("children", run.children.len().to_string()));
    }
    facts.extend(run.first_problem.as_ref().map(|problem| ("problem", output::clean(problem))));
    for (name, value) in facts {
        writeln!(out, "{name:<11} {value}")?;
    }
    if !run.note.is_empty() {
        writeln!(out, "\nnote\n{}", indented(&output::clean_lines(&run.note)))?;
    }
    let plain = |_: usize, _: &str| None;
    if !run.params.is_empty() {
        writeln!(out, "\nparams")?;
        for pair in &run.params {
            writeln!(out, "  {} = {}", output::clean(&pair.key), output::clean(&pair.value))?;
        }
    }
    if !run.metrics.is_empty() {
        writeln!(out)?;
        let rows = run.metrics.iter().map(|metric| {
            let bound = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), output::number);
            vec![
                output::clean(&metric.key),
                output::cell(&metric.last),
                metric.last_step.to_string(),
                bound(metric.min),
                bound(metric.max),
                metric.points.to_string(),
            ]
        });
        let table = TextTable {
            head: ["metrics", "last", "step", "min", "max", "points"].map(str::to_owned).to_vec(),
            rows: rows.collect(),
            numeric: vec![false, true, true, true, true, true],
        };
        table.print(&mut out, plain)?;
    }
    // MLflow's and Slipway's own are told above in words.
    let is_own = |key: &str| {
        key.starts_with("mlflow.") || (key.starts_with("slipway.") && !key.starts_with("slipway.env."))
    };
    let tags: Vec<_> = run.tags.iter().filter(|tag| !is_own(&tag.key)).collect();
    if !tags.is_empty() {
        writeln!(out, "\ntags")?;
        for tag in tags {
            writeln!(out, "  {} = {}", output::clean(&tag.key), output::clean(&tag.value))?;
        }
    }
    if !run.datasets.is_empty() {
        writeln!(out, "\ndatasets")?;
        for dataset in &run.datasets {
            writeln!(out, "  {} ({})", output::clean(&dataset.name), output::clean(&dataset.digest))?;
        }
    }
    if !run.models.is_empty() {
        writeln!(out, "\nmodels")?;
        for model in &run.models {
            writeln!(out, "  {} ({})", output::clean(&model.name), output::clean(&model.model_id))?;
        }
    }
    out.flush()?;
    Ok(())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
