//! What a model's files say about it.

use super::CellValue;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What the `MLmodel` file of a version says, and the files that it names.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ModelCard {
    pub flavors: Vec<ModelFlavor>,
    pub signature: Option<ModelSignature>,
    pub input_example: Option<InputExample>,
    /// Lines of `requirements.txt`.
    pub requirements: Vec<String>,
    pub python_version: Option<String>,
    pub mlflow_version: Option<String>,
    pub model_uuid: Option<String>,
    pub made_at: Option<String>,
    /// What could not be read, and why.
    pub problems: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ModelFlavor {
    pub name: String,
    /// E.g. `pickled_model: model.pkl`; values that are not plain are JSON.
    pub fields: BTreeMap<String, String>,
}

/// What goes in and what comes out. A list is absent where it was not said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelSignature {
    pub inputs: Option<Vec<SignatureField>>,
    pub outputs: Option<Vec<SignatureField>>,
    pub params: Option<Vec<SignatureField>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SignatureField {
    /// Empty for the one nameless column or tensor.
    pub name: String,
    /// E.g. `double`, `tensor float32 (-1, 28, 28)`.
    pub r#type: String,
    pub required: bool,
    /// Of a param.
    pub default: Option<String>,
}

/// The input example as a table; what is no table is shown as text.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct InputExample {
    pub columns: Vec<String>,
    /// At most 20.
    pub rows: Vec<Vec<Option<CellValue>>>,
    pub row_count: u64,
    pub text: Option<String>,
    /// Below the version's folder.
    pub path: String,
}
