//! The `MLmodel` file.

use crate::signature::Signature;
use serde_json::Value as Json;
use serde_norway::Value;

/// Longer values of a flavor are cut: they are for looking at.
const VALUE_LIMIT_CHARS: usize = 500;
/// Nobody has so many; the file may have been made to annoy.
const FLAVORS_LIMIT: usize = 100;
const FIELDS_LIMIT: usize = 200;

/// What an `MLmodel` file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Card {
    /// In the order of the file.
    pub flavors: Vec<Flavor>,
    /// What goes in and what comes out.
    pub signature: Option<Signature>,
    /// Where the input example is.
    pub saved_example: Option<SavedExample>,
    /// Version of Python that it was made with.
    pub python_version: Option<String>,
    /// Version of MLflow that it was made with.
    pub mlflow_version: Option<String>,
    /// Made up by whoever logged it.
    pub model_uuid: Option<String>,
    /// When it was made, as the file says it.
    pub made_at: Option<String>,
    /// What could not be read, and why.
    pub problems: Vec<String>,
}

/// One way to load a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flavor {
    /// E.g. `sklearn`.
    pub name: String,
    /// Settings; those that are not plain as JSON.
    pub fields: Vec<(String, String)>,
}

/// An example of what goes in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SavedExample {
    /// File beside `MLmodel`.
    pub path: String,
    /// `dataframe`, `ndarray`, `json_object` and so on.
    pub kind: String,
}

impl Card {
    /// Reads the text of an `MLmodel` file.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut card = Self::default();
        let root = match serde_norway::from_str::<Value>(text) {
            Ok(root) if root.is_mapping() => root,
            Ok(_) => {
                card.problems.push("MLmodel holds no settings".to_owned());
                return card;
            }
            Err(error) => {
                card.problems.push(format!("MLmodel is not readable: {error}"));
                return card;
            }
        };
        let text_of = |key: &str| root.get(key).and_then(plain).map(cut);
        card.mlflow_version = text_of("mlflow_version");
        card.model_uuid = text_of("model_uuid");
        card.made_at = text_of("utc_time_created");
        for (name, fields) in
            root.get("flavors").and_then(Value::as_mapping).into_iter().flatten().take(FLAVORS_LIMIT)
        {
            let Some(name) = name.as_str() else { continue };
            let fields: Vec<(String, String)> = fields
                .as_mapping()
                .into_iter()
                .flatten()
                .take(FIELDS_LIMIT)
                .filter(|(_, value)| !value.is_null())
                .filter_map(|(key, value)| Some((cut(plain(key)?), cut(shown(value)))))
                .collect();
            let python = fields.iter().find(|(key, _)| key == "python_version");
            card.python_version =
                card.python_version.take().or_else(|| python.map(|(_, value)| value.clone()));
            card.flavors.push(Flavor { name: cut(name.to_owned()), fields });
        }
        if let Some(signature) = root.get("signature").filter(|value| !value.is_null()) {
            match Signature::read(&to_json(signature)) {
                Ok(signature) => card.signature = Some(signature),
                Err(reason) => card.problems.push(format!("the signature is not readable: {reason}")),
            }
        }
        card.saved_example = root.get("saved_input_example_info").and_then(|info| {
            let text = |key: &str| info.get(key).and_then(plain);
            Some(SavedExample { path: text("artifact_path")?, kind: text("type").unwrap_or_default() })
        });
        card
    }
}

/// A value that is one word or number.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
}

fn shown(value: &Value) -> String {
    plain(value).unwrap_or_else(|| to_json(value).to_string())
}

/// The same as JSON; what JSON does not have becomes null.
fn to_json(value: &Value) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}

fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(VALUE_LIMIT_CHARS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    const TEXT: &str = r#"
artifact_path: model
flavors:
  python_function:
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.sklearn
    python_version: 3.11.2
  sklearn:
    code: null
    pickled_model: model.pkl
mlflow_version: 3.18.0
model_uuid: m-1
saved_input_example_info:
  artifact_path: input_example.json
  pandas_orient: split
  type: dataframe
signature:
  inputs: '[{"type": "double", "name": "amount", "required": true}, {"type": "long", "name": "hour", "required": false}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]'
  params: null
utc_time_created: '2026-01-02 03:04:05.000001'
"#;

    #[test]
    fn a_file_of_the_stock_client_is_read() {
        let card = Card::read(TEXT);
        assert_eq!(card.problems, Vec::<String>::new());
        let names: Vec<&str> = card.flavors.iter().map(|flavor| flavor.name.as_str()).collect();
        assert_eq!(names, ["python_function", "sklearn"]);
        assert_eq!(card.flavors[1].fields, [("pickled_model".to_owned(), "model.pkl".to_owned())]);
        assert_eq!(card.python_version.as_deref(), Some("3.11.2"));
        assert_eq!(card.saved_example.unwrap().path, "input_example.json");
        let signature = card.signature.unwrap();
        let inputs = signature.inputs.unwrap();
        assert_eq!((inputs[0].name.as_str(), inputs[0].required), ("amount", true));
        assert_eq!(inputs[1].kind.to_string(), "long");
        assert!(matches!(signature.outputs.unwrap()[0].kind, Kind::Tensor { .. }));
        assert_eq!(signature.params, None);
    }

    #[test]
    fn whatever_the_text_there_is_an_answer() {
        for text in ["", "[", "- a", "flavors: 3", "signature: 7", "signature: {inputs: '['}", "a: &a [*a]"] {
            let card = Card::read(text);
            assert!(card.signature.is_none(), "{text}");
        }
        assert!(!Card::read("signature: {inputs: '['}").problems.is_empty());
        // Aliases of aliases do not grow without bound.
        let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (last, next) in ('a'..'j').zip('b'..'k') {
            bomb += &format!("{next}: &{next} [{}]\n", vec![format!("*{last}"); 9].join(","));
        }
        assert!(!Card::read(&bomb).problems.is_empty());
    }
}
