//! `slipway export`: a run set's table, its groups, histories at full resolution, comparisons and reports, as files.

mod report;
mod sink;
mod view;

pub(super) use sink::to_output;

use super::client::Api;
use super::{Failure, Global, Result, find, runs};
use clap::{Args, Subcommand, ValueEnum};
use slipway_server::app::wire::{
    CompareExport, CompareReduce, CompareRequest, CurvesExport, ExportFormat, GroupSortKey, GroupsExport,
    GroupsRequest, RunsExport, TableRequest,
};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// The table of runs: every run that matches, one a row.
    Runs(Runs),
    /// The groups that runs make by the values of some columns: one a row.
    Groups(Groups),
    /// Histories of metrics: every point, one a row.
    Curves(Curves),
    /// Runs side by side: one a column, keys as rows.
    Compare(Compare),
    /// Charts and tables as one page that opens offline.
    Report(report::Report),
}

/// Which runs.
#[derive(Args)]
struct Which {
    /// Runs by id, first characters of the id, or name; separated by commas. Without it all that match.
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["filter", "experiment"])]
    runs: Vec<String>,
    /// Name or id of an experiment.
    #[arg(long, short)]
    experiment: Option<String>,
    /// Which runs, in MLflow's search syntax.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    filter: String,
    /// Column to sort by; `-val_loss` is largest first. Separate further ones by commas.
    #[arg(long, short, value_delimiter = ',', allow_hyphen_values = true)]
    sort: Vec<String>,
}

/// Where it goes.
#[derive(Args)]
struct Where {
    /// File to write; its ending says what. Without it stdout.
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// What to write, whatever the ending. Without both: CSV.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// In CSV and TSV, put a `'` before texts that a spreadsheet would take for formulas.
    #[arg(long)]
    spreadsheet_safe: bool,
}

#[derive(Args)]
pub(crate) struct Runs {
    #[command(flatten)]
    which: Which,
    /// Columns, separated by commas, e.g. `name,state,val_loss.min,params.lr`. Without it all there are.
    #[arg(long, short, value_delimiter = ',')]
    columns: Vec<String>,
    #[command(flatten)]
    to: Where,
}

#[derive(Args)]
pub(crate) struct Groups {
    /// Columns whose values make the groups, one to five, separated by commas, e.g. `params.optimizer`.
    #[arg(required = true, value_delimiter = ',')]
    by: Vec<String>,
    /// Name or id of an experiment.
    #[arg(long, short)]
    experiment: Option<String>,
    /// Which runs, in MLflow's search syntax.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    filter: String,
    /// Column to sort by, by its mean; `-val_loss` is largest first. Separate further ones by commas.
    #[arg(long, short, value_delimiter = ',', allow_hyphen_values = true)]
    sort: Vec<String>,
    /// Columns, separated by commas, e.g. `val_loss.min,params.lr`. Without it all there are.
    #[arg(long, short, value_delimiter = ',')]
    columns: Vec<String>,
    #[command(flatten)]
    to: Where,
}

#[derive(Args)]
pub(crate) struct Curves {
    #[command(flatten)]
    which: Which,
    /// Names of metrics, separated by commas. Without it every metric.
    #[arg(long, short, value_delimiter = ',')]
    metrics: Vec<String>,
    #[command(flatten)]
    to: Where,
}

#[derive(Args)]
pub(crate) struct Compare {
    /// Ids, first characters of ids, or names.
    #[arg(required = true, num_args = 2..)]
    runs: Vec<String>,
    /// Also what is the same in all of them.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    to: Where,
}

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Csv,
    Tsv,
    Parquet,
    Json,
    Md,
    Latex,
}

impl Format {
    pub(super) fn wire(self) -> ExportFormat {
        match self {
            Self::Csv => ExportFormat::Csv,
            Self::Tsv => ExportFormat::Tsv,
            Self::Parquet => ExportFormat::Parquet,
            Self::Json => ExportFormat::Json,
            Self::Md => ExportFormat::Md,
            Self::Latex => ExportFormat::Latex,
        }
    }

    /// Refuses bytes on a terminal.
    pub(super) fn check_stdout(self) -> Result<()> {
        if self == Self::Parquet && std::io::stdout().is_terminal() {
            return Err(Failure::usage("Parquet cannot be shown on a terminal")
                .hint("Name a file with `-o runs.parquet`, or send it on with `>`."));
        }
        Ok(())
    }
}

impl Where {
    fn file(&self) -> Option<&PathBuf> {
        self.output.as_ref().filter(|path| path.as_os_str() != "-")
    }

