//! `MLproject`: the file in which a folder says how it is run.
//!
//! The file is read as MLflow reads it, but checked whole before anything starts: what is wrong is said with its line.

mod command;
mod parameter;

pub use command::{CommandError, ValueProblem, quote};
pub use parameter::{ParameterKind, Values};

use crate::yaml::{self, FileError, Node};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const PYTHON_ENV: &str = "python_env";
const CONDA_ENV: &str = "conda_env";
const DOCKER_ENV: &str = "docker_env";

/// What an `MLproject` says, or what holds for a folder without one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MlProject {
    /// The file, when there is one.
    pub file: Option<PathBuf>,
    /// Its name for people, and for the image that is built with `docker_env`.
    pub name: Option<String>,
    /// In the order of the file.
    pub entry_points: Vec<EntryPoint>,
    /// Where the entry points run.
    pub environment: Environment,
    /// What is odd but does not keep it from running.
    pub notes: Vec<String>,
}

/// One thing that the project can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryPoint {
    /// Its name; `main` is the usual one.
    pub name: String,
    /// In the order of the file.
    pub parameters: Vec<Parameter>,
    /// A line for the shell with `{parameter}` in it.
    pub command: String,
}

/// What an entry point takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// The name, as in `-P name=value`.
    pub name: String,
    /// What its value must be.
    pub kind: ParameterKind,
    /// Used when no value is given. Without one, a value is required.
    pub default: Option<String>,
}

/// Where entry points run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Environment {
    /// Nothing is said.
    #[default]
    None,
    /// `python_env`: a file with a Python version and packages.
    Python {
        /// Its path.
        file: PathBuf,
    },
    /// `conda_env`: a conda environment file.
    Conda {
        /// Its path.
        file: PathBuf,
    },
    /// `docker_env`: a container.
    Docker(DockerEnv),
}

/// What `docker_env` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DockerEnv {
    /// The image to run, or to build the project's image on.
    pub image: String,
    /// `source:target`, as `docker run -v` takes them.
    pub volumes: Vec<String>,
    /// Variables: a name alone is copied from this machine.
    pub environment: Vec<(String, Option<String>)>,
}

/// The folder's `MLproject`, in whatever case its name is written.
pub(crate) fn find(folder: &Path) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().eq_ignore_ascii_case("mlproject"))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found.into_iter().next()
}

/// Reads the folder's `MLproject`. A folder without one is a project without entry points.
pub fn load(folder: &Path) -> Result<MlProject, FileError> {
    let Some(file) = find(folder) else {
        return Ok(MlProject { environment: default_environment(folder), ..MlProject::default() });
    };
    let text = yaml::read_text(&file)?;
    parse(folder, &file, &text)
}

/// The files that MLflow looks for when no environment is named.
fn default_environment(folder: &Path) -> Environment {
    let (python, conda) = (folder.join("python_env.yaml"), folder.join("conda.yaml"));
    if python.is_file() {
        Environment::Python { file: python }
    } else if conda.is_file() {
        Environment::Conda { file: conda }
    } else {
        Environment::None
    }
}

pub(crate) fn parse(folder: &Path, file: &Path, text: &str) -> Result<MlProject, FileError> {
    let mut project = MlProject { file: Some(file.to_owned()), ..MlProject::default() };
    let Some(root) = yaml::parse(file, text)? else {
        project.environment = default_environment(folder);
        project.notes.push("The file is empty, so the project has no entry points.".to_owned());
        return Ok(project);
    };
    let fail = |line: usize, problem: String| FileError::new(file, Some(line), problem);
    let Some(entries) = root.entries() else {
        return Err(fail(root.line, "it must be a mapping with `name`, `entry_points` and so on".to_owned()));
    };
    project.name = root.get("name").and_then(|name| name.text());
    if let Some(points) = root.get("entry_points") {
        let Some(points) = points.entries() else {
            return Err(fail(
                points.line,
                "`entry_points` must be a mapping from names to entry points".to_owned(),
            ));
        };
        for (name, node) in points {
            project.entry_points.push(entry_point(file, name, node, &mut project.notes)?);
        }
    }
    for (key, node) in entries {
        match key.as_str() {
            "name" | "entry_points" | PYTHON_ENV | CONDA_ENV | DOCKER_ENV => {}
            "databricks_spark_job" => {
                return Err(fail(
                    node.line,
                    "`databricks_spark_job` runs only on Databricks; give the project `entry_points` to run it here"
                        .to_owned(),
                ));
            }
            other => {
                project.notes.push(format!("`{other}` means nothing in an MLproject and is passed over."))
            }
        }
    }
    project.environment = environment(folder, file, &root)?;
    Ok(project)
}

