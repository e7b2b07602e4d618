//! What the machine does now: how busy its processors are, and its graphics processors as far as their driver says it.
//! What nobody says is absent here, never a guess.

use crate::machine;
use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use std::sync::OnceLock;

/// Time that the processors have spent since the machine started, in the kernel's own unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticks {
    busy: u64,
    all: u64,
}

/// Reads the ticks of all processors together; none where the kernel does not tell.
#[must_use]
pub fn ticks() -> Option<Ticks> {
    Ticks::read(&std::fs::read_to_string("/proc/stat").ok()?)
}

impl Ticks {
    fn read(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        // user nice system idle iowait irq softirq steal; what guests take is counted in the first two.
        let mut fields = line.split_ascii_whitespace().take(8).map(str::parse::<u64>);
        let mut next = || fields.next()?.ok();
        let (user, nice, system, idle) = (next()?, next()?, next()?, next()?);
        let waiting = next().unwrap_or(0);
        let others: u64 = std::iter::from_fn(next).sum();
        let busy = user + nice + system + others;
        Some(Self { busy, all: busy + idle + waiting })
    }

    /// The share of time that the processors were busy since an earlier reading, in percent; none when no time passed.
    #[must_use]
    pub fn busy_percent_since(self, earlier: Self) -> Option<f64> {
        let all = self.all.checked_sub(earlier.all).filter(|all| *all > 0)?;
        let busy = self.busy.saturating_sub(earlier.busy).min(all);
        Some(100.0 * busy as f64 / all as f64)
    }
}

/// What one graphics processor does.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GpuLoad {
    /// The index under which programs know it.
    pub index: u32,
    /// What its maker calls it.
    pub name: Option<String>,
    /// How busy it is.
    pub busy_percent: Option<u32>,
    /// Memory in use.
    pub used_bytes: Option<u64>,
    /// Memory that it has.
    pub memory_bytes: Option<u64>,
    /// How hot it is.
    pub celsius: Option<u32>,
}

/// What the graphics processors do; nothing without any, or without their maker's library.
#[must_use]
pub fn gpus() -> Vec<GpuLoad> {
    static DRIVER: OnceLock<Option<Nvml>> = OnceLock::new();
    let there = machine::gpus();
    if there.is_empty() {
        return Vec::new();
    }
    let Some(driver) = DRIVER.get_or_init(|| Nvml::init().ok()) else { return Vec::new() };
    let load = |index: u32| {
        let device = driver.device_by_index(index).ok()?;
        let memory = device.memory_info().ok();
        Some(GpuLoad {
            index,
            name: device.name().ok(),
            busy_percent: device.utilization_rates().ok().map(|rates| rates.gpu),
            used_bytes: memory.as_ref().map(|memory| memory.used),
            memory_bytes: memory.map(|memory| memory.total),
            celsius: device.temperature(TemperatureSensor::Gpu).ok(),
        })
    };
    there.into_iter().filter_map(load).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_is_what_is_neither_idle_nor_waiting() {
        let before = Ticks::read("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3 4").unwrap();
        let after = Ticks::read("cpu  130 0 60 850 60 0 0 0 0 0\n").unwrap();
        assert_eq!(after.busy_percent_since(before), Some(40.0));
        assert_eq!(after.busy_percent_since(after), None);
        assert_eq!(before.busy_percent_since(after), None);
        assert_eq!(Ticks::read("intr 5\n"), None);
        assert_eq!(Ticks::read("cpu  1 x 3 4"), None);
        assert!(Ticks::read("cpu  1 2 3 4").is_some(), "old kernels say less");
    }

    #[test]
    fn this_machine_tells() {
        assert!(ticks().is_some());
        assert!(gpus().len() <= machine::gpus().len(), "no device is made up");
    }
}
