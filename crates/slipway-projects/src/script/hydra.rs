//! Hydra: the configuration files that `@hydra.main` names are what can be overridden.

use super::argparse::kind_of;
use super::signature::annotated;
use super::source::{Plain, Source, keyword};
use super::{Framework, Script, ScriptParameter, Style, ValueKind};
use crate::yaml::{self, Node, Value};
use ruff_python_ast::{Arguments, Expr, Stmt};
use std::path::Path;

const MAX_DEPTH: usize = 12;

pub(super) fn read(source: &Source<'_>, project: &Path, script: &mut Script) -> bool {
    let Some(arguments) = source.body().iter().find_map(|statement| decorator(source, statement)) else {
        return false;
    };
    script.framework = Some(Framework::Hydra);
    let text = |name: &str| keyword(arguments, name).and_then(|value| source.plain(value)?.shown());
    let Some(name) = text("config_name") else {
        script.notes.push(
            "`@hydra.main` names no configuration, so there is nothing to fill in; further values are written as \
             `+name=value`."
                .to_owned(),
        );
        return true;
    };
    let mut parameters = Vec::new();
    let folder = text("config_path").map(|path| {
        let beside = Path::new(&script.path).parent().map(Path::to_owned).unwrap_or_default();
        beside.join(path)
    });
    let file = folder.as_ref().map(|folder| (folder, format!("{}.yaml", name.trim_end_matches(".yaml"))));
    match file {
        Some((folder, file)) if project.join(folder).join(&file).is_file() => {
            let mut reading =
                Reading { project, folder, parameters: &mut parameters, notes: &mut script.notes };
            reading.config(&file, "", 0);
        }
        _ if structured(source, &name, &mut parameters) => {}
        _ => script.notes.push(format!("The configuration `{name}` was not found beside the script.")),
    }
    script.parameters = parameters;
    true
}

fn decorator<'a>(source: &Source<'_>, statement: &'a Stmt) -> Option<&'a Arguments> {
    let Stmt::FunctionDef(function) = statement else { return None };
    function.decorator_list.iter().find_map(|decorator| match &decorator.expression {
        Expr::Call(call) if source.path(&call.func).as_deref() == Some("hydra.main") => Some(&call.arguments),
        _ => None,
    })
}

struct Reading<'a> {
    project: &'a Path,
    folder: &'a Path,
    parameters: &'a mut Vec<ScriptParameter>,
    notes: &'a mut Vec<String>,
}

impl Reading<'_> {
    /// Reads a file of the configuration; its values stand below `prefix`.
    fn config(&mut self, file: &str, prefix: &str, depth: usize) {
        if depth > MAX_DEPTH {
            self.notes.push(format!("`{file}` is nested too deeply and was not read."));
            return;
        }
        let shown = self.folder.join(file);
        let read = crate::mlproject::inside(self.project, &shown.to_string_lossy())
            .and_then(|path| yaml::read_text(&path).map_err(|error| error.problem))
            .and_then(|text| yaml::parse(&shown, &text).map_err(|error| error.to_string()));
        match read {
            Ok(Some(root)) => {
                if let Some(defaults) = root.get("defaults") {
                    self.defaults(file, defaults, prefix, depth);
                }
                self.values(&root, prefix);
            }
            Ok(None) => {}
            Err(problem) => self.notes.push(format!("`{}`: {problem}.", shown.display())),
        }
    }

    /// `- model: resnet` chooses `model/resnet.yaml`, whose values come below `model`.
    fn defaults(&mut self, file: &str, defaults: &Node, prefix: &str, depth: usize) {
        let beside = Path::new(file).parent().map(Path::to_owned).unwrap_or_default();
        for entry in defaults.items().unwrap_or_default() {
            if let Some(name) = entry.text() {
                if name != "_self_" && !name.contains(['$', '@']) {
                    self.config(&beside.join(format!("{name}.yaml")).to_string_lossy(), prefix, depth + 1);
                }
                continue;
            }
            for (key, value) in entry.entries().unwrap_or_default() {
                let group = key.trim_start_matches("optional ").trim();
                if group.starts_with("override ") || group.starts_with("hydra/") || group.contains(['@', '$'])
                {
                    continue;
                }
                let chosen = value.text();
                let choices = self.choices(&beside.join(group));
                self.parameters.push(ScriptParameter {
                    name: group.to_owned(),
                    style: Style::Override,
                    required: chosen.as_deref() == Some("???"),
                    default: chosen.clone().filter(|chosen| chosen != "???"),
                    choices,
                    help: Some("A group of the configuration.".to_owned()),
                    ..ScriptParameter::default()
                });
                if let Some(chosen) = chosen.filter(|chosen| chosen != "???") {
                    let inner = join(prefix, &group.replace('/', "."));
                    let file = beside.join(group).join(format!("{chosen}.yaml"));
                    self.config(&file.to_string_lossy(), &inner, depth + 1);
                }
            }
        }
    }

    fn choices(&self, group: &Path) -> Vec<String> {
        let folder = self.project.join(self.folder).join(group);
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .map(|entries| {
                entries
                    .flatten()
                    .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".yaml").map(str::to_owned))
                    .take(200)
                    .collect()
            })
            .unwrap_or_default();
        names.sort();
        names
    }

    fn values(&mut self, node: &Node, prefix: &str) {
        for (key, value) in node.entries().unwrap_or_default() {
            if prefix.is_empty() && (key == "defaults" || key == "hydra") || key.contains(['@', '=']) {
                continue;
            }
            let name = join(prefix, key);
            match &value.value {
                Value::Map(entries) if !entries.is_empty() => self.values(value, &name),
                Value::Map(_) => {}
                Value::List(items) => {
                    let words: Vec<String> = items.iter().filter_map(|item| item.text()).collect();
                    let is_plain = words.len() == items.len();
                    let default = is_plain.then(|| format!("[{}]", words.join(",")));
                    self.push(ScriptParameter { default, ..of_name(name, ValueKind::String) });
                }
                Value::Scalar(scalar) => {
                    let raw = scalar.raw().to_owned();
                    let required = raw == "???";
                    let kind =
                        if scalar.is_text() && !is_float(&raw) { ValueKind::String } else { kind(&raw) };
                    let default = (!required && !scalar.is_null()).then_some(raw);
                    self.push(ScriptParameter { default, required, ..of_name(name, kind) });
                }
            }
        }
    }

    /// A value that is set again, further out, counts.
    fn push(&mut self, parameter: ScriptParameter) {
        self.parameters.retain(|known| known.name != parameter.name);
        self.parameters.push(parameter);
    }
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

