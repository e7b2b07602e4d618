//! `environment.yml` and `conda.yaml`: for conda where it is there, else the part that pip can install.

use super::recipe::Recipe;
use super::requirements;
use crate::yaml::{self, FileError};
use std::path::{Path, PathBuf};

/// The programs that can make a conda environment, the quickest first.
const PROGRAMS: [&str; 3] = ["micromamba", "mamba", "conda"];

pub(super) fn program() -> Option<PathBuf> {
    PROGRAMS.iter().find_map(|name| crate::program::on_path(name))
}

pub(super) fn read(folder: &Path, file: &Path) -> Result<(Recipe, Vec<String>), FileError> {
    read_with(folder, file, program().is_some())
}

pub(super) fn read_with(
    folder: &Path,
    file: &Path,
    has_conda: bool,
) -> Result<(Recipe, Vec<String>), FileError> {
    let text = yaml::read_text(file)?;
    let Some(root) = yaml::parse(file, &text)? else { return Ok((Recipe::default(), Vec::new())) };
    let fail = |line: usize, problem: &str| FileError::new(file, Some(line), problem);
    if root.entries().is_none() {
        return Err(fail(root.line, "it must be a mapping with `dependencies`"));
    }
    if has_conda {
        return Ok((Recipe { conda: Some(text), ..Recipe::default() }, Vec::new()));
    }
    let mut recipe = Recipe::default();
    let mut left_out = Vec::new();
    let mut lines = Vec::new();
    let dependencies = match root.get("dependencies") {
        None => &[],
        Some(node) => node.items().ok_or_else(|| fail(node.line, "`dependencies` must be a list"))?,
    };
    for entry in dependencies {
        if let Some(pip) = entry.get("pip") {
            let items = pip.items().ok_or_else(|| fail(pip.line, "`pip` must be a list"))?;
            for item in items {
                lines.push(item.text().ok_or_else(|| fail(item.line, "a requirement must be a text"))?);
            }
            continue;
        }
        let Some(text) = entry.text() else {
            return Err(fail(entry.line, "a dependency is a text, or `pip:` with a list"));
        };
        // A channel may stand before the name.
        let named = text.rsplit("::").next().unwrap_or(&text).trim();
        let end = named.find(|letter: char| "=<>! [".contains(letter)).unwrap_or(named.len());
        let (name, version) = named.split_at(end);
        let version = version.trim();
        match name {
            "python" => {
                let exact = version.trim_start_matches('=').trim();
                let is_exact = version.starts_with('=');
                // A build number may follow the version.
                let exact = exact.split('=').next().unwrap_or_default().trim_end_matches(".*");
                let wanted = if is_exact { exact } else { version };
                recipe.python = Some(wanted.to_owned()).filter(|wanted| !wanted.is_empty());
            }
            "pip" | "setuptools" | "wheel" => recipe.build.push(match version.strip_prefix('=') {
                Some(exact) => format!("{name}=={}", exact.trim_start_matches('=')),
                None => format!("{name}{version}"),
            }),
            _ => left_out.push(text),
        }
    }
    let lines = requirements::of_lines(folder, file, &lines)?;
    (recipe.requirements, recipe.constraints) = (lines.requirements, lines.constraints);
    let mut notes = lines.notes;
    if left_out.is_empty() {
        notes.push("There is no conda here; everything in it comes from pip, so uv makes it.".to_owned());
    } else {
        notes.push(format!(
            "There is no conda here, so only its pip part is installed. Left out: {}. Install micromamba to get them.",
            left_out.join(", ")
        ));
    }
    Ok((recipe, notes))
}
