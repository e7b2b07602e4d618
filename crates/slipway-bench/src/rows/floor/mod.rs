//! What this machine could do at best: the same bodies parsed and kept, without a server in between; the same calls to
//! a server that keeps a page and knows nothing; a file of the same size, written as quickly as the disk takes it.

mod exchange;
mod large_file;

use anyhow::{Context, Result};
use serde::Deserialize;
use std::borrow::Cow;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

pub(super) use exchange::Exchange;
pub(super) use large_file::write_large;

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    run_id: Cow<'a, str>,
    #[serde(borrow)]
    metrics: Vec<Metric<'a>>,
}

#[derive(Deserialize)]
struct Metric<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    value: f64,
    timestamp: i64,
    step: i64,
}

/// Parses each body and appends 24 bytes a point, with one `fdatasync` a body, on one thread: points per second.
pub(super) fn parse_and_append(folder: &Path, bodies: &[String]) -> Result<f64> {
    let whole: Vec<String> = bodies.iter().map(|rest| format!(r#"{{"run_id":"{:032}",{rest}"#, 0)).collect();
    let path = folder.join("floor");
    let mut file = File::create(&path)?;
    let mut points = 0;
    let mut record = Vec::new();
    let began = Instant::now();
    for body in &whole {
        let batch: Batch<'_> = serde_json::from_str(body)?;
        record.clear();
        for metric in &batch.metrics {
            // Nothing is kept of the names, but they have to be read.
            std::hint::black_box((&batch.run_id, &metric.key));
            record.extend_from_slice(&metric.step.to_le_bytes());
            record.extend_from_slice(&metric.timestamp.to_le_bytes());
            record.extend_from_slice(&metric.value.to_bits().to_le_bytes());
        }
        file.write_all(&record)?;
        file.sync_data()?;
        points += batch.metrics.len();
    }
    let took_s = began.elapsed().as_secs_f64();
    fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    Ok(points as f64 / took_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_reads_the_bodies_that_the_rows_send() {
        let folder = tempfile::tempdir().unwrap();
        let rate = parse_and_append(folder.path(), &crate::bodies::batches(10, 2)).unwrap();
        assert!(rate > 0.0);
        assert!(parse_and_append(folder.path(), &["nonsense".to_owned()]).is_err());
    }
}
