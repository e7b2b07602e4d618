//! What is between the axes: lines with their gaps, bands, dots, and marks for what no line can pass through.

use super::{Layer, Mark, Place, SeriesName, clean, pairs};
use crate::cut::{Frame, polygon};
use crate::palette::{DASH_STYLES, Look, Palette, Rgb};
use crate::{Chart, Colour, Colours, Points, Role, Series};

const LINE_WIDTH: f64 = 1.5;
/// Edge marks closer than this are one mark.
const EDGE_MARK_GAP: f64 = 7.0;
const BASELINE_DASH: &[f64] = &[8.0, 4.0];
const BAND_OPACITY: f64 = 0.14;
/// Lines of so few points show each of them.
const FEW_POINTS: usize = 60;
const DOT_RADIUS: f64 = 4.0;

/// How one line is drawn.
pub(super) struct Stroke {
    pub(super) colour: Rgb,
    width: f64,
    pub(super) dash: &'static [f64],
}

pub(super) fn stroke_of(chart: &Chart, palette: &Palette, index: usize, series: &Series) -> Stroke {
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

/// Draws all series: bands below everything, then members, lines, and the baseline above all. Answers where the last
/// visible points of lines with names are, by the number of the series.
pub(super) fn draw(
    chart: &Chart,
    palette: &Palette,
    frame: &Frame,
    strokes: &[Stroke],
    layers: &mut Vec<Layer>,
) -> Vec<(usize, Place)> {
    let mut order: Vec<(usize, &Series, &Stroke)> = chart
        .series
        .iter()
        .zip(strokes)
        .enumerate()
        .map(|(i, (series, stroke))| (i, series, stroke))
        .collect();
    if chart.first_on_top {
        order.reverse();
    }
    order.sort_by_key(|(_, series, _)| match series.role {
        Role::Member => 0,
        Role::Line | Role::Dots => 1,
        Role::Baseline => 2,
    });
    let bands = order
        .iter()
        .filter_map(|(_, series, stroke)| band_shape(frame, series.band.as_ref()?, stroke.colour))
        .collect();
    layers.push(Layer { series: None, marks: bands });
    let mut ends = Vec::new();
    for (index, series, stroke) in order {
        let mut marks = Vec::new();
        if let Some(end) = draw_one(chart, palette, frame, series, stroke, &mut marks)
            && series.role.has_name()
        {
            ends.push((index, end));
        }
        let name = SeriesName { run_id: clean(&series.run_id), label: clean(&series.label) };
        layers.push(Layer { series: Some(name), marks });
    }
    ends
}

/// Draws one series without its band. Answers where the last visible point of its line is.
fn draw_one(
    chart: &Chart,
    palette: &Palette,
    frame: &Frame,
    series: &Series,
    stroke: &Stroke,
    marks: &mut Vec<Mark>,
) -> Option<Place> {
    if series.role == Role::Dots {
        dots(frame, &series.line, DOT_RADIUS, stroke.colour, marks);
        return None;
    }
    if let Some(raw) = &series.raw {
        let faint = Stroke { colour: palette.faded(stroke.colour, 0.25), width: 1.0, dash: &[] };
        curve(frame, raw, &faint, marks);
    }
    let end = curve(frame, &series.line, stroke, marks);
    let count = series.line.x.len();
    if count <= FEW_POINTS && (frame.right - frame.left) / count.max(1) as f64 > 14.0 {
        dots(frame, &series.line, 2.0, stroke.colour, marks);
    }
    edge_marks(frame, series.raw.as_ref().unwrap_or(&series.line), chart.log_y, stroke.colour, marks);
    end
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
