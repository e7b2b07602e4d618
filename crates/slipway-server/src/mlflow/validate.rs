//! MLflow's rules for names, keys and lengths: what can be checked without looking at the store.

use super::decode::{Fields, cut};
use super::error::{MlflowError, Result};
use serde_json::Value;
use slipway_store::KeyValue;

const KEY_LIMIT_CHARS: usize = 250;
const PARAM_VALUE_LIMIT_CHARS: usize = 6000;
const RUN_TAG_VALUE_LIMIT_CHARS: usize = 8000;
const EXPERIMENT_NAME_LIMIT_CHARS: usize = 500;
const EXPERIMENT_TAG_VALUE_LIMIT_CHARS: usize = 20_000;
const REGISTRY_TAG_VALUE_LIMIT_CHARS: usize = 100_000;
const MODEL_NAME_LIMIT_CHARS: usize = 500;
const ALIAS_LIMIT_CHARS: usize = 255;
const ARTIFACT_LOCATION_LIMIT_CHARS: usize = 2048;

/// Refuses text that is longer than `most` characters; `what` is what the message calls it.
pub(super) fn length(what: &str, text: &str, most: usize) -> Result<()> {
    if text.len() > most && text.chars().count() > most {
        return Err(MlflowError::invalid(format!(
            "'{what}' exceeds the maximum length of {most} characters"
        )));
    }
    Ok(())
}

/// The first `most` characters.
fn truncated(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => text[..end].to_owned(),
    }
}

/// True for a key of a metric, param or tag that breaks no rule.
pub(super) fn is_plain_key(key: &str) -> bool {
    if key.len() > KEY_LIMIT_CHARS {
        return false;
    }
    // A path whose parts are all names resolves to itself. This is asked of every point that is logged.
    let is_allowed =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b' ' | b':');
    let is_name = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && part.iter().all(is_allowed);
    key.as_bytes().split(|byte| *byte == b'/').all(is_name)
        || (!key.is_empty() && key_form("key", key).is_ok())
}

/// A param's value as it is kept.
pub(super) fn param_value(value: &str) -> String {
    truncated(value, PARAM_VALUE_LIMIT_CHARS)
}

/// The value of a run's tag as it is kept.
pub(super) fn run_tag_value(value: &str) -> String {
    truncated(value, RUN_TAG_VALUE_LIMIT_CHARS)
}

/// Checks the characters of a key and that it would be a plain relative path; `parameter` is what messages call it.
fn key_form(parameter: &str, key: &str) -> Result<()> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '/' | '.' | '-' | ' ' | ':');
    let refuse = |reason: String| {
        let shown = Value::from(cut(key));
        MlflowError::invalid(format!("Invalid value {shown} for parameter '{parameter}' supplied: {reason}"))
    };
    if !key.chars().all(allowed) {
        return Err(refuse(
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) \
             and slashes (/)."
                .to_owned(),
        ));
    }
    let normal = normal_path(key);
    if normal != key
        || matches!(normal.as_str(), "." | "..")
        || normal.starts_with("../")
        || normal.starts_with('/')
    {
        return Err(refuse(format!(
            "Names may be treated as files in certain cases, and must not resolve to other names when treated as \
             such. This name would resolve to '{}'",
            cut(&normal)
        )));
    }
    Ok(())
}

