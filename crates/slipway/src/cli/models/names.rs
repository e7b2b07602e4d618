//! Names of versions, targets and stages as they are typed, and cells as they are shown.

use crate::cli::client::{Api, escaped};
use crate::cli::{Failure, Result, output};
use slipway_server::app::wire::{CellValue, ModelDetail, ModelStage, ModelTarget, ModelVersionRef};

/// The version that a text names; none when it names a model. A name holds neither `/` nor `:`.
pub(super) fn version_of(api: &Api, text: &str) -> Result<Option<ModelVersionRef>> {
    if let Some((name, version)) = text.rsplit_once('/') {
        let version = version.trim_start_matches('v').parse();
        let version =
            version.map_err(|_| Failure::usage(format!("`{text}` names no version: say NAME/3")))?;
        return Ok(Some(ModelVersionRef { name: name.to_owned(), version }));
    }
    let Some((name, alias)) =
        text.rsplit_once('@').filter(|(name, alias)| !name.is_empty() && !alias.is_empty())
    else {
        return Ok(None);
    };
    let detail: ModelDetail = match api.get(&format!("/models/one?name={}", escaped(name))) {
        Ok(detail) => detail,
        // A name may hold an `@`.
        Err(_) => return Ok(None),
    };
    let held = detail.model.aliases.into_iter().find(|held| held.alias == alias);
    let held =
        held.ok_or_else(|| Failure::not_found(format!("the model `{name}` has no alias `{alias}`")))?;
    Ok(Some(ModelVersionRef { name: name.to_owned(), version: held.version }))
}

pub(super) fn required_version(api: &Api, text: &str) -> Result<ModelVersionRef> {
    let found = version_of(api, text)?;
    found.ok_or_else(|| Failure::usage(format!("`{text}` names no version: say NAME/3 or NAME@champion")))
}

/// Reads an alias or a stage as it is typed.
pub(super) fn target(text: &str) -> Result<ModelTarget> {
    if let Some(alias) = text.strip_prefix('@') {
        return Ok(ModelTarget::Alias { alias: alias.to_owned() });
    }
    let stages = [ModelStage::None, ModelStage::Staging, ModelStage::Production, ModelStage::Archived];
    let found = stages.into_iter().find(|known| stage(*known).eq_ignore_ascii_case(text));
    found.map(|stage| ModelTarget::Stage { stage }).ok_or_else(|| {
        Failure::usage(format!("`{text}` is neither an alias nor a stage"))
            .hint("Say @champion for an alias; stages are Staging, Production, Archived and None.")
    })
}

pub(super) fn target_text(target: &ModelTarget) -> String {
    match target {
        ModelTarget::Alias { alias } => format!("@{alias}"),
        ModelTarget::Stage { stage: found } => stage(*found).to_owned(),
    }
}

pub(super) fn stage(stage: ModelStage) -> &'static str {
    match stage {
        ModelStage::None => "None",
        ModelStage::Staging => "Staging",
        ModelStage::Production => "Production",
        ModelStage::Archived => "Archived",
    }
}

pub(super) fn value(value: Option<&CellValue>) -> String {
    match value {
        None => "–".to_owned(),
        Some(CellValue::Number(number)) => number.to_string(),
        Some(CellValue::Text(text)) => output::clean(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_they_are_typed() {
        assert_eq!(target("@a").ok(), Some(ModelTarget::Alias { alias: "a".to_owned() }));
        assert_eq!(target("production").ok(), Some(ModelTarget::Stage { stage: ModelStage::Production }));
        assert!(target("champion").is_err());
    }
}
