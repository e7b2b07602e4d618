//! Paints a finished layout by plotters: an SVG document, or the pixels of a PNG.
//!
//! plotters works in whole pixels, so both are painted larger than asked: the SVG in quarter pixels under a
//! `viewBox`, the PNG at twice its size and averaged down, which also smooths every edge.

use crate::Error;
use crate::palette::Rgb;
use crate::scene::{Align, Layer, Mark, Place, Scene};
use plotters::coord::Shift;
use plotters::prelude::{
    BitMapBackend, Circle, DrawingArea, DrawingBackend, IntoDrawingArea, PathElement, Polygon, RGBColor,
    SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, ShapeStyle, register_font};
use std::fmt::Write as _;
use std::sync::OnceLock;

/// The name plotters knows the built-in font by; in SVG, the list of fonts to try.
const FAMILY: &str = "Inter, system-ui, 'Segoe UI', Roboto, 'Noto Sans', Arial, sans-serif";
const FONT: &[u8] = include_bytes!("../fonts/Inter-Regular-subset.otf");
/// plotters divides font sizes by this.
const PLOTTERS_EM: f64 = 1.24;
const SVG_GRAIN: u32 = 4;
const OVERSAMPLING: u32 = 2;

fn need_font() -> Result<(), Error> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    if *REGISTERED.get_or_init(|| register_font(FAMILY, FontStyle::Normal, FONT).is_ok()) {
        Ok(())
    } else {
        Err(Error::Drawing("the built-in font is damaged".to_owned()))
    }
}

/// Width of a text in pixels.
pub(crate) fn text_width(text: &str, size: f64) -> Result<f64, Error> {
    need_font()?;
    // Measured large, because plotters answers in whole pixels.
    let (width, _) = (FAMILY, size * PLOTTERS_EM * 8.0).into_font().box_size(text).map_err(drawing)?;
    Ok(f64::from(width) / 8.0)
}

fn drawing(error: impl std::fmt::Display) -> Error {
    Error::Drawing(error.to_string())
}

pub(crate) fn svg(scene: &Scene) -> Result<String, Error> {
    need_font()?;
    let size = (scene.width * SVG_GRAIN, scene.height * SVG_GRAIN);
    let background = scene.background.map_or_else(String::new, |(red, green, blue)| {
        format!("<rect width=\"100%\" height=\"100%\" fill=\"#{red:02X}{green:02X}{blue:02X}\"/>\n")
    });
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {} {}\" role=\"img\" \
         stroke-linejoin=\"round\">\n<title>{}</title>\n<desc>{}</desc>\n\
         {background}",
        scene.width,
        scene.height,
        size.0,
        size.1,
        escaped(&scene.title),
        escaped(&scene.summary),
    );
    for layer in &scene.layers {
        svg_layer(&mut out, size, layer)?;
    }
    out.push_str("</svg>\n");
    Ok(out)
}

fn svg_layer(out: &mut String, size: (u32, u32), layer: &Layer) -> Result<(), Error> {
    match &layer.series {
        Some(name) => {
            let (run_id, label) = (escaped(&name.run_id), escaped(&name.label));
            let _ = writeln!(out, "<g class=\"series\" data-run=\"{run_id}\"><title>{label}</title>");
        }
        None => out.push_str("<g>\n"),
    }
    // plotters has no dashed strokes in SVG, but a group's dashes are inherited by what it draws.
    for marks in layer.marks.chunk_by(|a, b| dash_of(a) == dash_of(b)) {
        let dash = marks.first().map(dash_of).unwrap_or_default();
        if !dash.is_empty() {
            let lengths: Vec<String> =
                dash.iter().map(|length| format!("{}", length * f64::from(SVG_GRAIN))).collect();
            let _ = writeln!(out, "<g stroke-dasharray=\"{}\">", lengths.join(" "));
        }
        out.push_str(&svg_fragment(size, marks)?);
        if !dash.is_empty() {
            out.push_str("</g>\n");
        }
    }
    out.push_str("</g>\n");
    Ok(())
}

fn dash_of(mark: &Mark) -> &'static [f64] {
    match mark {
        Mark::Line { dash, .. } => dash,
        Mark::Shape { .. } | Mark::Disc { .. } | Mark::Text { .. } => &[],
    }
}

