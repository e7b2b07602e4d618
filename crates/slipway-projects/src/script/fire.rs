//! fire: whatever is given to `fire.Fire` becomes the command line.

use super::signature::{arguments, plain_parameter};
use super::source::{Plain, Source, docstring, each_statement};
use super::{Framework, Script, ScriptCommand, ScriptParameter, Style};
use ruff_python_ast::{Expr, ExprCall, Stmt, StmtClassDef, StmtFunctionDef};
use std::path::Path;

pub(super) fn read(source: &Source<'_>, _: &Path, script: &mut Script) -> bool {
    let mut call = None;
    each_statement(source.body(), &mut |statement| {
        let value = match statement {
            Stmt::Expr(expression) => Some(&*expression.value),
            Stmt::Assign(assign) => Some(&*assign.value),
            Stmt::Return(statement) => statement.value.as_deref(),
            _ => None,
        };
        if let Some(Expr::Call(found)) = value
            && source.path(&found.func).as_deref() == Some("fire.Fire")
        {
            call = Some(found);
        }
    });
    let Some(call) = call else { return false };
    script.framework = Some(Framework::Fire);
    component(source, call, script);
    true
}

fn component(source: &Source<'_>, call: &ExprCall, script: &mut Script) {
    let notes = &mut script.notes;
    match call.arguments.args.first() {
        // Everything in the module is offered.
        None => {
            for statement in source.body() {
                if let Stmt::FunctionDef(function) = statement
                    && !function.name.as_str().starts_with('_')
                {
                    script.commands.push(command(source, function.name.as_str(), function, notes));
                }
            }
        }
        Some(Expr::Dict(dict)) => {
            for item in &dict.items {
                let name = item.key.as_ref().and_then(|key| source.plain(key)?.shown());
                let function = source.path(&item.value).and_then(|name| source.function(&name));
                match (name, function) {
                    (Some(name), Some(function)) => {
                        script.commands.push(command(source, &name, function, notes))
                    }
                    _ => notes.push(format!(
                        "Line {}: `{}` is left out: it is not a function of this file.",
                        source.line(&item.value),
                        source.excerpt(&item.value)
                    )),
                }
            }
        }
        Some(named) => {
            let name = source.path(named).unwrap_or_default();
            if let Some(function) = source.function(&name) {
                script.help = docstring(&function.body).or(script.help.take());
                script.parameters = parameters(source, function, notes);
            } else if let Some(class) = source.class(&name) {
                class_commands(source, class, script);
            } else {
                notes.push(format!(
                    "Line {}: `{}` is not a function or class of this file, so its parameters were not found.",
                    source.line(named),
                    source.excerpt(named)
                ));
            }
        }
    }
}

/// Public methods are subcommands; what `__init__` takes comes before them.
fn class_commands(source: &Source<'_>, class: &StmtClassDef, script: &mut Script) {
    script.help = docstring(&class.body).or(script.help.take());
    for statement in &class.body {
        let Stmt::FunctionDef(method) = statement else { continue };
        match method.name.as_str() {
            "__init__" => script.parameters = parameters(source, method, &mut script.notes),
            name if name.starts_with('_') => {}
            name => script.commands.push(command(source, name, method, &mut script.notes)),
        }
    }
}

fn command(
    source: &Source<'_>,
    name: &str,
    function: &StmtFunctionDef,
    notes: &mut Vec<String>,
) -> ScriptCommand {
    ScriptCommand {
        name: name.to_owned(),
        help: docstring(&function.body),
        parameters: parameters(source, function, notes),
    }
}

fn parameters(
    source: &Source<'_>,
    function: &StmtFunctionDef,
    notes: &mut Vec<String>,
) -> Vec<ScriptParameter> {
    let (listed, takes_more) = arguments(function);
    if takes_more {
        notes.push(format!("`{}` takes further values, which are not shown.", function.name.as_str()));
    }
    let of_object = |name: &str| name == "self" || name == "cls";
    listed
        .iter()
        .enumerate()
        .filter(|(place, argument)| !(*place == 0 && of_object(argument.name)))
        .map(|(_, argument)| {
            let mut parameter = plain_parameter(source, argument);
            // A list is one value to fire, written as in Python.
            let is_list =
                argument.default.is_some_and(|default| matches!(source.plain(default), Some(Plain::List(_))));
            if parameter.many || is_list {
                parameter.many = false;
                parameter.default = None;
                parameter.default_source = argument.default.map(|default| source.excerpt(default));
                parameter.kind = super::ValueKind::String;
            }
            parameter.style = Style::Joined;
            parameter.flags = vec![format!("--{}", argument.name)];
            parameter
        })
        .collect()
}
