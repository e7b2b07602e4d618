//! Requests as MLflow's clients write them: JSON bodies or query strings, read leniently.
//!
//! A body is a protobuf message in JSON: fields may be spelled `snake_case` or `camelCase`, integers may be text,
//! floats may be `NaN`, unknown fields are passed over, and a field that is absent differs from one that is empty.
//! A body that is no JSON counts as empty, so that the answer names the parameter that is missing.

use super::error::{Code, MlflowError, Result};
use crate::error::JSON_LIMIT_BYTES;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// Bodies of this size are not read between other work.
const LARGE_BODY_BYTES: usize = 1 << 20;

const SEE_DOCS: &str = "See the API docs for more information about request parameters.";

/// What a request says, whichever way it says it.
#[derive(Debug, Default)]
pub(super) struct Params {
    /// Of a query string, each value is the list of all arguments with that name.
    object: Map<String, Value>,
    from_query: bool,
}

impl Params {
    /// The fields of the request.
    pub(super) fn fields(&self) -> Fields<'_> {
        Fields { object: &self.object, from_query: self.from_query, place: Place::Top }
    }

    /// The fields as they came.
    #[cfg(feature = "fuzzing")]
    pub(super) fn object(&self) -> &Map<String, Value> {
        &self.object
    }

    /// Reads a query string.
    pub(super) fn from_query(query: &str) -> Result<Self> {
        let mut object = Map::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let list = object.entry(unescape(name)?).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(values) = list {
                values.push(Value::String(unescape(value)?));
            }
        }
        Ok(Self { object, from_query: true })
    }

    /// Reads a JSON body.
    pub(super) fn from_body(body: &[u8]) -> Result<Self> {
        let mut value = parse_lenient(body)?;
        if let Some(Value::String(inner)) = &value {
            // Older clients encode twice.
            value = parse_lenient(inner.as_bytes())?;
        }
        Ok(match value {
            Some(Value::Object(object)) => Self { object, from_query: false },
            _ => Self::default(),
        })
    }

    /// As [`Params::from_body`], where it holds up nobody else when it takes long.
    async fn from_bytes(body: Bytes) -> Result<Self> {
        if body.len() < LARGE_BODY_BYTES {
            return Self::from_body(&body);
        }
        tokio::task::spawn_blocking(move || Self::from_body(&body)).await.map_err(|error| {
            MlflowError::new(Code::InternalError, format!("The request was given up: {error}"))
        })?
    }
}

/// A JSON body that has not been read yet.
#[derive(Debug)]
pub(super) struct Sent(Bytes);

impl Sent {
    /// Reads the body the quick way, or else the lenient way.
    pub(super) async fn read<T>(
        self,
        quick: impl FnOnce(&[u8]) -> Option<T>,
        lenient: impl FnOnce(&Fields<'_>) -> Result<T>,
    ) -> Result<T> {
        if self.0.len() < LARGE_BODY_BYTES
            && let Some(read) = quick(&self.0)
        {
            return Ok(read);
        }
        lenient(&Params::from_bytes(self.0).await?.fields())
    }
}

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = MlflowError;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        check_content_type(request.headers())?;
        read_body(request).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = MlflowError;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return Self::from_query(request.uri().query().unwrap_or_default());
        }
        check_content_type(request.headers())?;
        Self::from_bytes(read_body(request).await?).await
    }
}

/// What the address itself names, percent-decoded once.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(MlflowError))]
pub(super) struct UrlPath<T>(pub(super) T);

/// The whole body, if it is not too large.
async fn read_body(request: Request) -> Result<Bytes> {
    axum::body::to_bytes(request.into_body(), JSON_LIMIT_BYTES).await.map_err(|error| {
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            if error.is::<http_body_util::LengthLimitError>() {
                return MlflowError::invalid(format!(
                    "The request body is larger than {} MiB. Please split it up into several requests.",
                    JSON_LIMIT_BYTES >> 20
                ))
                .with_status(StatusCode::PAYLOAD_TOO_LARGE);
            }
            cause = error.source();
        }
        MlflowError::invalid(format!("The request body broke off: {error}"))
    })
}

fn check_content_type(headers: &HeaderMap) -> Result<()> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Err(MlflowError::invalid("Bad Request. Content-Type header is missing."));
    };
    let media_type = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(MlflowError::invalid("Bad Request. Content-Type must be one of ['application/json']."))
    }
}

/// Decodes `+` and percent-encodings of a query string, once.
fn unescape(text: &str) -> Result<String> {
    let spaced = text.replace('+', " ");
    match percent_encoding::percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(MlflowError::invalid(format!("Invalid query: '{}' is not text in UTF-8.", cut(text)))),
    }
}

