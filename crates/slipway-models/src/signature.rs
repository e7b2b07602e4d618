//! Signatures: what a model takes and gives, and whether who calls one model can call another.

use serde_json::Value;
use std::fmt;

/// Fields beyond this are left out: a signature of so many columns is compared by nobody.
const FIELDS_LIMIT: usize = 20_000;
/// Reasons that are given.
const REASONS_LIMIT: usize = 50;

/// What a model takes and gives. A part is none where it was not said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signature {
    /// Columns or tensors that go in.
    pub inputs: Option<Vec<Field>>,
    /// What comes out.
    pub outputs: Option<Vec<Field>>,
    /// Settings of a call.
    pub params: Option<Vec<Field>>,
}

/// A column, a tensor or a param.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Empty where there is no name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// A call without it fails.
    pub required: bool,
    /// Of a param, as JSON.
    pub default: Option<String>,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A type by name, or a nested one as JSON.
    Value(String),
    /// An array of numbers.
    Tensor {
        /// E.g. `float32`.
        dtype: String,
        /// One number per dimension.
        shape: Shape,
    },
}

/// Length per dimension; -1 takes any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape(pub Vec<i64>);

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(name) => formatter.write_str(name),
            Self::Tensor { dtype, shape } => {
                let lengths: Vec<String> = shape.0.iter().map(i64::to_string).collect();
                write!(formatter, "tensor {dtype} ({})", lengths.join(", "))
            }
        }
    }
}

impl Signature {
    /// Reads the `signature` of an `MLmodel` file: lists of fields, each as JSON or as JSON text.
    ///
    /// # Errors
    /// What was not understood.
    pub fn read(value: &Value) -> Result<Self, String> {
        let part = |key: &str| -> Result<Option<Vec<Field>>, String> {
            let parsed;
            let list = match value.get(key) {
                None | Some(Value::Null) => return Ok(None),
                Some(Value::String(text)) => {
                    parsed =
                        serde_json::from_str::<Value>(text).map_err(|error| format!("{key}: {error}"))?;
                    &parsed
                }
                Some(other) => other,
            };
            match list {
                Value::Null => Ok(None),
                Value::Array(fields) => Ok(Some(fields.iter().take(FIELDS_LIMIT).map(field).collect())),
                _ => Err(format!("{key} is no list")),
            }
        };
        if !value.is_object() {
            return Err("it is no mapping".to_owned());
        }
        Ok(Self { inputs: part("inputs")?, outputs: part("outputs")?, params: part("params")? })
    }
}

fn field(value: &Value) -> Field {
    let kind = match value.get("tensor-spec") {
        Some(spec) => Kind::Tensor {
            dtype: spec.get("dtype").and_then(Value::as_str).unwrap_or("?").to_owned(),
            shape: shape(spec.get("shape")),
        },
        None => match value.get("type").and_then(Value::as_str) {
            Some(nested @ ("object" | "array" | "map")) => {
                let inside = value.get("properties").or(value.get("items")).or(value.get("values"));
                Kind::Value(inside.map_or(nested.to_owned(), |inside| format!("{nested} {inside}")))
            }
            Some(name) => Kind::Value(name.to_owned()),
            None => Kind::Value("?".to_owned()),
        },
    };
    // Params have a default and a shape beside the type.
    let default = value.get("default").filter(|default| !default.is_null()).map(Value::to_string);
    Field {
        name: value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        kind,
        required: value.get("required").and_then(Value::as_bool).unwrap_or(default.is_none()),
        default,
    }
}

fn shape(value: Option<&Value>) -> Shape {
    let lengths = value.and_then(Value::as_array).into_iter().flatten();
    Shape(lengths.map(|length| length.as_i64().unwrap_or(-1)).collect())
}

/// How two signatures compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// In one word.
    pub state: State,
    /// What speaks against it; or, if nothing does, what differs without harm.
    pub reasons: Vec<String>,
}

/// Whether who calls the one can call the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing differs.
    Same,
    /// Something differs, and calls go on working.
    Compatible,
    /// Some call that worked fails, or gives something else.
    Incompatible,
    /// One of them has none.
    Unknown,
}

