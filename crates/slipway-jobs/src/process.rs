//! Processes of this machine: who they are, whether they are still the same, and what they use.
//!
//! A process id is used again sooner or later. Nothing here believes or signals one without its start time and the boot
//! it is of.

use crate::target::Leftover;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// A file that stands for the machine's boot id, for tests of a restart.
const BOOT_ID_FILE: &str = "SLIPWAY_BOOT_ID_FILE";

/// One process, told apart from every other that has or will have its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// As the system calls it.
    pub pid: u32,
    /// When it started, in ticks since the machine did.
    pub start_ticks: u64,
    /// The boot that it is of.
    pub boot_id: String,
}

/// What `/proc` says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// A letter; `Z` is one that has ended and waits for its parent.
    pub state: u8,
    /// The process that started it, or took it over.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// Time on processors, itself.
    pub cpu_ticks: u64,
    /// Time on processors of children that have ended.
    pub children_cpu_ticks: u64,
    /// When it started.
    pub start_ticks: u64,
    /// Memory that it holds.
    pub memory_pages: u64,
}

/// Changes when the machine is started anew.
#[must_use]
pub fn boot_id() -> String {
    let file = std::env::var_os(BOOT_ID_FILE).unwrap_or_else(|| "/proc/sys/kernel/random/boot_id".into());
    std::fs::read_to_string(file).map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// Ticks as time.
#[must_use]
pub fn ticks_to_ms(ticks: u64) -> u64 {
    ticks.saturating_mul(1_000) / rustix::param::clock_ticks_per_second().max(1)
}

impl Stat {
    /// None when there is no such process.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Self::parse(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        // The name in parentheses can hold anything, also spaces and parentheses.
        let end = bytes.iter().rposition(|byte| *byte == b')')?;
        let text = std::str::from_utf8(bytes.get(end + 2..)?).ok()?;
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        // `man 5 proc` counts from 1, and the state is the third.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let signed =
            |field: usize| fields.get(field - 3)?.parse::<i64>().ok().map(|n| n.max(0).cast_unsigned());
        Some(Self {
            state: *fields.first()?.as_bytes().first()?,
            parent: u32::try_from(number(4)?).ok()?,
            group: u32::try_from(signed(5)?).ok()?,
            cpu_ticks: number(14)? + number(15)?,
            children_cpu_ticks: signed(16)? + signed(17)?,
            start_ticks: number(22)?,
            memory_pages: signed(24)?,
        })
    }
}

impl ProcessId {
    /// The process that has an id now.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, start_ticks: Stat::of(pid)?.start_ticks, boot_id: boot_id() })
    }

    /// This process.
    #[must_use]
    pub fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// Whether it is of this boot of the machine.
    #[must_use]
    pub fn is_of_this_boot(&self) -> bool {
        self.boot_id == boot_id()
    }

    /// A handle that stays with this very process; none when it is gone.
    ///
    /// # Errors
    /// When the system has no more handles.
    pub fn open(&self) -> io::Result<Option<OwnedFd>> {
        if !self.is_of_this_boot() {
            return Ok(None);
        }
        open(self.pid, self.start_ticks)
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.is_of_this_boot()
            && Stat::of(self.pid)
                .is_some_and(|stat| stat.start_ticks == self.start_ticks && stat.state != b'Z')
    }

    /// Sends it a signal; false when it is gone.
    ///
    /// # Errors
    /// When it may not be signalled.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        match self.open()? {
            Some(handle) => sent(&handle, signal),
            None => Ok(false),
        }
    }
}

/// A handle on the process that has this id and this start.
fn open(pid: u32, start_ticks: u64) -> io::Result<Option<OwnedFd>> {
    let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
    let handle = match pidfd_open(raw, PidfdFlags::empty()) {
        Ok(handle) => handle,
        Err(rustix::io::Errno::SRCH | rustix::io::Errno::INVAL) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // The handle is of whoever has the id; from here on that cannot become somebody else.
    Ok(Stat::of(pid).is_some_and(|stat| stat.start_ticks == start_ticks).then_some(handle))
}

fn sent(handle: &OwnedFd, signal: Signal) -> io::Result<bool> {
    match pidfd_send_signal(handle, signal) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// All ids that there are.
fn everyone() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// Every process that descends from one, itself left out. Those that have ended and only wait for their parent are not
/// among them.
#[must_use]
pub fn descendants(root: u32) -> Vec<u32> {
    let mut found = match children_listed(root) {
        Some(_) => {
            let mut found = Vec::new();
            let mut waiting = vec![root];
            while let Some(pid) = waiting.pop() {
                for child in children_listed(pid).unwrap_or_default() {
                    found.push(child);
                    waiting.push(child);
                }
            }
            found
        }
        // This kernel does not list them.
        None => {
            let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
            for pid in everyone() {
                if let Some(stat) = Stat::of(pid) {
                    children.entry(stat.parent).or_default().push(pid);
                }
            }
            let mut found = Vec::new();
            let mut waiting = vec![root];
            while let Some(pid) = waiting.pop() {
                for child in children.remove(&pid).unwrap_or_default() {
                    found.push(child);
                    waiting.push(child);
                }
            }
            found
        }
    };
    found.retain(|pid| Stat::of(*pid).is_some_and(|stat| stat.state != b'Z'));
    found
}

/// Children of all threads of a process; none when the kernel does not say.
fn children_listed(pid: u32) -> Option<Vec<u32>> {
    let mut children = Vec::new();
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let Ok(thread) = thread else { continue };
        let text = std::fs::read_to_string(thread.path().join("children")).ok()?;
        children.extend(text.split_ascii_whitespace().filter_map(|word| word.parse::<u32>().ok()));
    }
    Some(children)
}

/// Takes note of processes that were left to this one and have ended.
pub fn reap_orphans(spared: Option<u32>) {
    let own = std::process::id();
    for pid in children_listed(own).unwrap_or_default() {
        if Some(pid) == spared || Stat::of(pid).is_none_or(|stat| stat.state != b'Z') {
            continue;
        }
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            // It may be gone already.
            let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG);
        }
    }
}

