//! Lays a chart out: from data to marks at places. What comes out is the same for SVG and PNG.

use crate::cut::{Frame, polygon};
use crate::palette::{DASH_STYLES, Look, Palette, Rgb};
use crate::scale::Scale;
use crate::{Chart, Colour, Colours, Error, Legend, Points, Role, Series, Style, XKind, paint};

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

const TITLE_SIZE: f64 = 15.0;
pub(crate) const TEXT_SIZE: f64 = 12.0;
pub(crate) const TICK_SIZE: f64 = 11.0;
const ROW: f64 = 18.0;
const LABEL_GAP: f64 = 15.0;
const SWATCH: f64 = 22.0;
const LINE_WIDTH: f64 = 1.5;
/// Lines that get their name at their end; more of them are named in the legend.
const MAX_END_LABELS: usize = 12;
const MAX_LEGEND_ROWS: usize = 6;
/// Edge marks closer than this are one mark.
const EDGE_MARK_GAP: f64 = 7.0;
const BASELINE_DASH: &[f64] = &[8.0, 4.0];
const BAND_OPACITY: f64 = 0.14;
/// Lines of so few points show each of them.
const FEW_POINTS: usize = 60;
const DOT_RADIUS: f64 = 4.0;

impl Role {
    fn has_name(self) -> bool {
        matches!(self, Self::Line | Self::Baseline)
    }
}

/// Smallest and largest value for which `keep` holds.
fn extent<'a>(values: impl Iterator<Item = &'a f64>, keep: impl Fn(f64) -> bool) -> Option<(f64, f64)> {
    values.copied().filter(|value| keep(*value)).fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((low.min(value), high.max(value))),
    })
}

fn pairs(points: &Points) -> impl Iterator<Item = (f64, f64)> + '_ {
    points.x.iter().copied().zip(points.y.iter().copied())
}

/// Why there is nothing to see, in words; None when there is something.
fn emptiness(chart: &Chart) -> Option<String> {
    let points = || chart.series.iter().flat_map(|series| pairs(&series.line));
    if points().next().is_none() {
        let reason =
            if chart.series.is_empty() { "No runs to draw" } else { "The chosen runs have no points" };
        return Some(chart.empty_reason.clone().unwrap_or_else(|| reason.to_owned()));
    }
    if !points().any(|(x, y)| x.is_finite() && y.is_finite()) {
        return Some("Every point is NaN or infinite".to_owned());
    }
    if !chart.series.iter().any(|series| has_point(&series.line, chart)) {
        return Some("No point is above 0, so a logarithmic axis shows nothing".to_owned());
    }
    None
}

