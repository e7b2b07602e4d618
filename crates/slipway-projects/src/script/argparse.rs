//! argparse: parsers are followed by the names that they are assigned to.

use super::source::{Plain, Source, inner_bodies, keyword, paragraph};
use super::{Framework, Script, ScriptCommand, ScriptParameter, Style, ValueKind};
use ruff_python_ast::{Arguments, Expr, ExprCall, Stmt};
use std::collections::HashMap;
use std::path::Path;

/// What a name holds.
#[derive(Clone, Copy)]
enum Held {
    /// A parser, or a group of one.
    Parser(usize),
    /// What `add_subparsers` gives, of a parser.
    Subparsers(usize),
}

#[derive(Default)]
struct ArgParser {
    /// Words of the subcommand; `None` for a parser of its own.
    command: Option<String>,
    parent: Option<usize>,
    help: Option<String>,
    parameters: Vec<ScriptParameter>,
    /// It lends its parameters to others and reads nothing itself.
    is_base: bool,
}

struct Reading<'a> {
    source: &'a Source<'a>,
    parsers: Vec<ArgParser>,
    names: HashMap<String, Held>,
    notes: Vec<String>,
    loops: usize,
    /// Calls on parsers that a function got under some name: it may stand above the place that makes the parser.
    later: Vec<&'a ExprCall>,
    /// `set_defaults`, which holds for what is added after it, too.
    defaults: Vec<(usize, &'a Arguments)>,
}

pub(super) fn read(source: &Source<'_>, _: &Path, script: &mut Script) -> bool {
    if !source.imports_any("argparse") {
        return false;
    }
    let mut reading = Reading {
        source,
        parsers: Vec::new(),
        names: HashMap::new(),
        notes: Vec::new(),
        loops: 0,
        later: Vec::new(),
        defaults: Vec::new(),
    };
    reading.statements(source.body());
    reading.calls_on_unknown_parsers();
    let Some(root) = reading.parsers.iter().position(|parser| parser.command.is_none() && !parser.is_base)
    else {
        return false;
    };
    script.framework = Some(Framework::Argparse);
    let others = reading.parsers.iter().filter(|parser| parser.command.is_none() && !parser.is_base).count();
    if others > 1 {
        reading.notes.push("It makes several parsers; the parameters of the first are shown.".to_owned());
    }
    let has_children = |index: usize| reading.parsers.iter().any(|parser| parser.parent == Some(index));
    for index in 0..reading.parsers.len() {
        let Some(parser) = reading.parsers.get(index) else { continue };
        let Some(name) = &parser.command else { continue };
        if reading.root_of(index) != root || has_children(index) {
            continue;
        }
        script.commands.push(ScriptCommand {
            name: name.clone(),
            help: parser.help.clone(),
            parameters: parser.parameters.clone(),
        });
    }
    if let Some(parser) = reading.parsers.get(root) {
        script.parameters = parser.parameters.clone();
        script.help = parser.help.clone().or(script.help.take());
    }
    script.notes.append(&mut reading.notes);
    true
}

impl<'a> Reading<'a> {
    fn root_of(&self, mut index: usize) -> usize {
        while let Some(parent) = self.parsers.get(index).and_then(|parser| parser.parent) {
            index = parent;
        }
        index
    }

    fn statements(&mut self, body: &'a [Stmt]) {
        for statement in body {
            match statement {
                Stmt::Assign(assign) => {
                    let held = self.expression(&assign.value);
                    for target in &assign.targets {
                        self.remember(target, held);
                    }
                }
                Stmt::AnnAssign(assign) => {
                    if let Some(value) = &assign.value {
                        let held = self.expression(value);
                        self.remember(&assign.target, held);
                    }
                }
                Stmt::Expr(statement) => {
                    self.expression(&statement.value);
                }
                Stmt::Return(statement) => {
                    if let Some(value) = &statement.value {
                        self.expression(value);
                    }
                }
                Stmt::With(with) => {
                    for item in &with.items {
                        let held = self.expression(&item.context_expr);
                        if let Some(target) = &item.optional_vars {
                            self.remember(target, held);
                        }
                    }
                }
                _ => {}
            }
            let is_loop = matches!(statement, Stmt::For(_) | Stmt::While(_));
            self.loops += usize::from(is_loop);
            for inner in inner_bodies(statement) {
                self.statements(inner);
            }
            self.loops -= usize::from(is_loop);
        }
    }

    fn remember(&mut self, target: &Expr, held: Option<Held>) {
        if let (Some(name), Some(held)) = (self.source.path(target), held) {
            self.names.insert(name, held);
        }
    }