/// Values that a request may consist of. What stands for a value in memory is many times larger than the two bytes
/// it may have in the body, and no client comes near.
const VALUES_LIMIT: usize = 500_000;

/// Reads JSON and what Python takes for it; none when it is neither.
fn parse_lenient(body: &[u8]) -> Result<Option<Value>> {
    // A smaller body cannot hold that many.
    if body.len() > 2 * VALUES_LIMIT && has_more_values(body, VALUES_LIMIT) {
        return Err(MlflowError::invalid(format!(
            "The request body has more than {VALUES_LIMIT} values. Please split it up into several requests."
        ))
        .with_status(StatusCode::PAYLOAD_TOO_LARGE));
    }
    let read = serde_json::from_slice(body).ok();
    Ok(read.or_else(|| serde_json::from_slice(&quote_odd_floats(body)).ok()))
}

/// True when a JSON text has more than `most` values: every value but the first follows a comma or an opening bracket.
fn has_more_values(body: &[u8], most: usize) -> bool {
    let (mut count, mut at) = (0, 0);
    while let Some(&byte) = body.get(at) {
        at += match byte {
            b'"' => string_length(&body[at..]),
            b',' | b'[' | b'{' => {
                count += 1;
                1
            }
            _ => 1,
        };
        if count > most {
            return true;
        }
    }
    false
}

/// Puts `NaN`, `Infinity` and `-Infinity` in quotes where they stand outside of strings, as Python writes them, and
/// writes numbers that are beyond all floats as the infinities that Python reads them as.
fn quote_odd_floats(body: &[u8]) -> Vec<u8> {
    const TOKENS: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
    let mut out = Vec::with_capacity(body.len() + 16);
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        let rest = &body[at..];
        if byte == b'"' {
            let length = string_length(rest);
            out.extend_from_slice(&rest[..length]);
            at += length;
        } else if let Some(token) = TOKENS.iter().find(|token| rest.starts_with(token)) {
            out.push(b'"');
            out.extend_from_slice(token);
            out.push(b'"');
            at += token.len();
        } else if byte == b'-' || byte.is_ascii_digit() {
            let is_part =
                |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
            let length = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len()).max(1);
            let number = std::str::from_utf8(&rest[..length]).ok().and_then(|text| text.parse::<f64>().ok());
            match number {
                Some(f64::INFINITY) => out.extend_from_slice(b"\"Infinity\""),
                Some(f64::NEG_INFINITY) => out.extend_from_slice(b"\"-Infinity\""),
                _ => out.extend_from_slice(&rest[..length]),
            }
            at += length;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    out
}

/// Bytes of the string that `text` begins with, both quotes included; all of `text` when it does not end.
fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// Where an object stands in the request, for messages.
#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    Top,
    Item { list: &'a str, index: usize },
    Member { of: &'a Place<'a>, name: &'a str },
}

impl fmt::Display for Place<'_> {
    /// The prefix of a field's name, e.g. `metrics[0].`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Item { list, index } => write!(formatter, "{list}[{index}]."),
            Self::Member { of, name } => write!(formatter, "{of}{name}."),
        }
    }
}

/// One object of a request: reads its fields by the names and types that MLflow gives them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    from_query: bool,
    place: Place<'a>,
}

