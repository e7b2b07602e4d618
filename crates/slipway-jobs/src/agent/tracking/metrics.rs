//! What the processes of a job use, as metrics of its run, under the names that MLflow has for them.

use super::super::now_ms;
use crate::machine;
use crate::process::{self, Stat};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// As often as MLflow does.
const EVERY: Duration = Duration::from_secs(10);
const MEGABYTE: f64 = 1e6;

/// What was seen last, and when.
pub(in crate::agent) struct SystemMetrics {
    folder: PathBuf,
    step: u64,
    next: tokio::time::Instant,
    last: Option<(Instant, u64)>,
    cpu_ticks: HashMap<(u32, u64), u64>,
    network: (f64, f64),
}

impl SystemMetrics {
    pub(in crate::agent) fn new(folder: PathBuf) -> Self {
        let next = tokio::time::Instant::now() + EVERY;
        Self { folder, step: 0, next, last: None, cpu_ticks: HashMap::new(), network: network() }
    }

    /// When the next sample is due.
    pub(in crate::agent) fn next_at(&self) -> tokio::time::Instant {
        self.next
    }

    /// A sample as a batch for a run.
    pub(in crate::agent) fn sample(&mut self, run_id: &str) -> Value {
        self.next = tokio::time::Instant::now() + EVERY;
        let tree = process::descendants(std::process::id());
        let stats: Vec<(u32, Stat)> =
            tree.into_iter().filter_map(|pid| Some((pid, Stat::of(pid)?))).collect();
        let now = Instant::now();
        // Ticks since the last sample, of processes that still are; those that came since count from their beginning.
        let mut ticks = 0;
        let mut seen = HashMap::new();
        for (pid, stat) in &stats {
            let key = (*pid, stat.start_ticks);
            let all = stat.cpu_ticks + stat.children_cpu_ticks;
            ticks += all.saturating_sub(self.cpu_ticks.get(&key).copied().unwrap_or(0));
            seen.insert(key, all);
        }
        self.cpu_ticks = seen;
        let mut values: Vec<(&str, f64)> = Vec::new();
        if let Some((last, _)) = self.last {
            let seconds = now.duration_since(last).as_secs_f64().max(0.001);
            let busy = process::ticks_to_ms(ticks) as f64 / 1_000.0 / seconds;
            let percent = 100.0 * busy / f64::from(machine::processors().max(1));
            values.push(("cpu_utilization_percentage", percent.min(100.0)));
        }
        self.last = Some((now, ticks));
        let pages: u64 = stats.iter().map(|(_, stat)| stat.memory_pages).sum();
        let bytes = pages as f64 * rustix::param::page_size() as f64;
        values.push(("system_memory_usage_megabytes", bytes / MEGABYTE));
        let all = machine::memory_bytes();
        if all > 0 {
            values.push(("system_memory_usage_percentage", 100.0 * bytes / all as f64));
        }
        if let Some((free, all)) = machine::disk_bytes(&self.folder) {
            let used = all.saturating_sub(free) as f64;
            values.push(("disk_usage_megabytes", used / MEGABYTE));
            values.push(("disk_available_megabytes", free as f64 / MEGABYTE));
            values.push(("disk_usage_percentage", 100.0 * used / (all.max(1)) as f64));
        }
        let (received, sent) = network();
        values.push(("network_receive_megabytes", (received - self.network.0).max(0.0)));
        values.push(("network_transmit_megabytes", (sent - self.network.1).max(0.0)));
        let (at_ms, step) = (now_ms(), self.step);
        self.step += 1;
        let metrics: Vec<Value> = values
            .into_iter()
            .map(|(name, value)| json!({ "key": format!("system/{name}"), "value": value, "timestamp": at_ms, "step": step }))
            .collect();
        json!({ "run_id": run_id, "metrics": metrics })
    }
}

/// Megabytes that this machine received and sent, but for what stayed on it. Which process they are of, the system does
/// not say.
fn network() -> (f64, f64) {
    let text = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let mut sums = (0.0, 0.0);
    for line in text.lines() {
        let Some((name, numbers)) = line.split_once(':') else { continue };
        if name.trim() == "lo" {
            continue;
        }
        let numbers: Vec<f64> =
            numbers.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
        sums.0 += numbers.first().copied().unwrap_or(0.0) / MEGABYTE;
        sums.1 += numbers.get(8).copied().unwrap_or(0.0) / MEGABYTE;
    }
    sums
}
