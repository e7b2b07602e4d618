//! `slipway plot`: the chart of one metric over some runs, drawn without a window, in the window's colours.

use super::client::{Api, encoded};
use super::{Failure, Global, Result, find, output};
use clap::{Args, ValueEnum};
use slipway_server::app::wire::{ColumnKind, ColumnRef, SortKey, Table, TableRequest};
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Name of the metric.
    #[arg(long, short)]
    metric: String,
    /// Runs by id, first characters of the id, or name; separated by commas.
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["filter", "experiment"])]
    runs: Vec<String>,
    /// Which runs, in MLflow's search syntax.
    #[arg(long, default_value = "", hide_default_value = true)]
    filter: String,
    /// Name or id of an experiment.
    #[arg(long, short)]
    experiment: Option<String>,
    /// How many of the newest runs that have the metric.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=200))]
    limit: u64,
    /// File to write; its ending, .svg or .png, says what. Without it SVG goes to stdout.
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Draw SVG or PNG whatever the ending.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Logarithmic y axis.
    #[arg(long)]
    log_y: bool,
    /// What the x axis shows.
    #[arg(long, value_enum, default_value = "step")]
    x: X,
    /// In pixels.
    #[arg(long, default_value_t = 960)]
    width: u32,
    /// In pixels.
    #[arg(long, default_value_t = 540)]
    height: u32,
    /// PNG only: pixels of the file for one of the layout, 1 to 4.
    #[arg(long, default_value_t = 1)]
    scale: u32,
    /// Light or dark.
    #[arg(long, value_enum, default_value = "light")]
    theme: Theme,
    /// Weight of the past in the moving average, from 0 to below 1.
    #[arg(long, default_value_t = 0.0)]
    smoothing: f64,
    /// Text above the chart instead of the metric's name.
    #[arg(long)]
    title: Option<String>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Svg,
    Png,
}

#[derive(Clone, Copy, ValueEnum)]
enum X {
    Step,
    Time,
    Relative,
}

#[derive(Clone, Copy, ValueEnum)]
enum Theme {
    Light,
    Dark,
}

pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<ExitCode> {
    let format = format(arguments)?;
    if format == Format::Png && arguments.output.is_none() && std::io::stdout().is_terminal() {
        return Err(
            Failure::usage("a PNG cannot be shown on a terminal").hint("Name a file with `-o chart.png`.")
        );
    }
    let api = Api::open(&global.data_dir()?)?;
    let run_ids = chosen(&api, arguments)?;
    let image = api.get_bytes(&target(arguments, format, &run_ids))?;
    match &arguments.output {
        Some(path) if path != Path::new("-") => {
            write_whole(path, &image)?;
            let count = run_ids.len();
            let noun = if count == 1 { "run" } else { "runs" };
            global.say(format!(
                "{} of {count} {noun} in `{}`",
                output::clean(&arguments.metric),
                path.display()
            ));
        }
        _ => std::io::stdout().lock().write_all(&image)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn format(arguments: &Arguments) -> Result<Format> {
    if let Some(format) = arguments.format {
        return Ok(format);
    }
    let Some(path) = arguments.output.as_deref().filter(|path| *path != Path::new("-")) else {
        return Ok(Format::Svg);
    };
    match path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("svg") => Ok(Format::Svg),
        Some("png") => Ok(Format::Png),
        _ => Err(Failure::usage(format!("`{}` ends neither in .svg nor in .png", path.display()))
            .hint("Give it one of these endings, or say `--format`.")),
    }
}

/// Ids of the runs to draw: those named, or the newest that have the metric.
fn chosen(api: &Api, arguments: &Arguments) -> Result<Vec<String>> {
    if !arguments.runs.is_empty() {
        return arguments.runs.iter().map(|text| Ok(find::run(api, text)?.run_id)).collect();
    }
    let experiment_ids = find::scope(api, arguments.experiment.as_deref())?;
    let metric =
        ColumnRef { kind: ColumnKind::Metric, key: arguments.metric.clone(), reduce: None, step: None };
    let start =
        ColumnRef { kind: ColumnKind::Attribute, key: "start_ms".to_owned(), reduce: None, step: None };
    let mut run_ids = Vec::new();
    let mut offset = 0;
    loop {
        let request = TableRequest {
            experiment_ids: experiment_ids.clone(),
            filter: arguments.filter.clone(),
            order_by: vec![SortKey { column: start.clone(), descending: true }],
            columns: vec![metric.clone()],
            offset,
            limit: Some(1000),
            ..TableRequest::default()
        };
        let table: Table = api.post_filter("/runs/table", &request, &arguments.filter)?;
        let got = table.rows.len() as u64;
        let with_metric = table.rows.into_iter().filter(|row| matches!(row.cells.first(), Some(Some(_))));
        run_ids.extend(with_metric.map(|row| row.run_id));
        offset += got;
        if got == 0 || offset >= table.total || run_ids.len() as u64 >= arguments.limit {
            break;
        }
    }
    run_ids.truncate(usize::try_from(arguments.limit).unwrap_or(usize::MAX));
    if run_ids.is_empty() {
        let metric = output::clean(&arguments.metric);
        return Err(Failure::not_found(format!("no run here has the metric `{metric}`"))
            .hint("`slipway runs ls` shows runs and their metrics."));
    }
    Ok(run_ids)
}

fn target(arguments: &Arguments, format: Format, run_ids: &[String]) -> String {
    let format = match format {
        Format::Svg => "svg",
        Format::Png => "png",
    };
    let x = match arguments.x {
        X::Step => "step",
        X::Time => "time",
        X::Relative => "relative",
    };
    let theme = match arguments.theme {
        Theme::Light => "light",
        Theme::Dark => "dark",
    };
    let mut target = format!(
        "/plot?metric={}&run_ids={}&format={format}&x={x}&width={}&height={}&theme={theme}&scale={}&smoothing={}&log_y={}",
        encoded(&arguments.metric),
        encoded(&run_ids.join(",")),
        arguments.width,
        arguments.height,
        arguments.scale,
        arguments.smoothing,
        arguments.log_y,
    );
    if let Some(title) = &arguments.title {
        let _ = write!(target, "&title={}", encoded(title));
    }
    target
}

/// The file appears whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |error: std::io::Error| {
        Failure::failed(format!("`{}` could not be written: {error}", path.display()))
    };
    // A device or a pipe cannot be replaced by a file.
    if std::fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return std::fs::write(path, bytes).map_err(failed);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".slipway-plot-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
