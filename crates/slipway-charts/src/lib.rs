//! Charts drawn without a window: series to SVG and PNG by plotters, to PDF, and to elements of a page.
//!
//! [`draw_svg`], [`draw_png`], [`draw_pdf`], [`draw_inline`] and [`draw_inline_bars`] are pure functions from a [`Chart`] and a [`Style`] to bytes: no clock, no file,
//! no network, no knowledge of the store. The caller chooses the points; it should thin them to the width of the
//! chart first (first, smallest, largest and last point of each pixel column look the same as all of them),
//! because every point that is given becomes a point of the SVG.
//!
//! A run has the same colour here as in the window: see [`palette`] for the rule, which both must keep.
//!
//! Names come from outside. They are escaped in SVG, control characters are replaced, and long ones are cut.

mod bars;
mod cut;
mod inline;
mod paint;
pub mod palette;
mod pdf;
mod scale;
mod scene;

pub use palette::Theme;

/// Widest and tallest chart, in pixels.
pub const MAX_SIDE_PX: u32 = 8192;
/// Largest PNG, in pixels after scaling.
pub const MAX_PNG_PIXELS: u64 = 3840 * 2160;
/// Smallest width and height: below this no axis fits.
pub const MIN_SIDE_PX: u32 = 120;

/// Points of a line, in drawing order. `y` may be NaN or infinite: the line has a gap there and the point is
/// marked on the edge. The shorter of the two decides how many points there are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Points {
    /// Positions along the x axis, ascending.
    pub x: Vec<f64>,
    /// Values.
    pub y: Vec<f64>,
}

/// One line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// Decides colour and dash.
    pub run_id: String,
    /// What the legend calls it.
    pub label: String,
    /// The line itself.
    pub line: Points,
    /// The same before smoothing, drawn faint behind the line.
    pub raw: Option<Points>,
    /// Shaded behind the line.
    pub band: Option<Band>,
    /// What it is to the others.
    pub role: Role,
    /// Instead of the colour that the run's id gives.
    pub colour: Option<Colour>,
    /// Number of a dash style, 0 to 3, instead of the one that the run's id gives.
    pub dash: Option<u32>,
}

/// Edges of an area around a line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Band {
    /// Its lower edge.
    pub low: Points,
    /// Its upper edge.
    pub high: Points,
}

/// What a line is to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// One of them.
    #[default]
    Line,
    /// One run of a group whose line is drawn as well: thin and pale, without a name.
    Member,
    /// What the others are compared to: bold, dashed, in the colour of text.
    Baseline,
    /// Points that no line joins, without a name.
    Dots,
}

/// A colour that somebody chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Of the palette, 0 to 7; it differs by theme.
    Slot(u32),
    /// Red, green, blue, whatever the theme.
    Rgb(u8, u8, u8),
}

/// What the numbers along the x axis are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum XKind {
    /// Steps or other plain numbers.
    #[default]
    Number,
    /// Milliseconds since 1970, shown as UTC.
    TimeMs,
    /// Seconds, shown as a duration.
    Seconds,
    /// Values, which need not be whole.
    Metric,
}

/// How runs get their colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colours {
    /// By the hash of the run id: the same in every chart.
    #[default]
    ByRun,
    /// By the order in this chart: as distinct as possible.
    Spread,
}

/// What to draw.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chart {
    /// Above the chart; may be empty.
    pub title: String,
    /// Name of the x axis with its unit, e.g. `Step` or `Time (UTC)`.
    pub x_label: String,
    /// Name of the y axis with its unit.
    pub y_label: String,
    /// What the numbers along the x axis are.
    pub x_kind: XKind,
    /// Logarithmic y axis. Points at or below zero are marked on the lower edge.
    pub log_y: bool,
    /// Symmetric logarithmic y axis: for values of both signs. Counts only where `log_y` is not set.
    pub symlog_y: bool,
    /// Logarithmic x axis, which has no place for what is at or below zero.
    pub log_x: bool,
    /// Where the x axis begins and ends, instead of where the lines do.
    pub x_range: (Option<f64>, Option<f64>),
    /// Where the y axis begins and ends.
    pub y_range: (Option<f64>, Option<f64>),
    /// The y axis goes no further than this and some air, so that outliers do not flatten the rest.
    pub fences: Option<(f64, f64)>,
    /// The first line lies above the others, not the last one.
    pub first_on_top: bool,
    /// The lines; later ones are drawn over earlier ones.
    pub series: Vec<Series>,
    /// How runs get their colours.
    pub colours: Colours,
    /// Said in the middle when there is no point at all, e.g. `No run logged val_loss`.
    pub empty_reason: Option<String>,
}

/// Bars, from top to bottom.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bars {
    /// Above them.
    pub title: String,
    /// Those whose value is NaN are left out.
    pub bars: Vec<Bar>,
}

