//! Charts as their readers see them: the SVG text and the decoded PNG.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use slipway_charts::palette::Look;
use slipway_charts::{
    Band, Bar, Bars, Chart, Colour, Colours, Legend, Points, Role, Series, Style, Theme, XKind, draw_inline,
    draw_inline_bars, draw_pdf, draw_png, draw_svg,
};

fn series(run_id: &str, label: &str, y: &[f64]) -> Series {
    let x = (0..y.len()).map(|step| step as f64).collect();
    Series {
        run_id: run_id.to_owned(),
        label: label.to_owned(),
        line: Points { x, y: y.to_vec() },
        ..Series::default()
    }
}

fn chart(series: Vec<Series>) -> Chart {
    Chart {
        title: "val_loss".into(),
        x_label: "Step".into(),
        y_label: "val_loss".into(),
        series,
        ..Chart::default()
    }
}

fn svg(chart: &Chart) -> String {
    draw_svg(chart, &Style::default()).unwrap()
}

/// The elements of one run's group.
fn group<'a>(svg: &'a str, run_id: &str) -> &'a str {
    let start = svg.find(&format!("data-run=\"{run_id}\"")).expect("the run has a group");
    let rest = &svg[start..];
    &rest[..rest.find("<g class=\"series\"").unwrap_or(rest.len())]
}

fn decode(png: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    (info.width, info.height, pixels)
}

#[test]
fn every_run_is_drawn_once_in_its_own_colour_and_dash() {
    // "foobar" has slot 0 and dash 1, "a" slot 4 and dash 1, "" slot 5 and dash 0: see the palette's vectors.
    let svg = svg(&chart(vec![
        series("foobar", "first", &[3.0, 2.0, 1.0]),
        series("a", "second", &[1.0, 2.0, 3.0]),
    ]));
    assert_eq!(svg.matches("class=\"series\"").count(), 2);
    for (run_id, colour) in [("foobar", "#4688F6"), ("a", "#E0559A")] {
        assert_eq!(svg.matches(&format!("data-run=\"{run_id}\"")).count(), 1);
        let group = group(&svg, run_id);
        let line = group.split("<polyline").nth(1).expect("a line");
        assert!(line.contains(&format!("stroke=\"{colour}\"")), "{line}");
        assert!(group.contains("stroke-dasharray=\"24 12\""), "6 3 in quarter pixels: {group}");
    }
    assert!(svg.contains("first") && svg.contains("second"));
}

#[test]
fn dark_has_its_own_colours() {
    let style = Style { theme: Theme::Dark, ..Style::default() };
    let svg = draw_svg(&chart(vec![series("foobar", "r", &[1.0, 2.0])]), &style).unwrap();
    assert!(svg.contains("fill=\"#111417\"") && svg.contains("stroke=\"#B1B7FA\""));
}

#[test]
fn spread_colours_go_by_order() {
    let mut chart =
        chart((0..8).map(|index| series("same", &format!("{index}"), &[0.0, index as f64])).collect());
    chart.colours = Colours::Spread;
    let svg = svg(&chart);
    for colour in ["#4688F6", "#919221", "#85160B", "#0F524F", "#E0559A", "#4E16AC", "#219061", "#8E5D16"] {
        assert!(svg.contains(&format!("stroke=\"{colour}\"")), "{colour} is missing");
    }
    assert_eq!(Look::of_run("same"), Look::of_run("same"));
}

#[test]
fn names_cannot_become_markup() {
    let nasty = "<script>alert('x')</script>&\"\u{1b}";
    let mut chart = chart(vec![series(nasty, nasty, &[1.0, 2.0])]);
    chart.title = nasty.to_owned();
    chart.y_label = nasty.to_owned();
    chart.x_label = nasty.to_owned();
    let style = Style { legend: Legend::Always, ..Style::default() };
    let svg = draw_svg(&chart, &style).unwrap();
    assert!(!svg.contains("<script") && !svg.contains('\u{1b}'), "{svg}");
    assert!(svg.contains("&lt;script&gt;"));
    let empty = Chart { empty_reason: Some(nasty.to_owned()), ..Chart::default() };
    assert!(!draw_svg(&empty, &style).unwrap().contains("<script"));
}

