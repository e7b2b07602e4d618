//! How busy the machine is, between one look at it and the next.

use slipway_jobs::load::{Ticks, ticks};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Less time than this says too little.
const SHORTEST: Duration = Duration::from_millis(500);
/// What was read longer ago tells of the past.
const LONGEST: Duration = Duration::from_secs(20);
/// How long the first look takes.
const FIRST: Duration = Duration::from_millis(120);

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    ticks: Ticks,
    busy_percent: Option<f64>,
}

/// The last look.
#[derive(Debug, Default)]
pub(crate) struct Load {
    last: Mutex<Option<Look>>,
}

impl Load {
    /// How busy the processors are, in percent of all of them; none where the machine does not tell.
    pub(crate) async fn busy_percent(&self) -> Option<f64> {
        let known = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match known.filter(|look| look.at.elapsed() < LONGEST) {
            Some(look) if look.at.elapsed() < SHORTEST && look.busy_percent.is_some() => {
                return look.busy_percent;
            }
            Some(look) => look.ticks,
            None => {
                let first = ticks()?;
                tokio::time::sleep(FIRST).await;
                first
            }
        };
        let now = ticks()?;
        let busy_percent = now.busy_percent_since(since);
        let look = Look { at: Instant::now(), ticks: now, busy_percent };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(look);
        busy_percent
    }
}