/// Sends a signal to processes, each told apart by its start; gives how many there were.
pub fn signal_all(pids: &[u32], signal: Signal) -> usize {
    let signalled = |pid: &&u32| {
        let Some(stat) = Stat::of(**pid) else { return false };
        matches!(open(**pid, stat.start_ticks), Ok(Some(handle)) if sent(&handle, signal).unwrap_or(false))
    };
    pids.iter().filter(signalled).count()
}

/// Processes whose environment holds `NAME=VALUE`, this one left out.
#[must_use]
pub fn marked(name: &str, value: &str) -> Vec<Leftover> {
    let mark = format!("{name}={value}").into_bytes();
    let own = std::process::id();
    let mut found = Vec::new();
    for pid in everyone() {
        if pid == own {
            continue;
        }
        let Some(before) = Stat::of(pid).filter(|stat| stat.state != b'Z') else { continue };
        let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else { continue };
        if environment.split(|byte| *byte == 0).any(|variable| variable == mark)
            && Stat::of(pid).is_some_and(|stat| stat.start_ticks == before.start_ticks)
        {
            let command = command_of(pid);
            found.push(Leftover { pid, start_ticks: before.start_ticks, command });
        }
    }
    found
}

impl Leftover {
    /// The process that has an id now.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let stat = Stat::of(pid).filter(|stat| stat.state != b'Z')?;
        Some(Self { pid, start_ticks: stat.start_ticks, command: command_of(pid) })
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_there(&self) -> bool {
        Stat::of(self.pid).is_some_and(|stat| stat.start_ticks == self.start_ticks && stat.state != b'Z')
    }
}

fn command_of(pid: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    let text = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<_>>().join(" ");
    text.chars().take(200).collect()
}

/// Ends processes: asks them first, then by force. Blocks its thread for `patience` at most, and a little longer.
pub fn end(leftovers: &[Leftover], patience: Duration) -> usize {
    let handles: Vec<OwnedFd> = leftovers
        .iter()
        .filter_map(|leftover| open(leftover.pid, leftover.start_ticks).ok().flatten())
        .collect();
    let mut ended = HashSet::new();
    for (index, handle) in handles.iter().enumerate() {
        if sent(handle, Signal::TERM).unwrap_or(false) {
            ended.insert(index);
        }
    }
    let until = std::time::Instant::now() + patience;
    while leftovers.iter().any(Leftover::is_there) && std::time::Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    for handle in &handles {
        // Those that are gone are gone.
        let _ = sent(handle, Signal::KILL);
    }
    ended.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_confuse() {
        let line = b"12 (a) b (c) S 7 12 12 0 -1 4194304 1 0 0 0 30 4 5 6 20 0 1 0 987654 1000 42 0";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.state, stat.parent, stat.group), (b'S', 7, 12));
        assert_eq!((stat.cpu_ticks, stat.children_cpu_ticks), (34, 11));
        assert_eq!((stat.start_ticks, stat.memory_pages), (987_654, 42));
        for bad in [&b""[..], b"12", b"12 (x", b"12 (x)", b"12 (x) ", b"12 (x) S y"] {
            assert_eq!(Stat::parse(bad), None);
        }
    }

    #[test]
    fn a_process_is_known_by_its_start_too() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let id = ProcessId::of(child.id()).unwrap();
        assert!(id.is_alive());
        let another = ProcessId { start_ticks: id.start_ticks + 1, ..id.clone() };
        assert!(!another.is_alive() && !another.signal(Signal::KILL).unwrap());
        let of_another_boot = ProcessId { boot_id: "other".to_owned(), ..id.clone() };
        assert!(!of_another_boot.is_alive() && !of_another_boot.signal(Signal::KILL).unwrap());
        assert!(child.try_wait().unwrap().is_none(), "a stranger was signalled");
        assert!(id.signal(Signal::KILL).unwrap());
        child.wait().unwrap();
        assert!(!id.is_alive() && !id.signal(Signal::KILL).unwrap());
    }

    #[test]
    fn marked_processes_are_found_and_ended() {
        let value = format!("{:x}", rand::random::<u64>());
        let mut child = Command::new("sleep").arg("1000").env("SLIPWAY_TEST_MARK", &value).spawn().unwrap();
        let until = std::time::Instant::now() + Duration::from_secs(10);
        let mut found = marked("SLIPWAY_TEST_MARK", &value);
        while found.first().is_none_or(|found| found.command != "sleep 1000") {
            assert!(std::time::Instant::now() < until, "{found:?}");
            found = marked("SLIPWAY_TEST_MARK", &value);
        }
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].pid, child.id());
        let waiting = std::thread::spawn(move || child.wait());
        assert_eq!(end(&found, Duration::from_secs(5)), 1);
        waiting.join().unwrap().unwrap();
        assert!(marked("SLIPWAY_TEST_MARK", &value).is_empty());
    }
}