#[test]
fn nothing_to_draw_says_why() {
    assert!(svg(&chart(vec![])).contains("No runs to draw"));
    assert!(svg(&chart(vec![series("a", "a", &[])])).contains("The chosen runs have no points"));
    assert!(
        svg(&chart(vec![series("a", "a", &[f64::NAN, f64::INFINITY])]))
            .contains("Every point is NaN or infinite")
    );
    let log = Chart { log_y: true, ..chart(vec![series("a", "a", &[-1.0, 0.0])]) };
    assert!(svg(&log).contains("No point is above 0"));
    let reason = Chart { empty_reason: Some("No run logged val_loss".into()), ..chart(vec![]) };
    assert!(svg(&reason).contains("No run logged val_loss"));
}

#[test]
fn points_that_are_not_finite_leave_a_gap_and_a_mark() {
    let svg = svg(&chart(vec![series(
        "a",
        "a",
        &[1.0, 2.0, f64::NAN, 3.0, 4.0, f64::INFINITY, 5.0, 6.0, f64::NEG_INFINITY, 7.0, 8.0],
    )]));
    let group = group(&svg, "a");
    let group = &group[..group.find("<g>\n").unwrap()];
    let dashed: usize = group
        .split("<g stroke-dasharray")
        .skip(1)
        .map(|part| part.split("</g>").next().unwrap().matches("<polyline").count())
        .sum();
    assert_eq!(dashed, 4, "four pieces of line: {group}");
    assert_eq!(group.matches("<polygon").count(), 2, "one triangle up, one down");
    assert_eq!(group.matches("<polyline").count() - dashed, 2, "the two strokes of the cross for NaN");
    assert!(svg.contains("× NaN"));
    assert!(!svg.contains(",NaN") && !svg.contains("inf,"));
}

#[test]
fn a_log_axis_marks_what_it_cannot_show() {
    let log = Chart { log_y: true, ..chart(vec![series("a", "a", &[0.0, 1.0, 10.0])]) };
    let svg = svg(&log);
    assert!(svg.contains("▼ not above 0"));
    assert_eq!(svg.matches("<polygon").count(), 1);
}

#[test]
fn a_single_point_is_a_dot() {
    let svg = svg(&chart(vec![series("a", "only", &[5.0])]));
    assert!(group(&svg, "a").contains("<circle"));
}

#[test]
fn many_names_move_to_the_legend() {
    let many: Vec<Series> =
        (0..200).map(|n| series(&format!("id{n}"), &format!("run {n}"), &[n as f64, 1.0])).collect();
    let svg = svg(&chart(many));
    assert!(svg.contains("run 3\n"));
    assert!(svg.contains("more\n"), "what does not fit is counted");
    assert_eq!(svg.matches("class=\"series\"").count(), 200, "all lines are drawn all the same");
}

#[test]
fn a_png_has_the_asked_size_and_the_run_colour() {
    let style = Style { width: 320, height: 200, scale: 2, ..Style::default() };
    let (width, height, pixels) =
        decode(&draw_png(&chart(vec![series("", "flat", &[1.0, 1.0])]), &style).unwrap());
    assert_eq!((width, height), (640, 400));
    // "" is violet, solid.
    assert!(pixels.chunks(3).filter(|pixel| *pixel == [0x4E, 0x16, 0xAC]).count() > 100);
    assert_eq!(&pixels[..3], &[0xFF, 0xFF, 0xFF]);
    // The built-in font was used: there is dark text.
    assert!(pixels.chunks(3).filter(|pixel| pixel.iter().all(|channel| *channel < 0x80)).count() > 50);
}

#[test]
fn sizes_that_cannot_be_drawn_are_refused() {
    let chart = chart(vec![series("a", "a", &[1.0, 2.0])]);
    for (width, height, scale) in [(0, 0, 1), (10, 500, 1), (100_000, 500, 1), (u32::MAX, u32::MAX, 1)] {
        let style = Style { width, height, scale, ..Style::default() };
        assert!(draw_svg(&chart, &style).unwrap_err().to_string().contains(&width.to_string()));
        assert!(draw_png(&chart, &style).is_err());
    }
    for scale in [0, 5, u32::MAX] {
        assert!(draw_png(&chart, &Style { scale, ..Style::default() }).is_err());
    }
}