pub(crate) fn compose(chart: &Chart, style: &Style) -> Result<Scene, Error> {
    let palette = Palette::of(style.theme);
    let (width, height) = (f64::from(style.width), f64::from(style.height));
    let strokes: Vec<Stroke> = chart
        .series
        .iter()
        .enumerate()
        .map(|(index, series)| stroke_of(chart, palette, index, series))
        .collect();

    let mut frame_marks = Vec::new();
    let mut top = 12.0;
    if !chart.title.is_empty() {
        let text = fit(&chart.title, TITLE_SIZE, width - 24.0)?;
        frame_marks.push(Mark::Text {
            at: (12.0, top + 10.0),
            text,
            size: TITLE_SIZE,
            colour: palette.text,
            align: Align::Left,
            bold: true,
        });
        top += 26.0;
    }
    let mut scene = Scene {
        width: style.width,
        height: style.height,
        background: (!style.transparent).then_some(palette.background),
        title: clean(if chart.title.is_empty() { &chart.y_label } else { &chart.title }),
        summary: summary(chart),
        layers: Vec::new(),
    };
    if let Some(reason) = emptiness(chart) {
        frame_marks.push(Mark::Text {
            at: (width / 2.0, (top + height) / 2.0),
            text: fit(&reason, TEXT_SIZE + 1.0, width - 24.0)?,
            size: TEXT_SIZE + 1.0,
            colour: palette.text_muted,
            align: Align::Center,
            bold: false,
        });
        scene.layers.push(Layer { series: None, marks: frame_marks });
        return Ok(scene);
    }
    if !chart.y_label.is_empty() && chart.y_label != chart.title {
        frame_marks.push(Mark::Text {
            at: (12.0, top + 6.0),
            text: fit(&chart.y_label, TEXT_SIZE, width - 24.0)?,
            size: TEXT_SIZE,
            colour: palette.text_muted,
            align: Align::Left,
            bold: false,
        });
        top += ROW;
    }
    top += 4.0;

    // Names at the ends of the lines, if all of them have room there; otherwise a legend.
    let named = |series: &&Series| series.role.has_name() && has_point(&series.line, chart);
    let drawn = chart.series.iter().filter(named).count();
    let roughly_high = height - top - 60.0;
    let names_at_ends = drawn <= MAX_END_LABELS && drawn as f64 * LABEL_GAP <= roughly_high && width >= 360.0;
    let end_room = if names_at_ends {
        let mut widest: f64 = 0.0;
        for series in chart.series.iter().filter(named) {
            widest = widest.max(paint::text_width(&fit(&series.label, TICK_SIZE, width * 0.22)?, TICK_SIZE)?);
        }
        widest + 22.0
    } else {
        0.0
    };
    let legend = if style.legend == Legend::Always || !names_at_ends {
        legend_rows(chart, width - 24.0, height)?
    } else {
        Vec::new()
    };

    let edge_note = edge_note(chart);
    let mut below = height - 10.0;
    if let Some(note) = edge_note {
        frame_marks.push(Mark::Text {
            at: (12.0, below - 4.0),
            text: fit(note, TICK_SIZE, width - 24.0)?,
            size: TICK_SIZE,
            colour: palette.text_muted,
            align: Align::Left,
            bold: false,
        });
        below -= ROW;
    }
    let legend_top = below - legend.len() as f64 * ROW;
    below = if legend.is_empty() { below } else { legend_top - 6.0 };
    let bottom = below - TICK_SIZE - 8.0 - if chart.x_label.is_empty() { 0.0 } else { ROW };
    let bottom = bottom.max(top + 20.0);

    // Axes.
    let (x, y) = scales(chart);
    let y_ticks = y.ticks(((bottom - top) / 48.0).clamp(2.0, 10.0) as usize);
    let mut tick_room: f64 = 0.0;
    for tick in &y_ticks {
        tick_room = tick_room.max(paint::text_width(&tick.label, TICK_SIZE)?);
    }
    let left = 12.0 + tick_room + 8.0;
    let right = (width - 16.0 - end_room).max(left + 20.0);
    let frame = Frame { left, right, top, bottom, x, y };
    let label_px = if chart.x_kind == XKind::Number { 72.0 } else { 92.0 };
    let x_ticks = x.x_ticks(chart.x_kind, ((right - left) / label_px).clamp(1.0, 14.0) as usize);

    for tick in &y_ticks {
        let Some(at) = frame.y_of(tick.value).filter(|at| *at >= top - 0.5 && *at <= bottom + 0.5) else {
            continue;
        };
        frame_marks.push(rule((left, at), (right, at), palette.grid));
        frame_marks.push(Mark::Text {
            at: (left - 8.0, at),
            text: tick.label.clone(),
            size: TICK_SIZE,
            colour: palette.text_muted,
            align: Align::Right,
            bold: false,
        });
    }
    let mut free_from = f64::NEG_INFINITY;
    for tick in &x_ticks {
        let Some(at) = frame.x_of(tick.value).filter(|at| *at >= left - 0.5 && *at <= right + 0.5) else {
            continue;
        };
        frame_marks.push(rule((at, bottom), (at, bottom + 4.0), palette.axis));
        let half = paint::text_width(&tick.label, TICK_SIZE)? / 2.0;
        if at - half < free_from || at + half > width {
            continue;
        }
        free_from = at + half + 6.0;
        frame_marks.push(Mark::Text {
            at: (at, bottom + 12.0),
            text: tick.label.clone(),
            size: TICK_SIZE,
            colour: palette.text_muted,
            align: Align::Center,
            bold: false,
        });
    }
    frame_marks.push(rule((left, bottom), (right, bottom), palette.axis));
    if !chart.x_label.is_empty() {
        frame_marks.push(Mark::Text {
            at: ((left + right) / 2.0, bottom + TICK_SIZE + 8.0 + ROW / 2.0),
            text: fit(&chart.x_label, TEXT_SIZE, right - left)?,
            size: TEXT_SIZE,
            colour: palette.text_muted,
            align: Align::Center,
            bold: false,
        });
    }
    scene.layers.push(Layer { series: None, marks: frame_marks });

    // Bands below everything, then members, lines, and the baseline above all.
    let mut order: Vec<usize> = (0..chart.series.len()).collect();
    if chart.first_on_top {
        order.reverse();
    }
    let role = |index: &usize| chart.series.get(*index).map(|series| series.role).unwrap_or_default();
    order.sort_by_key(|index| match role(index) {
        Role::Member => 0,
        Role::Line | Role::Dots => 1,
        Role::Baseline => 2,
    });
    let mut bands = Vec::new();
    for index in &order {
        let (Some(series), Some(stroke)) = (chart.series.get(*index), strokes.get(*index)) else { continue };
        if let Some(band) = &series.band {
            bands.extend(band_shape(&frame, band, stroke.colour));
        }
    }
    scene.layers.push(Layer { series: None, marks: bands });
    let mut ends: Vec<(usize, Place)> = Vec::new();
    for index in order {
        let (Some(series), Some(stroke)) = (chart.series.get(index), strokes.get(index)) else { continue };
        let mut marks = Vec::new();
        let name = SeriesName { run_id: clean(&series.run_id), label: clean(&series.label) };
        if series.role == Role::Dots {
            dots(&frame, &series.line, DOT_RADIUS, stroke.colour, &mut marks);
            scene.layers.push(Layer { series: Some(name), marks });
            continue;
        }
        if let Some(raw) = &series.raw {
            let faint = Stroke { colour: palette.faded(stroke.colour, 0.25), width: 1.0, dash: &[] };
            curve(&frame, raw, &faint, &mut marks);
        }
        if let Some(end) = curve(&frame, &series.line, stroke, &mut marks)
            && series.role.has_name()
        {
            ends.push((index, end));
        }
        let count = series.line.x.len();
        if count <= FEW_POINTS && (frame.right - frame.left) / count.max(1) as f64 > 14.0 {
            dots(&frame, &series.line, 2.0, stroke.colour, &mut marks);
        }
        edge_marks(
            &frame,
            series.raw.as_ref().unwrap_or(&series.line),
            chart.log_y,
            stroke.colour,
            &mut marks,
        );
        scene.layers.push(Layer { series: Some(name), marks });
    }

    // Names.
    let mut marks = Vec::new();
    if names_at_ends {
        ends.sort_by(|a, b| a.1.1.total_cmp(&b.1.1));
        let places = spread(&ends.iter().map(|(_, end)| end.1).collect::<Vec<f64>>(), top, bottom);
        for ((index, end), at) in ends.iter().zip(places) {
            let (Some(series), Some(stroke)) = (chart.series.get(*index), strokes.get(*index)) else {
                continue;
            };
            let colour = stroke.colour;
            marks.push(Mark::Disc { at: *end, radius: 2.5, colour });
            // A line that ends early is led to its name by dots, which cannot be taken for its data.
            let is_far = right - end.0 > 12.0;
            marks.push(Mark::Line {
                points: vec![*end, (right + 6.0, at), (right + 14.0, at)],
                colour: palette.faded(colour, if is_far { 0.45 } else { 0.6 }),
                width: 1.0,
                dash: if is_far { &[1.0, 4.0] } else { &[] },
            });
            marks.push(Mark::Text {
                at: (right + 18.0, at),
                text: fit(&series.label, TICK_SIZE, width * 0.22)?,
                size: TICK_SIZE,
                colour: palette.text,
                align: Align::Left,
                bold: false,
            });
        }
    }
    for (row, entries) in legend.iter().enumerate() {
        let at = legend_top + row as f64 * ROW + ROW / 2.0;
        for entry in entries {
            if let Some(stroke) = entry.index.and_then(|index| strokes.get(index)) {
                marks.push(Mark::Line {
                    points: vec![(12.0 + entry.left, at), (12.0 + entry.left + SWATCH - 4.0, at)],
                    colour: stroke.colour,
                    width: 2.0,
                    dash: stroke.dash,
                });
            }
            marks.push(Mark::Text {
                at: (12.0 + entry.left + if entry.index.is_some() { SWATCH } else { 0.0 }, at),
                text: entry.text.clone(),
                size: TICK_SIZE,
                colour: palette.text,
                align: Align::Left,
                bold: false,
            });
        }
    }
    scene.layers.push(Layer { series: None, marks });
    Ok(scene)
}

