//! Writes a finished layout as an SVG element for a page that is light or dark as its reader likes it: drawn once,
//! with both colours of each mark in rules of its own. It needs no script, and nothing from elsewhere.

use crate::palette::Rgb;
use crate::scene::{Align, Mark, Place, Scene};
use std::fmt::Write as _;

/// A colour in the light and in the dark.
type Ink = (Rgb, Rgb);

/// The element. `dark` is the same layout in dark colours; `id` tells the element's rules from those of others.
pub(crate) fn svg(light: &Scene, dark: &Scene, id: &str) -> String {
    let mut inks: Vec<Ink> = Vec::new();
    let mut body = String::new();
    for (layer, dark) in light.layers.iter().zip(&dark.layers) {
        match &layer.series {
            Some(name) => {
                let _ = writeln!(body, "<g><title>{}</title>", escaped(&name.label));
            }
            None => body.push_str("<g>\n"),
        }
        for (mark, dark) in layer.marks.iter().zip(&dark.marks) {
            let ink = (colour(mark), colour(dark));
            let number = inks.iter().position(|known| *known == ink).unwrap_or_else(|| {
                inks.push(ink);
                inks.len() - 1
            });
            write_mark(&mut body, mark, number);
        }
        body.push_str("</g>\n");
    }
    let rules = |of: fn(&Ink) -> Rgb| {
        inks.iter().enumerate().fold(String::new(), |mut rules, (number, ink)| {
            let (red, green, blue) = of(ink);
            let _ = write!(rules, "#{id} .k{number}{{color:#{red:02x}{green:02x}{blue:02x}}}");
            rules
        })
    };
    format!(
        "<svg id=\"{id}\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         font-family=\"Inter, system-ui, sans-serif\" stroke-linejoin=\"round\">\n<title>{title}</title>\n\
         <desc>{summary}</desc>\n<style>{light}@media (prefers-color-scheme:dark){{{dark}}}</style>\n{body}</svg>\n",
        width = light.width,
        height = light.height,
        title = escaped(&light.title),
        summary = escaped(&light.summary),
        light = rules(|ink| ink.0),
        dark = rules(|ink| ink.1),
    )
}

fn colour(mark: &Mark) -> Rgb {
    match mark {
        Mark::Line { colour, .. }
        | Mark::Shape { colour, .. }
        | Mark::Disc { colour, .. }
        | Mark::Text { colour, .. } => *colour,
    }
}

fn write_mark(out: &mut String, mark: &Mark, ink: usize) {
    // Writing into a text cannot fail.
    let _ = match mark {
        Mark::Line { points, width, dash, .. } => {
            let dash = match dash {
                [] => String::new(),
                lengths => {
                    let lengths: Vec<String> = lengths.iter().map(f64::to_string).collect();
                    format!(" stroke-dasharray=\"{}\"", lengths.join(" "))
                }
            };
            writeln!(
                out,
                "<path class=\"k{ink}\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"{width}\"{dash} d=\"{}\"/>",
                path(points)
            )
        }
        Mark::Shape { points, opacity, .. } => writeln!(
            out,
            "<path class=\"k{ink}\" fill=\"currentColor\" fill-opacity=\"{opacity}\" d=\"{}Z\"/>",
            path(points)
        ),
        Mark::Disc { at: (x, y), radius, .. } => writeln!(
            out,
            "<circle class=\"k{ink}\" fill=\"currentColor\" cx=\"{}\" cy=\"{}\" r=\"{radius}\"/>",
            tenth(*x),
            tenth(*y)
        ),
        Mark::Text { at: (x, y), text, size, align, bold, .. } => {
            let anchor = match align {
                Align::Left => "start",
                Align::Center => "middle",
                Align::Right => "end",
            };
            let weight = if *bold { " font-weight=\"600\"" } else { "" };
            writeln!(
                out,
                "<text class=\"k{ink}\" fill=\"currentColor\" x=\"{}\" y=\"{}\" dy=\".35em\" font-size=\"{size}\" \
                 text-anchor=\"{anchor}\"{weight}>{}</text>",
                tenth(*x),
                tenth(*y),
                escaped(text)
            )
        }
    };
}

fn path(points: &[Place]) -> String {
    points.iter().enumerate().fold(String::new(), |mut path, (index, (x, y))| {
        let _ = write!(path, "{}{} {}", if index == 0 { "M" } else { "L" }, tenth(*x), tenth(*y));
        path
    })
}

/// A tenth of a pixel is as fine as anybody sees.
fn tenth(value: f64) -> f64 {
    (value.clamp(-1e6, 1e6) * 10.0).round() / 10.0
}

fn escaped(text: &str) -> String {
    crate::paint::escaped(text)
}
