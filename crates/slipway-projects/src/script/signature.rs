//! Functions whose parameters are the command line: annotations and defaults.

use super::argparse::{kind_named, kind_of};
use super::source::{Plain, Source};
use super::{ScriptParameter, ValueKind};
use ruff_python_ast::{Expr, Operator, StmtFunctionDef};

/// A parameter of a function.
pub(super) struct Argument<'a> {
    pub(super) name: &'a str,
    pub(super) annotation: Option<&'a Expr>,
    pub(super) default: Option<&'a Expr>,
}

/// What can be given to a function by name; and whether it takes more than that.
pub(super) fn arguments(function: &StmtFunctionDef) -> (Vec<Argument<'_>>, bool) {
    let parameters = &function.parameters;
    let all = parameters.posonlyargs.iter().chain(&parameters.args).chain(&parameters.kwonlyargs);
    let listed = all.map(|parameter| Argument {
        name: parameter.parameter.name.as_str(),
        annotation: parameter.parameter.annotation.as_deref(),
        default: parameter.default.as_deref(),
    });
    (listed.collect(), parameters.vararg.is_some() || parameters.kwarg.is_some())
}

/// What an annotation says.
#[derive(Default)]
pub(super) struct Annotated<'a> {
    pub(super) kind: ValueKind,
    pub(super) choices: Vec<String>,
    pub(super) many: bool,
    /// What follows the type in `Annotated[type, …]`.
    pub(super) extra: Vec<&'a Expr>,
}

/// Reads `int`, `Optional[int]`, `int | None`, `List[int]`, `Literal["a"]`, an Enum, `Annotated[int, …]`.
pub(super) fn annotated<'a>(source: &Source<'_>, annotation: &'a Expr) -> Annotated<'a> {
    match annotation {
        Expr::Subscript(subscript) => {
            let inner: Vec<&Expr> = match &*subscript.slice {
                Expr::Tuple(tuple) => tuple.elts.iter().collect(),
                one => vec![one],
            };
            let path = source.path(&subscript.value).unwrap_or_default();
            match (path.rsplit('.').next().unwrap_or_default(), inner.split_first()) {
                ("Annotated", Some((first, rest))) => {
                    Annotated { extra: rest.to_vec(), ..annotated(source, first) }
                }
                ("Optional" | "Union", Some(_)) => inner
                    .iter()
                    .find(|part| !matches!(part, Expr::NoneLiteral(_)))
                    .map(|part| annotated(source, part))
                    .unwrap_or_default(),
                ("List" | "list" | "Sequence" | "Tuple" | "tuple", Some((first, _))) => {
                    Annotated { many: true, ..annotated(source, first) }
                }
                ("Literal", _) => Annotated {
                    choices: inner.iter().filter_map(|value| source.plain(value)?.shown()).collect(),
                    ..Annotated::default()
                },
                _ => Annotated::default(),
            }
        }
        Expr::BinOp(either) if either.op == Operator::BitOr => {
            let part =
                if matches!(*either.left, Expr::NoneLiteral(_)) { &either.right } else { &either.left };
            annotated(source, part)
        }
        Expr::Name(name) => match source.members(name.id.as_str()) {
            Some(members) => Annotated {
                choices: members.iter().filter_map(|(_, value)| value.shown()).collect(),
                ..Annotated::default()
            },
            None => Annotated {
                kind: kind_named(
                    source.path(annotation).unwrap_or_default().rsplit('.').next().unwrap_or_default(),
                ),
                ..Annotated::default()
            },
        },
        Expr::Attribute(attribute) => {
            Annotated { kind: kind_named(attribute.attr.as_str()), ..Annotated::default() }
        }
        _ => Annotated::default(),
    }
}

/// Kind, choices and default from annotation and default alone.
pub(super) fn plain_parameter(source: &Source<'_>, argument: &Argument<'_>) -> ScriptParameter {
    let mut parameter = ScriptParameter { name: argument.name.to_owned(), ..ScriptParameter::default() };
    if let Some(annotation) = argument.annotation {
        let said = annotated(source, annotation);
        (parameter.kind, parameter.choices, parameter.many) = (said.kind, said.choices, said.many);
    }
    if let Some(default) = argument.default {
        if argument.annotation.is_none() {
            parameter.kind = source.plain(default).as_ref().map(kind_of).unwrap_or_default();
        }
        super::argparse::set_default(source, &mut parameter, default);
    }
    parameter.required = argument.default.is_none();
    parameter
}

/// Whether a default says that a value has to be given.
pub(super) fn is_ellipsis(source: &Source<'_>, value: &Expr) -> bool {
    matches!(source.plain(value), Some(Plain::Ellipsis))
}