/// What a path comes to when `.`, `..` and doubled slashes are resolved; `.` when nothing is left.
fn normal_path(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if kept.last().is_some_and(|last| *last != "..") => {
                kept.pop();
            }
            ".." if absolute => {}
            _ => kept.push(part),
        }
    }
    let joined = kept.join("/");
    match (absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// The name of a metric from the field `key`.
pub(super) fn metric_key(fields: &Fields<'_>) -> Result<String> {
    let key = fields.required_text("key")?;
    length("Metric name", key, KEY_LIMIT_CHARS)?;
    key_form(&fields.path("name"), key)?;
    Ok(key.to_owned())
}

/// A param of a run from the fields `key` and `value`.
pub(super) fn param(fields: &Fields<'_>) -> Result<KeyValue> {
    let key = fields.required_text("key")?;
    length("Param key", key, KEY_LIMIT_CHARS)?;
    key_form(&fields.path("key"), key)?;
    let value = fields.text("value")?.unwrap_or_default();
    Ok(KeyValue::new(key, param_value(value)))
}

/// A tag of a run from the fields `key` and `value`.
pub(super) fn run_tag(fields: &Fields<'_>) -> Result<KeyValue> {
    let key = fields.required_text("key")?;
    let path = fields.path("key");
    length(&path, key, KEY_LIMIT_CHARS)?;
    key_form(&path, key)?;
    Ok(KeyValue::new(key, run_tag_value(fields.text("value")?.unwrap_or_default())))
}

/// A tag that a run starts with. MLflow puts no rule on its characters here, and cuts nothing off.
pub(super) fn first_run_tag(fields: &Fields<'_>) -> Result<KeyValue> {
    let key = fields.required_text("key")?;
    length(&fields.path("key"), key, KEY_LIMIT_CHARS)?;
    Ok(KeyValue::new(key, fields.text("value")?.unwrap_or_default()))
}

/// A tag of an experiment from the fields `key` and `value`.
pub(super) fn experiment_tag(fields: &Fields<'_>) -> Result<KeyValue> {
    limited_tag(fields, EXPERIMENT_TAG_VALUE_LIMIT_CHARS)
}

/// A tag of a registered model or of one of its versions from the fields `key` and `value`.
pub(super) fn registry_tag(fields: &Fields<'_>) -> Result<KeyValue> {
    limited_tag(fields, REGISTRY_TAG_VALUE_LIMIT_CHARS)
}

fn limited_tag(fields: &Fields<'_>, most: usize) -> Result<KeyValue> {
    let key = fields.text("key")?.unwrap_or_default();
    let value = fields.text("value")?.unwrap_or_default();
    key_form("key", key)?;
    length("key", key, KEY_LIMIT_CHARS)?;
    length("value", value, most)?;
    Ok(KeyValue::new(key, value))
}

/// A param or tag of a logged model; MLflow puts no rule on its characters.
pub(super) fn logged_model_pair(fields: &Fields<'_>) -> Result<KeyValue> {
    let key = fields.required_text("key")?;
    length(&fields.path("key"), key, KEY_LIMIT_CHARS)?;
    Ok(KeyValue::new(key, fields.text("value")?.unwrap_or_default()))
}

/// The number of an experiment.
pub(super) fn experiment_id(text: &str) -> Result<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    match text.parse() {
        Ok(id) => Ok(id),
        // A number that no experiment can have is unknown, not malformed.
        Err(_) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(MlflowError::missing(format!("No Experiment with id={} exists", cut(text))))
        }
        Err(_) => Err(MlflowError::invalid(format!(
            "Invalid experiment ID '{}'. Experiment ID must be a valid integer.",
            cut(text)
        ))),
    }
}

/// The name of an experiment.
pub(super) fn experiment_name(name: &str) -> Result<String> {
    length("name", name, EXPERIMENT_NAME_LIMIT_CHARS)?;
    Ok(name.to_owned())
}

/// The name of a run, which is also the value of a tag and as long at most.
pub(super) fn run_name(name: &str) -> String {
    truncated(name, RUN_TAG_VALUE_LIMIT_CHARS)
}

/// Where an experiment keeps its files.
pub(super) fn artifact_location(location: &str) -> Result<String> {
    if location.len() > ARTIFACT_LOCATION_LIMIT_CHARS {
        return Err(MlflowError::invalid(format!(
            "Invalid artifact path length. The length of the artifact path cannot be greater than \
             {ARTIFACT_LOCATION_LIMIT_CHARS} characters."
        )));
    }
    // What stands behind a `;` is a parameter only in some kinds of addresses, as in those of MLflow's own language.
    let has_params = ["", "http", "https", "ftp", "sftp", "hdfs"]
        .contains(&location.split_once(':').map_or("", |(scheme, _)| scheme).to_ascii_lowercase().as_str());
    if location.contains('#') || (has_params && location.contains(';')) {
        return Err(MlflowError::invalid("'artifact_location' URL can't include fragments or params."));
    }
    if has_parent_step(location) || location.contains('\0') {
        return Err(MlflowError::invalid(
            "'artifact_location' must not contain '..'. Please provide an absolute location.",
        ));
    }
    Ok(location.to_owned())
}

/// True when `..` stands as a path component, however often the text is percent-encoded.
pub(super) fn has_parent_step(text: &str) -> bool {
    const ROUNDS: usize = 8;
    let mut text = text.to_owned();
    for _ in 0..ROUNDS {
        if text.split(['/', '\\', '?', '&', '=']).any(|part| part == "..") {
            return true;
        }
        let decoded = percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            return false;
        }
        text = decoded;
    }
    true
}

/// The name of a registered model.
pub(super) fn registered_model_name(name: &str) -> Result<String> {
    if name.trim().is_empty() {
        return Err(MlflowError::invalid("Missing value for required parameter 'name'."));
    }
    length("name", name, MODEL_NAME_LIMIT_CHARS)?;
    if name.contains(['/', ':']) {
        return Err(MlflowError::invalid(format!(
            "Invalid model name '{}'. Names cannot contain '/' or ':'.",
            cut(name)
        )));
    }
    let normal = normal_path(name);
    if normal == "." || normal == ".." {
        return Err(MlflowError::invalid(format!(
            "Invalid value {} for parameter 'name' supplied: Names may be treated as files in certain cases, and \
             must not resolve to other names when treated as such. This name would resolve to '{normal}'",
            Value::from(name)
        )));
    }
    Ok(name.to_owned())
}

