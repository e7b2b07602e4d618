//! A Python source as the frameworks' readers need it: what its names stand for, and which values are plain.

use ruff_python_ast::{
    Arguments, Expr, ModModule, Number, Operator, PySourceType, Stmt, StmtClassDef, StmtFunctionDef, UnaryOp,
};
use ruff_python_parser::{Parsed, parse_unchecked_source};
use ruff_text_size::Ranged;
use std::collections::HashMap;

/// Follows names to values at most so far.
const MAX_HOPS: usize = 8;

pub(super) struct Source<'a> {
    text: &'a str,
    parsed: Parsed<ModModule>,
    /// What a name stands for, by imports: `tp` for `typer`.
    imports: HashMap<String, String>,
}

/// A value that stands plainly in the source.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Plain {
    None,
    Bool(bool),
    /// As it is written, `1e-3` or `64`.
    Int(String),
    Float(String),
    Text(String),
    List(Vec<Plain>),
    Ellipsis,
}

impl Plain {
    /// As it is written on a command line. A list has none: it takes several words.
    pub(super) fn shown(&self) -> Option<String> {
        match self {
            Self::None | Self::Ellipsis | Self::List(_) => None,
            Self::Bool(value) => Some(value.to_string()),
            Self::Int(text) | Self::Float(text) | Self::Text(text) => Some(text.clone()),
        }
    }

    pub(super) fn shown_all(&self) -> Vec<String> {
        match self {
            Self::List(items) => items.iter().filter_map(Self::shown).collect(),
            other => other.shown().into_iter().collect(),
        }
    }
}