    fn format(&self) -> Result<Format> {
        let format = match (self.format, self.file()) {
            (Some(format), _) => format,
            (None, None) => Format::Csv,
            (None, Some(path)) => {
                let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
                match ending.as_deref() {
                    Some("csv") => Format::Csv,
                    Some("tsv") => Format::Tsv,
                    Some("parquet") => Format::Parquet,
                    Some("json") => Format::Json,
                    Some("md") => Format::Md,
                    Some("tex") => Format::Latex,
                    _ => {
                        return Err(Failure::usage(format!(
                            "the ending of `{}` says nothing about its format",
                            path.display()
                        ))
                        .hint("Endings are .csv, .tsv, .parquet, .json, .md and .tex; or say `--format`."));
                    }
                }
            }
        };
        if self.file().is_none() {
            format.check_stdout()?;
        }
        Ok(format)
    }
}

pub(crate) fn run(global: &Global, command: &Command) -> Result<ExitCode> {
    let to = match command {
        Command::Report(arguments) => return report::run(global, arguments),
        Command::Runs(arguments) => &arguments.to,
        Command::Groups(arguments) => &arguments.to,
        Command::Curves(arguments) => &arguments.to,
        Command::Compare(arguments) => &arguments.to,
    };
    let format = to.format()?.wire();
    let spreadsheet_safe = to.spreadsheet_safe;
    let api = Api::open(&global.data_dir()?)?;
    let bytes = match command {
        Command::Runs(arguments) => {
            let (mut query, run_ids) = which(&api, &arguments.which)?;
            let known = find::columns(&api, &query.experiment_ids)?;
            query.columns = if arguments.columns.is_empty() {
                runs::usual_columns(&known, true)
            } else {
                arguments.columns.iter().map(|text| find::column(&known, text)).collect::<Result<_>>()?
            };
            let filter = query.filter.clone();
            let request = RunsExport { query, run_ids, format, spreadsheet_safe };
            to_output(&api, "/export/runs", &request, &filter, to.file())?
        }
        Command::Report(_) => 0,
        Command::Groups(arguments) => {
            let request = GroupsExport { query: groups(&api, arguments)?, format, spreadsheet_safe };
            to_output(&api, "/export/groups", &request, &arguments.filter, to.file())?
        }
        Command::Curves(arguments) => {
            let (query, run_ids) = which(&api, &arguments.which)?;
            let filter = query.filter.clone();
            let metrics = arguments.metrics.clone();
            let request = CurvesExport { query, run_ids, metrics, format, spreadsheet_safe };
            to_output(&api, "/export/curves", &request, &filter, to.file())?
        }
        Command::Compare(arguments) => {
            let compare = CompareRequest {
                run_ids: ids(&api, &arguments.runs)?,
                differing: !arguments.all,
                reduce: CompareReduce::Last,
                ..CompareRequest::default()
            };
            let request = CompareExport { compare, best: [].into(), format, spreadsheet_safe };
            to_output(&api, "/export/compare", &request, "", to.file())?
        }
    };
    if let Some(path) = to.file() {
        global.say(format!("{bytes} bytes in `{}`", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn which(api: &Api, which: &Which) -> Result<(TableRequest, Vec<String>)> {
    let experiment_ids = find::scope(api, which.experiment.as_deref())?;
    let known = find::columns(api, &experiment_ids)?;
    let order_by = which.sort.iter().map(|text| find::sort_key(&known, text)).collect::<Result<_>>()?;
    let query =
        TableRequest { experiment_ids, filter: which.filter.clone(), order_by, ..TableRequest::default() };
    Ok((query, ids(api, &which.runs)?))
}

fn groups(api: &Api, asked: &Groups) -> Result<GroupsRequest> {
    let experiment_ids = find::scope(api, asked.experiment.as_deref())?;
    let known = find::columns(api, &experiment_ids)?;
    let column = |text: &String| find::column(&known, text);
    let by = asked.by.iter().map(column).collect::<Result<Vec<_>>>()?;
    let columns = if asked.columns.is_empty() {
        let mut columns = runs::usual_columns(&known, true);
        columns.retain(|column| !by.contains(column) && column.key != "name" && column.key != "run_id");
        columns.truncate(200);
        columns
    } else {
        asked.columns.iter().map(column).collect::<Result<_>>()?
    };
    let sort = |text: &String| {
        let key = find::sort_key(&known, text)?;
        Ok(GroupSortKey {
            column: Some(key.column),
            descending: key.descending,
            aggregate: Default::default(),
        })
    };
    Ok(GroupsRequest {
        experiment_ids,
        filter: asked.filter.clone(),
        by,
        order_by: asked.sort.iter().map(sort).collect::<Result<_>>()?,
        columns,
        ..GroupsRequest::default()
    })
}

fn ids(api: &Api, texts: &[String]) -> Result<Vec<String>> {
    texts.iter().map(|text| Ok(find::run(api, text)?.run_id)).collect()
}