fn has_point(points: &Points, chart: &Chart) -> bool {
    pairs(points).any(|(x, y)| {
        x.is_finite() && y.is_finite() && (!chart.log_y || y > 0.0) && (!chart.log_x || x > 0.0)
    })
}

/// How one line is drawn.
struct Stroke {
    colour: Rgb,
    width: f64,
    dash: &'static [f64],
}

fn stroke_of(chart: &Chart, palette: &Palette, index: usize, series: &Series) -> Stroke {
    if series.role == Role::Baseline {
        return Stroke { colour: palette.text, width: 3.0, dash: BASELINE_DASH };
    }
    let look = match chart.colours {
        Colours::ByRun => Look::of_run(&series.run_id),
        Colours::Spread => Look::nth(index),
    };
    let colour = match series.colour {
        None => palette.run(look),
        Some(Colour::Slot(slot)) => palette.run(Look { slot, dash: 0 }),
        Some(Colour::Rgb(red, green, blue)) => (red, green, blue),
    };
    let dash = DASH_STYLES.get(series.dash.unwrap_or(look.dash) as usize).copied().unwrap_or(&[]);
    match series.role {
        Role::Member => Stroke { colour: palette.faded(colour, 0.4), width: 1.0, dash },
        Role::Line | Role::Baseline | Role::Dots => Stroke { colour, width: LINE_WIDTH, dash },
    }
}

