//! Values for parameters: which are allowed, and what they become.

use super::{CommandError, EntryPoint, ValueProblem, quote};
use crate::container::FOLDER_VARIABLE;
use serde::{Deserialize, Serialize};
use slipway_jobs::spec::{FETCHED_FOLDER, Files};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What a parameter's value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterKind {
    /// A number.
    Float,
    /// A whole number.
    Int,
    /// Any text.
    String,
    /// A local file or folder.
    Path,
    /// An address with a scheme, like `s3://bucket/data`.
    Uri,
}

impl FromStr for ParameterKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "float" => Self::Float,
            "int" => Self::Int,
            "string" => Self::String,
            "path" => Self::Path,
            "uri" => Self::Uri,
            _ => return Err(()),
        })
    }
}

/// Values that are ready to go into a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// Of the entry point's own parameters, in its order: the name, and the value quoted for a shell.
    pub own: Vec<(String, String)>,
    /// Others that were given, both sides quoted for a shell; they are appended as `--name value`.
    pub extra: Vec<(String, String)>,
    /// What a run records: as MLflow does, with the quotes of the shell, and paths as they were given.
    pub recorded: Vec<(String, String)>,
    /// What is laid out before the command starts, with the parameter that it is for.
    pub fetched: Vec<(String, Files)>,
}

impl EntryPoint {
    /// Checks the values that were given and fills in defaults. Nothing is started when any of them is wrong; all
    /// that is wrong is said at once. Relative paths start at `folder`.
    pub fn values(&self, given: &[(String, String)], folder: &Path) -> Result<Values, CommandError> {
        let last =
            |name: &str| given.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let mut values = Values::default();
        let mut problems = Vec::new();
        for parameter in &self.parameters {
            let Some(value) = last(&parameter.name).or_else(|| parameter.default.clone()) else {
                let said = format!("`{}` needs a value: add `-P {}=…`", parameter.name, parameter.name);
                problems.push(ValueProblem::new(&parameter.name, said));
                continue;
            };
            if parameter.kind == ParameterKind::Path
                && let Some(files) = to_fetch(values.fetched.len(), &parameter.name, &value)
            {
                values.own.push((parameter.name.clone(), place_of(&files)));
                values.recorded.push((parameter.name.clone(), quote(&value)));
                values.fetched.push((parameter.name.clone(), files));
                continue;
            }
            match parameter.kind.check(&parameter.name, &value, folder) {
                Ok(used) => {
                    values.own.push((parameter.name.clone(), quote(&used)));
                    values.recorded.push((parameter.name.clone(), quote(&value)));
                }
                Err(said) => problems.push(ValueProblem::new(&parameter.name, said)),
            }
        }
        if !problems.is_empty() {
            return Err(CommandError::Values { entry_point: self.name.clone(), problems });
        }
        for (name, _) in given {
            let is_own = self.parameters.iter().any(|parameter| parameter.name == *name);
            let name_quoted = quote(name);
            if is_own || values.extra.iter().any(|(known, _)| *known == name_quoted) {
                continue;
            }
            let value = quote(&last(name).unwrap_or_default());
            values.extra.push((name_quoted, value));
        }
        values.recorded.extend(values.extra.iter().cloned());
        Ok(values)
    }
}

impl ParameterKind {
    /// The value as it goes into the command, or what is wrong with it.
    pub fn check(self, name: &str, value: &str, folder: &Path) -> Result<String, String> {
        if value.contains('\0') {
            return Err(format!("the value of `{name}` contains a zero byte, which no command can take"));
        }
        match self {
            Self::Float if !is_float(value) => {
                Err(format!("`{name}` must be a number like 0.5 or 1e-3, not `{}`", shortened(value)))
            }
            Self::Int if !is_int(value) => {
                Err(format!("`{name}` must be a whole number, not `{}`", shortened(value)))
            }
            Self::Uri if scheme(value).is_none() => {
                Err(format!("`{name}` must be an address like s3://bucket/data, not `{}`", shortened(value)))
            }
            Self::Path => self::path(name, value, folder),
            _ => Ok(value.to_owned()),
        }
    }
}

