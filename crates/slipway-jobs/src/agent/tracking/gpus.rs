//! What graphics processors do, as the driver of their maker says it. Its library is looked for when the agent starts, and
//! only where such a device is; without it there is nothing to say.

use crate::machine;
use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

const MEGABYTE: f64 = 1e6;

/// Finds the driver. On its own, so that agents without one do without the room that this takes on the stack.
#[inline(never)]
fn driver() -> Result<Box<Nvml>, NvmlError> {
    Nvml::init().map(Box::new)
}

/// The graphics processors of a job.
pub(super) struct Gpus {
    /// Apart, since it is some ten kilobytes of addresses, and whatever may hold it needs room for it.
    driver: Box<Nvml>,
    indexes: Vec<u32>,
}

impl Gpus {
    /// Those that the job was lent; all of them when it was lent none. None when there are none, or no driver.
    pub(super) fn of(lent: &[u32]) -> Option<Self> {
        let there = machine::gpus();
        if there.is_empty() {
            return None;
        }
        match driver() {
            Ok(driver) => Some(Self { driver, indexes: if lent.is_empty() { there } else { lent.to_vec() } }),
            Err(error) => {
                tracing::info!(%error, "graphics processors cannot be watched");
                None
            }
        }
    }

    /// Values by the names that MLflow has for them. What a device does not say is left out.
    pub(super) fn sample(&self) -> Vec<(String, f64)> {
        let mut values = Vec::new();
        for index in &self.indexes {
            if let Err(error) = self.sample_one(*index, &mut values) {
                tracing::debug!(%error, index, "a graphics processor does not say what it does");
            }
        }
        values
    }

    fn sample_one(&self, index: u32, values: &mut Vec<(String, f64)>) -> Result<(), NvmlError> {
        let device = self.driver.device_by_index(index)?;
        let mut put = |name: &str, value: f64| values.push((format!("gpu_{index}_{name}"), value));
        if let Ok(memory) = device.memory_info() {
            put("memory_usage_megabytes", memory.used as f64 / MEGABYTE);
            put("memory_usage_percentage", 100.0 * memory.used as f64 / memory.total.max(1) as f64);
        }
        if let Ok(rates) = device.utilization_rates() {
            put("utilization_percentage", f64::from(rates.gpu));
        }
        if let Ok(milliwatts) = device.power_usage() {
            put("power_usage_watts", f64::from(milliwatts) / 1_000.0);
            if let Ok(limit) = device.enforced_power_limit() {
                put("power_usage_percentage", 100.0 * f64::from(milliwatts) / f64::from(limit.max(1)));
            }
        }
        Ok(())
    }
}