/// Both axes: over what is drawn, unless the chart says where they end.
fn scales(chart: &Chart) -> (Scale, Scale) {
    let lines =
        || chart.series.iter().flat_map(|series| std::iter::once(&series.line).chain(series.raw.as_ref()));
    let x_shown = |value: f64| value.is_finite() && (!chart.log_x || value > 0.0);
    let (low, high) = extent(lines().flat_map(|points| points.x.iter()), x_shown).unwrap_or((0.5, 1.5));
    let x = match (chart.log_x, low == high) {
        (true, true) => Scale::log(low / 2.0, high * 2.0, 0.0),
        (true, false) => Scale::log(low, high, 0.0),
        (false, true) => Scale::linear(low - 0.5, high + 0.5, 0.0),
        (false, false) => Scale::linear(low, high, 0.0),
    };
    let x = x.between(chart.x_range);
    let bands = chart.series.iter().filter_map(|series| series.band.as_ref());
    let values: Vec<f64> = lines()
        .flat_map(pairs)
        .chain(bands.flat_map(|band| {
            let edge = |edge: &'_ Points| pairs(edge).collect::<Vec<_>>();
            edge(&band.low).into_iter().chain(edge(&band.high))
        }))
        .filter(|(at, _)| x.place(*at).is_some_and(|share| (-1e-9..=1.0 + 1e-9).contains(&share)))
        .map(|(_, value)| value)
        .collect();
    let y_shown = |value: f64| value.is_finite() && (!chart.log_y || value > 0.0);
    let (mut low, mut high) = extent(values.iter(), y_shown).unwrap_or((1.0, 1.0));
    if let Some((fence_low, fence_high)) = chart.fences {
        let inside = (low.max(fence_low), high.min(fence_high));
        if inside.0 <= inside.1 {
            (low, high) = inside;
        }
    }
    let y = match (chart.log_y, chart.symlog_y) {
        (true, _) => Scale::log(low, high, 0.05),
        (false, true) => Scale::symlog(low, high, 0.05),
        (false, false) => Scale::linear(low, high, 0.05),
    };
    (x, y.between(chart.y_range))
}

