//! Templates of commands: `{name}` stands for a value, quoted for the shell.

use super::{EntryPoint, Values};

/// A value that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{said}")]
pub struct ValueProblem {
    /// The parameter; empty when it is about none in particular.
    pub parameter: String,
    /// What is wrong, naming the parameter.
    pub said: String,
}

impl ValueProblem {
    pub(crate) fn new(parameter: &str, said: impl Into<String>) -> Self {
        Self { parameter: parameter.to_owned(), said: said.into() }
    }

    pub(crate) fn joined(problems: &[Self]) -> String {
        problems.iter().map(|problem| problem.said.as_str()).collect::<Vec<_>>().join("; ")
    }
}

/// Why an entry point cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Neither an entry point nor a script.
    #[error("there is no entry point `{name}`{}; a script (.py, .sh) of the project can be named, too", known_text(.known))]
    NoSuchEntryPoint {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The template cannot be filled.
    #[error("{0}")]
    Template(String),
    /// Values are missing or wrong; nothing was started.
    #[error("`{entry_point}` cannot be started: {}", ValueProblem::joined(.problems))]
    Values {
        /// What was to be run.
        entry_point: String,
        /// All that is wrong.
        problems: Vec<ValueProblem>,
    },
}

fn known_text(known: &[String]) -> String {
    if known.is_empty() {
        return " (the project defines none)".to_owned();
    }
    format!(" (there are `{}`)", known.join("`, `"))
}

/// Quotes a text so that a POSIX shell takes it as one word and as nothing else.
#[must_use]
pub fn quote(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "@%+=:,./-_".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}

/// A part of a template.
enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn pieces(template: &str) -> Result<Vec<Piece<'_>>, CommandError> {
    let wrong = |problem: String| Err(CommandError::Template(problem));
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        pieces.push(Piece::Text(rest.get(..at).unwrap_or_default()));
        let brace = rest.get(at..=at).unwrap_or_default();
        let after = rest.get(at + 1..).unwrap_or_default();
        if let Some(doubled) = after.strip_prefix(brace) {
            pieces.push(Piece::Text(brace));
            rest = doubled;
        } else if brace == "}" {
            return wrong("a `}` stands alone; write `}}` for one that is no placeholder".to_owned());
        } else {
            let Some((name, behind)) = after.split_once('}') else {
                return wrong("a `{` has no `}`; write `{{` for one that is no placeholder".to_owned());
            };
            if name.is_empty() || name.contains(['{', '!', ':', '[', '.']) {
                return wrong(format!(
                    "`{{{name}}}` is no placeholder; write `{{name}}`, and `{{{{` for a brace"
                ));
            }
            pieces.push(Piece::Name(name));
            rest = behind;
        }
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

impl EntryPoint {
    /// Whether every placeholder has a parameter.
    pub(crate) fn check_template(&self) -> Result<(), CommandError> {
        for piece in pieces(&self.command)? {
            if let Piece::Name(name) = piece
                && !self.parameters.iter().any(|parameter| parameter.name == name)
            {
                return Err(CommandError::Template(format!(
                    "`{{{name}}}` stands for a parameter that is not listed; add it to `parameters`"
                )));
            }
        }
        Ok(())
    }

    /// The line for the shell: the template with its values, then the others as `--name value`.
    pub fn command_line(&self, values: &Values) -> Result<String, CommandError> {
        let mut line = String::new();
        for piece in pieces(&self.command)? {
            match piece {
                Piece::Text(text) => line.push_str(text),
                Piece::Name(name) => {
                    let value = values.own.iter().find(|(known, _)| known == name).map(|(_, value)| value);
                    line.push_str(value.ok_or_else(|| {
                        CommandError::Template(format!("there is no value for `{{{name}}}` in the command"))
                    })?);
                }
            }
        }
        for (name, value) in &values.extra {
            line.push_str(&format!(" --{name} {value}"));
        }
        Ok(line)
    }
}