impl<'a> Fields<'a> {
    /// The full name of a field, e.g. `metrics[0].key`.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.place)
    }

    /// The error for a value that is not what the field needs.
    pub(super) fn invalid(&self, name: &str, value: &Value) -> MlflowError {
        let kind = match value {
            Value::Null => "NoneType",
            Value::Bool(_) => "bool",
            Value::Number(number) if number.is_f64() => "float",
            Value::Number(_) => "int",
            Value::String(_) => "str",
            Value::Array(_) => "list",
            Value::Object(_) => "dict",
        };
        MlflowError::invalid(format!(
            "Invalid value {} for parameter '{}' supplied:  Hint: Value was of type '{kind}'. {SEE_DOCS}",
            shown(value),
            self.path(name),
        ))
    }

    /// As [`Fields::invalid`], with the value that was sent.
    pub(super) fn invalid_as_sent(&self, name: &str) -> Result<MlflowError> {
        Ok(self.invalid(name, self.single(name)?.unwrap_or(&Value::Null)))
    }

    /// The error for a field that must be there.
    pub(super) fn missing(&self, name: &str) -> MlflowError {
        MlflowError::invalid(format!(
            "Missing value for required parameter '{}'. {SEE_DOCS}",
            self.path(name)
        ))
    }

    fn value(&self, name: &str) -> Result<Option<&'a Value>> {
        let snake = self.object.get(name).filter(|value| !value.is_null());
        if self.from_query {
            return Ok(snake);
        }
        let Some(camel_name) = camel_case(name) else { return Ok(snake) };
        let camel = self.object.get(&camel_name).filter(|value| !value.is_null());
        if snake.is_some() && camel.is_some() {
            return Err(MlflowError::invalid(format!(
                "Request specifies both '{name}' and '{camel_name}'; provide only one of them."
            )));
        }
        Ok(snake.or(camel))
    }

    /// As [`Fields::value`], for a field that is not a list: of repeated query arguments the first counts.
    fn single(&self, name: &str) -> Result<Option<&'a Value>> {
        let value = self.value(name)?;
        Ok(match value {
            Some(Value::Array(values)) if self.from_query => values.first(),
            other => other,
        })
    }

    /// Text; absent differs from empty.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>> {
        match self.single(name)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.invalid(name, other)),
        }
    }

    /// Text that is not empty, or nothing.
    pub(super) fn filled_text(&self, name: &str) -> Result<Option<&'a str>> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    /// Text that must be there and not be empty.
    pub(super) fn required_text(&self, name: &str) -> Result<&'a str> {
        self.filled_text(name)?.ok_or_else(|| self.missing(name))
    }

    /// An integer, written as a number or as text.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>> {
        let Some(value) = self.single(name)? else { return Ok(None) };
        let read = match value {
            Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(whole)),
            Value::String(text) => text.trim().parse().ok(),
            // As in Python, where a flag is a number.
            Value::Bool(flag) => Some(i64::from(*flag)),
            _ => None,
        };
        read.map(Some).ok_or_else(|| self.invalid(name, value))
    }

    /// An integer that must be there.
    pub(super) fn required_integer(&self, name: &str) -> Result<i64> {
        self.integer(name)?.ok_or_else(|| self.missing(name))
    }

    /// A float, written as a number or as text; NaN and the infinities included.
    pub(super) fn number(&self, name: &str) -> Result<Option<f64>> {
        let Some(value) = self.single(name)? else { return Ok(None) };
        let read = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
            _ => None,
        };
        read.map(Some).ok_or_else(|| self.invalid(name, value))
    }

    /// True or false.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.single(name)? {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(text)) if self.from_query && text == "true" => Ok(Some(true)),
            Some(Value::String(text)) if self.from_query && text == "false" => Ok(Some(false)),
            Some(other) => Err(self.invalid(name, other)),
        }
    }

    /// One of a list of names, written as the name or as its number, which counts from `first`. As in MLflow, a
    /// name that is not known counts as absent.
    pub(super) fn choice<T: Copy>(&self, name: &str, first: i64, known: &[(&str, T)]) -> Result<Option<T>> {
        let Some(value) = self.single(name)? else { return Ok(None) };
        let by_number = |number: i64| {
            let at = number.checked_sub(first).and_then(|at| usize::try_from(at).ok())?;
            known.get(at).map(|(_, choice)| *choice)
        };
        match value {
            Value::String(text) => Ok(known
                .iter()
                .find(|(name, _)| name == text)
                .map(|(_, choice)| *choice)
                .or_else(|| text.parse().ok().and_then(by_number))),
            Value::Number(number) => {
                number.as_i64().and_then(by_number).map(Some).ok_or_else(|| self.invalid(name, value))
            }
            other => Err(self.invalid(name, other)),
        }
    }

    fn list(&self, name: &str) -> Result<&'a [Value]> {
        match self.value(name)? {
            None => Ok(&[]),
            Some(Value::Array(values)) => Ok(values),
            Some(other) => Err(self.invalid(name, other)),
        }
    }

    /// True when the field is there, even if it is empty.
    pub(super) fn has(&self, name: &str) -> Result<bool> {
        Ok(self.value(name)?.is_some())
    }

    /// A list of texts.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>> {
        self.list(name)?
            .iter()
            .enumerate()
            .map(|(index, item)| match item {
                Value::String(text) => Ok(text.clone()),
                other => Err(self.invalid(&format!("{name}[{index}]"), other)),
            })
            .collect()
    }

    /// A list of objects.
    pub(super) fn objects(&self, name: &'a str) -> Result<Vec<Fields<'a>>> {
        self.list(name)?
            .iter()
            .enumerate()
            .map(|(index, item)| match item {
                Value::Object(object) => {
                    Ok(Fields { object, from_query: false, place: Place::Item { list: name, index } })
                }
                other => Err(self.invalid(&format!("{name}[{index}]"), other)),
            })
            .collect()
    }

    /// An object.
    pub(super) fn object<'b>(&'b self, name: &'b str) -> Result<Option<Fields<'b>>> {
        match self.value(name)? {
            None => Ok(None),
            Some(Value::Object(object)) => {
                Ok(Some(Fields { object, from_query: false, place: Place::Member { of: &self.place, name } }))
            }
            Some(other) => Err(self.invalid(name, other)),
        }
    }
}

