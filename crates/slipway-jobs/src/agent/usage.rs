//! What an attempt uses: sampled while it runs, summed up at its end.

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
}

impl Default for Usage {
    fn default() -> Self {
        Self { last: Instant::now(), pause: FIRST_PAUSE, peak_memory_bytes: 0 }
    }
}

impl Usage {
    /// When the next sample is due.
    pub(super) fn next_at(&self) -> Instant {
        self.last + self.pause
    }

    /// Looks at all processes of the attempt.
    pub(super) fn sample(&mut self, command: u32) {
        self.last = Instant::now();
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        process::reap_orphans(Some(command));
        let pages: u64 = process::descendants(std::process::id())
            .iter()
            .filter_map(|pid| Some(Stat::of(*pid)?.memory_pages))
            .sum();
        let bytes = pages.saturating_mul(rustix::param::page_size() as u64);
        self.peak_memory_bytes = self.peak_memory_bytes.max(bytes);
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
