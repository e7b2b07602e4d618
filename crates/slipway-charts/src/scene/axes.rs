//! The axes: what they span, and their rules, ticks and labels.

use super::{Align, Mark, Place, ROW, TEXT_SIZE, TICK_SIZE, fit, pairs, rule};
use crate::cut::Frame;
use crate::palette::Palette;
use crate::scale::{Scale, Tick};
use crate::{Chart, Error, Points, XKind, paint};

/// Both axes: over what is drawn, unless the chart says where they end.
pub(super) fn scales(chart: &Chart) -> (Scale, Scale) {
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

/// Smallest and largest value for which `keep` holds.
fn extent<'a>(values: impl Iterator<Item = &'a f64>, keep: impl Fn(f64) -> bool) -> Option<(f64, f64)> {
    values.copied().filter(|value| keep(*value)).fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((low.min(value), high.max(value))),
    })
}

/// The area between the axes, as large as the ticks of both and the names at its right leave it.
pub(super) struct Axes {
    pub(super) frame: Frame,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
}

impl Axes {
    /// Between `top` and `bottom`; `end_room` pixels on the right belong to names.
    pub(super) fn new(
        chart: &Chart,
        width: f64,
        (top, bottom): (f64, f64),
        end_room: f64,
    ) -> Result<Self, Error> {
        let (x, y) = scales(chart);
        let y_ticks = y.ticks(((bottom - top) / 48.0).clamp(2.0, 10.0) as usize);
        let mut tick_room: f64 = 0.0;
        for tick in &y_ticks {
            tick_room = tick_room.max(paint::text_width(&tick.label, TICK_SIZE)?);
        }
        let left = 12.0 + tick_room + 8.0;
        let right = (width - 16.0 - end_room).max(left + 20.0);
        let label_px = if chart.x_kind == XKind::Number { 72.0 } else { 92.0 };
        let x_ticks = x.x_ticks(chart.x_kind, ((right - left) / label_px).clamp(1.0, 14.0) as usize);
        Ok(Self { frame: Frame { left, right, top, bottom, x, y }, x_ticks, y_ticks })
    }

    pub(super) fn draw(
        &self,
        chart: &Chart,
        palette: &Palette,
        width: f64,
        marks: &mut Vec<Mark>,
    ) -> Result<(), Error> {
        let Frame { left, right, top, bottom, .. } = self.frame;
        let muted = palette.text_muted;
        let label = |at: Place, text: String, align| Mark::text(at, text, TICK_SIZE, muted, align);
        for tick in &self.y_ticks {
            let Some(at) = self.frame.y_of(tick.value).filter(|at| *at >= top - 0.5 && *at <= bottom + 0.5)
            else {
                continue;
            };
            marks.push(rule((left, at), (right, at), palette.grid));
            marks.push(label((left - 8.0, at), tick.label.clone(), Align::Right));
        }
        let mut free_from = f64::NEG_INFINITY;
        for tick in &self.x_ticks {
            let Some(at) = self.frame.x_of(tick.value).filter(|at| *at >= left - 0.5 && *at <= right + 0.5)
            else {
                continue;
            };
            marks.push(rule((at, bottom), (at, bottom + 4.0), palette.axis));
            let half = paint::text_width(&tick.label, TICK_SIZE)? / 2.0;
            if at - half < free_from || at + half > width {
                continue;
            }
            free_from = at + half + 6.0;
            marks.push(label((at, bottom + 12.0), tick.label.clone(), Align::Center));
        }
        marks.push(rule((left, bottom), (right, bottom), palette.axis));
        if !chart.x_label.is_empty() {
            let at = ((left + right) / 2.0, bottom + TICK_SIZE + 8.0 + ROW / 2.0);
            let text = fit(&chart.x_label, TEXT_SIZE, right - left)?;
            marks.push(Mark::text(at, text, TEXT_SIZE, muted, Align::Center));
        }
        Ok(())
    }
}
