//! What a project needs to run: Python and conda environments, container recipes.

use crate::report::{Found, Kind, count};
use crate::sniff::MAX_TEXT_BYTES;
use crate::walk::{broken, open};
use serde_norway::Value;
use std::io;
use std::path::Path;

/// Recognises by name, then by content. Whether the name belonged here.
pub(crate) fn file(path: &Path, lower: &str, shown: &str, found: &mut Found) -> io::Result<bool> {
    let kind = match lower {
        "pyproject.toml" | "uv.lock" | "python_env.yaml" | "python_env.yml" => Kind::PythonEnvironment,
        "environment.yml" | "environment.yaml" | "conda.yaml" | "conda.yml" => Kind::CondaEnvironment,
        "dockerfile" | "containerfile" => Kind::Dockerfile,
        _ if lower.starts_with("dockerfile.") || lower.ends_with(".dockerfile") => Kind::Dockerfile,
        _ if lower.starts_with("requirements") && lower.ends_with(".txt") => Kind::Requirements,
        _ => return Ok(false),
    };
    let Some(text) = open(path)?.text(MAX_TEXT_BYTES)? else {
        broken(found, kind, shown, &"it is not a text, or longer than 4 MB");
        return Ok(true);
    };
    let described = match (kind, lower) {
        (Kind::Requirements, _) => Ok(Some(requirements(&text))),
        (Kind::Dockerfile, _) => Ok(dockerfile(&text)),
        (_, "uv.lock") => Ok(uv_lock(&text)),
        (_, "pyproject.toml") => pyproject(&text),
        (Kind::CondaEnvironment, _) => conda(&text),
        _ => python_env(&text),
    };
    match described {
        Ok(Some(detail)) => found.add(kind, shown, detail),
        Ok(None) => {}
        Err(why) => broken(found, kind, shown, &why),
    }
    Ok(true)
}

/// Packages, as pip reads them: no comments, no options, continued lines are one.
fn requirements(text: &str) -> String {
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let packages = joined
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with('-'))
        .count();
    packages_text(packages)
}

fn packages_text(packages: usize) -> String {
    count(u64::try_from(packages).unwrap_or(u64::MAX), "package")
}

/// The image it builds on. Nothing when no instruction is in it.
fn dockerfile(text: &str) -> Option<String> {
    let mut images = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let is_from = words.next()?.eq_ignore_ascii_case("from");
        words.find(|word| !word.starts_with("--")).filter(|_| is_from)
    });
    let first = images.next()?;
    let stages = images.count() + 1;
    Some(if stages == 1 { format!("from {first}") } else { format!("from {first}, {stages} stages") })
}

/// Counts without parsing: lock files are long and generated.
fn uv_lock(text: &str) -> Option<String> {
    let packages = text.lines().filter(|line| line.trim_end() == "[[package]]").count();
    let is_lock = text.lines().take(20).any(|line| line.starts_with("version = "));
    is_lock.then(|| format!("uv lock file, {}", packages_text(packages)))
}

fn pyproject(text: &str) -> Result<Option<String>, String> {
    let document: toml::Table = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let mut parts = Vec::new();
    let project = document.get("project");
    if let Some(name) = project.and_then(|project| project.get("name")).and_then(toml::Value::as_str) {
        parts.push(name.to_owned());
    }
    let python = project.and_then(|project| project.get("requires-python")).and_then(toml::Value::as_str);
    if let Some(python) = python {
        parts.push(format!("Python {python}"));
    }
    let packages =
        project.and_then(|project| project.get("dependencies")).and_then(toml::Value::as_array).map(Vec::len);
    if let Some(packages) = packages {
        parts.push(packages_text(packages));
    }
    for tool in ["uv", "poetry", "pdm", "hatch", "pixi"] {
        if document.get("tool").and_then(|tools| tools.get(tool)).is_some() {
            parts.push(tool.to_owned());
        }
    }
    if parts.is_empty() {
        parts.push("settings of Python tools".to_owned());
    }
    Ok(Some(parts.join(", ")))
}

/// `dependencies` may hold plain texts and one `pip:` list.
fn conda(text: &str) -> Result<Option<String>, String> {
    let document: Value = serde_norway::from_str(text).map_err(|error| error.to_string())?;
    let Some(dependencies) = document.get("dependencies").and_then(Value::as_sequence) else {
        // Other programs keep other things in files of this name.
        return Ok(None);
    };
    let pip: usize = dependencies
        .iter()
        .filter_map(|entry| entry.get("pip").and_then(Value::as_sequence))
        .map(Vec::len)
        .sum();
    let conda = dependencies.iter().filter(|entry| entry.is_string()).count();
    let mut parts = Vec::new();
    if let Some(name) = document.get("name").and_then(Value::as_str) {
        parts.push(name.to_owned());
    }
    let python = dependencies.iter().filter_map(Value::as_str).find_map(|entry| {
        let version = entry.strip_prefix("python")?.trim_start();
        version.starts_with(['=', '<', '>']).then(|| version.trim_start_matches('=').to_owned())
    });
    if let Some(python) = python {
        parts.push(format!("Python {python}"));
    }
    parts.push(packages_text(conda + pip));
    Ok(Some(parts.join(", ")))
}

/// MLflow's `python_env.yaml`.
fn python_env(text: &str) -> Result<Option<String>, String> {
    let document: Value = serde_norway::from_str(text).map_err(|error| error.to_string())?;
    let length = |key: &str| document.get(key).and_then(Value::as_sequence).map(Vec::len);
    let python = document.get("python").and_then(|python| match python {
        Value::String(version) => Some(version.clone()),
        // Written without quotes, a version reads as a number.
        Value::Number(version) => Some(version.to_string()),
        _ => None,
    });
    if python.is_none() && length("dependencies").is_none() && length("build_dependencies").is_none() {
        return Ok(None);
    }
    let packages = packages_text(length("dependencies").unwrap_or(0));
    Ok(Some(match python {
        Some(python) => format!("Python {python}, {packages}"),
        None => packages,
    }))
}