impl<'a> Source<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, String> {
        let parsed = parse_unchecked_source(text, PySourceType::Python);
        let mut source = Self { text, parsed, imports: HashMap::new() };
        if let Some(error) = source.parsed.errors().first() {
            let line = source.line_at(error.location.start().to_usize());
            return Err(format!(
                "It is not valid Python (line {line}: {}), so its parameters were not read.",
                error.error
            ));
        }
        let mut imports = HashMap::new();
        each_statement(&source.parsed.syntax().body, &mut |statement| note_imports(statement, &mut imports));
        source.imports = imports;
        Ok(source)
    }

    pub(super) fn body(&self) -> &[Stmt] {
        &self.parsed.syntax().body
    }

    pub(super) fn line(&self, node: &impl Ranged) -> usize {
        self.line_at(node.start().to_usize())
    }

    fn line_at(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// The text of a node, on one line and not too long.
    pub(super) fn excerpt(&self, node: &impl Ranged) -> String {
        let range = node.range();
        let text = self.text.get(range.start().to_usize()..range.end().to_usize()).unwrap_or_default();
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let short: String = line.chars().take(80).collect();
        if short.len() < line.len() { format!("{short}…") } else { short }
    }

    /// Whether something of that name was imported, or something below it.
    pub(super) fn imports_any(&self, path: &str) -> bool {
        self.imports
            .values()
            .any(|known| known == path || known.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
    }

    /// Something happens when the file is run: a guard for `__main__`.
    pub(super) fn runs(&self) -> bool {
        self.body().iter().any(|statement| match statement {
            Stmt::If(guard) => {
                let test = self.excerpt(&*guard.test);
                test.contains("__name__") && test.contains("__main__")
            }
            _ => false,
        })
    }

    pub(super) fn docstring(&self) -> Option<String> {
        docstring(self.body())
    }

    /// The whole name behind an expression: `click.option` for `option` after `from click import option`. Names
    /// that are not imported stand for themselves.
    pub(super) fn path(&self, expression: &Expr) -> Option<String> {
        match expression {
            Expr::Name(name) => {
                let name = name.id.as_str();
                Some(self.imports.get(name).cloned().unwrap_or_else(|| name.to_owned()))
            }
            Expr::Attribute(attribute) => {
                Some(format!("{}.{}", self.path(&attribute.value)?, attribute.attr.as_str()))
            }
            _ => None,
        }
    }

    /// The whole name of what is called.
    pub(super) fn called(&self, expression: &Expr) -> Option<String> {
        match expression {
            Expr::Call(call) => self.path(&call.func),
            _ => None,
        }
    }

    /// The value of an expression when it is plain, with names of the module looked up.
    pub(super) fn plain(&self, expression: &Expr) -> Option<Plain> {
        self.plain_within(expression, MAX_HOPS)
    }

    fn plain_within(&self, expression: &Expr, hops: usize) -> Option<Plain> {
        let hops = hops.checked_sub(1)?;
        Some(match expression {
            Expr::StringLiteral(text) => Plain::Text(text.value.to_str().to_owned()),
            Expr::BooleanLiteral(value) => Plain::Bool(value.value),
            Expr::NoneLiteral(_) => Plain::None,
            Expr::EllipsisLiteral(_) => Plain::Ellipsis,
            Expr::NumberLiteral(number) => self.number(&number.value, expression)?,
            Expr::UnaryOp(operation) if operation.op == UnaryOp::USub => {
                match self.plain_within(&operation.operand, hops)? {
                    Plain::Int(text) => Plain::Int(format!("-{text}")),
                    Plain::Float(text) => Plain::Float(format!("-{text}")),
                    _ => return None,
                }
            }
            Expr::BinOp(operation) => {
                let left = self.plain_within(&operation.left, hops)?;
                let right = self.plain_within(&operation.right, hops)?;
                calculated(operation.op, &left, &right)?
            }
            Expr::List(list) => self.list(&list.elts, hops)?,
            Expr::Tuple(tuple) => self.list(&tuple.elts, hops)?,
            Expr::Set(set) => self.list(&set.elts, hops)?,
            Expr::Name(name) => self.plain_within(self.constant(name.id.as_str())?, hops)?,
            Expr::Call(call) => {
                let path = self.path(&call.func)?;
                let last = path.rsplit('.').next().unwrap_or_default();
                match (last, &*call.arguments.args) {
                    ("Path" | "PurePath" | "PosixPath" | "str" | "int" | "float", [only]) => {
                        self.plain_within(only, hops)?
                    }
                    ("list" | "tuple" | "sorted", [only]) => match self.plain_within(only, hops)? {
                        list @ Plain::List(_) => list,
                        _ => return None,
                    },
                    ("keys", []) => match &*call.func {
                        Expr::Attribute(attribute) => self.keys(&attribute.value)?,
                        _ => return None,
                    },
                    _ => return None,
                }
            }
            // A member of an Enum stands for its value.
            Expr::Attribute(attribute) => {
                let owner = if attribute.attr.as_str() == "value" { &*attribute.value } else { expression };
                let Expr::Attribute(member) = owner else { return None };
                let Expr::Name(class) = &*member.value else { return None };
                let members = self.members(class.id.as_str())?;
                let (_, value) = members.into_iter().find(|(name, _)| name == member.attr.as_str())?;
                value
            }
            _ => return None,
        })
    }

    fn keys(&self, expression: &Expr) -> Option<Plain> {
        let Expr::Name(name) = expression else { return None };
        let Expr::Dict(dict) = self.constant(name.id.as_str())? else { return None };
        let keys = dict.items.iter().map(|item| item.key.as_ref().and_then(|key| self.plain(key)));
        keys.collect::<Option<Vec<_>>>().map(Plain::List)
    }

    fn list(&self, items: &[Expr], hops: usize) -> Option<Plain> {
        items.iter().map(|item| self.plain_within(item, hops)).collect::<Option<Vec<_>>>().map(Plain::List)
    }

    fn number(&self, number: &Number, expression: &Expr) -> Option<Plain> {
        let written = self.excerpt(expression).replace('_', "");
        match number {
            Number::Int(value) => Some(Plain::Int(value.to_string())),
            Number::Float(_) => Some(Plain::Float(written)),
            Number::Complex { .. } => None,
        }
    }

    /// What a name of the module is assigned, when that happens exactly once.
    pub(super) fn constant(&self, name: &str) -> Option<&Expr> {
        let mut found = None;
        for statement in self.body() {
            let value = match statement {
                Stmt::Assign(assign) => assign
                    .targets
                    .iter()
                    .any(|target| matches!(target, Expr::Name(known) if known.id.as_str() == name))
                    .then_some(&*assign.value),
                Stmt::AnnAssign(assign) if matches!(&*assign.target, Expr::Name(known) if known.id.as_str() == name) => {
                    assign.value.as_deref()
                }
                _ => None,
            };
            if value.is_some() {
                if found.is_some() {
                    return None;
                }
                found = value;
            }
        }
        found
    }

    /// A function of the module.
    pub(super) fn function(&self, name: &str) -> Option<&StmtFunctionDef> {
        self.body().iter().find_map(|statement| match statement {
            Stmt::FunctionDef(function) if function.name.as_str() == name => Some(function),
            _ => None,
        })
    }

    /// A class of the module.
    pub(super) fn class(&self, name: &str) -> Option<&StmtClassDef> {
        self.body().iter().find_map(|statement| match statement {
            Stmt::ClassDef(class) if class.name.as_str() == name => Some(class),
            _ => None,
        })
    }

    /// Names and values of an Enum of the module.
    pub(super) fn members(&self, class: &str) -> Option<Vec<(String, Plain)>> {
        let class = self.class(class)?;
        let bases = class.arguments.as_ref()?;
        let is_enum =
            bases.args.iter().any(|base| self.path(base).is_some_and(|path| path.ends_with("Enum")));
        if !is_enum {
            return None;
        }
        let members = class.body.iter().filter_map(|statement| match statement {
            Stmt::Assign(assign) => match assign.targets.as_slice() {
                [Expr::Name(name)] => Some((name.id.to_string(), self.plain(&assign.value)?)),
                _ => None,
            },
            _ => None,
        });
        Some(members.collect())
    }
}

fn calculated(operator: Operator, left: &Plain, right: &Plain) -> Option<Plain> {
    match (operator, left, right) {
        (Operator::Add, Plain::Text(left), Plain::Text(right)) => Some(Plain::Text(format!("{left}{right}"))),
        // Paths are joined by a slash.
        (Operator::Div, Plain::Text(left), Plain::Text(right)) => {
            Some(Plain::Text(format!("{}/{right}", left.trim_end_matches('/'))))
        }
        (operator, Plain::Int(left), Plain::Int(right)) => {
            let (left, right): (i64, i64) = (left.parse().ok()?, right.parse().ok()?);
            let value = match operator {
                Operator::Add => left.checked_add(right)?,
                Operator::Sub => left.checked_sub(right)?,
                Operator::Mult => left.checked_mul(right)?,
                Operator::LShift => left.checked_mul(1_i64.checked_shl(u32::try_from(right).ok()?)?)?,
                Operator::Pow => left.checked_pow(u32::try_from(right).ok()?)?,
                _ => return None,
            };
            Some(Plain::Int(value.to_string()))
        }
        _ => None,
    }
}

fn note_imports(statement: &Stmt, imports: &mut HashMap<String, String>) {
    match statement {
        Stmt::Import(import) => {
            for alias in &import.names {
                let name = alias.name.as_str();
                match &alias.asname {
                    Some(known) => imports.insert(known.to_string(), name.to_owned()),
                    None => {
                        let first = name.split('.').next().unwrap_or(name);
                        imports.insert(first.to_owned(), first.to_owned())
                    }
                };
            }
        }
        Stmt::ImportFrom(import) => {
            let module = import.module.as_ref().map(ToString::to_string).unwrap_or_default();
            for alias in &import.names {
                let known = alias.asname.as_ref().unwrap_or(&alias.name);
                imports.insert(known.to_string(), format!("{module}.{}", alias.name.as_str()));
            }
        }
        _ => {}
    }
}

/// Calls `see` for every statement, in order, those inside of others included.
pub(super) fn each_statement<'a>(body: &'a [Stmt], see: &mut impl FnMut(&'a Stmt)) {
    for statement in body {
        see(statement);
        for inner in inner_bodies(statement) {
            each_statement(inner, see);
        }
    }
}

/// The statements that a statement holds.
pub(super) fn inner_bodies(statement: &Stmt) -> Vec<&[Stmt]> {
    match statement {
        Stmt::FunctionDef(inner) => vec![&inner.body],
        Stmt::ClassDef(inner) => vec![&inner.body],
        Stmt::With(inner) => vec![&inner.body],
        Stmt::For(inner) => vec![&inner.body, &inner.orelse],
        Stmt::While(inner) => vec![&inner.body, &inner.orelse],
        Stmt::If(inner) => std::iter::once(&*inner.body)
            .chain(inner.elif_else_clauses.iter().map(|clause| &*clause.body))
            .collect(),
        Stmt::Try(inner) => vec![&inner.body, &inner.orelse, &inner.finalbody],
        _ => Vec::new(),
    }
}

pub(super) fn docstring(body: &[Stmt]) -> Option<String> {
    let Stmt::Expr(first) = body.first()? else { return None };
    let Expr::StringLiteral(text) = &*first.value else { return None };
    paragraph(text.value.to_str())
}

/// The first paragraph of a text, on one line.
pub(super) fn paragraph(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.trim().lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let joined: String = lines.join(" ").chars().take(300).collect();
    (!joined.is_empty()).then_some(joined)
}

/// The value given under a name.
pub(super) fn keyword<'a>(arguments: &'a Arguments, name: &str) -> Option<&'a Expr> {
    arguments
        .keywords
        .iter()
        .find(|keyword| keyword.arg.as_ref().is_some_and(|known| known.as_str() == name))
        .map(|keyword| &keyword.value)
}