/// One bar, of a run or of a group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bar {
    /// Decides its colour.
    pub run_id: String,
    /// Its name.
    pub label: String,
    /// How long it is.
    pub value: f64,
    /// From where to where the members of a group go.
    pub reach: Option<(f64, f64)>,
    /// Instead of the colour that the run's id gives.
    pub colour: Option<Colour>,
    /// What the others are compared to.
    pub baseline: bool,
}

/// When to draw a legend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Legend {
    /// Only when the names do not all fit at the ends of their lines.
    #[default]
    Auto,
    /// Below the chart, always.
    Always,
}

/// How to draw it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Light or dark.
    pub theme: Theme,
    /// PNG only: how many pixels of the file stand for one pixel of the layout, 1 to 4.
    pub scale: u32,
    /// When to draw a legend.
    pub legend: Legend,
    /// Without a background.
    pub transparent: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            width: 960,
            height: 540,
            theme: Theme::Light,
            scale: 1,
            legend: Legend::Auto,
            transparent: false,
        }
    }
}

/// Why a chart could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The size is outside what can be drawn.
    #[error("a chart of {width} x {height} pixels (scale {scale}) cannot be drawn; {limit}")]
    Size {
        /// Asked width.
        width: u32,
        /// Asked height.
        height: u32,
        /// Asked scale.
        scale: u32,
        /// The limit in words.
        limit: String,
    },
    /// The drawing library failed.
    #[error("the chart could not be drawn: {0}")]
    Drawing(String),
    /// The PNG could not be written.
    #[error("the PNG could not be written: {0}")]
    Png(#[from] png::EncodingError),
}

/// Draws a chart as an SVG document.
///
/// # Errors
/// When the size is out of range.
pub fn draw_svg(chart: &Chart, style: &Style) -> Result<String, Error> {
    check_sides(style)?;
    paint::svg(&scene::compose(chart, style)?)
}

/// Draws a chart as a PNG file.
///
/// # Errors
/// When the size is out of range.
pub fn draw_png(chart: &Chart, style: &Style) -> Result<Vec<u8>, Error> {
    check_sides(style)?;
    let pixels = u64::from(style.width) * u64::from(style.height);
    let in_file = pixels.saturating_mul(u64::from(style.scale).saturating_pow(2));
    if !(1..=4).contains(&style.scale) || in_file > MAX_PNG_PIXELS {
        return Err(size_error(
            style,
            format!("scale is 1 to 4 and the file at most {MAX_PNG_PIXELS} pixels"),
        ));
    }
    paint::png(&scene::compose(chart, style)?, style.scale)
}

/// Draws a chart as a PDF document of one page, a point for each pixel.
///
/// # Errors
/// When the size is out of range.
pub fn draw_pdf(chart: &Chart, style: &Style) -> Result<Vec<u8>, Error> {
    check_sides(style)?;
    pdf::pdf(&scene::compose(chart, style)?)
}

/// Draws a chart as an SVG element for a page that has light and dark colours as its reader's screen has. `id` is the
/// element's own: letters and digits. The style's theme does not count.
///
/// # Errors
/// When the size is out of range.
pub fn draw_inline(chart: &Chart, style: &Style, id: &str) -> Result<String, Error> {
    check_sides(style)?;
    let compose = |theme| scene::compose(chart, &Style { theme, ..*style });
    Ok(inline::svg(&compose(Theme::Light)?, &compose(Theme::Dark)?, id))
}

/// Draws bars as [`draw_inline`] draws lines. They are as high as they need.
///
/// # Errors
/// When the size is out of range.
pub fn draw_inline_bars(bars: &Bars, style: &Style, id: &str) -> Result<String, Error> {
    check_sides(style)?;
    let compose = |theme| bars::compose(bars, &Style { theme, ..*style });
    Ok(inline::svg(&compose(Theme::Light)?, &compose(Theme::Dark)?, id))
}

/// Bars in words, for those who cannot see them.
#[must_use]
pub fn summary_of_bars(bars: &Bars) -> String {
    bars::summary(bars)
}

/// The chart in words, for those who cannot see it.
#[must_use]
pub fn summary(chart: &Chart) -> String {
    scene::summary(chart)
}

fn check_sides(style: &Style) -> Result<(), Error> {
    let allowed = MIN_SIDE_PX..=MAX_SIDE_PX;
    if allowed.contains(&style.width) && allowed.contains(&style.height) {
        return Ok(());
    }
    Err(size_error(style, format!("width and height are {MIN_SIDE_PX} to {MAX_SIDE_PX}")))
}

fn size_error(style: &Style, limit: String) -> Error {
    Error::Size { width: style.width, height: style.height, scale: style.scale, limit }
}