/// Whether who calls `old` can call `new`.
#[must_use]
pub fn compare(old: Option<&Signature>, new: Option<&Signature>) -> Verdict {
    let unknown = |reason: &str| Verdict { state: State::Unknown, reasons: vec![reason.to_owned()] };
    let (old, new) = match (old, new) {
        (None, None) => return unknown("neither has a signature"),
        (None, Some(_)) => return unknown("the present one has no signature"),
        (Some(_), None) => return unknown("the new one has no signature"),
        (Some(old), Some(new)) => (old, new),
    };
    if old == new {
        return Verdict { state: State::Same, reasons: Vec::new() };
    }
    let mut found = Found::default();
    inputs(old.inputs.as_deref(), new.inputs.as_deref(), &mut found);
    outputs(old.outputs.as_deref(), new.outputs.as_deref(), &mut found);
    params(old.params.as_deref(), new.params.as_deref(), &mut found);
    let state = if found.against.is_empty() { State::Compatible } else { State::Incompatible };
    let mut reasons = if found.against.is_empty() { found.harmless } else { found.against };
    let more = reasons.len().saturating_sub(REASONS_LIMIT);
    reasons.truncate(REASONS_LIMIT);
    if more > 0 {
        reasons.push(format!("and {more} more"));
    }
    Verdict { state, reasons }
}

#[derive(Default)]
struct Found {
    against: Vec<String>,
    harmless: Vec<String>,
}

/// The field of `fields` that stands for `field`: of the same name, or at the same place where there are no names.
fn same<'a>(fields: &'a [Field], index: usize, field: &Field) -> Option<&'a Field> {
    if field.name.is_empty() {
        return fields.get(index).filter(|other| other.name.is_empty());
    }
    // Most signatures list the same columns in the same order.
    match fields.get(index) {
        Some(other) if other.name == field.name => Some(other),
        _ => fields.iter().find(|other| other.name == field.name),
    }
}

fn named(what: &str, index: usize, field: &Field) -> String {
    if field.name.is_empty() { format!("{what} {}", index + 1) } else { format!("{what} `{}`", field.name) }
}

fn inputs(old: Option<&[Field]>, new: Option<&[Field]>, found: &mut Found) {
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        (None, Some(_)) => return found.harmless.push("the inputs were not said before".to_owned()),
        (Some(_), None) => return found.harmless.push("the inputs are no longer said".to_owned()),
        (None, None) => return,
    };
    for (index, field) in new.iter().enumerate() {
        let what = named("input", index, field);
        match same(old, index, field) {
            None if field.required => found.against.push(format!("{what} is new and required")),
            None => found.harmless.push(format!("{what} is new and optional")),
            Some(before) => {
                if field.required && !before.required {
                    found.against.push(format!("{what} has become required"));
                }
                fits(&what, &before.kind, &field.kind, found);
            }
        }
    }
    for (index, field) in old.iter().enumerate() {
        if same(new, index, field).is_none() {
            found.harmless.push(format!("{} is no longer read", named("input", index, field)));
        }
    }
}

fn outputs(old: Option<&[Field]>, new: Option<&[Field]>, found: &mut Found) {
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        (None, Some(_)) => return found.harmless.push("the outputs were not said before".to_owned()),
        (Some(_), None) => return found.against.push("the outputs are no longer said".to_owned()),
        (None, None) => return,
    };
    for (index, field) in old.iter().enumerate() {
        let what = named("output", index, field);
        match same(new, index, field) {
            None => found.against.push(format!("{what} is gone")),
            // What comes out has to be what was expected.
            Some(after) => fits(&what, &after.kind, &field.kind, found),
        }
    }
    for (index, field) in new.iter().enumerate() {
        if same(old, index, field).is_none() {
            found.harmless.push(format!("{} is new", named("output", index, field)));
        }
    }
}

fn params(old: Option<&[Field]>, new: Option<&[Field]>, found: &mut Found) {
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    for (index, field) in old.iter().enumerate() {
        let what = named("param", index, field);
        match same(new, index, field) {
            None => found.harmless.push(format!("{what} is gone; who sets it is not heard")),
            Some(after) if after.kind != field.kind => {
                found.against.push(format!("{what} was {}, and is {}", field.kind, after.kind));
            }
            Some(after) if after.default != field.default => {
                found.harmless.push(format!("{what} has another default"));
            }
            Some(_) => {}
        }
    }
    for (index, field) in new.iter().enumerate() {
        if same(old, index, field).is_none() {
            found.harmless.push(format!("{} is new", named("param", index, field)));
        }
    }
}

