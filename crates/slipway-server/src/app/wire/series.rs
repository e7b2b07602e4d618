//! What charts ask for. The answers are binary: see the descriptions of the routes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks for what one chart shows, thinned to what `width_px` columns of pixels can show.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct SeriesRequest {
    /// Runs in `series` and `groups` together: at most 1000.
    pub series: Vec<SeriesRef>,
    /// Runs that are drawn as one line. They are numbered after `series`.
    #[serde(default)]
    pub groups: Vec<SeriesGroup>,
    #[serde(default)]
    pub x: XAxis,
    /// Instead of `x`: each point stands at the last value that this metric of its run had at or before its step.
    #[serde(default)]
    pub x_metric: Option<String>,
    /// Left edge, in units of the x axis. Absent: from the start.
    #[serde(default)]
    pub from: Option<f64>,
    /// Right edge, inclusive, in units of the x axis. Absent: to the end.
    #[serde(default)]
    pub to: Option<f64>,
    /// Columns of pixels; each keeps its first, smallest, largest and last point. 0: every point.
    #[serde(default)]
    pub width_px: u32,
    /// Columns are even on a logarithmic x axis.
    #[serde(default)]
    pub log_x: bool,
    /// 0: none. Otherwise how much, below 1; for what that means see `smoothing_kind`. It is computed over
    /// full-resolution data, before thinning.
    #[serde(default)]
    pub smoothing: f64,
    #[serde(default)]
    pub smoothing_kind: SmoothingKind,
    /// What stands for the runs of a group.
    #[serde(default)]
    pub aggregate: SeriesAggregate,
    /// What is shaded around the line of a group.
    #[serde(default)]
    pub band: SeriesBand,
    /// Says between which values the y axis is without outliers, and how many there are.
    #[serde(default)]
    pub clip: bool,
}

/// Several charts at once. At most 100.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct SeriesBatch {
    pub requests: Vec<SeriesRequest>,
    /// Send what is known at once of long histories before their answers: the first, smallest, largest and last point of
    /// every thousand or so.
    #[serde(default)]
    pub first_pictures: bool,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct SeriesRef {
    pub run_id: String,
    pub metric: String,
}

/// Members are compared at every x at which one of them has a finite point, with what lies on the straight line between
/// their own points; before its first and after its last point a run does not count.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct SeriesGroup {
    pub run_ids: Vec<String>,
    pub metric: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum XAxis {
    #[default]
    Step,
    /// Epoch milliseconds.
    Time,
    /// Seconds since the run's start.
    Relative,
}

/// With weight `w`, `ema` looks back over about `n = (1 + w) / (1 - w)` points; kinds with a window take the odd number of
/// points nearest to that, centred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SmoothingKind {
    /// Debiased exponential moving average: `s = w·s + (1 - w)·y`, shown as `s / (1 - wⁿ)`.
    #[default]
    Ema,
    /// The same, weighed by distance in x: `w^(Δx / mean Δx)` instead of `w`.
    TimeEma,
    /// Normal weights with `σ = sqrt((n² - 1) / 12)` points, up to `3σ`.
    Gaussian,
    /// Mean of the window.
    Running,
    /// Median of the window.
    Median,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeriesAggregate {
    #[default]
    Mean,
    Median,
    Min,
    Max,
}

/// All but `minmax` lie around the mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeriesBand {
    #[default]
    None,
    Minmax,
    /// Standard deviation of a sample.
    Std,
    /// Standard error of the mean.
    Stderr,
    /// Where the mean lies with 95 %, by Student's t.
    Ci95,
}
