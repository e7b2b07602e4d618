//! typer: the parameters of functions are the command line.

use super::argparse::{kind_of, set_default};
use super::signature::{Argument, annotated, arguments, is_ellipsis};
use super::source::{Source, docstring, each_statement, keyword, paragraph};
use super::{Framework, Script, ScriptCommand, ScriptParameter, Style, ValueKind};
use ruff_python_ast::{Arguments, Expr, Stmt, StmtFunctionDef};
use std::path::Path;

pub(super) fn read(source: &Source<'_>, _: &Path, script: &mut Script) -> bool {
    if !source.imports_any("typer") {
        return false;
    }
    let mut commands = Vec::new();
    let mut has_callback = false;
    // Apps that are part of another one: name of the variable, and the words before their commands.
    let mut groups: Vec<(String, String)> = Vec::new();
    each_statement(source.body(), &mut |statement| {
        if let Stmt::FunctionDef(function) = statement {
            for decorator in &function.decorator_list {
                let (callee, arguments) = match &decorator.expression {
                    Expr::Call(call) => (&*call.func, Some(&call.arguments)),
                    other => (other, None),
                };
                let Expr::Attribute(method) = callee else { continue };
                match method.attr.as_str() {
                    "command" => {
                        let app = source.path(&method.value).unwrap_or_default();
                        commands.push((app, command(source, function, arguments, &mut script.notes)));
                    }
                    "callback" => {
                        has_callback = true;
                        script.parameters = parameters(source, function, &mut script.notes);
                    }
                    _ => {}
                }
            }
        }
        let Stmt::Expr(expression) = statement else { return };
        let Expr::Call(call) = &*expression.value else { return };
        let first = call.arguments.args.first();
        if source.path(&call.func).as_deref() == Some("typer.run")
            && let Some(function) =
                first.and_then(|name| source.path(name)).and_then(|name| source.function(&name))
        {
            commands.push((String::new(), command(source, function, None, &mut script.notes)));
        }
        if let (Expr::Attribute(method), Some(first)) = (&*call.func, first)
            && method.attr.as_str() == "add_typer"
        {
            let name = keyword(&call.arguments, "name").and_then(|name| source.plain(name)?.shown());
            groups.extend(source.path(first).zip(name));
        }
    });
    if commands.is_empty() {
        return false;
    }
    script.framework = Some(Framework::Typer);
    if commands.len() == 1 && !has_callback && groups.is_empty() {
        // An app with one command takes no subcommand.
        if let Some((_, only)) = commands.pop() {
            script.help = only.help.or(script.help.take());
            script.parameters = only.parameters;
        }
        return true;
    }
    script.commands = commands
        .into_iter()
        .map(|(app, command)| match groups.iter().find(|(name, _)| *name == app) {
            Some((_, words)) => ScriptCommand { name: format!("{words} {}", command.name), ..command },
            None => command,
        })
        .collect();
    true
}

fn command(
    source: &Source<'_>,
    function: &StmtFunctionDef,
    given: Option<&Arguments>,
    notes: &mut Vec<String>,
) -> ScriptCommand {
    let text = |name: &str| given.and_then(|given| source.plain(keyword(given, name)?)?.shown());
    let by_place = given.and_then(|given| source.plain(given.args.first()?)?.shown());
    ScriptCommand {
        name: by_place.or_else(|| text("name")).unwrap_or_else(|| function.name.as_str().replace('_', "-")),
        help: text("help").and_then(|help| paragraph(&help)).or_else(|| docstring(&function.body)),
        parameters: parameters(source, function, notes),
    }
}

fn parameters(
    source: &Source<'_>,
    function: &StmtFunctionDef,
    notes: &mut Vec<String>,
) -> Vec<ScriptParameter> {
    let (listed, _) = arguments(function);
    let is_context = |argument: &Argument<'_>| {
        argument
            .annotation
            .and_then(|annotation| source.path(annotation))
            .is_some_and(|path| path.ends_with("Context"))
    };
    let mut read = Vec::new();
    for argument in listed.iter().filter(|argument| !is_context(argument)) {
        match parameter(source, argument) {
            Some(parameter) => read.push(parameter),
            None => notes.push(format!("`{}` of `{}` is left out.", argument.name, function.name.as_str())),
        }
    }
    read
}

fn parameter(source: &Source<'_>, argument: &Argument<'_>) -> Option<ScriptParameter> {
    let said = argument.annotation.map(|annotation| annotated(source, annotation)).unwrap_or_default();
    let mut parameter = ScriptParameter {
        name: argument.name.to_owned(),
        kind: said.kind,
        choices: said.choices,
        many: said.many,
        ..ScriptParameter::default()
    };
    // `typer.Option(…)` stands in the annotation, or where the default is.
    let of_typer = |value: &Expr| {
        let path = source.called(value)?;
        let last = path.rsplit('.').next().unwrap_or_default().to_owned();
        (path.starts_with("typer") && (last == "Option" || last == "Argument")).then_some(last)
    };
    let in_annotation = said.extra.iter().find_map(|extra| Some((of_typer(extra)?, *extra)));
    let in_default = argument.default.and_then(|value| Some((of_typer(value)?, value)));
    let mut default = argument.default.filter(|_| in_default.is_none());
    let mut flags = Vec::new();
    let described = in_default.clone().or(in_annotation);
    let mut is_option = default.is_some();
    if let Some((which, Expr::Call(call))) = &described {
        is_option = which == "Option";
        let mut names = call.arguments.args.iter();
        if in_default.is_some() {
            default = names.next().or_else(|| keyword(&call.arguments, "default"));
        }
        flags = names.filter_map(|name| source.plain(name)?.shown()).collect();
        let help = keyword(&call.arguments, "help").and_then(|help| source.plain(help)?.shown());
        parameter.help = help.and_then(|help| paragraph(&help));
        let counted = keyword(&call.arguments, "count").and_then(|count| source.plain(count)?.shown());
        if counted.as_deref() == Some("true") {
            (parameter.style, parameter.kind) = (Style::Count, ValueKind::Int);
        }
    }
    if argument.annotation.is_none() {
        parameter.kind =
            default.and_then(|value| source.plain(value)).as_ref().map(kind_of).unwrap_or_default();
    }
    match default {
        None => parameter.required = true,
        Some(value) if is_ellipsis(source, value) => parameter.required = true,
        Some(value) => set_default(source, &mut parameter, value),
    }
    if !is_option {
        parameter.style = Style::Positional;
        parameter.required = parameter.required && !parameter.many;
        return Some(parameter);
    }
    for flag in flags {
        match flag.split_once('/') {
            Some((on, off)) => {
                parameter.flags.push(on.trim().to_owned());
                parameter.off_flag = Some(off.trim().to_owned());
            }
            None => parameter.flags.push(flag),
        }
    }
    let usual = format!("--{}", argument.name.replace('_', "-"));
    if parameter.kind == ValueKind::Bool {
        parameter.style = Style::Flag;
        if parameter.flags.is_empty() {
            parameter.off_flag = Some(format!("--no-{}", argument.name.replace('_', "-")));
        }
    }
    if parameter.flags.is_empty() {
        parameter.flags.push(usual);
    }
    Some(parameter)
}
