//! Charts as pictures.

use super::SeriesRequest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A chart and how it is to be drawn. The ends of its x axis are those of `data`, as far as it has any.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ChartRequest {
    /// What is drawn. Its `width_px` does not count: there are as many points as the picture can show.
    pub data: SeriesRequest,
    /// One for each of `series` and then `groups`, the first one on top. What is missing is named after its run.
    #[serde(default)]
    pub lines: Vec<ChartLine>,
    /// Above the chart; by default the name of the first metric.
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub log_y: bool,
    /// A y axis that is logarithmic on both sides of zero and straight near it, where `log_y` is not set.
    #[serde(default)]
    pub symlog_y: bool,
    /// Lower end of the y axis.
    #[serde(default)]
    pub y_from: Option<f64>,
    /// Upper end of the y axis.
    #[serde(default)]
    pub y_to: Option<f64>,
    /// Smoothed lines have what they were before behind them.
    #[serde(default)]
    pub faint: bool,
}

/// What a line of a chart is called and looks like.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ChartLine {
    #[serde(default)]
    pub name: Option<String>,
    /// A colour of the palette, 1 to 8. By default the one that the run's id gives.
    #[serde(default)]
    pub slot: Option<u32>,
    /// A colour as `#rrggbb`, whatever the theme.
    #[serde(default)]
    pub colour: Option<String>,
    /// Number of the dash style, 0 to 3.
    #[serde(default)]
    pub dash: Option<u32>,
    #[serde(default)]
    pub role: ChartRole,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChartRole {
    #[default]
    Line,
    /// A run of a group that is drawn as well: thin, pale and without a name.
    Member,
    /// What the others are compared to.
    Baseline,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct PictureRequest {
    pub chart: ChartRequest,
    #[serde(default)]
    pub format: PictureFormat,
    #[serde(default)]
    pub theme: PictureTheme,
    /// Without a background.
    #[serde(default)]
    pub transparent: bool,
    /// In pixels. Default 960.
    #[serde(default)]
    pub width: Option<u32>,
    /// In pixels. Default 540.
    #[serde(default)]
    pub height: Option<u32>,
    /// PNG only: pixels of the file for one of the layout, 1 to 4. Default 1.
    #[serde(default)]
    pub scale: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PictureFormat {
    #[default]
    Svg,
    Png,
    /// One page with paths and text.
    Pdf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PictureTheme {
    #[default]
    Light,
    Dark,
}