/// The elements of some marks, without the document around them.
fn svg_fragment(size: (u32, u32), marks: &[Mark]) -> Result<String, Error> {
    let mut document = String::new();
    {
        let area = SVGBackend::with_string(&mut document, size).into_drawing_area();
        paint_all(&area, marks, f64::from(SVG_GRAIN))?;
        area.present().map_err(drawing)?;
    }
    let inside = document
        .split_once(">\n")
        .and_then(|(_, rest)| rest.rsplit_once("</svg>"))
        .map(|(inside, _)| inside.to_owned());
    inside.ok_or_else(|| Error::Drawing("the SVG backend gave no document".to_owned()))
}

pub(crate) fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, letter| {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            letter => out.push(letter),
        }
        out
    })
}

pub(crate) fn png(scene: &Scene, scale: u32) -> Result<Vec<u8>, Error> {
    need_font()?;
    let (width, height) = (scene.width * scale, scene.height * scale);
    let (pixels, kind) = match scene.background {
        Some(background) => (pixels(scene, scale, background)?, png::ColorType::Rgb),
        // plotters has no transparent pixels: what differs between white and black is what shows through.
        None => {
            let (light, dark) = (pixels(scene, scale, (255, 255, 255))?, pixels(scene, scale, (0, 0, 0))?);
            (see_through(&light, &dark), png::ColorType::Rgba)
        }
    };
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(kind);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(file)
}

/// Red, green, blue and opacity of what was painted on white and on black.
fn see_through(light: &[u8], dark: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(light.len() / 3 * 4);
    for (light, dark) in light.chunks_exact(3).zip(dark.chunks_exact(3)) {
        let shows =
            light.iter().zip(dark).map(|(light, dark)| light.saturating_sub(*dark)).max().unwrap_or(0);
        let opacity = 255 - shows;
        out.extend(dark.iter().map(|value| match opacity {
            0 => 0,
            opacity => (u16::from(*value) * 255 / u16::from(opacity)).min(255) as u8,
        }));
        out.push(opacity);
    }
    out
}

fn pixels(scene: &Scene, scale: u32, background: Rgb) -> Result<Vec<u8>, Error> {
    let (wide, high) = (scene.width * scale * OVERSAMPLING, scene.height * scale * OVERSAMPLING);
    let mut large = vec![0u8; wide as usize * high as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut large, (wide, high)).into_drawing_area();
        area.fill(&colour(background)).map_err(drawing)?;
        let grain = f64::from(scale * OVERSAMPLING);
        for layer in &scene.layers {
            for mark in &layer.marks {
                match mark {
                    Mark::Line { points, colour, width, dash } => {
                        for piece in dashes(points, dash) {
                            stroke(&area, &piece, *colour, *width, grain)?;
                        }
                    }
                    other => paint(&area, other, grain)?,
                }
            }
        }
        area.present().map_err(drawing)?;
    }
    Ok(halved(&large, wide as usize * 3))
}

/// Each two by two pixels become their mean.
fn halved(large: &[u8], stride: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(large.len() / 4);
    for rows in large.chunks_exact(stride * 2) {
        let (upper, lower) = rows.split_at(stride);
        for (above, below) in upper.chunks_exact(6).zip(lower.chunks_exact(6)) {
            for channel in 0..3 {
                let sum =
                    [above.get(channel), above.get(channel + 3), below.get(channel), below.get(channel + 3)]
                        .into_iter()
                        .flatten()
                        .fold(2u16, |sum, value| sum + u16::from(*value));
                out.push((sum / 4) as u8);
            }
        }
    }
    out
}

/// A stroke in pixels: each part by itself with round joints, because plotters fills one polygon around the
/// whole path, which shows holes and spikes where a noisy line turns back.
fn stroke<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    points: &[Place],
    tint: Rgb,
    width: f64,
    grain: f64,
) -> Result<(), Error> {
    let half = width * grain / 2.0;
    let fill = colour(tint).filled();
    for pair in points.windows(2) {
        let [(x0, y0), (x1, y1)] = pair else { continue };
        let (dx, dy) = ((x1 - x0) * grain, (y1 - y0) * grain);
        let length = dx.hypot(dy);
        if length == 0.0 {
            continue;
        }
        let (nx, ny) = (-dy / length * half, dx / length * half);
        let corner = |x: f64, y: f64, side: f64| whole((x * grain + nx * side, y * grain + ny * side));
        let corners = vec![
            corner(*x0, *y0, 1.0),
            corner(*x1, *y1, 1.0),
            corner(*x1, *y1, -1.0),
            corner(*x0, *y0, -1.0),
        ];
        area.draw(&Polygon::new(corners, fill)).map_err(drawing)?;
    }
    if half >= 1.0 {
        for (x, y) in points.iter().skip(1).take(points.len().saturating_sub(2)) {
            area.draw(&Circle::new(whole((x * grain, y * grain)), half.floor() as i32, fill))
                .map_err(drawing)?;
        }
    }
    Ok(())
}

