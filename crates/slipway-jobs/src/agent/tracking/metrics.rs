//! What the processes of a job use, as metrics of its run, under the names that MLflow has for them.

use super::super::now_ms;
use super::gpus::Gpus;
use crate::machine;
use crate::process::{self, Stat};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// As often as MLflow does, unless the command's variables say otherwise.
const EVERY: Duration = Duration::from_secs(10);
const SHORTEST: Duration = Duration::from_millis(100);
/// The first comes sooner, for commands that are short.
const FIRST: Duration = Duration::from_secs(2);
/// The variable by which MLflow's users say how often, in seconds.
pub(in crate::agent) const INTERVAL_VARIABLE: &str = "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL";
const MEGABYTE: f64 = 1e6;

/// What was seen last, and when.
pub(in crate::agent) struct SystemMetrics {
    folder: PathBuf,
    gpus: Option<Gpus>,
    every: Duration,
    step: u64,
    next: tokio::time::Instant,
    last: Instant,
    cpu_ticks: HashMap<(u32, u64), u64>,
    network: (f64, f64),
}

impl SystemMetrics {
    /// `gpus` are those that the job was lent, `interval` what its variables say.
    pub(in crate::agent) fn new(folder: PathBuf, gpus: &[u32], interval: Option<&str>) -> Self {
        let every = interval
            .and_then(|seconds| Duration::try_from_secs_f64(seconds.trim().parse().ok()?).ok())
            .map_or(EVERY, |every| every.max(SHORTEST));
        Self {
            folder,
            gpus: Gpus::of(gpus),
            every,
            step: 0,
            next: tokio::time::Instant::now() + every.min(FIRST),
            last: Instant::now(),
            cpu_ticks: HashMap::new(),
            network: network(),
        }
    }

    /// When the next sample is due.
    pub(in crate::agent) fn next_at(&self) -> tokio::time::Instant {
        self.next
    }

    /// A sample as a batch for a run.
    pub(in crate::agent) fn sample(&mut self, run_id: &str) -> Value {
        self.next = tokio::time::Instant::now() + self.every;
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
        let mut values: Vec<(String, f64)> = self.gpus.as_ref().map(Gpus::sample).unwrap_or_default();
        let mut put = |name: &str, value: f64| values.push((name.to_owned(), value));
        let seconds = now.duration_since(self.last).as_secs_f64().max(0.001);
        let busy = process::ticks_to_ms(ticks) as f64 / 1_000.0 / seconds;
        put(
            "cpu_utilization_percentage",
            (100.0 * busy / f64::from(machine::processors().max(1))).min(100.0),
        );
        self.last = now;
        let pages: u64 = stats.iter().map(|(_, stat)| stat.memory_pages).sum();
        let bytes = pages as f64 * rustix::param::page_size() as f64;
        put("system_memory_usage_megabytes", bytes / MEGABYTE);
        let all = machine::memory_bytes();
        if all > 0 {
            put("system_memory_usage_percentage", 100.0 * bytes / all as f64);
        }
        if let Some((free, all)) = machine::disk_bytes(&self.folder) {
            let used = all.saturating_sub(free) as f64;
            put("disk_usage_megabytes", used / MEGABYTE);
            put("disk_available_megabytes", free as f64 / MEGABYTE);
            put("disk_usage_percentage", 100.0 * used / (all.max(1)) as f64);
        }
        let (received, sent) = network();
        put("network_receive_megabytes", (received - self.network.0).max(0.0));
        put("network_transmit_megabytes", (sent - self.network.1).max(0.0));
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