/// Notes whether a value of `given` can be taken where `taken` is expected.
fn fits(what: &str, given: &Kind, taken: &Kind, found: &mut Found) {
    match (given, taken) {
        (given, taken) if given == taken => {}
        (Kind::Tensor { dtype: a, shape: given_shape }, Kind::Tensor { dtype: b, shape: taken_shape })
            if a == b && shape_fits(given_shape, taken_shape) =>
        {
            found.harmless.push(format!("{what} was {given}, and is {taken}"));
        }
        (Kind::Value(a), Kind::Value(b)) if widens(a, b) => {
            found.harmless.push(format!("{what} goes from {a} to {b}, which holds all of it"));
        }
        _ => found.against.push(format!("{what} is {given} on one side and {taken} on the other")),
    }
}

/// Whether a model that expects `to` takes a value of `from`, as MLflow's models do.
fn widens(from: &str, to: &str) -> bool {
    matches!((from, to), ("integer", "long" | "double") | ("float", "double") | (_, "any"))
}

fn shape_fits(given: &Shape, taken: &Shape) -> bool {
    given.0.len() == taken.0.len() && given.0.iter().zip(&taken.0).all(|(a, b)| a == b || *b == -1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn signature(inputs: Value, outputs: Value) -> Signature {
        Signature::read(&json!({"inputs": inputs, "outputs": outputs})).unwrap()
    }

    fn column(name: &str, kind: &str) -> Value {
        json!({"name": name, "type": kind, "required": true})
    }

    fn state(old: &Signature, new: &Signature) -> (State, String) {
        let verdict = compare(Some(old), Some(new));
        (verdict.state, verdict.reasons.join("; "))
    }

    #[test]
    fn what_breaks_callers_is_named() {
        let out = json!([column("p", "double")]);
        let old = signature(json!([column("a", "integer"), column("b", "string")]), out.clone());
        for (inputs, outputs, expected, word) in [
            (json!([column("a", "integer"), column("b", "string")]), out.clone(), State::Same, ""),
            (
                json!([column("b", "string"), column("a", "long")]),
                out.clone(),
                State::Compatible,
                "holds all",
            ),
            (json!([column("a", "integer")]), out.clone(), State::Compatible, "`b` is no longer read"),
            (json!([column("a", "boolean")]), out.clone(), State::Incompatible, "`a` is integer"),
            (
                json!([column("a", "integer"), column("b", "string"), column("c", "double")]),
                out.clone(),
                State::Incompatible,
                "`c` is new and required",
            ),
            (
                json!([column("a", "integer")]),
                json!([column("q", "double")]),
                State::Incompatible,
                "`p` is gone",
            ),
            // A wider output is not what callers expect.
            (json!([]), json!([column("p", "any")]), State::Incompatible, "`p` is any"),
        ] {
            let (state, reasons) = state(&old, &signature(inputs, outputs));
            assert_eq!(state, expected, "{reasons}");
            assert!(reasons.contains(word), "{reasons}");
        }
    }

    #[test]
    fn tensors_fit_where_any_length_is_taken() {
        let tensor =
            |shape: Value| json!([{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": shape}}]);
        let old = signature(tensor(json!([32, 28])), tensor(json!([-1])));
        let any = signature(tensor(json!([-1, 28])), tensor(json!([-1])));
        assert_eq!(state(&old, &any).0, State::Compatible);
        assert_eq!(state(&any, &old).0, State::Incompatible);
    }

    #[test]
    fn nothing_said_is_nothing_known() {
        let some = signature(json!([]), json!([]));
        assert_eq!(compare(None, Some(&some)).state, State::Unknown);
        assert_eq!(compare(Some(&some), None).state, State::Unknown);
    }

    fn fields() -> impl Strategy<Value = Value> {
        let kinds = prop::sample::select(vec!["integer", "long", "float", "double", "string", "any"]);
        prop::collection::vec(("[a-d]?", kinds, any::<bool>()), 0..5).prop_map(|fields| {
            fields
                .into_iter()
                .map(|(name, kind, required)| json!({"name": name, "type": kind, "required": required}))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn a_signature_is_the_same_as_itself(inputs in fields(), outputs in fields()) {
            let one = signature(inputs, outputs);
            prop_assert_eq!(state(&one, &one.clone()).0, State::Same);
        }

        #[test]
        fn a_verdict_against_has_a_reason(a in fields(), b in fields(), c in fields(), d in fields()) {
            let (state, reasons) = state(&signature(a, b), &signature(c, d));
            prop_assert!(state != State::Incompatible || !reasons.is_empty());
        }
    }
}