/// The area between the edges of a band.
fn band_shape(frame: &Frame, band: &crate::Band, colour: Rgb) -> Option<Mark> {
    let place = |(x, y): (f64, f64)| {
        let x = frame.x_of(x)?;
        // What has no place on a logarithmic axis is below the picture.
        if y.is_finite() { Some((x, frame.y_of(y).unwrap_or(frame.bottom))) } else { None }
    };
    let low: Vec<Place> = pairs(&band.low).filter_map(place).collect();
    let around: Vec<Place> = pairs(&band.high).filter_map(place).chain(low.into_iter().rev()).collect();
    let points = polygon(frame, around);
    (points.len() > 2).then_some(Mark::Shape { points, colour, opacity: BAND_OPACITY })
}

fn dots(frame: &Frame, points: &Points, radius: f64, colour: Rgb, marks: &mut Vec<Mark>) {
    for (x, y) in pairs(points) {
        if let (Some(x), Some(y)) = (frame.x_of(x), frame.y_of(y))
            && frame.holds((x, y))
        {
            marks.push(Mark::Disc { at: (x, y), radius, colour });
        }
    }
}

pub(crate) fn rule(from: Place, to: Place, colour: Rgb) -> Mark {
    Mark::Line { points: vec![from, to], colour, width: 1.0, dash: &[] }
}

/// Adds a line with its gaps, cut at the frame. Answers where its last visible point is.
fn curve(frame: &Frame, points: &Points, stroke: &Stroke, marks: &mut Vec<Mark>) -> Option<Place> {
    let Stroke { colour, width, dash } = *stroke;
    let mut last = None;
    let mut before: Option<Place> = None;
    let mut piece: Vec<Place> = Vec::new();
    let mut finish = |piece: &mut Vec<Place>| match piece.as_slice() {
        [] => {}
        [at] => {
            marks.push(Mark::Disc { at: *at, radius: 2.5, colour });
            piece.clear();
        }
        _ => marks.push(Mark::Line { points: std::mem::take(piece), colour, width, dash }),
    };
    // A point less than a tenth of a pixel from its predecessor cannot be seen.
    let add = |piece: &mut Vec<Place>, (x, y): Place| {
        if !piece.last().is_some_and(|at| (at.0 - x).abs() < 0.1 && (at.1 - y).abs() < 0.1) {
            piece.push((x, y));
        }
    };
    for (x, y) in pairs(points) {
        let (Some(x), Some(y)) = (frame.x_of(x), frame.y_of(y)) else {
            finish(&mut piece);
            before = None;
            continue;
        };
        let at = (x, y);
        let is_inside = frame.holds(at);
        match before.and_then(|before| frame.cut(before, at)) {
            Some((from, to)) => {
                if before.is_some_and(|before| !frame.holds(before)) {
                    finish(&mut piece);
                    piece.push(from);
                }
                add(&mut piece, to);
            }
            None if is_inside => add(&mut piece, at),
            None => {}
        }
        if is_inside {
            last = Some(at);
        } else {
            finish(&mut piece);
        }
        before = Some(at);
    }
    finish(&mut piece);
    last
}

#[derive(Clone, Copy, PartialEq)]
enum Edge {
    NotANumber,
    Above,
    Below,
}

