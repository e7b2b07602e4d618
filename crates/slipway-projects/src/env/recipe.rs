//! What an environment is made from, read from the files that people write for other tools.

use super::{conda, requirements};
use crate::mlproject::Environment;
use crate::yaml::{self, FileError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Everything that decides what an environment contains.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recipe {
    /// A version or a range, as uv takes it. Without one, any Python that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// Installed before the requirements.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub build: Vec<String>,
    /// Lines of a requirements file; paths in them are whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<String>,
    /// Lines of a constraints file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<String>,
    /// A conda environment file, for conda itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conda: Option<String>,
    /// A project that uv keeps together with its lock file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked_project: Option<LockedProject>,
}

/// A folder with `pyproject.toml` and `uv.lock`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedProject {
    /// The environment may refer to files in it.
    pub folder: PathBuf,
    /// Hash of `pyproject.toml`.
    pub pyproject_sha256: String,
    /// Hash of `uv.lock`.
    pub lock_sha256: String,
}

/// An environment that a project can be run in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// By which it is chosen: the file it is read from, relative to the project, e.g. `requirements.txt` or `.venv`.
    pub name: String,
    /// What it is made from. Absent for one that is there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<Recipe>,
    /// The folder of one that is there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<PathBuf>,
    /// What to know about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why it cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Recipe {
    /// Names the environment: the same recipe, the same id.
    #[must_use]
    pub fn id(&self) -> String {
        // A struct of texts always serialises.
        let text = serde_json::to_string(self).unwrap_or_default();
        short_hash(text.as_bytes())
    }

    /// A few words for lists.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.python.as_ref().map(|python| format!("Python {python}")));
        if let Some(project) = &self.locked_project {
            parts.push(format!("uv.lock of {}", project.folder.display()));
        }
        if self.conda.is_some() {
            parts.push("conda".to_owned());
        }
        let packages: Vec<&str> =
            self.requirements.iter().map(String::as_str).filter(|line| !line.starts_with('-')).collect();
        if let Some(first) = packages.get(..3.min(packages.len())).filter(|first| !first.is_empty()) {
            let more = packages.len().saturating_sub(first.len());
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            parts.push(format!("{}{rest}", first.join(", ")));
        }
        if parts.is_empty() { "an empty environment".to_owned() } else { parts.join("; ") }
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn short_hash(bytes: &[u8]) -> String {
    sha256(bytes).chars().take(16).collect()
}

impl Choice {
    fn new(name: &str, recipe: Result<(Recipe, Vec<String>), FileError>) -> Self {
        let name = name.to_owned();
        match recipe {
            Ok((recipe, notes)) => Self { name, recipe: Some(recipe), existing: None, notes, problem: None },
            Err(error) => Self {
                name,
                recipe: None,
                existing: None,
                notes: Vec::new(),
                problem: Some(error.to_string()),
            },
        }
    }
}

/// What an `MLproject` declares. `None` when it declares nothing, or a container.
#[must_use]
pub fn declared(folder: &Path, environment: &Environment) -> Option<Choice> {
    let (file, read): (&PathBuf, Reader) = match environment {
        Environment::Python { file } => (file, python_env),
        Environment::Conda { file } => (file, conda::read),
        Environment::None | Environment::Docker(_) => return None,
    };
    let name = file.strip_prefix(folder).unwrap_or(file).to_string_lossy().into_owned();
    Some(Choice::new(&name, read(folder, file)))
}

type Reader = fn(&Path, &Path) -> Result<(Recipe, Vec<String>), FileError>;

/// The environments that the files of a folder describe, the best first. A lock file says most, a list of
/// requirements less; an environment that is there already comes after what can be made anew.
#[must_use]
pub fn choices(folder: &Path) -> Vec<Choice> {
    let mut found = Vec::new();
    if folder.join("uv.lock").is_file() && folder.join("pyproject.toml").is_file() {
        found.push(Choice::new("uv.lock", locked(folder)));
    }
    let known: [(&str, Reader); 6] = [
        ("python_env.yaml", python_env),
        ("requirements.txt", requirements_file),
        ("pyproject.toml", pyproject),
        ("environment.yml", conda::read),
        ("environment.yaml", conda::read),
        ("conda.yaml", conda::read),
    ];
    for (name, read) in known {
        if folder.join(name).is_file() {
            found.push(Choice::new(name, read(folder, &folder.join(name))));
        }
    }
    let mut others: Vec<String> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
        .unwrap_or_default();
    others.sort();
    for name in &others {
        let is_further =
            name.starts_with("requirements") && name.ends_with(".txt") && name != "requirements.txt";
        if is_further && folder.join(name).is_file() {
            found.push(Choice::new(name, requirements_file(folder, &folder.join(name))));
        }
    }
    // A pyproject.toml that only holds settings of tools describes no environment.
    found.retain(|choice| choice.name != "pyproject.toml" || choice.recipe != Some(Recipe::default()));
    for name in [".venv", "venv", "env"] {
        let path = folder.join(name);
        if path.join("pyvenv.cfg").is_file() && path.join("bin/python").exists() {
            found.push(Choice {
                name: name.to_owned(),
                recipe: None,
                existing: Some(path),
                notes: vec![
                    "It is used as it is, and may hold other versions than the project's files name."
                        .to_owned(),
                ],
                problem: None,
            });
        }
    }
    found
}

