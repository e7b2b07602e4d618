//! The lines of one chart: of single runs, and of groups of them.

use super::super::wire::{
    SeriesAggregate, SeriesBand, SeriesGroup, SeriesRef, SeriesRequest, SmoothingKind, XAxis,
};
use slipway_store::series::{
    Aggregate, Band, Curve, Fences, Places, Smoothing, Thinned, Window, aggregate, smooth, thin, values_at,
};
use slipway_store::{Axis, CurveQuery, Outline, Outlines, Reader, Result};

/// What an entry of an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Role {
    Raw,
    Smooth,
    Low,
    High,
    Members,
    Fences,
}

/// One entry of an answer.
#[derive(Debug)]
pub(in super::super) struct Line {
    /// Number of the run or group in its request.
    pub(in super::super) request: usize,
    pub(in super::super) role: Role,
    pub(in super::super) thinned: Thinned,
    pub(super) lacks_x: bool,
    pub(super) sampled: bool,
}

impl Line {
    fn new(request: usize, role: Role, thinned: Thinned) -> Self {
        Self { request, role, thinned, lacks_x: false, sampled: false }
    }

    /// Between which values a chart is without its outliers.
    pub(super) fn fences(fences: &Fences) -> Option<Self> {
        let (low, high, beyond) = fences.clip()?;
        let curve = Curve { x: vec![0.0; 2], y: vec![low, high] };
        Some(Self::new(0, Role::Fences, Thinned { curve, total: beyond, ..Thinned::default() }))
    }
}

/// What one run or group adds to a chart.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) lines: Vec<Line>,
    pub(super) fences: Fences,
}

/// Runs and groups of a request.
pub(super) fn count(request: &SeriesRequest) -> usize {
    request.series.len() + request.groups.len()
}

/// What the run or group with the given number adds. Nothing is no error: a run need not have the metric.
pub(super) fn part(reader: &Reader<'_>, request: &SeriesRequest, index: usize) -> Result<Part> {
    let query = Query::of(request);
    match (request.series.get(index), index.checked_sub(request.series.len())) {
        (Some(wanted), _) => query.run(reader, index, wanted),
        (None, Some(group)) => match request.groups.get(group) {
            Some(group) => query.group(reader, index, group),
            None => Ok(Part::default()),
        },
        (None, None) => Ok(Part::default()),
    }
}

/// What a run adds to a chart at once, before [`part`] is known.
#[derive(Debug)]
pub(super) enum First {
    /// The same as [`part`].
    Exact(Part),
    /// The curve of the run, as far as it takes no time to know it.
    Rough(Line),
}

/// Whether there is a first picture of a request: groups, outliers and other metrics take every point.
pub(super) fn has_first(request: &SeriesRequest) -> bool {
    request.groups.is_empty() && request.x_metric.is_none() && !request.clip && request.width_px > 0
}

/// What the run with the given number adds at once to a request that [`has_first`].
pub(super) fn first(
    reader: &Reader<'_>,
    outlines: &Outlines,
    request: &SeriesRequest,
    index: usize,
) -> Result<First> {
    let Some(wanted) = request.series.get(index) else { return Ok(First::Exact(Part::default())) };
    let Query { axis, window, smoothing, .. } = Query::of(request);
    match reader.outline(&wanted.run_id, &wanted.metric, &CurveQuery { axis, window }, outlines)? {
        Outline::Rough(thinned) => Ok(First::Rough(Line::new(index, Role::Raw, thinned))),
        Outline::Exact(_) if smoothing.is_some() => part(reader, request, index).map(First::Exact),
        Outline::Exact(thinned) => {
            let lines = vec![Line::new(index, Role::Raw, thinned)];
            Ok(First::Exact(Part { lines, ..Part::default() }))
        }
    }
}

/// The store's word for an axis.
pub(in super::super) fn axis(axis: XAxis) -> Axis {
    match axis {
        XAxis::Step => Axis::Step,
        XAxis::Time => Axis::Time,
        XAxis::Relative => Axis::Relative,
    }
}

/// What a chart shows of one metric of one run: the raw curve, and the one smoothed by a debiased exponential average if
/// there is to be one. Nothing for what does not exist.
pub(in super::super) fn shown(
    reader: &Reader<'_>,
    wanted: &SeriesRef,
    query: &CurveQuery,
    smoothing: f64,
) -> Result<(Thinned, Option<Thinned>)> {
    if smoothing <= 0.0 {
        return Ok((reader.curve(&wanted.run_id, &wanted.metric, query)?, None));
    }
    // Smoothing goes over every point, whatever the range.
    let raw = reader.full_curve(&wanted.run_id, &wanted.metric, query.axis)?;
    let smoothed = Curve { y: smooth(&raw, Smoothing::Ema, smoothing), x: raw.x.clone() };
    Ok((thin(&raw, query.window), Some(thin(&smoothed, query.window))))
}

/// What a request asks of each of its runs.
struct Query<'a> {
    request: &'a SeriesRequest,
    axis: Axis,
    window: Window,
    smoothing: Option<(Smoothing, f64)>,
}