fn edge_of(value: f64, log_y: bool) -> Option<Edge> {
    if value.is_nan() {
        Some(Edge::NotANumber)
    } else if value == f64::INFINITY {
        Some(Edge::Above)
    } else if value == f64::NEG_INFINITY || (log_y && value <= 0.0) {
        Some(Edge::Below)
    } else {
        None
    }
}

/// Marks on the edge for points that no line can pass through.
fn edge_marks(frame: &Frame, points: &Points, log_y: bool, colour: Rgb, marks: &mut Vec<Mark>) {
    let mut last: Option<(Edge, f64)> = None;
    for (x, y) in pairs(points) {
        let (Some(edge), Some(at)) = (edge_of(y, log_y), frame.x_of(x)) else { continue };
        if !frame.holds((at, frame.top)) {
            continue;
        }
        if last.is_some_and(|(kind, before)| kind == edge && (at - before).abs() < EDGE_MARK_GAP) {
            continue;
        }
        last = Some((edge, at));
        let stroke = |from: Place, to: Place| Mark::Line {
            points: vec![from, to],
            colour,
            width: LINE_WIDTH,
            dash: &[],
        };
        match edge {
            Edge::NotANumber => {
                let y = frame.bottom - 5.0;
                marks.push(stroke((at - 3.0, y - 3.0), (at + 3.0, y + 3.0)));
                marks.push(stroke((at - 3.0, y + 3.0), (at + 3.0, y - 3.0)));
            }
            Edge::Above => marks.push(Mark::Shape {
                points: vec![(at, frame.top), (at - 4.0, frame.top + 7.0), (at + 4.0, frame.top + 7.0)],
                colour,
                opacity: 1.0,
            }),
            Edge::Below => marks.push(Mark::Shape {
                points: vec![
                    (at, frame.bottom),
                    (at - 4.0, frame.bottom - 7.0),
                    (at + 4.0, frame.bottom - 7.0),
                ],
                colour,
                opacity: 1.0,
            }),
        }
    }
}

fn edge_note(chart: &Chart) -> Option<&'static str> {
    let mut non_finite = false;
    let mut not_positive = false;
    for (_, y) in chart.series.iter().flat_map(|series| pairs(&series.line)) {
        non_finite |= !y.is_finite();
        not_positive |= chart.log_y && y <= 0.0 && y.is_finite();
    }
    match (non_finite, not_positive) {
        (true, true) => Some("On the edge: × NaN, ▲ +infinity, ▼ -infinity or not above 0"),
        (true, false) => Some("On the edge: × NaN, ▲ +infinity, ▼ -infinity"),
        (false, true) => Some("On the edge: ▼ not above 0"),
        (false, false) => None,
    }
}

struct LegendEntry {
    /// None for the note that some names are left out.
    index: Option<usize>,
    left: f64,
    text: String,
}

/// Names in rows, left to right in columns of equal width.
fn legend_rows(chart: &Chart, width: f64, height: f64) -> Result<Vec<Vec<LegendEntry>>, Error> {
    let named: Vec<(usize, &Series)> =
        chart.series.iter().enumerate().filter(|(_, series)| series.role.has_name()).collect();
    let mut names = Vec::with_capacity(named.len());
    let mut widest: f64 = 0.0;
    // As many as could ever fit are enough to measure.
    for (index, series) in named.iter().take(500) {
        let name = fit(&series.label, TICK_SIZE, (width - SWATCH).clamp(40.0, 220.0))?;
        widest = widest.max(paint::text_width(&name, TICK_SIZE)?);
        names.push((*index, name));
    }
    let column = widest + SWATCH + 16.0;
    let columns = ((width / column).floor() as usize).max(1);
    let most_rows = MAX_LEGEND_ROWS.min((height * 0.3 / ROW) as usize).max(1);
    let room = columns * most_rows;
    let left_out = if named.len() > room { named.len() - (room - 1) } else { 0 };
    let kept = named.len() - left_out;
    let mut entries: Vec<(Option<usize>, String)> =
        names.into_iter().take(kept).map(|(index, name)| (Some(index), name)).collect();
    if left_out > 0 {
        entries.push((None, format!("and {left_out} more")));
    }
    let mut rows: Vec<Vec<LegendEntry>> = Vec::new();
    for (position, (index, text)) in entries.into_iter().enumerate() {
        if position % columns == 0 {
            rows.push(Vec::new());
        }
        let left = (position % columns) as f64 * column;
        if let Some(row) = rows.last_mut() {
            row.push(LegendEntry { index, left, text });
        }
    }
    Ok(rows)
}