    /// Follows the calls in an expression; gives what it holds.
    fn expression(&mut self, expression: &'a Expr) -> Option<Held> {
        let Expr::Call(call) = expression else {
            let name = self.source.path(expression)?;
            return self.names.get(&name).copied();
        };
        let path = self.source.path(&call.func);
        if path
            .as_deref()
            .is_some_and(|path| path.ends_with("ArgumentParser") && path.starts_with("argparse"))
        {
            return Some(self.new_parser(&call.arguments, None, None));
        }
        let Expr::Attribute(method) = &*call.func else { return None };
        let on = self.expression(&method.value);
        match (method.attr.as_str(), on) {
            ("add_argument_group" | "add_mutually_exclusive_group", Some(held @ Held::Parser(_))) => {
                Some(held)
            }
            ("add_subparsers", Some(Held::Parser(parser))) => Some(Held::Subparsers(parser)),
            ("add_parser", Some(Held::Subparsers(parent))) => self.subparser(parent, call),
            ("add_argument", on) => {
                match on {
                    Some(Held::Parser(parser)) => self.argument(parser, call),
                    _ => self.later.push(call),
                }
                None
            }
            ("set_defaults", Some(Held::Parser(parser))) => {
                self.defaults.push((parser, &call.arguments));
                None
            }
            _ => None,
        }
    }

    fn calls_on_unknown_parsers(&mut self) {
        for call in std::mem::take(&mut self.later) {
            match self.only_parser() {
                Some(parser) => self.argument(parser, call),
                None => self.note(call, "it is not clear which parser it belongs to"),
            }
        }
        for (parser, arguments) in std::mem::take(&mut self.defaults) {
            self.set_defaults(parser, arguments);
        }
    }

    fn only_parser(&self) -> Option<usize> {
        let mut roots = self.parsers.iter().enumerate().filter(|(_, parser)| !parser.is_base);
        match (roots.next(), roots.next()) {
            (Some((index, _)), None) => Some(index),
            _ => None,
        }
    }

    fn new_parser(
        &mut self,
        arguments: &'a Arguments,
        command: Option<String>,
        parent: Option<usize>,
    ) -> Held {
        let text = |name: &str| {
            let value = self.source.plain(keyword(arguments, name)?)?;
            match value {
                Plain::Text(text) => paragraph(&text),
                _ => None,
            }
        };
        let help = text("help").or_else(|| text("description"));
        let is_base = parent.is_none()
            && matches!(
                keyword(arguments, "add_help").map(|value| self.source.plain(value)),
                Some(Some(Plain::Bool(false)))
            );
        let mut parameters = Vec::new();
        if let Some(Expr::List(parents)) = keyword(arguments, "parents") {
            for parent in &parents.elts {
                if let Some(Held::Parser(base)) =
                    self.source.path(parent).and_then(|name| self.names.get(&name))
                {
                    parameters.extend(
                        self.parsers.get(*base).map(|base| base.parameters.clone()).unwrap_or_default(),
                    );
                } else {
                    self.notes.push(format!(
                        "Line {}: the parser `{}` was not found; its parameters are left out.",
                        self.source.line(parent),
                        self.source.excerpt(parent)
                    ));
                }
            }
        }
        self.parsers.push(ArgParser { command, parent, help, parameters, is_base });
        Held::Parser(self.parsers.len() - 1)
    }

    fn subparser(&mut self, parent: usize, call: &'a ExprCall) -> Option<Held> {
        let name = call.arguments.args.first().or_else(|| keyword(&call.arguments, "name"));
        let Some(Plain::Text(name)) = name.and_then(|name| self.source.plain(name)) else {
            self.note(call, "the name of the subcommand is not plain");
            return None;
        };
        let words = match self.parsers.get(parent).and_then(|parent| parent.command.clone()) {
            Some(outer) => format!("{outer} {name}"),
            None => name,
        };
        Some(self.new_parser(&call.arguments, Some(words), Some(parent)))
    }

    fn set_defaults(&mut self, parser: usize, arguments: &Arguments) {
        let Some(parser) = self.parsers.get_mut(parser) else { return };
        for keyword in &arguments.keywords {
            let Some(name) = &keyword.arg else { continue };
            if let Some(known) = parser.parameters.iter_mut().find(|known| known.name == name.as_str()) {
                set_default(self.source, known, &keyword.value);
            }
        }
    }

    fn note(&mut self, call: &ExprCall, why: &str) {
        self.notes.push(format!(
            "Line {}: `{}` is left out: {why}.",
            self.source.line(call),
            self.source.excerpt(call)
        ));
    }

    fn argument(&mut self, parser: usize, call: &'a ExprCall) {
        let names: Option<Vec<String>> = call
            .arguments
            .args
            .iter()
            .map(|name| match self.source.plain(name) {
                Some(Plain::Text(name)) => Some(name),
                _ => None,
            })
            .collect();
        let Some(names) = names.filter(|names| !names.is_empty()) else {
            let why = if self.loops > 0 { "it is made in a loop" } else { "its name is not plain" };
            return self.note(call, why);
        };
        if call.arguments.keywords.iter().any(|keyword| keyword.arg.is_none()) {
            return self.note(call, "its settings come from a variable");
        }
        if let Some(parameter) = parameter(self.source, &call.arguments, names)
            && let Some(parser) = self.parsers.get_mut(parser)
        {
            parser.parameters.retain(|known| known.name != parameter.name);
            parser.parameters.push(parameter);
        }
    }
}

