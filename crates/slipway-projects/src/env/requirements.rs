//! Requirements files, with the files that they refer to, as lines that stand for themselves.

use crate::yaml::{self, FileError};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Files that one may refer to, all in all.
const MAX_FILES: usize = 50;

#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) requirements: Vec<String>,
    pub(super) constraints: Vec<String>,
    pub(super) notes: Vec<String>,
}

pub(super) fn read(folder: &Path, file: &Path) -> Result<Lines, FileError> {
    let mut reading = Reading { folder, lines: Lines::default(), seen: HashSet::new() };
    reading.file(file, false)?;
    Ok(reading.lines)
}

/// Lines that stand in another kind of file.
pub(super) fn of_lines(folder: &Path, file: &Path, lines: &[String]) -> Result<Lines, FileError> {
    let mut reading = Reading { folder, lines: Lines::default(), seen: HashSet::new() };
    for line in lines {
        reading.line(file, None, line, false)?;
    }
    Ok(reading.lines)
}

struct Reading<'a> {
    folder: &'a Path,
    lines: Lines,
    seen: HashSet<PathBuf>,
}

impl Reading<'_> {
    fn file(&mut self, file: &Path, as_constraints: bool) -> Result<(), FileError> {
        if !self.seen.insert(file.to_owned()) {
            return Ok(());
        }
        if self.seen.len() > MAX_FILES {
            return Err(FileError::new(
                file,
                None,
                "more than 50 files refer to each other; put them together",
            ));
        }
        let text = yaml::read_text(file)?;
        // A backslash joins two lines.
        let mut pending = String::new();
        for (index, line) in text.lines().enumerate() {
            if let Some(begun) = line.strip_suffix('\\') {
                pending.push_str(begun);
                pending.push(' ');
                continue;
            }
            let whole = format!("{}{line}", std::mem::take(&mut pending));
            self.line(file, Some(index + 1), &whole, as_constraints)?;
        }
        self.line(file, None, &pending, as_constraints)
    }

    fn line(
        &mut self,
        file: &Path,
        line: Option<usize>,
        text: &str,
        as_constraints: bool,
    ) -> Result<(), FileError> {
        let text = uncommented(text);
        if text.is_empty() {
            return Ok(());
        }
        let beside = file.parent().unwrap_or(self.folder);
        let fail = |problem: String| FileError::new(file, line, problem);
        if let Some(named) = option(text, &["-r", "--requirement"]) {
            return self.file(&self.named(beside, named).map_err(fail)?, as_constraints);
        }
        if let Some(named) = option(text, &["-c", "--constraint"]) {
            return self.file(&self.named(beside, named).map_err(fail)?, true);
        }
        let mut whole = text.to_owned();
        if let Some(path) = option(text, &["-e", "--editable"]) {
            if !path.contains("://") {
                let (path, extras) = path.split_once('[').unwrap_or((path, ""));
                let extras = if extras.is_empty() { String::new() } else { format!("[{extras}") };
                whole = format!("-e {}{extras}", self.local(beside, path).map_err(fail)?.display());
                self.refers(path);
            }
        } else if text == "." || text.starts_with("./") || text.starts_with("../") {
            whole = self.local(beside, text).map_err(fail)?.display().to_string();
            self.refers(text);
        }
        let lines = if as_constraints { &mut self.lines.constraints } else { &mut self.lines.requirements };
        lines.push(whole);
        Ok(())
    }

    fn refers(&mut self, path: &str) {
        self.lines
            .notes
            .push(format!("It installs `{path}` of the project, and is made for this folder only."));
    }

    /// Files are named from the file they stand in, or, as MLflow does, from the project.
    fn named(&self, beside: &Path, named: &str) -> Result<PathBuf, String> {
        if beside.join(named).is_file() {
            let relative = beside.strip_prefix(self.folder).unwrap_or(Path::new("")).join(named);
            return crate::mlproject::inside(self.folder, &relative.to_string_lossy());
        }
        crate::mlproject::inside(self.folder, named)
    }

    fn local(&self, beside: &Path, named: &str) -> Result<PathBuf, String> {
        let path = beside.join(named.trim());
        path.canonicalize().map_err(|error| format!("`{named}` cannot be installed: {error}"))
    }
}

/// pip takes a `#` for a comment at the start and after a space.
fn uncommented(text: &str) -> &str {
    let text = text.trim();
    if text.starts_with('#') {
        return "";
    }
    text.split(" #").next().unwrap_or_default().trim()
}

fn option<'a>(text: &'a str, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| {
        let rest = text.strip_prefix(name)?;
        let is_long = name.starts_with("--");
        (!is_long || rest.starts_with(['=', ' '])).then(|| rest.trim_start_matches('=').trim())
    })
}