impl<'a> Query<'a> {
    fn of(request: &'a SeriesRequest) -> Self {
        let kind = match request.smoothing_kind {
            SmoothingKind::Ema => Smoothing::Ema,
            SmoothingKind::TimeEma => Smoothing::TimeEma,
            SmoothingKind::Gaussian => Smoothing::Gaussian,
            SmoothingKind::Running => Smoothing::RunningMean,
            SmoothingKind::Median => Smoothing::Median,
        };
        Self {
            request,
            axis: axis(request.x),
            window: Window {
                from: request.from.unwrap_or(f64::NEG_INFINITY),
                to: request.to.unwrap_or(f64::INFINITY),
                width_px: request.width_px,
                log: request.log_x,
            },
            smoothing: (request.smoothing > 0.0).then_some((kind, request.smoothing)),
        }
    }

    fn run(&self, reader: &Reader<'_>, index: usize, wanted: &SeriesRef) -> Result<Part> {
        if self.smoothing.is_none() && self.request.x_metric.is_none() && !self.request.clip {
            let query = CurveQuery { axis: self.axis, window: self.window };
            let thinned = reader.curve(&wanted.run_id, &wanted.metric, &query)?;
            return Ok(Part { lines: vec![Line::new(index, Role::Raw, thinned)], ..Part::default() });
        }
        let Some(raw) = self.full(reader, &wanted.run_id, &wanted.metric)? else {
            let mut line = Line::new(index, Role::Raw, Thinned::default());
            line.lacks_x = reader.has_metric(&wanted.run_id, &wanted.metric)?;
            return Ok(Part { lines: vec![line], ..Part::default() });
        };
        let mut part = Part::default();
        if self.request.clip {
            part.fences = Fences::of(&raw, self.window.from, self.window.to);
        }
        part.lines.push(Line::new(index, Role::Raw, thin(&raw, self.window)));
        if let Some(smoothed) = self.smoothed(&raw) {
            part.lines.push(Line::new(index, Role::Smooth, thin(&smoothed, self.window)));
        }
        Ok(part)
    }

    /// The whole curve of a run; nothing when it has not got what it should be drawn over.
    fn full(&self, reader: &Reader<'_>, run_id: &str, metric: &str) -> Result<Option<Curve>> {
        match &self.request.x_metric {
            Some(over) => reader.curve_over(run_id, metric, over),
            None => reader.full_curve(run_id, metric, self.axis).map(Some),
        }
    }

    fn smoothed(&self, raw: &Curve) -> Option<Curve> {
        let (kind, weight) = self.smoothing?;
        Some(Curve { y: smooth(raw, kind, weight), x: raw.x.clone() })
    }

    /// Members are read twice rather than kept: there may be many, and long ones.
    fn group(&self, reader: &Reader<'_>, index: usize, group: &SeriesGroup) -> Result<Part> {
        let mut places = Places::default();
        let mut lacks_x = false;
        for run_id in &group.run_ids {
            match self.full(reader, run_id, &group.metric)? {
                Some(member) => places.add(&member),
                None => lacks_x = lacks_x || reader.has_metric(run_id, &group.metric)?,
            }
        }
        let range = places.range();
        let (places, sampled) = places.within(self.window.from, self.window.to);
        let (mut raw, mut smoothed) = (Vec::new(), Vec::new());
        for run_id in &group.run_ids {
            let Some(member) = self.full(reader, run_id, &group.metric)? else { continue };
            raw.push(values_at(&member, &places));
            if let Some(member) = self.smoothed(&member) {
                smoothed.push(values_at(&member, &places));
            }
        }
        let how = match self.request.aggregate {
            SeriesAggregate::Mean => Aggregate::Mean,
            SeriesAggregate::Median => Aggregate::Median,
            SeriesAggregate::Min => Aggregate::Min,
            SeriesAggregate::Max => Aggregate::Max,
        };
        let band = match self.request.band {
            SeriesBand::None => Band::None,
            SeriesBand::Minmax => Band::MinMax,
            SeriesBand::Std => Band::Std,
            SeriesBand::Stderr => Band::StdErr,
            SeriesBand::Ci95 => Band::Ci95,
        };
        let is_smoothed = self.smoothing.is_some();
        let mut part = Part::default();
        // The band is that of the line which is shown.
        let raw = aggregate(&places, &raw, how, if is_smoothed { Band::None } else { band });
        let mut shown = self.line(index, Role::Raw, &raw.line, &mut part);
        if self.request.clip {
            part.fences = Fences::of(&raw.line, self.window.from, self.window.to);
        }
        let top = if is_smoothed {
            let smoothed = aggregate(&places, &smoothed, how, band);
            shown = self.line(index, Role::Smooth, &smoothed.line, &mut part);
            smoothed
        } else {
            raw
        };
        if let Some((low, high)) = top.band {
            for (role, edge) in [(Role::Low, low), (Role::High, high)] {
                self.line(index, role, &Curve { x: top.line.x.clone(), y: edge }, &mut part);
            }
        }
        let members = shown
            .iter()
            .map(|x| {
                let at = top.line.x.partition_point(|other| other < x);
                top.members.get(at).copied().map_or(f64::NAN, f64::from)
            })
            .collect();
        let curve = Curve { x: shown, y: members };
        part.lines.push(Line::new(index, Role::Members, Thinned { curve, ..Thinned::default() }));
        for line in &mut part.lines {
            line.thinned.x_range = range;
            line.sampled = sampled;
            line.lacks_x = lacks_x;
        }
        Ok(part)
    }

    /// Adds a line of a group; gives where its points are.
    fn line(&self, index: usize, role: Role, curve: &Curve, part: &mut Part) -> Vec<f64> {
        let thinned = thin(curve, self.window);
        let x = thinned.curve.x.clone();
        part.lines.push(Line::new(index, role, thinned));
        x
    }
}
