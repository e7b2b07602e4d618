//! Containers by podman or docker, whichever answers.

use crate::program;
use std::path::PathBuf;
use std::process::Command;

/// Where the project lies inside of its container, as with `mlflow run`.
pub(crate) const CODE_FOLDER: &str = "/mlflow/projects/code";

/// The label by which the agent finds the container of its attempt, and the variable that says which that is.
pub(crate) const LABEL: &str = slipway_jobs::container::LABEL;
pub(crate) const ATTEMPT_VARIABLE: &str = slipway_jobs::agent::ATTEMPT_VARIABLE;

/// The variable that names the folder of the attempt.
pub(crate) const FOLDER_VARIABLE: &str = slipway_jobs::agent::FOLDER_VARIABLE;

/// The variable with what the container may use.
pub(crate) const LIMITS_VARIABLE: &str = slipway_jobs::container::LIMITS_VARIABLE;

/// Podman needs no service that has to run, so it comes first.
const ENGINES: [&str; 2] = ["podman", "docker"];

/// The engine to use, or what to do to get one.
pub(crate) fn engine() -> Result<PathBuf, String> {
    let mut silent = Vec::new();
    for name in ENGINES {
        let Some(program) = program::on_path(name) else { continue };
        match program::output(Command::new(&program).arg("info")) {
            Ok(_) => return Ok(program),
            Err(said) => {
                let line = said.lines().last().unwrap_or_default().to_owned();
                silent.push(format!("{name} is installed but does not answer ({line})"));
            }
        }
    }
    let found = if silent.is_empty() {
        "neither podman nor docker is installed".to_owned()
    } else {
        silent.join("; ")
    };
    Err(format!(
        "the project runs in a container, and {found}. Install podman (`apt install podman`, `dnf install podman`) or \
         start docker, or run it here with `--env-manager local`"
    ))
}