/// The name of a logged model.
pub(super) fn logged_model_name(name: &str) -> Result<String> {
    if name.is_empty() || name.contains(['/', ':', '.', '%', '"', '\'']) {
        return Err(MlflowError::invalid(format!(
            "Invalid model name ('{}') provided. Model name must be a non-empty string and cannot contain the \
             following characters: ('/', ':', '.', '%', '\"', \"'\")",
            cut(name)
        )));
    }
    length("name", name, MODEL_NAME_LIMIT_CHARS)?;
    Ok(name.to_owned())
}

/// An alias to be set.
pub(super) fn alias(alias: &str) -> Result<String> {
    length("Registered model alias name", alias, ALIAS_LIMIT_CHARS)?;
    if !alias.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
        return Err(MlflowError::invalid(format!(
            "Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )));
    }
    if alias.eq_ignore_ascii_case("latest") {
        return Err(MlflowError::invalid("'latest' alias name (case insensitive) is reserved."));
    }
    let number = alias.strip_prefix(['v', 'V']).unwrap_or_default();
    if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(MlflowError::invalid(format!("Version alias name '{alias}' is reserved.")));
    }
    Ok(alias.to_owned())
}

/// The number of a model version.
pub(super) fn version(text: &str) -> Result<i64> {
    text.parse().map_err(|_| {
        MlflowError::invalid(format!("Parameter 'version' must be an integer, got '{}'.", cut(text)))
    })
}

#[cfg(test)]
mod tests {
    use super::super::decode::Params;
    use super::*;

    fn fields(json: &str) -> Params {
        Params::from_body(json.as_bytes()).unwrap()
    }

    fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().message().to_owned()
    }

    #[test]
    fn keys_are_plain_relative_paths() {
        for key in ["a", "train/loss", "m.1-x y:z", "ünï", "a/..b", "a b", "...", "a/.b/c."] {
            assert!(key_form("key", key).is_ok() && is_plain_key(key), "{key}");
        }
        for key in [
            "", ".", "..", "/x", "x/", "x//y", "a/../b", "a/.", "a/..", "../x", "a%", "a\nb", "a\"b", "\u{0}",
        ] {
            assert!(key_form("key", key).is_err() && !is_plain_key(key), "{key:?}");
        }
        assert_eq!(
            message(key_form("name", "x//y")),
            "Invalid value \"x//y\" for parameter 'name' supplied: Names may be treated as files in certain cases, \
             and must not resolve to other names when treated as such. This name would resolve to 'x/y'"
        );
        assert_eq!(
            message(key_form("key", "a%")),
            "Invalid value \"a%\" for parameter 'key' supplied: Names may only contain alphanumerics, underscores \
             (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/)."
        );
    }

    #[test]
    fn lengths_count_characters() {
        assert!(length("x", &"é".repeat(250), 250).is_ok());
        assert_eq!(
            message(length("Metric name", &"é".repeat(251), 250)),
            "'Metric name' exceeds the maximum length of 250 characters"
        );
        let long = fields(&format!("{{\"key\": \"p\", \"value\": \"{}\"}}", "é".repeat(7000)));
        assert_eq!(param(&long.fields()).unwrap().value.chars().count(), 6000);
        let long = fields(&format!("{{\"key\": \"p\", \"value\": \"{}\"}}", "é".repeat(9000)));
        assert_eq!(run_tag(&long.fields()).unwrap().value.chars().count(), 8000);
    }

    #[test]
    fn experiment_ids() {
        assert_eq!(experiment_id("123456789012345678").unwrap(), 123_456_789_012_345_678);
        assert_eq!(
            message(experiment_id("abc")),
            "Invalid experiment ID 'abc'. Experiment ID must be a valid integer."
        );
        assert_eq!(
            message(experiment_id("99999999999999999999999")),
            "No Experiment with id=99999999999999999999999 exists"
        );
    }

    #[test]
    fn parent_steps_are_found_however_they_are_written() {
        for text in
            ["..", "a/../b", "a/%2e%2e/b", "a/%252e%252E/b", "a%2f..%2fb", "a\\..\\b", "x?p=..", "s3://b/.."]
        {
            assert!(has_parent_step(text), "{text}");
        }
        for text in ["a..b/c", "s3://b/x?y=1", "100%/x", "...", "a/..b"] {
            assert!(!has_parent_step(text), "{text}");
        }
    }

    #[test]
    fn names_and_aliases() {
        for name in ["a/b", "a:b", " ", ".", ".."] {
            assert!(registered_model_name(name).is_err(), "{name}");
        }
        assert!(registered_model_name("fraud detector..v2").is_ok());
        assert!(logged_model_name("a.b").is_err());
        for bad in ["latest", "LATEST", "v1", "V22", "a b", "é!"] {
            assert!(alias(bad).is_err(), "{bad}");
        }
        for good in ["champion", "v", "v1a", "2", "a-b_c"] {
            assert!(alias(good).is_ok(), "{good}");
        }
    }
}