/// The integer that a float stands for, if it has no fraction.
fn whole(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (number.fract() == 0.0 && (-LIMIT..LIMIT).contains(&number)).then_some(number as i64)
}

/// `run_id` as `runId`; none for a name of one word.
fn camel_case(name: &str) -> Option<String> {
    if !name.contains('_') {
        return None;
    }
    let mut out = String::with_capacity(name.len());
    for (index, word) in name.split('_').enumerate() {
        let mut chars = word.chars();
        match chars.next() {
            Some(first) if index > 0 => out.push(first.to_ascii_uppercase()),
            Some(first) => out.push(first),
            None => {}
        }
        out.push_str(chars.as_str());
    }
    Some(out)
}

/// A value as JSON, cut to what a message can carry.
pub(super) fn shown(value: &Value) -> String {
    cut(&value.to_string()).into_owned()
}

/// Text as Python shows it.
pub(super) fn python_text(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// Texts as Python shows a list of them.
pub(super) fn python_list(texts: &[&str]) -> String {
    let shown: Vec<_> = texts.iter().map(|text| python_text(text)).collect();
    format!("[{}]", shown.join(", "))
}

/// Text cut to what a message can carry.
pub(super) fn cut(text: &str) -> Cow<'_, str> {
    const SHOWN_CHARS: usize = 300;
    match text.char_indices().nth(SHOWN_CHARS) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Params {
        Params::from_body(text.as_bytes()).unwrap()
    }

    fn message<T: fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().message().to_owned()
    }

    #[test]
    fn bare_floats_are_accepted_outside_of_strings_only() {
        let params =
            body(r#"{"a": NaN, "b": [-Infinity, Infinity], "c": "say \"NaN\": NaN", "value": -Infinity}"#);
        let fields = params.fields();
        assert!(fields.number("a").unwrap().unwrap().is_nan());
        assert_eq!(fields.number("value").unwrap(), Some(f64::NEG_INFINITY));
        assert_eq!(fields.text("c").unwrap(), Some("say \"NaN\": NaN"));
    }

    #[test]
    fn what_is_no_json_object_counts_as_empty() {
        for text in ["", "{oops", "[1]", "5", "null", "\"x\"", "{\"a\": Na}", "\u{0}"] {
            let params = body(text);
            assert_eq!(
                message(params.fields().required_text("name")),
                "Missing value for required parameter 'name'. See the API docs for more information about request \
                 parameters."
            );
        }
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(body(&format!("{{\"a\": {deep}}}")).object.is_empty(), "nesting is limited");
        assert!(Params::from_body(&[b'{', 0xff, b'}']).unwrap().object.is_empty());
    }

    #[test]
    fn a_body_may_be_encoded_twice() {
        assert_eq!(body(r#""{\"name\": \"x\"}""#).fields().text("name").unwrap(), Some("x"));
    }

    #[test]
    fn both_spellings_are_read_but_not_together() {
        assert_eq!(body(r#"{"runId": "a"}"#).fields().text("run_id").unwrap(), Some("a"));
        assert_eq!(body(r#"{"run_id": "a", "runId": null}"#).fields().text("run_id").unwrap(), Some("a"));
        assert_eq!(
            message(body(r#"{"run_id": "a", "runId": "a"}"#).fields().text("run_id")),
            "Request specifies both 'run_id' and 'runId'; provide only one of them."
        );
    }

    #[test]
    fn wrong_types_are_named() {
        let params =
            body(r#"{"name": 123, "list": "x", "int": "abc", "flag": "true", "items": [{"key": 5}, 5]}"#);
        let fields = params.fields();
        let hint = |value: &str, name: &str, kind: &str| {
            format!(
                "Invalid value {value} for parameter '{name}' supplied:  Hint: Value was of type '{kind}'. {SEE_DOCS}"
            )
        };
        assert_eq!(message(fields.text("name")), hint("123", "name", "int"));
        assert_eq!(message(fields.texts("list")), hint("\"x\"", "list", "str"));
        assert_eq!(message(fields.integer("int")), hint("\"abc\"", "int", "str"));
        assert_eq!(message(fields.flag("flag")), hint("\"true\"", "flag", "str"));
        assert_eq!(message(fields.objects("items")), hint("5", "items[1]", "int"));
        let params = body(r#"{"items": [{"key": 5, "value": ""}]}"#);
        let fields = params.fields();
        let items = fields.objects("items").unwrap();
        assert_eq!(message(items[0].text("key")), hint("5", "items[0].key", "int"));
        assert_eq!(
            message(items[0].required_text("value")),
            format!("Missing value for required parameter 'items[0].value'. {SEE_DOCS}")
        );
    }

    #[test]
    fn a_huge_wrong_value_is_shortened() {
        let params = body(&format!("{{\"int\": \"{}\"}}", "é".repeat(1_000_000)));
        assert!(message(params.fields().integer("int")).len() < 1000);
    }

    #[test]
    fn numbers_may_be_text() {
        let params = body(
            r#"{"a": "-3", "b": 4.0, "c": 4.5, "d": 1e300, "e": "1.5", "f": "NaN", "g": 9223372036854775807, "h": true}"#,
        );
        let fields = params.fields();
        assert_eq!(fields.integer("a").unwrap(), Some(-3));
        assert_eq!(fields.integer("b").unwrap(), Some(4));
        assert!(fields.integer("c").is_err());
        assert!(fields.integer("d").is_err());
        assert_eq!(fields.number("e").unwrap(), Some(1.5));
        assert!(fields.number("f").unwrap().unwrap().is_nan());
        assert_eq!(fields.integer("g").unwrap(), Some(i64::MAX));
        assert_eq!(fields.number("h").unwrap(), Some(1.0), "as in Python");
        assert_eq!(fields.integer("h").unwrap(), Some(1));
    }

    #[test]
    fn numbers_beyond_floats_are_infinite() {
        let params = body(r#"{"a": 1e400, "b": -1e999, "c": "1e400", "d": 1e-400}"#);
        let fields = params.fields();
        assert_eq!(fields.number("a").unwrap(), Some(f64::INFINITY));
        assert_eq!(fields.number("b").unwrap(), Some(f64::NEG_INFINITY));
        assert_eq!(fields.number("d").unwrap(), Some(0.0));
    }

    #[test]
    fn a_body_of_very_many_values_is_refused_before_it_fills_the_memory() {
        let many = format!("{{\"a\": [{}0]}}", "0,".repeat(VALUES_LIMIT));
        assert_eq!(
            message(Params::from_body(many.as_bytes())),
            "The request body has more than 500000 values. Please split it up into several requests."
        );
        let long = format!("{{\"a\": \"{}\"}}", ",".repeat(3 * VALUES_LIMIT));
        assert!(Params::from_body(long.as_bytes()).is_ok(), "text is one value");
    }

    #[test]
    fn texts_are_shown_as_python_shows_them() {
        for (text, expected) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("a\"b", "'a\"b'"),
            ("'\"", "'\\'\"'"),
            ("a\\\n", "'a\\\\\\n'"),
        ] {
            assert_eq!(python_text(text), expected);
        }
        assert_eq!(python_list(&["a", "b"]), "['a', 'b']");
    }

    #[test]
    fn choices_by_name_or_number() {
        let known = [("ONE", 1), ("TWO", 2)];
        for (text, expected) in [
            (r#"{"x": "TWO"}"#, Some(2)),
            (r#"{"x": 2}"#, Some(2)),
            (r#"{"x": "three"}"#, None),
            (r#"{"x": "-9223372036854775808"}"#, None),
            ("{}", None),
        ] {
            assert_eq!(body(text).fields().choice("x", 1, &known).unwrap(), expected, "{text}");
        }
        for refused in [r#"{"x": []}"#, r#"{"x": 3}"#, r#"{"x": 0}"#, r#"{"x": -9223372036854775808}"#] {
            assert!(body(refused).fields().choice("x", 1, &known).is_err(), "{refused}");
        }
    }

    #[test]
    fn queries_repeat_and_escape() {
        let params =
            Params::from_query("run_ids=a&run_ids=b%20c&key=m%2Fn+o&empty=&flag=true&a=%2541").unwrap();
        let fields = params.fields();
        assert_eq!(fields.texts("run_ids").unwrap(), ["a", "b c"]);
        assert_eq!(fields.text("run_ids").unwrap(), Some("a"));
        assert_eq!(fields.text("key").unwrap(), Some("m/n o"));
        assert_eq!(fields.text("empty").unwrap(), Some(""));
        assert_eq!(fields.flag("flag").unwrap(), Some(true));
        assert!(Params::from_query("path=%c0%ae").is_err(), "not UTF-8");
        assert_eq!(fields.text("a").unwrap(), Some("%41"), "decoded once");
        assert_eq!(fields.text("absent").unwrap(), None);
    }
}
