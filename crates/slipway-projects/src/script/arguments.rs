//! From values to the words of a command line. No shell sees them.

use super::{Script, ScriptParameter, Style, ValueKind};
use crate::mlproject::ValueProblem;

/// Why values do not fit a script; nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{script}` cannot be started: {}", ValueProblem::joined(.problems))]
pub struct ArgumentError {
    /// The script.
    pub script: String,
    /// All that is wrong.
    pub problems: Vec<ValueProblem>,
}

impl Script {
    /// The words after the script's name. `command` chooses a subcommand; values are named as in `-P name=value`,
    /// and one that was not found in the source is written as `--name value`, so that nothing is out of reach.
    pub fn arguments(
        &self,
        command: Option<&str>,
        given: &[(String, String)],
    ) -> Result<Vec<String>, ArgumentError> {
        let mut problems = Vec::new();
        let chosen = command.and_then(|name| self.commands.iter().find(|known| known.name == name));
        if let (Some(name), None) = (command, chosen) {
            let known: Vec<&str> = self.commands.iter().map(|known| known.name.as_str()).collect();
            let said = format!("there is no subcommand `{name}` (there are `{}`)", known.join("`, `"));
            problems.push(ValueProblem::new("", said));
        } else if command.is_none() && !self.commands.is_empty() {
            let known: Vec<&str> = self.commands.iter().map(|known| known.name.as_str()).collect();
            let said = format!("choose one of the subcommands `{}`", known.join("`, `"));
            problems.push(ValueProblem::new("", said));
        }
        let inner = chosen.map(|command| command.parameters.as_slice()).unwrap_or_default();
        let mut extra = Vec::new();
        for (name, value) in last_of_each(given) {
            if self.parameters.iter().chain(inner).any(|known| known.is_named(name)) {
                continue;
            }
            if name.is_empty() || name.starts_with('-') {
                problems.push(ValueProblem::new(name, format!("`{name}` is no name of a parameter")));
            } else if self.framework == Some(super::Framework::Hydra) {
                extra.push(format!("{name}={value}"));
            } else {
                extra.extend([format!("--{name}"), value.to_owned()]);
            }
        }
        let mut words = Vec::new();
        if let Some(command) = chosen {
            words.extend(place(&self.parameters, given, Vec::new(), &mut problems));
            words.extend(command.name.split(' ').map(str::to_owned));
            words.extend(place(inner, given, extra, &mut problems));
        } else {
            words.extend(place(&self.parameters, given, extra, &mut problems));
        }
        if words.iter().any(|word| word.contains('\0')) {
            problems.push(ValueProblem::new("", "a value contains a zero byte, which no command can take"));
        }
        if problems.is_empty() {
            Ok(words)
        } else {
            Err(ArgumentError { script: self.path.clone(), problems })
        }
    }
}

fn last_of_each(given: &[(String, String)]) -> Vec<(&str, &str)> {
    let mut kept: Vec<(&str, &str)> = Vec::new();
    for (name, value) in given {
        kept.retain(|(known, _)| known != name);
        kept.push((name, value));
    }
    kept
}

/// Options first, then what was not found in the source, then what goes by place, after `--` when one of them looks like an option.
fn place(
    parameters: &[ScriptParameter],
    given: &[(String, String)],
    extra: Vec<String>,
    problems: &mut Vec<ValueProblem>,
) -> Vec<String> {
    let mut options = Vec::new();
    let mut places = Vec::new();
    for parameter in parameters {
        let Some((_, value)) = given.iter().rev().find(|(name, _)| parameter.is_named(name)) else {
            if parameter.required {
                let said = format!("`{}` needs a value: add `-P {}=…`", parameter.name, parameter.name);
                problems.push(ValueProblem::new(&parameter.name, said));
            }
            continue;
        };
        let values = match parameter.split(value) {
            Ok(values) => values,
            Err(said) => {
                problems.push(ValueProblem::new(&parameter.name, said));
                continue;
            }
        };
        let wrong = values.iter().filter_map(|value| parameter.check(value).err());
        problems.extend(wrong.map(|said| ValueProblem::new(&parameter.name, said)));
        if parameter.style == Style::Positional {
            places.extend(values)
        } else {
            options.extend(parameter.words(&values))
        }
    }
    options.extend(extra);
    if places.iter().any(|word| word.starts_with('-')) {
        options.push("--".to_owned());
    }
    options.extend(places);
    options
}

impl ScriptParameter {
    /// People write `batch-size` and `batch_size`.
    fn is_named(&self, name: &str) -> bool {
        let same = |left: &str, right: &str| left.replace('-', "_") == right.replace('-', "_");
        same(&self.name, name) || self.flags.iter().any(|flag| same(flag.trim_start_matches('-'), name))
    }

    /// Several values are written as in a shell.
    fn split(&self, value: &str) -> Result<Vec<String>, String> {
        if !self.many {
            return Ok(vec![value.to_owned()]);
        }
        split_words(value).ok_or_else(|| format!("`{}`: a quote in `{value}` is not closed", self.name))
    }

    /// Whether a value fits.
    pub fn check(&self, value: &str) -> Result<(), String> {
        // What Hydra calculates is not known here.
        if self.style == Style::Override && (value.contains('$') || value.contains(',') || value == "null") {
            return Ok(());
        }
        if !self.choices.is_empty() && !self.choices.iter().any(|choice| choice == value) {
            return Err(format!("`{}` must be one of {}, not `{value}`", self.name, self.choices.join(", ")));
        }
        let kind = match self.kind {
            ValueKind::Float => crate::mlproject::ParameterKind::Float,
            ValueKind::Int => crate::mlproject::ParameterKind::Int,
            ValueKind::Bool => {
                return truth(value)
                    .map(|_| ())
                    .ok_or_else(|| format!("`{}` is either true or false, not `{value}`", self.name));
            }
            ValueKind::String | ValueKind::Path => return Ok(()),
        };
        kind.check(&self.name, value, std::path::Path::new("/")).map(|_| ())
    }

    fn words(&self, values: &[String]) -> Vec<String> {
        // The long form reads better in a log.
        let flag = self.flags.iter().find(|flag| flag.starts_with("--")).or_else(|| self.flags.first());
        let flag = flag.cloned().unwrap_or_default();
        let first = values.first().map(String::as_str).unwrap_or_default();
        match self.style {
            Style::Positional => values.to_vec(),
            Style::Override => vec![format!("{}={first}", self.name)],
            Style::Joined => vec![format!("{flag}={first}")],
            Style::Count => vec![flag; first.parse::<usize>().unwrap_or_default().min(100)],
            Style::Flag => match (truth(first), &self.off_flag) {
                (Some(true), _) if !flag.is_empty() => vec![flag],
                (Some(false), Some(off)) => vec![off.clone()],
                _ => Vec::new(),
            },
            Style::Option => {
                // A value that begins with a dash would be taken for an option.
                match values {
                    [only] if only.starts_with('-') && flag.starts_with("--") => {
                        vec![format!("{flag}={only}")]
                    }
                    _ => std::iter::once(flag).chain(values.iter().cloned()).collect(),
                }
            }
        }
    }
}

fn truth(value: &str) -> Option<bool> {
    match value.to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Words as a shell splits them, with quotes and backslashes, and nothing else of a shell.
pub(crate) fn split_words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    let mut quote = None;
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some('"') | None, '\\') => word.get_or_insert_default().push(letters.next()?),
            (Some(_), _) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, _) if letter.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}
