//! Making a version of what a run logged, or of a file or folder.

use super::print_json;
use crate::cli::client::Api;
use crate::cli::{Failure, Global, Result, output};
use clap::Args;
use slipway_server::app::wire::{RegisterRequest, RegisterSource, Registered};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Register {
    /// Name of the model; it is made when there is none.
    name: String,
    /// `runs:/RUN/PATH`, `models:/m-ID`, or a file or folder of this machine.
    source: String,
    /// What it is, in Markdown.
    #[arg(long)]
    description: Option<String>,
    /// A tag, as `KEY=VALUE`. May be given again.
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn register(global: &Global, api: &Api, arguments: Register) -> Result<()> {
    let source = if let Some(rest) = arguments.source.strip_prefix("runs:/") {
        let (run_id, path) = rest.trim_start_matches('/').split_once('/').ok_or_else(|| {
            Failure::usage(format!("`{}` names no artifact: say runs:/RUN/PATH", arguments.source))
        })?;
        RegisterSource::RunArtifact { run_id: run_id.to_owned(), path: path.to_owned() }
    } else if let Some(id) = arguments.source.strip_prefix("models:/") {
        RegisterSource::LoggedModel { model_id: id.to_owned() }
    } else {
        let path = std::path::absolute(PathBuf::from(&arguments.source))?;
        let path = path.to_str().ok_or_else(|| Failure::usage("the path is not UTF-8"))?.to_owned();
        RegisterSource::Path { path }
    };
    let mut tags = BTreeMap::new();
    for tag in &arguments.tags {
        let (key, value) =
            tag.split_once('=').ok_or_else(|| Failure::usage(format!("`{tag}` is no tag: say KEY=VALUE")))?;
        tags.insert(key.to_owned(), value.to_owned());
    }
    let request = RegisterRequest { name: arguments.name, source, description: arguments.description, tags };
    let done: Registered = api.post("/models/register", &request)?;
    if arguments.json {
        return print_json(&done);
    }
    for warning in &done.warnings {
        global.say(format!("Warning: {}", output::clean(warning)));
    }
    global.say(format!("Registered {} v{}.", output::clean(&done.name), done.version));
    Ok(())
}