#[test]
fn hostile_numbers_do_not_break_a_chart() {
    let sets: [&[f64]; 6] = [
        &[f64::MIN, f64::MAX],
        &[5e-324, 1e-300],
        &[1e300, -1e300, f64::NAN],
        &[1.0, 1.0 + f64::EPSILON],
        &[0.0, -0.0],
        &[1e15, 1e15 + 1.0],
    ];
    for y in sets {
        for x in sets {
            for (log_y, x_kind) in [(false, XKind::Number), (true, XKind::TimeMs), (false, XKind::Seconds)] {
                let line = Points { x: x.to_vec(), y: y.to_vec() };
                let series = vec![Series {
                    run_id: "a".into(),
                    label: "a".into(),
                    line: line.clone(),
                    raw: Some(line),
                    ..Series::default()
                }];
                let chart = Chart { log_y, x_kind, ..chart(series) };
                for (width, height) in [(120, 120), (960, 540)] {
                    let style = Style { width, height, ..Style::default() };
                    draw_svg(&chart, &style).unwrap();
                    if width == 120 {
                        draw_png(&chart, &style).unwrap();
                    }
                }
            }
        }
    }
}

fn grouped() -> Chart {
    let mut mean = series("g", "lr=0.1 (3 runs)", &[1.0, 2.0, 4.0]);
    let edge = |y: &[f64]| Points { x: vec![0.0, 1.0, 2.0], y: y.to_vec() };
    mean.band = Some(Band { low: edge(&[0.5, 1.5, 3.0]), high: edge(&[1.5, 2.5, 5.0]) });
    mean.colour = Some(Colour::Rgb(1, 2, 3));
    mean.dash = Some(0);
    let member = Series { role: Role::Member, ..series("m", "a member", &[1.1, 1.9, 3.9]) };
    let baseline = Series { role: Role::Baseline, ..series("b", "the baseline", &[2.0, 2.0, 2.0]) };
    chart(vec![baseline, mean, member])
}

#[test]
fn groups_have_bands_and_members_no_names_and_the_baseline_is_last() {
    let svg = svg(&grouped());
    assert!(svg.contains("opacity=\"0.14\""), "{svg}");
    assert!(svg.contains("#010203"));
    assert!(!svg.contains(">\na member\n<"), "a member has no name beside its line");
    let place = |run: &str| svg.find(&format!("data-run=\"{run}\"")).unwrap();
    assert!(place("m") < place("g") && place("g") < place("b"));
    assert!(group(&svg, "b").contains("stroke-dasharray=\"32 16\""));
}

#[test]
fn what_lies_outside_of_the_range_is_cut_off() {
    let mut zoomed = chart(vec![series("a", "one", &[0.0, 1000.0, 0.0, 1.0, 2.0, 3.0])]);
    zoomed.x_range = (Some(1.5), Some(4.0));
    zoomed.y_range = (Some(0.0), Some(2.5));
    let svg = svg(&zoomed);
    let line = group(&svg, "a").split("points=\"").nth(1).unwrap().split('"').next().unwrap();
    for place in line.split_whitespace() {
        let (x, y) = place.split_once(',').unwrap();
        let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
        assert!((0.0..=960.0 * 4.0).contains(&x) && (0.0..=540.0 * 4.0).contains(&y), "{place}");
    }
}

#[test]
fn a_pdf_is_whole_and_its_texts_are_texts() {
    let mut hostile = grouped();
    hostile.title = "a (b) \\ <c> \u{202e}é…".into();
    let pdf = draw_pdf(&hostile, &Style::default()).unwrap();
    assert!(pdf.starts_with(b"%PDF-1."));
    assert!(pdf.trim_ascii_end().ends_with(b"%%EOF"));
    let text = String::from_utf8_lossy(&pdf);
    assert!(text.contains("lr=0.1 (3 runs)") || text.contains("lr=0.1 \\(3 runs\\)"), "{text}");
    assert!(text.contains("the baseline"));
    assert!(text.contains("/Helvetica"));
}

#[test]
fn without_a_background_what_lies_below_shows_through() {
    let style = Style { transparent: true, ..Style::default() };
    assert!(!draw_svg(&grouped(), &style).unwrap().contains("<rect width=\"100%\""));
    let png = draw_png(&grouped(), &style).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(&png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgba);
    assert_eq!(pixels[3], 0, "a corner is clear");
    assert!(pixels.chunks_exact(4).any(|pixel| pixel == [1, 2, 3, 255]), "the line keeps its colour");
}

