//! `slipway-bench`: measures Slipway beside `mlflow server` in one run, and writes the table of
//! `docs/performance.md`. `script/bench tracking` runs it with the right programs.
//!
//! It starts and ends servers of its own in folders of its own, and must never touch any other.

mod bodies;
mod curves;
mod http;
mod load;
mod machine;
mod many_runs;
mod proc;
mod random;
mod report;
mod rows;
mod server;
mod stats;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use rows::{Bench, GROUPS, Sizes};
use server::Programs;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

const BEGIN: &str =
    "<!-- measured: from here to the end of the tables, `script/bench tracking --write` writes -->";
const END: &str = "<!-- measured: end -->";

#[derive(Parser)]
#[command(about = "Measures Slipway against a peer, both in the same run on this machine")]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Runs, metrics, search, histories and artifacts, beside `mlflow server`
    Tracking(Tracking),
    /// Logs many runs with very many columns to a server that runs, for measuring the runs table
    FillRuns(many_runs::Fill),
    /// Times what the runs table asks of a server that `fill-runs` filled
    AskRuns(many_runs::Ask),
    /// Logs long histories to a server that runs, for measuring charts
    FillCurves(curves::Curves),
}

#[derive(Args)]
struct Tracking {
    /// The `slipway` program
    #[arg(long, value_name = "PROGRAM", env = "SLIPWAY_BIN")]
    slipway: PathBuf,
    /// The `mlflow` program
    #[arg(long, value_name = "PROGRAM")]
    mlflow: PathBuf,
    /// The Python that MLflow is installed in
    #[arg(long, value_name = "PROGRAM")]
    python: PathBuf,
    /// bench_fill_mlflow.py
    #[arg(long, value_name = "FILE")]
    fill: PathBuf,
    /// Folder for the data, on the disk to be measured; what is made in it is removed
    #[arg(long, value_name = "DIR")]
    work: PathBuf,
    /// A few minutes with smaller sizes, for a look
    #[arg(long)]
    quick: bool,
    /// Only these: log-batch, log-metric, small-run, artifacts, search, history, memory
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    rows: Vec<String>,
    /// Also write the tables into this file, between its markers
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

fn main() -> Result<()> {
    match Cli::parse().what {
        What::Tracking(options) => tracking(&options),
        What::FillRuns(options) => many_runs::fill(&options),
        What::AskRuns(options) => many_runs::ask(&options),
        What::FillCurves(options) => curves::fill(&options),
    }
}

fn tracking(options: &Tracking) -> Result<()> {
    let began = Instant::now();
    if let Some(unknown) = options.rows.iter().find(|name| !GROUPS.contains(&name.as_str())) {
        bail!("there are no rows {unknown:?}; there are {}", GROUPS.join(", "));
    }
    if let Some(file) = &options.write {
        // Better now than after a quarter of an hour.
        if options.quick || !options.rows.is_empty() {
            bail!("only the whole table is written: leave out --quick and --rows");
        }
        replace_measured(
            &fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?,
            "",
        )?;
    }
    let groups: Vec<&str> = if options.rows.is_empty() {
        GROUPS.to_vec()
    } else {
        options.rows.iter().map(String::as_str).collect()
    };
    fs::create_dir_all(&options.work)?;
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(&options.work)?;
    let found = |path: &Path| {
        std::path::absolute(path).with_context(|| format!("{} is not a path of a program", path.display()))
    };
    let programs = Programs {
        slipway: found(&options.slipway)?,
        mlflow: found(&options.mlflow)?,
        python: found(&options.python)?,
        fill: found(&options.fill)?,
        schema: None,
    };
    let machine = machine::describe(&programs, folder.path())?;
    eprintln!("{machine}");
    let sizes = if options.quick { Sizes::quick() } else { Sizes::full() };
    let folder_path = folder.path().canonicalize()?;
    let mut bench = Bench { programs, sizes, folder: folder_path, report: report::Report::default() };
    let ended = bench.run(&groups);
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    let text = format!(
        "{machine}- The whole measurement took {} minutes{}\n\n{}",
        stats::short(minutes),
        if options.quick { ", with the small sizes of `--quick`" } else { "" },
        bench.report.markdown()
    );
    println!("{text}");
    ended?;
    if let Some(file) = &options.write {
        let page = replace_measured(&fs::read_to_string(file)?, &text)?;
        fs::write(file, page).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

/// The page with other text between its markers.
fn replace_measured(page: &str, text: &str) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).with_context(|| format!("the page has no line {BEGIN:?}"))?;
    let (_, after) =
        rest.split_once(END).with_context(|| format!("the page has no line {END:?} after it"))?;
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let page = format!("# A\n{BEGIN}\nold\n{END}\nlast\n");
        let replaced = replace_measured(&page, "new\n").unwrap();
        assert_eq!(replaced, format!("# A\n{BEGIN}\n\nnew\n\n{END}\nlast\n"));
        assert_eq!(replace_measured(&replaced, "new").unwrap(), replaced);
        assert!(replace_measured("# A", "new").is_err());
    }
}