/// Cuts a line into its dashes.
fn dashes(points: &[Place], pattern: &[f64]) -> Vec<Vec<Place>> {
    let Some(first) = pattern.first() else { return vec![points.to_vec()] };
    let mut out = Vec::new();
    let (mut part, mut left) = (0, *first);
    let mut piece: Vec<Place> = points.first().copied().into_iter().collect();
    for pair in points.windows(2) {
        let [(x0, y0), (x1, y1)] = pair else { continue };
        let length = (x1 - x0).hypot(y1 - y0);
        let mut done = 0.0;
        while length - done > left {
            done += left;
            let at = (x0 + (x1 - x0) * done / length, y0 + (y1 - y0) * done / length);
            if part % 2 == 0 {
                piece.push(at);
                out.push(std::mem::take(&mut piece));
            } else {
                piece = vec![at];
            }
            part += 1;
            left = pattern.get(part % pattern.len()).copied().unwrap_or(*first);
        }
        left -= length - done;
        if part % 2 == 0 {
            piece.push((*x1, *y1));
        }
    }
    if piece.len() > 1 {
        out.push(piece);
    }
    out
}

fn paint_all<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    marks: &[Mark],
    grain: f64,
) -> Result<(), Error> {
    marks.iter().try_for_each(|mark| paint(area, mark, grain))
}

fn paint<B: DrawingBackend>(area: &DrawingArea<B, Shift>, mark: &Mark, grain: f64) -> Result<(), Error> {
    let scaled = |at: &Place| whole((at.0 * grain, at.1 * grain));
    match mark {
        Mark::Line { points, colour: tint, width, .. } => {
            let style = ShapeStyle::from(colour(*tint)).stroke_width((width * grain).round().max(1.0) as u32);
            let path: Vec<(i32, i32)> = points.iter().map(scaled).collect();
            area.draw(&PathElement::new(path, style)).map_err(drawing)
        }
        Mark::Shape { points, colour: tint, opacity } => {
            let corners: Vec<(i32, i32)> = points.iter().map(scaled).collect();
            area.draw(&Polygon::new(corners, colour(*tint).mix(*opacity).filled())).map_err(drawing)
        }
        Mark::Disc { at, radius, colour: tint } => {
            let radius = (radius * grain).round() as i32;
            area.draw(&Circle::new(scaled(at), radius, colour(*tint).filled())).map_err(drawing)
        }
        Mark::Text { at, text, size, colour: tint, align, bold } => {
            let weight = if *bold { FontStyle::Bold } else { FontStyle::Normal };
            let across = match align {
                Align::Left => HPos::Left,
                Align::Center => HPos::Center,
                Align::Right => HPos::Right,
            };
            let style = (FAMILY, size * PLOTTERS_EM * grain)
                .into_font()
                .style(weight)
                .color(&colour(*tint))
                .pos(Pos::new(across, VPos::Center));
            area.draw(&Text::new(text.as_str(), scaled(at), style)).map_err(drawing)
        }
    }
}

fn colour((red, green, blue): Rgb) -> RGBColor {
    RGBColor(red, green, blue)
}

fn whole((x, y): (f64, f64)) -> (i32, i32) {
    // Far outside the chart, but far inside what the renderer can multiply.
    let limit = |value: f64| value.round().clamp(-1e6, 1e6) as i32;
    (limit(x), limit(y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_follow_the_pattern_around_corners() {
        let pieces = dashes(&[(0.0, 0.0), (8.0, 0.0), (8.0, 10.0)], &[6.0, 3.0]);
        assert_eq!(
            pieces,
            vec![vec![(0.0, 0.0), (6.0, 0.0)], vec![(8.0, 1.0), (8.0, 7.0)], vec![(8.0, 10.0), (8.0, 10.0)]]
                [..2]
                .to_vec()
        );
    }

    #[test]
    fn halving_takes_the_mean() {
        let large = [0, 0, 0, 100, 100, 100, 200, 200, 200, 100, 100, 100];
        assert_eq!(halved(&large, 6), vec![100, 100, 100]);
    }
}
