//! click: commands are functions under decorators.

use super::argparse::{kind_named, kind_of, set_default};
use super::source::{Plain, Source, docstring, each_statement, keyword, paragraph};
use super::{Framework, Script, ScriptCommand, ScriptParameter, Style, ValueKind};
use ruff_python_ast::{Arguments, Expr, Stmt, StmtFunctionDef};
use std::collections::HashMap;
use std::path::Path;

/// A command or group as it was found.
struct Found {
    /// The group that it belongs to.
    parent: Option<String>,
    name: String,
    is_group: bool,
    help: Option<String>,
    parameters: Vec<ScriptParameter>,
}

pub(super) fn read(source: &Source<'_>, _: &Path, script: &mut Script) -> bool {
    if !["click", "rich_click", "asyncclick"].iter().any(|name| source.imports_any(name)) {
        return false;
    }
    let mut found: HashMap<String, Found> = HashMap::new();
    let mut order = Vec::new();
    each_statement(source.body(), &mut |statement| {
        if let Stmt::FunctionDef(function) = statement
            && let Some(command) = command(source, function, &mut script.notes)
        {
            order.push(function.name.to_string());
            found.insert(function.name.to_string(), command);
        }
        // `cli.add_command(train)`
        if let Stmt::Expr(expression) = statement
            && let Expr::Call(call) = &*expression.value
            && let (Expr::Attribute(method), Some(Expr::Name(added))) =
                (&*call.func, call.arguments.args.first())
            && method.attr.as_str() == "add_command"
            && let Some(command) = found.get_mut(added.id.as_str())
        {
            command.parent = source.path(&method.value);
        }
    });
    if found.is_empty() {
        return false;
    }
    script.framework = Some(Framework::Click);
    let words = |function: &str| {
        let mut words = Vec::new();
        let mut at = Some(function.to_owned());
        while let Some(command) = at.as_ref().and_then(|name| found.get(name)) {
            if command.parent.is_some() {
                words.push(command.name.clone());
            }
            at = command.parent.clone().filter(|_| words.len() < 16);
        }
        words.reverse();
        words.join(" ")
    };
    let roots: Vec<&Found> =
        order.iter().filter_map(|name| found.get(name)).filter(|command| command.parent.is_none()).collect();
    if roots.len() > 1 {
        script.notes.push("It has several commands without a group; the first is shown.".to_owned());
    }
    if let Some(root) = roots.first() {
        script.parameters = root.parameters.clone();
        script.help = root.help.clone().or(script.help.take());
    }
    for function in &order {
        let Some(command) = found.get(function) else { continue };
        if command.is_group || command.parent.is_none() {
            continue;
        }
        script.commands.push(ScriptCommand {
            name: words(function),
            help: command.help.clone(),
            parameters: command.parameters.clone(),
        });
    }
    true
}

fn is_click(path: &str, name: &str) -> bool {
    path.strip_suffix(name)
        .is_some_and(|module| module.trim_end_matches('.').ends_with("click") && module.ends_with('.'))
}

fn command(source: &Source<'_>, function: &StmtFunctionDef, notes: &mut Vec<String>) -> Option<Found> {
    let mut found: Option<Found> = None;
    let mut parameters = Vec::new();
    let mut unknown = Vec::new();
    for decorator in &function.decorator_list {
        let (path, arguments) = match &decorator.expression {
            Expr::Call(call) => (source.path(&call.func), Some(&call.arguments)),
            other => (source.path(other), None),
        };
        let Some(path) = path else { continue };
        let last = path.rsplit('.').next().unwrap_or_default();
        if is_click(&path, "option") || is_click(&path, "argument") {
            let Some(arguments) = arguments else { continue };
            match parameter(source, arguments, last == "argument") {
                Some(parameter) => parameters.push(parameter),
                None => notes.push(format!(
                    "Line {}: `{}` is left out: its name is not plain.",
                    source.line(decorator),
                    source.excerpt(&decorator.expression)
                )),
            }
        } else if is_click(&path, "command")
            || is_click(&path, "group")
            || matches!(last, "command" | "group")
        {
            let parent = match (&decorator.expression, is_click(&path, last)) {
                (_, true) => None,
                (Expr::Call(call), _) => owner(source, &call.func),
                (other, _) => owner(source, other),
            };
            let named = arguments.and_then(|arguments| {
                let name = arguments.args.first().or_else(|| keyword(arguments, "name"))?;
                source.plain(name)?.shown()
            });
            let help = arguments
                .and_then(|arguments| source.plain(keyword(arguments, "help")?)?.shown())
                .and_then(|help| paragraph(&help));
            found = Some(Found {
                parent,
                name: named.unwrap_or_else(|| function.name.as_str().replace('_', "-")),
                is_group: last == "group",
                help: help.or_else(|| docstring(&function.body)),
                parameters: Vec::new(),
            });
        } else if !matches!(
            last,
            "pass_context" | "pass_obj" | "version_option" | "help_option" | "make_pass_decorator"
        ) {
            unknown.push(format!(
                "Line {}: the decorator `{}` may add parameters that are not shown.",
                source.line(decorator),
                source.excerpt(&decorator.expression)
            ));
        }
    }
    let mut found = found?;
    notes.append(&mut unknown);
    found.parameters = parameters;
    Some(found)
}

