//! Writes a finished layout as a PDF document: paths and text, one page, a point for each pixel.
//!
//! Texts are set in Helvetica, which every reader has, drawn as wide as the layout measured them in its own font.
//! That font knows Western European letters only; others are shown as `?`.

use crate::Error;
use crate::paint::text_width;
use crate::palette::Rgb;
use crate::scene::{Align, Mark, Place, Scene};
use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

const REGULAR: Name<'static> = Name(b"F1");
const BOLD: Name<'static> = Name(b"F2");
/// How far a circle's control points are from its corners.
const ROUND: f32 = 0.552_284_8;

pub(crate) fn pdf(scene: &Scene) -> Result<Vec<u8>, Error> {
    let [catalog, pages, page, content, regular, bold, info] = [1, 2, 3, 4, 5, 6, 7].map(Ref::new);
    let height = scene.height as f32;
    let mut shades: Vec<f64> = Vec::new();
    let body = body(scene, height, &mut shades)?;

    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(pages);
    pdf.pages(pages).kids([page]).count(1);
    pdf.document_info(info).title(TextStr(&scene.title)).subject(TextStr(&scene.summary));
    let mut sheet = pdf.page(page);
    sheet.media_box(Rect::new(0.0, 0.0, scene.width as f32, height)).parent(pages).contents(content);
    let mut resources = sheet.resources();
    resources.fonts().pair(REGULAR, regular).pair(BOLD, bold);
    if !shades.is_empty() {
        let mut states = resources.ext_g_states();
        for (index, _) in shades.iter().enumerate() {
            states.pair(Name(shade(index).as_bytes()), Ref::new(8 + index as i32));
        }
        states.finish();
    }
    resources.finish();
    sheet.finish();
    for (index, opacity) in shades.iter().enumerate() {
        pdf.ext_graphics(Ref::new(8 + index as i32)).non_stroking_alpha(*opacity as f32);
    }
    for (font, name) in [(regular, &b"Helvetica"[..]), (bold, b"Helvetica-Bold")] {
        pdf.type1_font(font).base_font(Name(name)).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    pdf.stream(content, &body);
    Ok(pdf.finish())
}

fn shade(index: usize) -> String {
    format!("G{index}")
}

fn body(scene: &Scene, height: f32, shades: &mut Vec<f64>) -> Result<Vec<u8>, Error> {
    let mut content = Content::new();
    content.set_line_join(pdf_writer::types::LineJoinStyle::RoundJoin);
    if let Some(background) = scene.background {
        fill(&mut content, background);
        content.rect(0.0, 0.0, scene.width as f32, height).fill_nonzero();
    }
    let spot = |(x, y): Place| (limited(x), height - limited(y));
    for mark in scene.layers.iter().flat_map(|layer| &layer.marks) {
        match mark {
            Mark::Line { points, colour: (red, green, blue), width, dash } => {
                content.set_stroke_rgb(share(*red), share(*green), share(*blue));
                content.set_line_width(*width as f32);
                content.set_dash_pattern(dash.iter().map(|length| *length as f32), 0.0);
                path(&mut content, points.iter().map(|at| spot(*at)));
                content.stroke();
            }
            Mark::Shape { points, colour, opacity } => {
                content.save_state();
                if *opacity < 1.0 {
                    let known = shades.iter().position(|other| other == opacity);
                    let index = known.unwrap_or_else(|| {
                        shades.push(*opacity);
                        shades.len() - 1
                    });
                    content.set_parameters(Name(shade(index).as_bytes()));
                }
                fill(&mut content, *colour);
                path(&mut content, points.iter().map(|at| spot(*at)));
                content.close_path().fill_nonzero();
                content.restore_state();
            }
            Mark::Disc { at, radius, colour } => {
                fill(&mut content, *colour);
                disc(&mut content, spot(*at), *radius as f32);
            }
            Mark::Text { at, text, size, colour, align, bold } => {
                let width = text_width(text, *size)?;
                let bytes = win_ansi(text);
                let own = bytes.iter().map(|byte| helvetica(*byte)).sum::<f64>() / 1000.0 * size;
                let left = match align {
                    Align::Left => at.0,
                    Align::Center => at.0 - width / 2.0,
                    Align::Right => at.0 - width,
                };
                let (x, y) = spot((left, at.1 + size * 0.36));
                fill(&mut content, *colour);
                content.begin_text();
                content.set_font(if *bold { BOLD } else { REGULAR }, *size as f32);
                let stretch = if own > 0.0 { (width / own * 100.0).clamp(50.0, 150.0) } else { 100.0 };
                content.set_horizontal_scaling(stretch as f32);
                content.set_text_matrix([1.0, 0.0, 0.0, 1.0, x, y]);
                content.show(Str(&bytes));
                content.end_text();
            }
        }
    }
    Ok(content.finish().into_vec())
}

fn limited(value: f64) -> f32 {
    value.clamp(-1e5, 1e5) as f32
}

fn share(value: u8) -> f32 {
    f32::from(value) / 255.0
}

fn fill(content: &mut Content, (red, green, blue): Rgb) {
    content.set_fill_rgb(share(red), share(green), share(blue));
}

fn path(content: &mut Content, points: impl Iterator<Item = (f32, f32)>) {
    for (index, (x, y)) in points.enumerate() {
        if index == 0 {
            content.move_to(x, y);
        } else {
            content.line_to(x, y);
        }
    }
}

fn disc(content: &mut Content, (x, y): (f32, f32), radius: f32) {
    let near = radius * ROUND;
    content.move_to(x + radius, y);
    content.cubic_to(x + radius, y + near, x + near, y + radius, x, y + radius);
    content.cubic_to(x - near, y + radius, x - radius, y + near, x - radius, y);
    content.cubic_to(x - radius, y - near, x - near, y - radius, x, y - radius);
    content.cubic_to(x + near, y - radius, x + radius, y - near, x + radius, y);
    content.fill_nonzero();
}

/// The text in the encoding of PDF's standard fonts.
fn win_ansi(text: &str) -> Vec<u8> {
    text.chars()
        .map(|letter| match letter {
            ' '..='~' | '\u{A0}'..='\u{FF}' => letter as u8,
            '€' => 0x80,
            '…' => 0x85,
            '‘' => 0x91,
            '’' => 0x92,
            '“' => 0x93,
            '”' => 0x94,
            '•' => 0x95,
            '–' => 0x96,
            '—' => 0x97,
            '−' => b'-',
            _ => b'?',
        })
        .collect()
}

/// Width of a letter of Helvetica in thousandths of its size.
fn helvetica(byte: u8) -> f64 {
    const FROM_SPACE: [u16; 95] = [
        278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556,
        556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778,
        722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278,
        278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
        556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
    ];
    let width = usize::from(byte).checked_sub(32).and_then(|index| FROM_SPACE.get(index));
    f64::from(width.copied().unwrap_or(if byte == 0x85 || byte == 0x97 { 1000 } else { 556 }))
}
