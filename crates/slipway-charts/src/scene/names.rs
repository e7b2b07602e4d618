//! Names of lines: at their ends where all of them have room there, otherwise in a legend.

use super::lines::Stroke;
use super::{Align, Mark, Place, ROW, TICK_SIZE, fit, has_point};
use crate::cut::Frame;
use crate::palette::Palette;
use crate::{Chart, Error, Legend, Series, Style, paint};

const LABEL_GAP: f64 = 15.0;
const SWATCH: f64 = 22.0;
/// Lines that get their name at their end; more of them are named in the legend.
const MAX_END_LABELS: usize = 12;
const MAX_LEGEND_ROWS: usize = 6;

/// Where names go.
pub(super) struct Names {
    at_ends: bool,
    /// Room at the right that names at ends take, in pixels.
    pub(super) end_room: f64,
    legend: Vec<Vec<LegendEntry>>,
}

impl Names {
    /// `high` is about how many pixels the lines have.
    pub(super) fn plan(chart: &Chart, style: &Style, high: f64) -> Result<Self, Error> {
        let (width, height) = (f64::from(style.width), f64::from(style.height));
        let named = |series: &&Series| series.role.has_name() && has_point(&series.line, chart);
        let drawn = chart.series.iter().filter(named).count();
        let at_ends = drawn <= MAX_END_LABELS && drawn as f64 * LABEL_GAP <= high && width >= 360.0;
        let end_room = if at_ends {
            let mut widest: f64 = 0.0;
            for series in chart.series.iter().filter(named) {
                widest = widest.max(paint::text_width(&end_label(series, width)?, TICK_SIZE)?);
            }
            widest + 22.0
        } else {
            0.0
        };
        let legend = if style.legend == Legend::Always || !at_ends {
            legend_rows(chart, width - 24.0, height)?
        } else {
            Vec::new()
        };
        Ok(Self { at_ends, end_room, legend })
    }

    /// How high the legend is; 0 without one.
    pub(super) fn legend_height(&self) -> f64 {
        self.legend.len() as f64 * ROW
    }

    /// Names the lines that end at `ends`, and draws the legend from `legend_top` on.
    pub(super) fn draw(
        &self,
        chart: &Chart,
        palette: &Palette,
        (frame, width): (&Frame, f64),
        (strokes, mut ends): (&[Stroke], Vec<(usize, Place)>),
        legend_top: f64,
    ) -> Result<Vec<Mark>, Error> {
        let mut marks = Vec::new();
        if !self.at_ends {
            ends.clear();
        }
        ends.sort_by(|a, b| a.1.1.total_cmp(&b.1.1));
        let wanted: Vec<f64> = ends.iter().map(|(_, end)| end.1).collect();
        for ((index, end), at) in ends.iter().zip(spread(&wanted, frame.top, frame.bottom)) {
            let (Some(series), Some(stroke)) = (chart.series.get(*index), strokes.get(*index)) else {
                continue;
            };
            let (colour, right) = (stroke.colour, frame.right);
            marks.push(Mark::Disc { at: *end, radius: 2.5, colour });
            // A line that ends early is led to its name by dots, which cannot be taken for its data.
            let is_far = right - end.0 > 12.0;
            marks.push(Mark::Line {
                points: vec![*end, (right + 6.0, at), (right + 14.0, at)],
                colour: palette.faded(colour, if is_far { 0.45 } else { 0.6 }),
                width: 1.0,
                dash: if is_far { &[1.0, 4.0] } else { &[] },
            });
            let label = end_label(series, width)?;
            marks.push(Mark::text((right + 18.0, at), label, TICK_SIZE, palette.text, Align::Left));
        }
        for (row, entries) in self.legend.iter().enumerate() {
            let at = legend_top + row as f64 * ROW + ROW / 2.0;
            for entry in entries {
                let mut left = 12.0 + entry.left;
                if let Some(stroke) = entry.index.and_then(|index| strokes.get(index)) {
                    marks.push(Mark::Line {
                        points: vec![(left, at), (left + SWATCH - 4.0, at)],
                        colour: stroke.colour,
                        width: 2.0,
                        dash: stroke.dash,
                    });
                    left += SWATCH;
                }
                marks.push(Mark::text((left, at), entry.text.clone(), TICK_SIZE, palette.text, Align::Left));
            }
        }
        Ok(marks)
    }
}

fn end_label(series: &Series, width: f64) -> Result<String, Error> {
    fit(&series.label, TICK_SIZE, width * 0.22)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_pushed_apart_and_stay_inside() {
        assert_eq!(spread(&[50.0, 51.0, 52.0], 0.0, 200.0), vec![50.0, 65.0, 80.0]);
        assert_eq!(spread(&[199.0, 200.0], 0.0, 200.0), vec![185.0, 200.0]);
    }
}
