//! What the fuzz targets call: the reader of bodies and queries, with every kind of field read from what it gives.
//! It is not there in an ordinary build.

use super::decode::{Fields, Params};
use serde_json::{Map, Value};

/// Reads a body, then each of its fields as everything a field can be. Gives the fields.
pub fn read_body(body: &[u8]) -> Map<String, Value> {
    let params = Params::from_body(body);
    let object = params.object().clone();
    for name in object.keys() {
        read_as_everything(&params.fields(), name);
    }
    object
}

/// As [`read_body`], of a query string.
pub fn read_query(query: &str) {
    let Ok(params) = Params::from_query(query) else { return };
    for name in params.object().keys() {
        read_as_everything(&params.fields(), name);
    }
}

/// Whether it can be read does not matter, only that trying is harmless.
fn read_as_everything(fields: &Fields<'_>, name: &str) {
    const CHOICES: [(&str, i64); 2] = [("ONE", 1), ("TWO", 2)];
    let _ = (fields.text(name), fields.integer(name), fields.number(name), fields.flag(name));
    let _ = (fields.choice(name, 1, &CHOICES), fields.texts(name), fields.has(name));
    if let Ok(items) = fields.objects(name) {
        for item in items {
            let _ = (item.required_text("key"), item.text("value"), item.integer("step"));
        }
    }
    if let Ok(Some(member)) = fields.object(name) {
        let _ = (member.required_text("name"), member.objects("tags").map(|tags| tags.len()));
    }
}