fn entry_point(
    file: &Path,
    name: &str,
    node: &Node,
    notes: &mut Vec<String>,
) -> Result<EntryPoint, FileError> {
    let fail = |line: usize, problem: String| FileError::new(file, Some(line), problem);
    if node.entries().is_none() {
        return Err(fail(node.line, format!("the entry point `{name}` must be a mapping with a `command`")));
    }
    let Some(command) = node.get("command") else {
        return Err(fail(node.line, format!("the entry point `{name}` has no `command`; add one")));
    };
    let text = command
        .text()
        .ok_or_else(|| fail(command.line, format!("the `command` of `{name}` must be one line of text")))?;
    let mut parameters = Vec::new();
    if let Some(listed) = node.get("parameters") {
        let Some(listed) = listed.entries() else {
            return Err(fail(listed.line, format!("the `parameters` of `{name}` must be a mapping")));
        };
        for (parameter, node) in listed {
            parameters.push(read_parameter(file, name, parameter, node, notes)?);
        }
    }
    let entry = EntryPoint { name: name.to_owned(), parameters, command: text };
    entry
        .check_template()
        .map_err(|error| fail(command.line, format!("the `command` of `{name}`: {error}")))?;
    Ok(entry)
}

/// `alpha: float`, or `alpha: {type: float, default: 0.5}`.
fn read_parameter(
    file: &Path,
    entry: &str,
    name: &str,
    node: &Node,
    notes: &mut Vec<String>,
) -> Result<Parameter, FileError> {
    let fail = |line: usize, problem: String| FileError::new(file, Some(line), problem);
    let (kind, default) = if node.entries().is_some() {
        let default = match node.get("default") {
            None => None,
            Some(default) => Some(default.text().ok_or_else(|| {
                fail(
                    default.line,
                    format!("the default of `{name}` must be a single value; put quotes around it"),
                )
            })?),
        };
        (node.get("type").and_then(|kind| kind.text()).unwrap_or_else(|| "string".to_owned()), default)
    } else {
        match node.text() {
            Some(kind) => (kind, None),
            None => {
                return Err(fail(
                    node.line,
                    format!("the parameter `{name}` needs a type, e.g. `{name}: float`"),
                ));
            }
        }
    };
    let kind = kind.parse().unwrap_or_else(|()| {
        notes.push(format!(
            "`{name}` of `{entry}` has the type `{kind}`, which is none of float, int, string, path and uri; any \
             text is taken."
        ));
        ParameterKind::String
    });
    Ok(Parameter { name: name.to_owned(), kind, default })
}

fn environment(folder: &Path, file: &Path, root: &Node) -> Result<Environment, FileError> {
    let fail = |line: usize, problem: String| FileError::new(file, Some(line), problem);
    let named: Vec<(&str, &Node)> = [DOCKER_ENV, PYTHON_ENV, CONDA_ENV]
        .into_iter()
        .filter_map(|key| root.get(key).map(|node| (key, node.as_ref())))
        .collect();
    if let [(one, _), (other, node), ..] = named.as_slice() {
        return Err(fail(node.line, format!("it names both `{one}` and `{other}`; keep one of them")));
    }
    let Some((key, node)) = named.first() else { return Ok(default_environment(folder)) };
    if *key == DOCKER_ENV {
        return docker(file, node).map(Environment::Docker);
    }
    let Some(named) = node.text() else {
        return Err(fail(node.line, format!("`{key}` must be the path of a file")));
    };
    let path = inside(folder, &named).map_err(|problem| fail(node.line, format!("`{key}`: {problem}")))?;
    Ok(if *key == PYTHON_ENV {
        Environment::Python { file: path }
    } else {
        Environment::Conda { file: path }
    })
}

