//! What a Python script takes on its command line, found by reading its source. Nothing is imported or run.
//!
//! Known are argparse, click, typer, fire and Hydra. What is written in another way than they usually are is left
//! out, with a note that says which line, so that a form never shows something that the script would not take.

mod argparse;
mod arguments;
mod click;
mod fire;
mod hydra;
mod signature;
mod source;
mod typer;

pub use arguments::ArgumentError;

use serde::{Deserialize, Serialize};
use source::Source;
use std::path::Path;

/// Longer sources are not read; they are generated.
const MAX_SOURCE_BYTES: u64 = 2 << 20;
/// More parameters than a form can show.
const MAX_PARAMETERS: usize = 500;

/// The library that a script reads its command line with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framework {
    /// Python's own.
    Argparse,
    /// `click` decorators.
    Click,
    /// `typer` functions.
    Typer,
    /// `fire.Fire`.
    Fire,
    /// `@hydra.main` with its configuration files.
    Hydra,
}

/// A script and what it takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// Relative to the project.
    pub path: String,
    /// Absent when it takes nothing that was found.
    pub framework: Option<Framework>,
    /// What it does, from its description.
    pub help: Option<String>,
    /// Written before the subcommand, if there is one.
    pub parameters: Vec<ScriptParameter>,
    /// Subcommands, of which one has to be chosen. Empty when there are none.
    pub commands: Vec<ScriptCommand>,
    /// What was left out, and where.
    pub notes: Vec<String>,
    /// It does something when it is run, and is not only imported.
    pub runs: bool,
}

/// A subcommand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptCommand {
    /// Its words, e.g. `data prepare`.
    pub name: String,
    /// What it does.
    pub help: Option<String>,
    /// What it takes.
    pub parameters: Vec<ScriptParameter>,
}

/// How a value is written on the command line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// `--name value`
    #[default]
    Option,
    /// `--name=value`, which Fire needs for values that begin with a dash.
    Joined,
    /// `value`, by its place.
    Positional,
    /// `--name`, or nothing.
    Flag,
    /// `--name` as often as the number says.
    Count,
    /// `name=value`, as Hydra takes it.
    Override,
}

/// What a value must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueKind {
    /// Any text.
    #[default]
    String,
    /// A number.
    Float,
    /// A whole number.
    Int,
    /// True or false.
    Bool,
    /// A file or folder; it need not be there.
    Path,
}

/// One thing that a script takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptParameter {
    /// By which it is named in `-P name=value`.
    pub name: String,
    /// How it is written, e.g. `--lr` and `-l`; empty for values by place.
    pub flags: Vec<String>,
    /// The flag that switches it off, e.g. `--no-shuffle`.
    pub off_flag: Option<String>,
    /// How its value is written.
    pub style: Style,
    /// What its value must be.
    pub kind: ValueKind,
    /// Takes several values.
    pub many: bool,
    /// The values that it takes; empty for all.
    pub choices: Vec<String>,
    /// The value without being given, when the source says it plainly.
    pub default: Option<String>,
    /// The expression that makes the default, when it is not plain.
    pub default_source: Option<String>,
    /// It has to be given.
    pub required: bool,
    /// What it is for.
    pub help: Option<String>,
}

/// Reads a script of a project. A file that cannot be read as Python becomes a note.
#[must_use]
pub fn read(project: &Path, path: &str) -> Script {
    let mut script = Script { path: path.to_owned(), ..Script::default() };
    match text(&project.join(path)) {
        Ok(text) => read_text(project, &text, &mut script),
        Err(problem) => script.notes.push(problem),
    }
    script
}

fn text(file: &Path) -> Result<String, String> {
    let mut open =
        crate::sniff::Sniffed::open(file).map_err(|error| format!("It cannot be read: {error}."))?;
    open.text(MAX_SOURCE_BYTES)
        .map_err(|error| format!("It cannot be read: {error}."))?
        .ok_or_else(|| "It is longer than 2 MB, or not a text in UTF-8, and was not read.".to_owned())
}

fn read_text(project: &Path, text: &str, script: &mut Script) {
    let source = match Source::parse(text) {
        Ok(source) => source,
        Err(problem) => {
            script.notes.push(problem);
            return;
        }
    };
    script.runs = source.runs();
    script.help = source.docstring();
    // Hydra and typer are asked first: both may stand beside an argparse that is only there for something else.
    let readers: [fn(&Source<'_>, &Path, &mut Script) -> bool; 5] =
        [hydra::read, typer::read, click::read, fire::read, argparse::read];
    for read in readers {
        if read(&source, project, script) {
            script.runs = true;
            break;
        }
    }
    for (module, name) in [
        ("transformers.HfArgumentParser", "HfArgumentParser"),
        ("tyro.cli", "tyro"),
        ("simple_parsing", "simple_parsing"),
        ("absl.flags", "absl.flags"),
    ] {
        if script.framework.is_none() && source.imports_any(module) {
            script
                .notes
                .push(format!("It reads its command line with {name}, whose parameters are not found."));
        }
    }
    for parameters in std::iter::once(&mut script.parameters)
        .chain(script.commands.iter_mut().map(|command| &mut command.parameters))
    {
        if parameters.len() > MAX_PARAMETERS {
            script.notes.push(format!("Of {} parameters, {MAX_PARAMETERS} are shown.", parameters.len()));
            parameters.truncate(MAX_PARAMETERS);
        }
    }
}

#[cfg(test)]
mod tests;
