//! Lays a chart out: from data to marks at places. What comes out is the same for SVG, PNG and PDF.

mod axes;
mod lines;
mod names;
mod words;

pub(crate) use words::{clean, fit, summary};

use crate::palette::{Palette, Rgb};
use crate::{Chart, Error, Points, Role, Style};
use axes::Axes;
use names::Names;

/// A point in pixels from the top left.
pub(crate) type Place = (f64, f64);

/// A finished layout.
pub(crate) struct Scene {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// None: what lies below shows through.
    pub(crate) background: Option<Rgb>,
    pub(crate) title: String,
    /// The chart in words, for those who cannot see it.
    pub(crate) summary: String,
    pub(crate) layers: Vec<Layer>,
}

/// Marks that belong together.
pub(crate) struct Layer {
    pub(crate) series: Option<SeriesName>,
    pub(crate) marks: Vec<Mark>,
}

/// Which run a layer shows.
pub(crate) struct SeriesName {
    pub(crate) run_id: String,
    pub(crate) label: String,
}

/// Where a text's given place lies along it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Align {
    Left,
    Center,
    Right,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mark {
    Line {
        points: Vec<Place>,
        colour: Rgb,
        width: f64,
        dash: &'static [f64],
    },
    Shape {
        points: Vec<Place>,
        colour: Rgb,
        /// 0 to 1.
        opacity: f64,
    },
    Disc {
        at: Place,
        radius: f64,
        colour: Rgb,
    },
    /// `at` is the middle of the text's height.
    Text {
        at: Place,
        text: String,
        size: f64,
        colour: Rgb,
        align: Align,
        bold: bool,
    },
}

impl Mark {
    /// A text that is not bold.
    pub(crate) fn text(at: Place, text: String, size: f64, colour: Rgb, align: Align) -> Self {
        Self::Text { at, text, size, colour, align, bold: false }
    }
}

const TITLE_SIZE: f64 = 15.0;
pub(crate) const TEXT_SIZE: f64 = 12.0;
pub(crate) const TICK_SIZE: f64 = 11.0;
const ROW: f64 = 18.0;

impl Role {
    fn has_name(self) -> bool {
        matches!(self, Self::Line | Self::Baseline)
    }
}

/// The layout, from the title at the top and the legend at the bottom to the lines between.
pub(crate) fn compose(chart: &Chart, style: &Style) -> Result<Scene, Error> {
    let palette = Palette::of(style.theme);
    let (width, height) = (f64::from(style.width), f64::from(style.height));
    let mut scene = Scene {
        width: style.width,
        height: style.height,
        background: (!style.transparent).then_some(palette.background),
        title: clean(if chart.title.is_empty() { &chart.y_label } else { &chart.title }),
        summary: summary(chart),
        layers: Vec::new(),
    };

    let mut around = Vec::new();
    let muted = |at: Place, text: &str, size: f64, align| -> Result<Mark, Error> {
        Ok(Mark::text(at, fit(text, size, width - 24.0)?, size, palette.text_muted, align))
    };
    let mut top = 12.0;
    if !chart.title.is_empty() {
        let text = fit(&chart.title, TITLE_SIZE, width - 24.0)?;
        let (at, colour) = ((12.0, top + 10.0), palette.text);
        around.push(Mark::Text { at, text, size: TITLE_SIZE, colour, align: Align::Left, bold: true });
        top += 26.0;
    }
    if let Some(reason) = words::emptiness(chart) {
        let middle = (width / 2.0, (top + height) / 2.0);
        around.push(muted(middle, &reason, TEXT_SIZE + 1.0, Align::Center)?);
        scene.layers.push(Layer { series: None, marks: around });
        return Ok(scene);
    }
    if !chart.y_label.is_empty() && chart.y_label != chart.title {
        around.push(muted((12.0, top + 6.0), &chart.y_label, TEXT_SIZE, Align::Left)?);
        top += ROW;
    }
    top += 4.0;

    let names = Names::plan(chart, style, height - top - 60.0)?;
    let mut below = height - 10.0;
    if let Some(note) = words::edge_note(chart) {
        around.push(muted((12.0, below - 4.0), note, TICK_SIZE, Align::Left)?);
        below -= ROW;
    }
    let legend_top = below - names.legend_height();
    if names.legend_height() > 0.0 {
        below = legend_top - 6.0;
    }
    let bottom = below - TICK_SIZE - 8.0 - if chart.x_label.is_empty() { 0.0 } else { ROW };
    let axes = Axes::new(chart, width, (top, bottom.max(top + 20.0)), names.end_room)?;
    axes.draw(chart, palette, width, &mut around)?;
    scene.layers.push(Layer { series: None, marks: around });

    let strokes: Vec<_> = chart
        .series
        .iter()
        .enumerate()
        .map(|(index, series)| lines::stroke_of(chart, palette, index, series))
        .collect();
    let ends = lines::draw(chart, palette, &axes.frame, &strokes, &mut scene.layers);
    let marks = names.draw(chart, palette, (&axes.frame, width), (&strokes, ends), legend_top)?;
    scene.layers.push(Layer { series: None, marks });
    Ok(scene)
}

pub(crate) fn rule(from: Place, to: Place, colour: Rgb) -> Mark {
    Mark::Line { points: vec![from, to], colour, width: 1.0, dash: &[] }
}

fn pairs(points: &Points) -> impl Iterator<Item = (f64, f64)> + '_ {
    points.x.iter().copied().zip(points.y.iter().copied())
}

fn has_point(points: &Points, chart: &Chart) -> bool {
    pairs(points).any(|(x, y)| {
        x.is_finite() && y.is_finite() && (!chart.log_y || y > 0.0) && (!chart.log_x || x > 0.0)
    })
}