/// What Python's `float()` takes, but for spaces around it.
fn is_float(text: &str) -> bool {
    let plain = digits_joined(text);
    plain.is_some_and(|plain| plain.parse::<f64>().is_ok())
}

fn is_int(text: &str) -> bool {
    let Some(plain) = digits_joined(text) else { return false };
    let digits = plain.strip_prefix(['-', '+']).unwrap_or(&plain);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Python allows single underscores between digits.
fn digits_joined(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b'_' && !(is_digit(at.checked_sub(1)) && is_digit(Some(at + 1))) {
            return None;
        }
    }
    Some(text.replace('_', ""))
}

/// Schemes that are written with one slash, too, or are incomplete with none.
const ELSEWHERE: [&str; 8] = ["runs", "models", "mlflow-artifacts", "dbfs", "hdfs", "s3", "gs", "wasbs"];

fn scheme(value: &str) -> Option<&str> {
    let (scheme, _) = value.split_once(':')?;
    let mut letters = scheme.chars();
    let begins = letters.next().is_some_and(|first| first.is_ascii_alphabetic());
    (begins && letters.all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter)))
        .then_some(scheme)
}

/// What is fetched for a value that can be fetched: artifacts of a run, a model, a file of the web.
fn to_fetch(index: usize, name: &str, value: &str) -> Option<Files> {
    let scheme = scheme(value)?;
    let kind = ["runs", "models", "mlflow-artifacts", "http", "https"]
        .into_iter()
        .find(|kind| scheme.eq_ignore_ascii_case(kind))?;
    let rest = value.get(scheme.len() + 1..).unwrap_or_default();
    if value.contains('\0') || !rest.starts_with('/') {
        return None;
    }
    let mut named = rest;
    if kind.starts_with("http") {
        // Without a name and a password, which would be kept with the run.
        let host = rest.strip_prefix("//")?.split(['/', '?', '#']).next().unwrap_or_default();
        if host.is_empty() || host.contains('@') {
            return None;
        }
        named = rest.split(['?', '#']).next().unwrap_or_default();
    }
    let is_plain = |text: &str| {
        text.bytes().any(|byte| byte.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    let folder = if is_plain(name) { name.to_owned() } else { format!("input-{index}") };
    // The last part keeps its name, since programs look at endings.
    let last = match (kind, named.trim_matches('/').rsplit_once('/')) {
        ("models", _) => "model",
        (_, Some((_, last))) if !last.is_empty() && !last.contains("..") && last != "." => last,
        _ => "files",
    };
    Some(Files { path: Path::new(&folder).join(last), artifact: format!("{kind}:{rest}") })
}

/// The place of something that is fetched, for a shell that the agent starts. It is another one for each attempt.
fn place_of(files: &Files) -> String {
    format!("\"${{{FOLDER_VARIABLE}:?}}\"/{FETCHED_FOLDER}/{}", quote(&files.path.to_string_lossy()))
}

fn path(name: &str, value: &str, folder: &Path) -> Result<String, String> {
    let local = match scheme(value) {
        Some(file) if file.eq_ignore_ascii_case("file") => {
            value.get(5..).unwrap_or_default().trim_start_matches("//").to_owned()
        }
        Some(known)
            if value.contains("://") || ELSEWHERE.iter().any(|kind| known.eq_ignore_ascii_case(kind)) =>
        {
            return Err(format!(
                "`{name}` must be a file or folder on this machine or something that can be fetched (`runs:/…`, \
                 `models:/…`, `mlflow-artifacts:/…`, `http://…`, `https://…`), not `{}`; download it first, or declare the parameter as `uri`",
                shortened(value)
            ));
        }
        _ => value.to_owned(),
    };
    let path = absolute(&folder.join(&local));
    if !path.exists() {
        return Err(format!("`{name}`: there is no file or folder at `{}`", path.display()));
    }
    Ok(path.to_string_lossy().into_owned())
}

/// Without `.` and `..`, and without following links.
fn absolute(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                clean.pop();
            }
            std::path::Component::CurDir => {}
            other => clean.push(other),
        }
    }
    clean
}

fn shortened(value: &str) -> String {
    let start: String = value.chars().take(60).collect();
    if start.len() < value.len() { format!("{start}…") } else { start }
}