/// Nothing for `--help` and `--version`.
fn parameter(source: &Source<'_>, arguments: &Arguments, names: Vec<String>) -> Option<ScriptParameter> {
    let mut parameter = ScriptParameter::default();
    let is_option = names.iter().all(|name| name.starts_with('-'));
    let long = names.iter().find(|name| name.starts_with("--")).or_else(|| names.first())?;
    let text = |name: &str| keyword(arguments, name).and_then(|value| source.plain(value)?.shown());
    parameter.name = text("dest").unwrap_or_else(|| {
        if is_option { long.trim_start_matches('-').replace('-', "_") } else { long.clone() }
    });
    parameter.help = text("help").and_then(|help| paragraph(&help.replace("%%", "%")));
    if is_option {
        parameter.flags = names.clone();
        parameter.required = text("required").as_deref() == Some("true");
    } else {
        parameter.style = Style::Positional;
        parameter.required = true;
    }
    if let Some(kind) = keyword(arguments, "type") {
        let path = source.called(kind).or_else(|| source.path(kind)).unwrap_or_default();
        parameter.kind = kind_named(path.rsplit('.').next().unwrap_or_default());
    }
    if let Some(choices) = keyword(arguments, "choices") {
        parameter.choices = source.plain(choices).map(|list| list.shown_all()).unwrap_or_default();
    }
    match text("nargs").as_deref() {
        None => {}
        Some("?") => parameter.required = false,
        Some("*") => (parameter.many, parameter.required) = (true, false),
        Some(_) => parameter.many = true,
    }
    let action = keyword(arguments, "action");
    let by_name = action.and_then(|action| source.plain(action)?.shown());
    let by_class = action.and_then(|action| source.path(action)).unwrap_or_default();
    match by_name.as_deref() {
        Some("help" | "version") => return None,
        Some("store_true" | "store_const" | "append_const") => {
            (parameter.style, parameter.kind) = (Style::Flag, ValueKind::Bool);
            parameter.default = Some("false".to_owned());
        }
        Some("store_false") => {
            // The flag switches off, so it stands where "off" is written.
            (parameter.style, parameter.kind) = (Style::Flag, ValueKind::Bool);
            parameter.off_flag = Some(long.clone());
            parameter.flags.clear();
            parameter.default = Some("true".to_owned());
        }
        Some("count") => (parameter.style, parameter.kind) = (Style::Count, ValueKind::Int),
        Some("append" | "extend") => parameter.many = true,
        _ => {}
    }
    if by_class.ends_with("BooleanOptionalAction") {
        (parameter.style, parameter.kind) = (Style::Flag, ValueKind::Bool);
        parameter.off_flag = Some(format!("--no-{}", long.trim_start_matches('-')));
    }
    if let Some(default) = keyword(arguments, "default") {
        set_default(source, &mut parameter, default);
    }
    Some(parameter)
}

/// Fills in a default: plain, or as the expression that makes it. A plain one also says what kind of value it is.
pub(super) fn set_default(source: &Source<'_>, parameter: &mut ScriptParameter, value: &Expr) {
    match source.plain(value) {
        Some(Plain::None) => {}
        Some(plain) => {
            if let Plain::List(_) = plain {
                let words: Vec<String> =
                    plain.shown_all().iter().map(|word| crate::mlproject::quote(word)).collect();
                parameter.default = Some(words.join(" "));
            } else {
                parameter.default = plain.shown();
            }
        }
        None => parameter.default_source = Some(source.excerpt(value)),
    }
    if parameter.style == Style::Positional && !parameter.many {
        parameter.required =
            parameter.required && parameter.default.is_none() && parameter.default_source.is_none();
    }
}

/// The kind that a type of Python stands for.
pub(super) fn kind_named(name: &str) -> ValueKind {
    match name {
        "int" | "INT" | "IntRange" => ValueKind::Int,
        "float" | "FLOAT" | "FloatRange" => ValueKind::Float,
        "bool" | "BOOL" => ValueKind::Bool,
        "Path" | "PurePath" | "FileType" | "File" => ValueKind::Path,
        _ => ValueKind::String,
    }
}

/// The kind that a default stands for.
pub(super) fn kind_of(value: &Plain) -> ValueKind {
    match value {
        Plain::Bool(_) => ValueKind::Bool,
        Plain::Int(_) => ValueKind::Int,
        Plain::Float(_) => ValueKind::Float,
        _ => ValueKind::String,
    }
}
