//! Where a model version comes from: checks of the source that a client names, and the place it stands for.
//!
//! Nothing is fetched and no path is opened here. A source on this machine's own disk is refused unless it lies
//! with the run it claims to come from, since whoever may download the version could read it.

use super::decode::cut;
use super::error::{MlflowError, Result};
use super::registered_models::stage;
use super::validate::has_parent_step;
use slipway_store::{Reader, Stage};

/// A source, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// `runs:/<run id>/<path>`.
    Run { run_id: String, path: String },
    /// `models:/m-<id>`.
    LoggedModel(String),
    /// `models:/<name>/<version>`, `models:/<name>/<stage>` or `models:/<name>@<alias>`.
    Version { name: String, which: Which },
    /// `mlflow-artifacts:/<path>`.
    Artifacts,
    /// A path of the machine that the server runs on.
    Local(String),
    /// Any other URI: kept as it is.
    Elsewhere,
}

/// Names one version of a registered model.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Which {
    Number(i64),
    Alias(String),
    Stage(Stage),
    Latest,
}

/// What the client says that the source belongs to.
#[derive(Debug, Default)]
pub(super) struct Claim {
    pub(super) run_id: Option<String>,
    pub(super) model_id: Option<String>,
}

/// What a source comes to.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) location: String,
    pub(super) run_id: Option<String>,
    pub(super) model_id: Option<String>,
}

impl Source {
    /// Takes a source apart and refuses those that can mean no good.
    pub(super) fn parse(source: &str) -> Result<Self> {
        if has_parent_step(source) || source.contains('\0') {
            return Err(refused(
                source,
                "If supplying a source as an http, https, local file path, ftp, objectstore, or mlflow-artifacts uri, \
                 an absolute path must be provided without relative path references present. Please provide an \
                 absolute path.",
            ));
        }
        let Some((scheme, rest)) = source.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
            return Ok(Self::Local(source.to_owned()));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "runs" => match rest.trim_start_matches('/').split_once('/') {
                Some((run_id, path)) if !run_id.is_empty() => {
                    Ok(Self::Run { run_id: run_id.to_owned(), path: path.trim_matches('/').to_owned() })
                }
                _ => Err(refused(source, "A source in a run has the form runs:/<run id>/<path>.")),
            },
            "models" => model(source, rest.trim_start_matches('/')),
            "mlflow-artifacts" => Ok(Self::Artifacts),
            "file" => {
                let path = rest.strip_prefix("//localhost/").map_or_else(
                    || rest.strip_prefix("//").unwrap_or(rest).to_owned(),
                    |path| format!("/{path}"),
                );
                Ok(Self::Local(percent_encoding::percent_decode_str(&path).decode_utf8_lossy().into_owned()))
            }
            _ => Ok(Self::Elsewhere),
        }
    }

    /// Finds the place a source stands for.
    pub(super) fn resolve(self, source: &str, claim: Claim, reader: &Reader<'_>) -> Result<Resolved> {
        let Claim { run_id, mut model_id } = claim;
        let logged = match &self {
            Self::LoggedModel(id) => {
                if model_id.as_ref().is_some_and(|claimed| claimed != id) {
                    return Err(refused(
                        source,
                        "The model_id request parameter must identify the resource that contains the source.",
                    ));
                }
                model_id = Some(id.clone());
                Some(reader.logged_model(id)?)
            }
            _ => model_id.as_deref().map(|id| reader.logged_model(id)).transpose()?,
        };
        let (location, run_id) = match self {
            Self::Run { run_id: id, path } => {
                if run_id.as_ref().is_some_and(|claimed| *claimed != id) {
                    return Err(refused_run(source));
                }
                (below(&reader.run_info(&id)?.artifact_uri, &path), Some(id))
            }
            Self::LoggedModel(_) => {
                let location =
                    logged.as_ref().map(|model| model.artifact_location.clone()).unwrap_or_default();
                (location, run_id)
            }
            Self::Version { name, which } => {
                let version = match which {
                    Which::Number(number) => reader.model_version(&name, number)?,
                    Which::Alias(alias) => reader.model_version_by_alias(&name, &alias)?,
                    Which::Stage(stage) => newest(reader.latest_versions(&name, &[stage])?, source)?,
                    Which::Latest => newest(reader.latest_versions(&name, &Stage::ALL)?, source)?,
                };
                model_id = model_id.or(version.model_id);
                (version.storage_location, run_id.or(version.run_id))
            }
            Self::Artifacts => {
                let root = match (&logged, &run_id) {
                    (Some(model), _) => Some(model.artifact_location.clone()),
                    (None, Some(id)) => Some(reader.run_info(id)?.artifact_uri),
                    (None, None) => None,
                };
                if root.is_some_and(|root| !contains(&root, source)) {
                    return Err(refused_run(source));
                }
                (source.to_owned(), run_id)
            }
            Self::Local(path) => {
                let root = match &run_id {
                    Some(id) => Some(reader.run_info(id)?.artifact_uri),
                    None => None,
                };
                let root = root.as_deref().map(|root| root.strip_prefix("file://").unwrap_or(root));
                if !root.is_some_and(|root| root.starts_with('/') && contains(root, &path)) {
                    return Err(refused(
                        source,
                        "To use a local path as a model version source, the run_id request parameter has to be \
                         specified and the local path has to be contained within the artifact directory of the run \
                         specified by the run_id.",
                    ));
                }
                (source.to_owned(), run_id)
            }
            Self::Elsewhere => (source.to_owned(), run_id),
        };
        let run_id = run_id.or_else(|| logged.and_then(|model| model.source_run_id));
        Ok(Resolved { location, run_id, model_id })
    }
}

