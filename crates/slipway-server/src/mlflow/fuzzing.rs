//! What the fuzz targets call: the reader of bodies and queries, with every kind of field read from what it gives.
//! It is not there in an ordinary build.

use super::decode::{Fields, Params};
use super::error::Result;
use super::{fast, runs, validate};
use serde_json::{Map, Value};
use slipway_store::LogBatch;

/// Reads a body, then each of its fields as everything a field can be. Gives the fields, if it may be read at all.
pub fn read_body(body: &[u8]) -> Option<Map<String, Value>> {
    let params = Params::from_body(body).ok()?;
    let object = params.object().clone();
    for name in object.keys() {
        read_as_everything(&params.fields(), name);
    }
    Some(object)
}

/// Reads a body the quick way and the lenient way. Gives each pair in which the quick way read something.
pub fn read_twice(body: &[u8]) -> Vec<(LogBatch, Option<LogBatch>)> {
    let params = Params::from_body(body).ok();
    let lenient = |read: fn(&Fields<'_>) -> Result<LogBatch>| {
        params.as_ref().and_then(|params| read(&params.fields()).ok())
    };
    let param = |fields: &Fields<'_>| {
        let (run_id, params) = (runs::run_id(fields)?, vec![validate::param(fields)?]);
        Ok(LogBatch { run_id, params, ..LogBatch::default() })
    };
    let tag = |fields: &Fields<'_>| {
        let (run_id, tags) = (runs::run_id(fields)?, vec![validate::run_tag(fields)?]);
        Ok(LogBatch { run_id, tags, ..LogBatch::default() })
    };
    [
        (fast::batch(body), lenient(runs::batch)),
        (fast::one_metric(body), lenient(runs::metric_of_run)),
        (fast::one_param(body), lenient(param)),
        (fast::one_tag(body), lenient(tag)),
    ]
    .into_iter()
    .filter_map(|(quick, lenient)| Some((quick?, lenient)))
    .collect()
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
