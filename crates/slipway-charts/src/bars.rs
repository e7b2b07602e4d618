//! Lays out bars: one a run or a group, from top to bottom, with what its members differ by.

use crate::cut::Frame;
use crate::palette::{Look, Palette};
use crate::scale::Scale;
use crate::scene::{Align, Layer, Mark, Scene, SeriesName, TEXT_SIZE, TICK_SIZE, clean, fit, rule};
use crate::{Bar, Bars, Colour, Error, Style, paint, scale};

const ROW_PX: f64 = 22.0;
const BAR_PX: f64 = 14.0;

/// The layout; its height follows from the number of bars.
pub(crate) fn compose(bars: &Bars, style: &Style) -> Result<Scene, Error> {
    let palette = Palette::of(style.theme);
    let width = f64::from(style.width);
    let mut marks = vec![text((12.0, 22.0), fit(&bars.title, 15.0, width - 24.0)?, 15.0, palette.text, true)];
    let top = 44.0;
    let shown: Vec<&Bar> = bars.bars.iter().filter(|bar| !bar.value.is_nan()).collect();
    let bottom = top + ROW_PX * shown.len().max(1) as f64;
    let height = (bottom + 30.0).ceil();
    let mut scene = Scene {
        width: style.width,
        height: height as u32,
        background: (!style.transparent).then_some(palette.background),
        title: clean(&bars.title),
        summary: summary(bars),
        layers: Vec::new(),
    };
    if shown.is_empty() {
        marks.push(text((12.0, top + 8.0), summary(bars), TEXT_SIZE, palette.text_muted, false));
        scene.layers.push(Layer { series: None, marks });
        return Ok(scene);
    }
    let ends = shown.iter().flat_map(|bar| {
        let (low, high) = bar.reach.unwrap_or((bar.value, bar.value));
        [bar.value, low, high]
    });
    let (low, high) = ends
        .filter(|end| end.is_finite())
        .fold((0.0_f64, 0.0_f64), |(low, high), end| (low.min(end), high.max(end)));
    let x = if low == high { Scale::linear(0.0, 1.0, 0.0) } else { Scale::linear(low, high, 0.03) };
    let largest = low.abs().max(high.abs());
    let (mut name_room, mut value_room): (f64, f64) = (0.0, 0.0);
    let mut names = Vec::with_capacity(shown.len());
    for bar in &shown {
        let name = fit(&bar.label, TICK_SIZE, width * 0.28)?;
        name_room = name_room.max(paint::text_width(&name, TICK_SIZE)?);
        value_room = value_room.max(paint::text_width(&value_text(bar.value, largest), TICK_SIZE)?);
        names.push(name);
    }
    let left = 12.0 + name_room + 10.0;
    let right = (width - 16.0 - value_room - 10.0).max(left + 20.0);
    let frame = Frame { left, right, top, bottom, x, y: Scale::linear(0.0, 1.0, 0.0) };
    for tick in frame.x.ticks(((right - left) / 80.0).clamp(2.0, 10.0) as usize) {
        let Some(at) = frame.x_of(tick.value).filter(|at| *at >= left - 0.5 && *at <= right + 0.5) else {
            continue;
        };
        marks.push(rule((at, top), (at, bottom), palette.grid));
        marks.push(Mark::text((at, bottom + 12.0), tick.label, TICK_SIZE, palette.text_muted, Align::Center));
    }
    scene.layers.push(Layer { series: None, marks });
    let zero = frame.x_of(0.0).unwrap_or(left);
    for ((row, bar), name) in shown.iter().enumerate().zip(names) {
        let middle = top + ROW_PX * (row as f64 + 0.5);
        let colour = match (bar.baseline, bar.colour) {
            (true, _) => palette.text,
            (false, None) => palette.run(Look::of_run(&bar.run_id)),
            (false, Some(Colour::Slot(slot))) => palette.run(Look { slot, dash: 0 }),
            (false, Some(Colour::Rgb(red, green, blue))) => (red, green, blue),
        };
        let end = match bar.value {
            value if value == f64::INFINITY => right,
            value if value == f64::NEG_INFINITY => left,
            value => frame.x_of(value).unwrap_or(zero),
        };
        let (upper, lower) = (middle - BAR_PX / 2.0, middle + BAR_PX / 2.0);
        let mut marks = vec![Mark::Shape {
            points: vec![(zero, upper), (end, upper), (end, lower), (zero, lower)],
            colour,
            opacity: 0.85,
        }];
        if let Some((low, high)) = bar.reach
            && let (Some(low), Some(high)) = (frame.x_of(low), frame.x_of(high))
        {
            marks.push(rule((low, middle), (high, middle), palette.text));
            marks.extend([low, high].map(|at| rule((at, middle - 4.0), (at, middle + 4.0), palette.text)));
        }
        marks.push(Mark::Text {
            at: (left - 10.0, middle),
            text: name,
            size: TICK_SIZE,
            colour: palette.text,
            align: Align::Right,
            bold: bar.baseline,
        });
        let value = value_text(bar.value, largest);
        marks.push(text((right + 10.0, middle), value, TICK_SIZE, palette.text_muted, false));
        let name = SeriesName { run_id: clean(&bar.run_id), label: clean(&bar.label) };
        scene.layers.push(Layer { series: Some(name), marks });
    }
    let axis = vec![rule((zero, top), (zero, bottom), palette.axis)];
    scene.layers.push(Layer { series: None, marks: axis });
    Ok(scene)
}

fn value_text(value: f64, largest: f64) -> String {
    if value.is_finite() {
        // Four digits of the largest, so that the numbers can be compared.
        let step = if largest > 0.0 { 10f64.powf(largest.log10().floor() - 3.0) } else { 1.0 };
        scale::number(value, step, largest)
    } else if value > 0.0 {
        "infinite".to_owned()
    } else {
        "-infinite".to_owned()
    }
}

fn text(at: (f64, f64), text: String, size: f64, colour: crate::palette::Rgb, bold: bool) -> Mark {
    Mark::Text { at, text, size, colour, align: Align::Left, bold }
}

/// The bars in words.
pub(crate) fn summary(bars: &Bars) -> String {
    let values = || bars.bars.iter().filter(|bar| bar.value.is_finite());
    let by_value = |a: &&Bar, b: &&Bar| a.value.total_cmp(&b.value);
    match (values().min_by(by_value), values().max_by(by_value)) {
        (Some(low), Some(high)) => {
            let noun = if bars.bars.len() == 1 { "bar" } else { "bars" };
            format!(
                "{} {noun}, from {} ({}) to {} ({})",
                bars.bars.len(),
                low.value,
                clean(&low.label),
                high.value,
                clean(&high.label)
            )
        }
        _ => format!("No run has a value of {}", clean(&bars.title)),
    }
}