/// A file of the project that its `MLproject` names. Neither `..` nor a link leads out of the folder.
pub(crate) fn inside(folder: &Path, named: &str) -> Result<PathBuf, String> {
    let path = folder.join(named);
    let real = path.canonicalize().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("there is no file `{named}` in the project; add it or correct the name")
        }
        _ => format!("`{named}` cannot be read: {error}"),
    })?;
    let root =
        folder.canonicalize().map_err(|error| format!("the project folder cannot be read: {error}"))?;
    if !real.starts_with(&root) {
        return Err(format!("`{named}` leads out of the project folder; copy the file into it"));
    }
    if !real.is_file() {
        return Err(format!("`{named}` is not a file"));
    }
    Ok(path)
}

fn docker(file: &Path, node: &Node) -> Result<DockerEnv, FileError> {
    let fail = |line: usize, problem: &str| FileError::new(file, Some(line), problem);
    let Some(image) = node.get("image").and_then(|image| image.text()) else {
        return Err(fail(node.line, "`docker_env` needs an `image`, e.g. `image: python:3.11-slim`"));
    };
    let mut volumes = Vec::new();
    if let Some(listed) = node.get("volumes") {
        let wrong = || fail(listed.line, "`volumes` must be a list of texts like `\"/data:/data\"`");
        for volume in listed.items().ok_or_else(wrong)? {
            volumes
                .push(volume.scalar().filter(|scalar| scalar.is_text()).ok_or_else(wrong)?.raw().to_owned());
        }
    }
    let mut environment = Vec::new();
    if let Some(listed) = node.get("environment") {
        let wrong = || {
            fail(
                listed.line,
                "`environment` must be a list of names to copy (`\"TOKEN\"`) and of pairs to set (`[\"NAME\", \"value\"]`)",
            )
        };
        for entry in listed.items().ok_or_else(wrong)? {
            environment.push(match (entry.items(), entry.text()) {
                (Some([name, value]), _) => {
                    (name.text().ok_or_else(wrong)?, Some(value.text().ok_or_else(wrong)?))
                }
                (None, Some(name)) => (name, None),
                _ => return Err(wrong()),
            });
        }
    }
    Ok(DockerEnv { image, volumes, environment })
}

impl MlProject {
    /// The entry point of a name, or a script of the folder: `train.py` runs with `python`, `run.sh` with the shell.
    pub fn entry_point(&self, name: &str) -> Result<EntryPoint, CommandError> {
        if let Some(found) = self.entry_points.iter().find(|entry| entry.name == name) {
            return Ok(found.clone());
        }
        let extension = name.rsplit_once('.').map(|(_, extension)| extension).unwrap_or_default();
        let command = match extension {
            "py" => format!("python {}", quote(name)),
            "sh" => {
                format!("{} {}", std::env::var("SHELL").unwrap_or_else(|_| "bash".to_owned()), quote(name))
            }
            _ => {
                return Err(CommandError::NoSuchEntryPoint {
                    name: name.to_owned(),
                    known: self.entry_points.iter().map(|entry| entry.name.clone()).collect(),
                });
            }
        };
        // A file name may hold braces, which are no placeholders.
        let command = command.replace('{', "{{").replace('}', "}}");
        Ok(EntryPoint { name: name.to_owned(), parameters: Vec::new(), command })
    }
}

#[cfg(test)]
mod tests;