fn owner(source: &Source<'_>, function: &Expr) -> Option<String> {
    match function {
        Expr::Attribute(attribute) => source.path(&attribute.value),
        _ => None,
    }
}

fn parameter(source: &Source<'_>, arguments: &Arguments, is_argument: bool) -> Option<ScriptParameter> {
    let text = |name: &str| keyword(arguments, name).and_then(|value| source.plain(value)?.shown());
    let is_true = |name: &str| text(name).as_deref() == Some("true");
    let declared: Vec<String> =
        arguments.args.iter().filter_map(|name| source.plain(name)?.shown()).collect();
    if declared.is_empty() || declared.len() < arguments.args.len() {
        return None;
    }
    let mut parameter = ScriptParameter {
        help: text("help").and_then(|help| paragraph(&help)),
        ..ScriptParameter::default()
    };
    let mut explicit = None;
    for name in declared {
        if !name.starts_with('-') {
            explicit = Some(name);
        } else if let Some((on, off)) = name.split_once('/') {
            parameter.flags.push(on.trim().to_owned());
            parameter.off_flag = Some(off.trim().to_owned());
        } else {
            parameter.flags.push(name);
        }
    }
    let longest = parameter.flags.iter().max_by_key(|flag| (flag.starts_with("--"), flag.len()));
    parameter.name = match (explicit, longest) {
        (Some(name), _) => name.to_lowercase(),
        (None, Some(flag)) => flag.trim_start_matches('-').replace('-', "_").to_lowercase(),
        (None, None) => return None,
    };
    if let Some(kind) = keyword(arguments, "type") {
        read_type(source, kind, &mut parameter);
    }
    let default = keyword(arguments, "default");
    if let (Some(default), None) = (default, keyword(arguments, "type")) {
        parameter.kind = source.plain(default).as_ref().map(kind_of).unwrap_or_default();
    }
    parameter.many = is_true("multiple") || text("nargs").is_some_and(|count| count != "1");
    parameter.required = is_true("required");
    if is_argument {
        parameter.style = Style::Positional;
        parameter.flags.clear();
        let optional = text("required").as_deref() == Some("false") || text("nargs").as_deref() == Some("-1");
        parameter.required = !optional && default.is_none() || is_true("required");
    } else if is_true("count") {
        (parameter.style, parameter.kind) = (Style::Count, ValueKind::Int);
    } else if is_true("is_flag") || parameter.off_flag.is_some() {
        (parameter.style, parameter.kind) = (Style::Flag, ValueKind::Bool);
        parameter.default = Some("false".to_owned());
    } else if parameter.kind == ValueKind::Bool && keyword(arguments, "type").is_none() {
        // A bool as default makes it a flag.
        parameter.style = Style::Flag;
    }
    if let Some(default) = default {
        set_default(source, &mut parameter, default);
    }
    Some(parameter)
}

/// `int`, `click.Choice([...])`, `click.Path(...)`.
fn read_type(source: &Source<'_>, kind: &Expr, parameter: &mut ScriptParameter) {
    let path = source.called(kind).or_else(|| source.path(kind)).unwrap_or_default();
    let last = path.rsplit('.').next().unwrap_or_default();
    parameter.kind = kind_named(last);
    if let (Expr::Call(call), "Choice") = (kind, last) {
        let listed = call.arguments.args.first().or_else(|| keyword(&call.arguments, "choices"));
        let choices = listed.and_then(|listed| match (source.plain(listed), listed) {
            (None, Expr::Name(class)) => {
                let members = source.members(class.id.as_str())?;
                Some(Plain::List(members.into_iter().map(|(name, _)| Plain::Text(name)).collect()))
            }
            (plain, _) => plain,
        });
        parameter.choices = choices.map(|choices| choices.shown_all()).unwrap_or_default();
    }
}
