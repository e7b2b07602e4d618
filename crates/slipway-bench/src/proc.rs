//! What the system knows of a server and all processes below it: processor time, memory. Reads `/proc` only.

use anyhow::{Context, Result};
use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// What `/proc` counts in, on every architecture that Slipway runs on.
const TICKS_A_SECOND: f64 = 100.0;

/// A process as `/proc/PID/stat` tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: i32,
    /// Its own time, and that of children that have ended and were waited for.
    ticks: u64,
}

impl Stat {
    /// The name, in parentheses, may hold anything, so fields count from the last `)`.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            ticks: ticks(11)? + ticks(12)? + ticks(13)? + ticks(14)?,
        })
    }
}

/// A process and all that descend from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tree {
    root: i32,
}

impl Tree {
    pub(crate) fn of(root: u32) -> Self {
        Self { root: root.cast_signed() }
    }

    /// The processes, the root first.
    pub(crate) fn pids(self) -> Vec<i32> {
        let all: HashMap<i32, Stat> = all_processes();
        members(self.root, &all)
    }

    /// Processor time used so far, in user and kernel mode.
    pub(crate) fn cpu(self) -> Duration {
        let all = all_processes();
        let ticks: u64 =
            members(self.root, &all).iter().filter_map(|pid| all.get(pid)).map(|stat| stat.ticks).sum();
        Duration::from_secs_f64(ticks as f64 / TICKS_A_SECOND)
    }

    /// Resident bytes now. Pages that processes share count in each.
    pub(crate) fn resident_bytes(self) -> u64 {
        self.pids().into_iter().map(|pid| status_bytes(pid, "VmRSS")).sum()
    }

    /// The sum of each process's most resident bytes since [`Self::forget_peak`].
    pub(crate) fn peak_bytes(self) -> u64 {
        self.pids().into_iter().map(|pid| status_bytes(pid, "VmHWM")).sum()
    }

    /// Starts to look for the peak anew.
    pub(crate) fn forget_peak(self) {
        for pid in self.pids() {
            // A process may have ended since; then it has no peak either.
            fs::write(format!("/proc/{pid}/clear_refs"), "5").ok();
        }
    }
}

/// Processor time of this program itself.
pub(crate) fn own_cpu() -> Result<Duration> {
    let text = fs::read_to_string("/proc/self/stat").context("reading /proc/self/stat")?;
    let stat = Stat::parse(&text).context("/proc/self/stat does not read as expected")?;
    Ok(Duration::from_secs_f64(stat.ticks as f64 / TICKS_A_SECOND))
}

fn all_processes() -> HashMap<i32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            // Processes end while they are listed.
            let text = fs::read_to_string(entry.path().join("stat")).ok()?;
            Some((pid, Stat::parse(&text)?))
        })
        .collect()
}

fn members(root: i32, all: &HashMap<i32, Stat>) -> Vec<i32> {
    let mut found = vec![root];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        found.extend(all.iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found
}

fn status_bytes(pid: i32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status_field(&text, name).unwrap_or(0)
}

/// A field of `/proc/PID/status` that is given in kB.
fn status_field(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let text = "42 (a ) (b) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 5 6 7";
        assert_eq!(Stat::parse(text), Some(Stat { parent: 7, ticks: 127 }));
        assert_eq!(Stat::parse("42 (a"), None);
        assert_eq!(Stat::parse("42 (a) S 7"), None);
    }

    #[test]
    fn memory_is_read_with_its_unit() {
        let text = "Name:\tx\nVmHWM:\t     123 kB\nVmRSS:\t     45 kB\n";
        assert_eq!(status_field(text, "VmRSS"), Some(45 * 1024));
        assert_eq!(status_field(text, "VmHWM"), Some(123 * 1024));
        assert_eq!(status_field(text, "VmSwap"), None);
    }

    #[test]
    fn a_tree_holds_grandchildren_and_nobody_else() {
        let stat = |parent| Stat { parent, ticks: 0 };
        let all = HashMap::from([(1, stat(0)), (2, stat(1)), (3, stat(2)), (4, stat(0))]);
        let mut found = members(1, &all);
        found.sort_unstable();
        assert_eq!(found, [1, 2, 3]);
    }

    #[test]
    fn a_child_of_ours_is_found_and_measured() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let tree = Tree::of(std::process::id());
        assert!(tree.pids().contains(&child.id().cast_signed()));
        assert!(tree.resident_bytes() > 0 && tree.peak_bytes() >= Tree::of(child.id()).peak_bytes());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(own_cpu().unwrap() <= tree.cpu() + Duration::from_secs(1));
    }
}