fn locked(folder: &Path) -> Result<(Recipe, Vec<String>), FileError> {
    let hash = |name: &str| {
        let file = folder.join(name);
        std::fs::read(&file)
            .map(|bytes| sha256(&bytes))
            .map_err(|error| FileError::new(&file, None, format!("cannot be read: {error}")))
    };
    let project = LockedProject {
        folder: folder.to_owned(),
        pyproject_sha256: hash("pyproject.toml")?,
        lock_sha256: hash("uv.lock")?,
    };
    Ok((Recipe { locked_project: Some(project), ..Recipe::default() }, Vec::new()))
}

fn requirements_file(folder: &Path, file: &Path) -> Result<(Recipe, Vec<String>), FileError> {
    let lines = requirements::read(folder, file)?;
    let recipe =
        Recipe { requirements: lines.requirements, constraints: lines.constraints, ..Recipe::default() };
    Ok((recipe, lines.notes))
}

/// MLflow's `python_env.yaml`: a version, packages to build with, and requirements, which may name other files.
fn python_env(folder: &Path, file: &Path) -> Result<(Recipe, Vec<String>), FileError> {
    let text = yaml::read_text(file)?;
    let Some(root) = yaml::parse(file, &text)? else { return Ok((Recipe::default(), Vec::new())) };
    let fail = |line: usize, problem: &str| FileError::new(file, Some(line), problem);
    if root.entries().is_none() {
        return Err(fail(root.line, "it must be a mapping with `python` and `dependencies`"));
    }
    let mut notes = Vec::new();
    let python = match root.get("python") {
        None => None,
        Some(node) => {
            let scalar =
                node.scalar().ok_or_else(|| fail(node.line, "`python` must be a version like \"3.11.7\""))?;
            if !scalar.is_text() {
                notes.push(format!(
                    "`python: {}` is read as a number; put quotes around it, since 3.10 would become 3.1 elsewhere.",
                    scalar.raw()
                ));
            }
            Some(scalar.raw().to_owned())
        }
    };
    let list = |key: &str| -> Result<Vec<String>, FileError> {
        let Some(node) = root.get(key) else { return Ok(Vec::new()) };
        let items = node.items().ok_or_else(|| fail(node.line, &format!("`{key}` must be a list")))?;
        let texts = items.iter().map(|item| {
            item.text().ok_or_else(|| fail(item.line, &format!("an entry of `{key}` must be a text")))
        });
        texts.collect()
    };
    let build = list("build_dependencies")?;
    let lines = requirements::of_lines(folder, file, &list("dependencies")?)?;
    notes.extend(lines.notes);
    let recipe = Recipe {
        python,
        build,
        requirements: lines.requirements,
        constraints: lines.constraints,
        ..Recipe::default()
    };
    Ok((recipe, notes))
}

/// A `pyproject.toml` without a lock: its dependencies, and the project itself where it can be built.
fn pyproject(folder: &Path, file: &Path) -> Result<(Recipe, Vec<String>), FileError> {
    let text = yaml::read_text(file)?;
    let document: toml::Table = toml::from_str(&text).map_err(|error| {
        let line =
            error.span().map(|span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
        FileError::new(file, line, format!("this is not valid TOML: {}", error.message()))
    })?;
    let Some(project) = document.get("project") else { return Ok((Recipe::default(), Vec::new())) };
    let text_of = |key: &str| project.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let dependencies = project.get("dependencies").and_then(toml::Value::as_array);
    let mut requirements: Vec<String> =
        dependencies.into_iter().flatten().filter_map(toml::Value::as_str).map(str::to_owned).collect();
    let mut notes =
        vec!["There is no uv.lock, so another day may bring other versions; `uv lock` makes one.".to_owned()];
    if document.get("build-system").is_some() {
        requirements.push(format!("-e {}", folder.display()));
        notes.push("The project itself is installed, too, and refers to this folder.".to_owned());
    }
    Ok((Recipe { python: text_of("requires-python"), requirements, ..Recipe::default() }, notes))
}
