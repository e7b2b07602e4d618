//! Bad request bodies, made from a good one: each value in it is left out, of another type, too large or strange in
//! turn; then the body as a whole is cut, nested, encoded or labelled wrongly.

use serde_json::{Value, json};
use std::collections::HashSet;

/// A body that no client means.
#[derive(Debug, Clone)]
pub struct Malformed {
    /// What is wrong with it.
    pub what: String,
    /// The bytes to send.
    pub body: Vec<u8>,
    /// What to send as `Content-Type`.
    pub content_type: Option<&'static str>,
}

const JSON: &str = "application/json";

/// Every way to spoil `good` that is known here.
pub fn malformed(good: &Value) -> Vec<Malformed> {
    let mut out = Vec::new();
    for place in places(good) {
        let mut without = good.clone();
        if remove(&mut without, &place) {
            out.push(json_body(format!("{place} is missing"), &without));
        }
        for (what, value) in strange_values() {
            let mut changed = good.clone();
            if let Some(at) = changed.pointer_mut(&place) {
                *at = value;
                out.push(json_body(format!("{place} is {what}"), &changed));
            }
        }
        // What serde_json cannot hold as a value.
        for text in ["NaN", "-Infinity", "1e999", "123456789012345678901234567890", "-0", "01", "Na", "nul"] {
            let mut changed = good.clone();
            if let Some(at) = changed.pointer_mut(&place) {
                *at = json!("@@@");
                out.push(raw(format!("{place} is {text}"), changed.to_string().replace("\"@@@\"", text)));
            }
        }
    }
    let text = good.to_string();
    out.extend(whole(&text));
    let mut seen = HashSet::from([(text.into_bytes(), Some(JSON))]);
    out.retain(|body| seen.insert((body.body.clone(), body.content_type)));
    out
}

/// What can be wrong with a body whatever it says.
fn whole(text: &str) -> Vec<Malformed> {
    let mut out: Vec<Malformed> = (1..8)
        .map(|eighth| {
            let mut end = text.len() * eighth / 8;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            raw(format!("cut after {end} bytes"), &text[..end])
        })
        .collect();
    for bytes in
        ["", " ", "null", "true", "5", "\"\"", "[]", "[{}]", "{", "}", "{}{}", "NaN", "{\"\":}", "\u{0}"]
    {
        out.push(raw(format!("the body is {bytes:?}"), bytes));
    }
    out.push(raw("a byte order mark", format!("\u{feff}{text}")));
    out.push(raw("something after the end", format!("{text}x")));
    out.push(raw("in a list", format!("[{text}]")));
    out.push(raw("comments", format!("/* hello */ {text} // there")));
    out.push(raw("single quotes", text.replace('"', "'")));
    out.push(raw("a text in a text in a text", json!(json!(text).to_string()).to_string()));
    out.push(raw("UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()));
    out.push(raw("a lone surrogate", text.replacen(":\"", ":\"\\ud800", 1)));
    if let Some(quote) = text.find(":\"") {
        let mut bytes = text.as_bytes().to_vec();
        bytes.splice(quote + 2..quote + 2, [0xff, 0xc0, 0xaf]);
        out.push(raw("no UTF-8 in a text", bytes));
    }
    if let Some(inner) = text.strip_prefix('{') {
        for (what, open, close) in [("lists", "[", "]"), ("objects", "{\"a\":", "}")] {
            let nested = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
            out.push(raw(format!("100,000 {what} in each other"), format!("{{\"deep\":{nested},{inner}")));
            out.push(raw(format!("100,000 open {what}"), open.repeat(100_000)));
        }
        let fields = inner.trim_end_matches('}');
        out.push(raw("every key twice", format!("{{{fields},{fields}}}")));
        let spoilt = fields.replace(":\"", ":[\"").replace("\",", "\"],");
        out.push(raw("every key twice, with another type", format!("{{{fields},{spoilt}}}")));
        let many: Vec<String> = (0..20_000).map(|number| format!("\"k{number}\":{number}")).collect();
        out.push(raw("20,000 unknown keys", format!("{{{},{inner}", many.join(","))));
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "", ";;;"] {
        out.push(Malformed {
            what: format!("content type {content_type:?}"),
            body: text.into(),
            content_type: Some(content_type),
        });
    }
    out.push(Malformed { what: "no content type".to_owned(), body: text.into(), content_type: None });
    out
}

fn strange_values() -> Vec<(&'static str, Value)> {
    vec![
        ("null", Value::Null),
        ("true", json!(true)),
        ("zero", json!(0)),
        ("negative", json!(-1)),
        ("a fraction", json!(0.5)),
        ("a huge number", json!(1e308)),
        ("the largest number", json!(u64::MAX)),
        ("the smallest integer", json!(i64::MIN)),
        ("empty", json!("")),
        ("a word", json!("nonsense")),
        ("a number as text", json!("9223372036854775808")),
        ("a huge text", json!("ü".repeat(60_000))),
        ("a NUL", json!("a\0b")),
        ("a control character", json!("a\u{1b}[2J\r\nX: y")),
        ("a path upwards", json!("../../../etc/passwd")),
        ("SQL", json!("'; DROP TABLE runs; --")),
        ("an empty list", json!([])),
        ("a list in a list", json!([[[]]])),
        ("a mixed list", json!([null, 1, "a", {}, []])),
        ("an empty object", json!({})),
        ("an object", json!({ "key": { "value": [] } })),
    ]
}

/// A JSON pointer to each value in `value`, itself left out; of a list only the first item.
fn places(value: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| (format!("/{}", name.replace('/', "~1")), field)).collect()
        }
        Value::Array(items) => items.iter().take(1).map(|item| ("/0".to_owned(), item)).collect(),
        _ => Vec::new(),
    };
    children
        .into_iter()
        .flat_map(|(place, child)| {
            let below: Vec<String> = places(child).into_iter().map(|rest| format!("{place}{rest}")).collect();
            std::iter::once(place).chain(below)
        })
        .collect()
}

fn remove(value: &mut Value, place: &str) -> bool {
    let Some((parent, name)) = place.rsplit_once('/') else { return false };
    match value.pointer_mut(parent) {
        Some(Value::Object(fields)) => fields.shift_remove(&name.replace("~1", "/")).is_some(),
        Some(Value::Array(items)) => items.pop().is_some(),
        _ => false,
    }
}

fn json_body(what: String, value: &Value) -> Malformed {
    raw(what, value.to_string())
}

fn raw(what: impl Into<String>, body: impl Into<Vec<u8>>) -> Malformed {
    Malformed { what: what.into(), body: body.into(), content_type: Some(JSON) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_a_body_is_spoilt_and_the_good_one_is_not_among_them() {
        let good = json!({ "run_id": "r", "tags": [{ "key": "k", "value": "v" }] });
        let bodies = malformed(&good);
        for place in ["/run_id", "/tags", "/tags/0/key", "/tags/0/value"] {
            let wanted = format!("{place} is missing");
            assert!(bodies.iter().any(|body| body.what == wanted), "{place}");
        }
        assert!(bodies.len() > 150, "{}", bodies.len());
        for body in &bodies {
            assert!(
                body.body != good.to_string().as_bytes() || body.content_type != Some(JSON),
                "{}",
                body.what
            );
        }
    }
}