/// Where the files of a model are that is named by a `models:/` address, or in words why that cannot be told.
pub(crate) fn model_location(uri: &str, reader: &Reader<'_>) -> std::result::Result<String, String> {
    let named = Source::parse(uri).and_then(|source| source.resolve(uri, Claim::default(), reader));
    named.map(|resolved| resolved.location).map_err(|error| error.to_string())
}

fn model(source: &str, rest: &str) -> Result<Source> {
    if let Some((name, alias)) =
        rest.split_once('@').filter(|(name, alias)| !name.is_empty() && !alias.is_empty())
    {
        return Ok(Source::Version { name: name.to_owned(), which: Which::Alias(alias.to_owned()) });
    }
    match rest.split_once('/') {
        None if rest.starts_with("m-") => Ok(Source::LoggedModel(rest.to_owned())),
        Some((name, which)) if !name.is_empty() && !which.contains('/') => {
            let which = match which.parse() {
                Ok(number) => Which::Number(number),
                Err(_) if which.eq_ignore_ascii_case("latest") => Which::Latest,
                Err(_) => Which::Stage(stage(which)?),
            };
            Ok(Source::Version { name: name.to_owned(), which })
        }
        _ => Err(refused(
            source,
            "A model is named by models:/<model id>, models:/<name>/<version or stage> or models:/<name>@<alias>.",
        )),
    }
}

fn newest(versions: Vec<slipway_store::ModelVersion>, source: &str) -> Result<slipway_store::ModelVersion> {
    versions
        .into_iter()
        .max_by_key(|version| version.version)
        .ok_or_else(|| MlflowError::missing(format!("No version found for '{}'", cut(source))))
}

/// A scheme has two characters or more, so that `C:\x` is a path.
fn is_scheme(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// True when `place` is `root` or lies in it.
fn contains(root: &str, place: &str) -> bool {
    place
        .strip_prefix(root.trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn below(root: &str, path: &str) -> String {
    if path.is_empty() { root.to_owned() } else { format!("{}/{path}", root.trim_end_matches('/')) }
}

fn refused(source: &str, reason: &str) -> MlflowError {
    MlflowError::invalid(format!("Invalid model version source: '{}'. {reason}", cut(source)))
}

fn refused_run(source: &str) -> MlflowError {
    refused(source, "The run_id request parameter must identify the resource that contains the source.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_taken_apart() {
        let version = |which| Source::Version { name: "fraud model".to_owned(), which };
        for (text, expected) in [
            ("runs:/ab/model/x", Source::Run { run_id: "ab".to_owned(), path: "model/x".to_owned() }),
            ("models:/m-12", Source::LoggedModel("m-12".to_owned())),
            ("models:/fraud model/3", version(Which::Number(3))),
            ("models:/fraud model@champion", version(Which::Alias("champion".to_owned()))),
            ("models:/fraud model/production", version(Which::Stage(Stage::Production))),
            ("models:/fraud model/Latest", version(Which::Latest)),
            ("mlflow-artifacts:/1/ab/artifacts/model", Source::Artifacts),
            ("s3://bucket/key?x=1", Source::Elsewhere),
            ("unknown+x://a/b", Source::Elsewhere),
            ("/etc/passwd", Source::Local("/etc/passwd".to_owned())),
            ("relative/p", Source::Local("relative/p".to_owned())),
            ("file:///tmp/x%20y", Source::Local("/tmp/x y".to_owned())),
            ("file:/tmp/x", Source::Local("/tmp/x".to_owned())),
            ("FILE://localhost/tmp/x", Source::Local("/tmp/x".to_owned())),
            ("C:\\models", Source::Local("C:\\models".to_owned())),
        ] {
            assert_eq!(Source::parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn ways_out_are_refused() {
        for text in [
            "mlflow-artifacts:/1/../x",
            "mlflow-artifacts:/1/%2e%2e/x",
            "mlflow-artifacts:/1/%252e%252e/x",
            "s3://a/../b",
            "file:///a/%2E%2E/b",
            "..",
            "runs:/ab/../../x",
            "runs:/ab",
            "models:/",
            "models:/a/b/c",
            "models:/a/nostage",
            "a\0b",
        ] {
            assert!(Source::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_place_is_inside_only_at_a_slash() {
        assert!(contains("/a/b", "/a/b"));
        assert!(contains("/a/b/", "/a/b/c"));
        assert!(!contains("/a/b", "/a/bc"));
        assert!(!contains("/a/b", "/a"));
    }
}
