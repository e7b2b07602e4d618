//! What an attempt uses: sampled while it runs, summed up at its end.

use crate::folder::{AttemptFolder, UsageRecord};
use crate::process::{self, Stat};
use nix::sys::resource::{UsageWho, getrusage};
use std::time::Duration;
use tokio::time::Instant;

/// Pauses between samples: the first come soon, for those that are short.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What was seen so far.
#[derive(Debug)]
pub(super) struct Usage {
    last: Instant,
    pause: Duration,
    peak_memory_bytes: u64,
    memory_bytes: u64,
    cpu_ms: u64,
    cpu_percent: f64,
    processes: u32,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            last: Instant::now(),
            pause: FIRST_PAUSE,
            peak_memory_bytes: 0,
            memory_bytes: 0,
            cpu_ms: 0,
            cpu_percent: 0.0,
            processes: 0,
        }
    }
}

impl Usage {
    /// When the next sample is due.
    pub(super) fn next_at(&self) -> Instant {
        self.last + self.pause
    }

    /// Looks at all processes of the attempt.
    pub(super) fn sample(&mut self, command: u32) {
        let since_ms = self.last.elapsed().as_millis().max(1) as f64;
        self.last = Instant::now();
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        process::reap_orphans(Some(command));
        let own = std::process::id();
        let stats: Vec<Stat> = process::descendants(own).into_iter().filter_map(Stat::of).collect();
        // Those that have ended are counted by this process, which waited for them.
        let ended = Stat::of(own).map_or(0, |stat| stat.children_cpu_ticks);
        let ticks = ended + stats.iter().map(|stat| stat.cpu_ticks + stat.children_cpu_ticks).sum::<u64>();
        let cpu_ms = process::ticks_to_ms(ticks).max(self.cpu_ms);
        self.cpu_percent = 100.0 * (cpu_ms - self.cpu_ms) as f64 / since_ms;
        self.cpu_ms = cpu_ms;
        self.processes = u32::try_from(stats.len()).unwrap_or(u32::MAX);
        let pages: u64 = stats.iter().map(|stat| stat.memory_pages).sum();
        let bytes = pages.saturating_mul(rustix::param::page_size() as u64);
        self.memory_bytes = bytes;
        self.peak_memory_bytes = self.peak_memory_bytes.max(bytes);
    }

    /// Says what was seen: for people, and as a sign of life.
    pub(super) fn note(&mut self, folder: &AttemptFolder) {
        let record = UsageRecord {
            at_ms: super::now_ms(),
            cpu_ms: self.cpu_ms,
            cpu_percent: self.cpu_percent,
            memory_bytes: self.memory_bytes,
            peak_memory_bytes: self.peak_memory_bytes,
            processes: self.processes,
        };
        if let Err(error) = folder.write_usage(&record) {
            tracing::debug!(%error, "what the job uses is not noted");
        }
    }

    /// A command ended.
    pub(super) fn ended(&mut self) {
        self.last = Instant::now();
        self.pause = FIRST_PAUSE;
    }

    /// Processor time in milliseconds, and most memory held at once, of everything that has ended.
    pub(super) fn total(&self) -> (u64, u64) {
        let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return (0, self.peak_memory_bytes) };
        let ms = |time: nix::sys::time::TimeVal| {
            let ms = i128::from(time.tv_sec()) * 1_000 + i128::from(time.tv_usec()) / 1_000;
            u64::try_from(ms).unwrap_or(0)
        };
        let largest_bytes = u64::try_from(usage.max_rss()).unwrap_or(0).saturating_mul(1_024);
        (ms(usage.user_time()) + ms(usage.system_time()), self.peak_memory_bytes.max(largest_bytes))
    }
}
