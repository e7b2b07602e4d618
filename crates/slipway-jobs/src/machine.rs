//! What this machine has: processors, memory, graphics processors.

use crate::cgroup::Hierarchy;
use crate::queue::Settings;
use std::path::Path;
use std::sync::OnceLock;

/// Processors that this process may use.
#[must_use]
pub fn processors() -> u32 {
    std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
}

/// A line of `/proc/meminfo`, in bytes.
fn memory(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0).saturating_mul(1_024)
}

/// Memory of the machine.
#[must_use]
pub fn memory_bytes() -> u64 {
    memory("MemTotal")
}

/// Memory that could be given away now.
#[must_use]
pub fn free_memory_bytes() -> u64 {
    memory("MemAvailable")
}

/// Room on the disk of a folder: free, and in all.
#[must_use]
pub fn disk_bytes(folder: &Path) -> Option<(u64, u64)> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some((disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize)))
}

/// Graphics processors, by the index under which programs know them.
#[must_use]
pub fn gpus() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/dev") else { return Vec::new() };
    let mut found: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("nvidia")?.parse().ok())
        .collect();
    found.sort_unstable();
    found
}

/// How limits of jobs are enforced here, in words. Found out once.
#[must_use]
pub fn limits() -> &'static str {
    static WORDS: OnceLock<String> = OnceLock::new();
    WORDS.get_or_init(|| {
        let otherwise = "Memory is limited for each process by its resource limit; processors are counted when a job is \
                         started, not limited";
        let found = match Hierarchy::find().and_then(|hierarchy| hierarchy.probe()) {
            Ok(found) => found,
            Err(problem) => return format!("{otherwise}. No control groups: {problem}."),
        };
        let kinds = [
            ("memory", found.memory_bytes.is_some()),
            ("processors", found.cpu_milli.is_some()),
            ("numbers of processes", found.processes.is_some()),
        ];
        let named = |wanted: bool| {
            kinds.iter().filter(|(_, is)| *is == wanted).map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
        };
        let rest = named(false);
        let end = if rest.is_empty() { String::new() } else { format!(" Not so {rest}. {otherwise}.") };
        format!("Limits hold for all processes of a job together, by control groups: {}.{end}", named(true))
    })
}

/// How the queue is set as long as nobody sets it: everything that there is.
#[must_use]
pub fn usual_settings() -> Settings {
    Settings {
        paused: false,
        jobs: None,
        cpu_milli: processors().saturating_mul(1_000),
        memory_bytes: memory_bytes(),
        gpus: gpus(),
    }
}