#[test]
fn an_inline_chart_is_drawn_once_for_both_themes() {
    let evil = "</svg><script>alert(1)</script>";
    let chart = chart(vec![
        Series { role: Role::Baseline, ..series("base", "base", &[1.0, 3.0]) },
        series("foobar", evil, &[3.0, f64::NAN, 1.0]),
    ]);
    let svg = draw_inline(&chart, &Style { transparent: true, ..Style::default() }, "c7").unwrap();
    assert!(svg.starts_with("<svg id=\"c7\"") && svg.trim_end().ends_with("</svg>"));
    assert_eq!((svg.matches("</svg>").count(), svg.contains("<script")), (1, false), "{svg}");
    // "foobar" has slot 0: its colour in the light, and then in the dark, under one name.
    let light = svg.find("{color:#4688f6}").expect("light");
    let name = &svg[svg[..light].rfind(' ').unwrap() + 1..light];
    let dark = &svg[svg.find("@media (prefers-color-scheme:dark)").unwrap()..];
    assert!(dark.contains(&format!("#c7 {name}{{color:#b1b7fa}}")), "{name}: {svg}");
    assert!(svg.contains(&format!("class=\"{}\" fill=\"none\" stroke=\"currentColor\"", &name[1..])));
}

#[test]
fn dots_are_points_without_lines_and_names() {
    let dots = |id: &str, x: f64, y: f64| Series {
        line: Points { x: vec![x], y: vec![y] },
        role: Role::Dots,
        ..series(id, id, &[])
    };
    let chart = chart(vec![dots("one", 0.0, 1.0), dots("two", 5.0, 2.0), dots("odd", 1.0, f64::NAN)]);
    let svg = draw_inline(&chart, &Style::default(), "c").unwrap();
    assert_eq!((svg.matches("<circle").count(), svg.matches(">two<").count()), (2, 1), "{svg}");
    assert!(svg.contains("3 points of val_loss"));
}

#[test]
fn bars_reach_from_zero_and_say_their_values() {
    let bar = |label: &str, value: f64| Bar { label: label.to_owned(), value, ..Bar::default() };
    let group = Bar { reach: Some((-0.5, 1.5)), ..bar("group <b>", 0.5) };
    let bars = Bars { title: "acc".into(), bars: vec![bar("down", -1.0), group, bar("none", f64::NAN)] };
    let svg = draw_inline_bars(&bars, &Style::default(), "b").unwrap();
    assert_eq!(svg.matches("fill-opacity=\"0.85\"").count(), 2, "{svg}");
    assert!(svg.contains("group &lt;b&gt;") && svg.contains(">-1.000<") && !svg.contains(">none<"));
    // The bar below zero ends where the one above begins.
    let path =
        |at: usize| svg.split("fill-opacity").nth(at).unwrap().split("d=\"").nth(1).unwrap().to_owned();
    let zero = |path: &str| path[1..path.find(' ').unwrap()].to_owned();
    assert_eq!(zero(&path(1)), zero(&path(2)));
    let nothing =
        draw_inline_bars(&Bars { title: "acc".into(), bars: vec![] }, &Style::default(), "b").unwrap();
    assert!(nothing.contains("No run has a value of acc"));
    let odd = Bars { title: "acc".into(), bars: vec![bar("all", f64::INFINITY), bar("same", 0.0)] };
    assert!(draw_inline_bars(&odd, &Style::default(), "b").unwrap().contains(">infinite<"));
}

#[test]
fn a_symmetric_logarithmic_axis_shows_both_signs() {
    let mut chart = chart(vec![series("a", "a", &[-1000.0, -1.0, 0.0, 1.0, 1000.0])]);
    chart.symlog_y = true;
    let svg = draw_inline(&chart, &Style::default(), "c").unwrap();
    let line = svg.split("<path").find(|path| path.contains("stroke-width=\"1.5\"")).expect("a line");
    let at: Vec<f64> = line
        .split("d=\"M")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .split('L')
        .map(|place| place.split(' ').nth(1).unwrap().parse().unwrap())
        .collect();
    assert_eq!(at.len(), 5, "{line}");
    // As far above zero as below it, and small values are not lost beside large ones.
    assert!(
        (at[0] - at[2] - (at[2] - at[4])).abs() < 0.3 && (at[1] - at[2]) * 20.0 > at[0] - at[2],
        "{at:?}"
    );
    for tick in [">0<", ">1000<", ">-1000<"] {
        assert!(svg.contains(tick), "{tick}: {svg}");
    }
    assert!(svg.contains("symmetric logarithmic axis"));
}