/// Pushes labels apart that would overlap. `wanted` is ascending.
fn spread(wanted: &[f64], top: f64, bottom: f64) -> Vec<f64> {
    let mut places = wanted.to_vec();
    let mut free = top;
    for place in &mut places {
        *place = place.max(free);
        free = *place + LABEL_GAP;
    }
    let mut free = bottom;
    for place in places.iter_mut().rev() {
        *place = place.min(free);
        free = *place - LABEL_GAP;
    }
    places
}

/// A text from outside, made safe to show on one line: no control characters, none that turn the reading order.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .take(300)
        .map(|letter| match letter {
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FFFE}' | '\u{FFFF}' => '\u{FFFD}',
            letter if letter.is_control() => '\u{FFFD}',
            letter => letter,
        })
        .collect()
}

/// The text, cut with an ellipsis to what fits.
pub(crate) fn fit(text: &str, size: f64, room: f64) -> Result<String, Error> {
    let text = clean(text);
    if paint::text_width(&text, size)? <= room {
        return Ok(text);
    }
    let letters: Vec<char> = text.chars().collect();
    let cut = |count: usize| letters.iter().take(count).collect::<String>().trim_end().to_owned() + "…";
    let (mut low, mut high) = (0, letters.len());
    while low < high {
        let middle = (low + high).div_ceil(2);
        if paint::text_width(&cut(middle), size)? <= room {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(cut(low))
}

/// The chart in words.
pub(crate) fn summary(chart: &Chart) -> String {
    if let Some(reason) = emptiness(chart) {
        return clean(&reason);
    }
    let finite = |values: &mut dyn Iterator<Item = f64>| {
        values.filter(|value| value.is_finite()).fold(None, |range: Option<(f64, f64)>, value| {
            Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        })
    };
    let count = chart.series.len();
    let points = chart.series.iter().any(|series| series.role == Role::Dots);
    let noun = match (points, count) {
        (true, 1) => "point",
        (true, _) => "points",
        (false, 1) => "line",
        (false, _) => "lines",
    };
    let mut text = format!("{count} {noun} of {}", clean(&chart.y_label));
    if let Some((low, high)) =
        finite(&mut chart.series.iter().flat_map(|series| series.line.y.iter().copied()))
    {
        text.push_str(&format!(", values from {low} to {high}"));
    }
    if chart.log_y {
        text.push_str(", logarithmic axis");
    } else if chart.symlog_y {
        text.push_str(", symmetric logarithmic axis");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_pushed_apart_and_stay_inside() {
        assert_eq!(spread(&[50.0, 51.0, 52.0], 0.0, 200.0), vec![50.0, 65.0, 80.0]);
        assert_eq!(spread(&[199.0, 200.0], 0.0, 200.0), vec![185.0, 200.0]);
    }

    #[test]
    fn long_names_are_cut_to_what_fits() {
        let name = "a name that is far too long for the place it has".repeat(20);
        let cut = fit(&name, 11.0, 100.0).unwrap();
        assert!(cut.ends_with('…'));
        assert!(paint::text_width(&cut, 11.0).unwrap() <= 100.0, "{cut}");
        assert_eq!(fit("short", 11.0, 100.0).unwrap(), "short");
    }

    #[test]
    fn control_and_direction_characters_are_replaced() {
        assert_eq!(clean("a\u{1b}[31m\u{202e}b\nc"), "a\u{fffd}[31m\u{fffd}b\u{fffd}c");
    }
}
