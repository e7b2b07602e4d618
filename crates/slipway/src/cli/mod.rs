//! What a person types: arguments, and one file per subcommand.

mod client;
mod completions;
mod doctor;
mod environments;
mod export;
mod failure;
mod find;
mod jobs;
mod look;
mod metrics;
mod models;
mod open;
mod openapi;
mod output;
mod plot;
mod program;
mod run;
mod runs;
mod secrets;
mod serve;
mod table;
mod trash;
mod url;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use failure::Failure;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

/// Result of everything on the command line.
type Result<T, E = Failure> = std::result::Result<T, E>;

/// Slipway tracks experiments, shows them, and speaks MLflow's protocol.
///
/// Without a subcommand it opens the window, at a file, a folder or a `slipway://` link if one is given.
#[derive(Parser)]
#[command(name = "slipway", version)]
struct Cli {
    #[command(flatten)]
    global: Global,
    /// A file or folder to look into, or a link like `slipway://run/<run id>`.
    #[arg(value_name = "PATH|LINK")]
    open: Option<OsString>,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every subcommand takes.
#[derive(Args, Clone)]
pub(crate) struct Global {
    /// The folder that holds the runs.
    #[arg(long, global = true, env = "SLIPWAY_DATA_DIR", hide_env_values = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Say only what went wrong.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server: for training code, and for a browser.
    Serve(serve::Arguments),
    /// Print the address of the running server's pages, with its token.
    Url(url::Arguments),
    /// Run a command or a project and keep what it logs, prints and returns.
    ///
    /// `slipway run -- COMMAND` runs a command. `slipway run PROJECT -e ENTRY -P name=value` runs an entry point of an
    /// `MLproject`, or a script of a folder or a git address, in the environment that it describes; it takes what
    /// `mlflow run` takes.
    ///
    /// Kept are the command line, the folder, the commit and its uncommitted changes, the machine, the Python
    /// environment, everything printed, and the exit code, which is also returned. An MLflow client in the command logs into the same run.
    Run(run::Arguments),
    /// List what a file or folder contains, and show it in the window.
    ///
    /// Projects, scripts, environments, runs, notebooks, pipelines, models and data are recognised by their content.
    Open(look::Arguments),
    /// List jobs, follow what they print, end and repeat them; pause the queue.
    #[command(subcommand)]
    Jobs(jobs::Command),
    /// Keep tokens and passwords for jobs, which name them and never hold them.
    #[command(subcommand)]
    Secrets(secrets::Command),
    /// List and remove the environments that projects were run in.
    #[command(subcommand)]
    Env(environments::Command),
    /// List, show and compare runs.
    #[command(subcommand)]
    Runs(runs::Command),
    /// Print every point of one metric of a run.
    Metrics(metrics::Arguments),
    /// List, show, register, promote and roll back models.
    #[command(subcommand)]
    Models(models::Command),
    /// Write runs, histories or comparisons to files: CSV, TSV, Parquet, JSON, Markdown, LaTeX.
    #[command(subcommand)]
    Export(export::Command),
    /// Draw a metric of some runs as SVG or PNG.
    Plot(plot::Arguments),
    /// List what is in the trash; restore it, or delete it for ever.
    Trash(trash::Arguments),
    /// Delete what is in the trash for ever, and files that nothing refers to. Takes what `mlflow gc` takes.
    Gc(trash::gc::Arguments),
    /// Say what is installed, what is missing and what to type.
    Doctor(doctor::Arguments),
    /// Print a completion script for a shell.
    Completions(completions::Arguments),
    /// Print the description (OpenAPI) of Slipway's own HTTP API.
    Openapi,
}

impl Global {
    /// The folder that holds the runs, chosen or usual.
    fn data_dir(&self) -> Result<PathBuf> {
        match self.data_dir.as_ref().filter(|dir| !dir.as_os_str().is_empty()) {
            Some(dir) => Ok(dir.clone()),
            None => match dirs::data_dir() {
                Some(dir) => Ok(dir.join("slipway")),
                None => Err(Failure::failed("there is no home folder for the runs")
                    .hint("Set HOME, or name a folder with `--data-dir`.")),
            },
        }
    }

    /// Says something that is neither data nor an error.
    fn say(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            output::chatter(&text.to_string());
        }
    }
}

/// Parses the arguments and runs the command.
pub(crate) fn main() -> ExitCode {
    let matches = match parser().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    log_to_stderr(&cli.global);
    match run(cli) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

/// The whole command line, for parsing and for completion scripts.
fn parser() -> clap::Command {
    Cli::command()
}

/// Help and version are data; a wrong argument is an error.
fn usage(error: &clap::Error) -> ExitCode {
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    // Nobody may be reading any more.
    let _ = error.print();
    ExitCode::from(code)
}

fn run(cli: Cli) -> Result<ExitCode> {
    let global = &cli.global;
    if let (Some(open), Some(_)) = (&cli.open, &cli.command) {
        let shown = output::clean(&open.to_string_lossy());
        return Err(Failure::usage(format!(
            "`{shown}` stands before a subcommand, which takes its own arguments"
        ))
        .hint("`slipway --help` shows the order."));
    }
    match cli.command {
        None => open::run(global, cli.open),
        Some(Command::Serve(arguments)) => serve::run(global, &arguments),
        Some(Command::Url(arguments)) => url::run(global, &arguments),
        Some(Command::Run(arguments)) => run::run(global, arguments),
        Some(Command::Open(arguments)) => look::run(global, &arguments),
        Some(Command::Jobs(command)) => jobs::run(global, command),
        Some(Command::Secrets(command)) => secrets::run(global, &command),
        Some(Command::Env(command)) => environments::run(global, command),
        Some(Command::Runs(command)) => runs::run(global, command),
        Some(Command::Metrics(arguments)) => metrics::run(global, &arguments),
        Some(Command::Models(command)) => models::run(global, command),
        Some(Command::Export(command)) => export::run(global, &command),
        Some(Command::Plot(arguments)) => plot::run(global, &arguments),
        Some(Command::Trash(arguments)) => trash::run(global, arguments),
        Some(Command::Gc(arguments)) => trash::gc::run(global, arguments),
        Some(Command::Doctor(arguments)) => doctor::run(global, &arguments),
        Some(Command::Completions(arguments)) => completions::run(&arguments),
        Some(Command::Openapi) => openapi::run(),
    }
}

fn log_to_stderr(global: &Global) {
    let usual = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "warn,slipway=info,slipway_server=info,slipway_store=info,slipway_artifacts=info",
        (false, 2) => "info,slipway=debug,slipway_server=debug,slipway_store=debug,slipway_artifacts=debug",
        (false, _) => "trace",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("SLIPWAY_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(usual));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(output::colour_allowed() && std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_arguments_are_consistent() {
        super::parser().debug_assert();
    }
}