fn of_name(name: String, kind: ValueKind) -> ScriptParameter {
    ScriptParameter { name, kind, style: Style::Override, ..ScriptParameter::default() }
}

/// Hydra takes `1e-3` for a number, other than YAML.
fn is_float(raw: &str) -> bool {
    raw.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
        && raw.parse::<f64>().is_ok()
}

fn kind(raw: &str) -> ValueKind {
    if matches!(raw.to_lowercase().as_str(), "true" | "false" | "yes" | "no" | "on" | "off") {
        ValueKind::Bool
    } else if raw.parse::<i64>().is_ok() {
        ValueKind::Int
    } else if raw.parse::<f64>().is_ok() {
        ValueKind::Float
    } else {
        ValueKind::String
    }
}

/// `ConfigStore.instance().store(name="config", node=Config)` with a dataclass of this file.
fn structured(source: &Source<'_>, name: &str, parameters: &mut Vec<ScriptParameter>) -> bool {
    let mut class = None;
    super::source::each_statement(source.body(), &mut |statement| {
        let Stmt::Expr(expression) = statement else { return };
        let Expr::Call(call) = &*expression.value else { return };
        let is_store = matches!(&*call.func, Expr::Attribute(method) if method.attr.as_str() == "store");
        let named = keyword(&call.arguments, "name").and_then(|named| source.plain(named)?.shown());
        if is_store && named.as_deref() == Some(name) {
            class = keyword(&call.arguments, "node").and_then(|node| source.path(node));
        }
    });
    class.is_some_and(|class| fields(source, &class, "", parameters, 0))
}

fn fields(
    source: &Source<'_>,
    class: &str,
    prefix: &str,
    parameters: &mut Vec<ScriptParameter>,
    depth: usize,
) -> bool {
    let Some(class) = source.class(class).filter(|_| depth < MAX_DEPTH) else { return false };
    for statement in &class.body {
        let Stmt::AnnAssign(field) = statement else { continue };
        let Expr::Name(name) = &*field.target else { continue };
        let name = join(prefix, name.id.as_str());
        if let Some(inner) = source
            .path(&field.annotation)
            .filter(|path| source.class(path).is_some() && source.members(path).is_none())
        {
            fields(source, &inner, &name, parameters, depth + 1);
            continue;
        }
        let said = annotated(source, &field.annotation);
        let default = field.value.as_deref().and_then(|value| source.plain(value));
        let missing = field
            .value
            .as_deref()
            .and_then(|value| source.path(value))
            .is_some_and(|path| path.ends_with("MISSING"));
        let is_missing =
            missing || matches!(&default, Some(Plain::Text(text)) if text == "???") || field.value.is_none();
        let kind = if said.kind == ValueKind::String && said.choices.is_empty() {
            default.as_ref().map(kind_of).unwrap_or_default()
        } else {
            said.kind
        };
        parameters.push(ScriptParameter {
            default: default.and_then(|default| default.shown()).filter(|_| !is_missing),
            choices: said.choices,
            required: is_missing,
            ..of_name(name, kind)
        });
    }
    true
}
