//! Writes a few charts to the folder named on the command line, to look at.

use slipway_charts::{Chart, Error, Points, Series, Style, Theme, XKind, draw_png, draw_svg};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("name a folder")?;
    let runs = |count: usize| -> Vec<Series> {
        (0..count)
            .map(|run| {
                let x: Vec<f64> = (0..200).map(f64::from).collect();
                let wobble = |step: f64| ((step * 12.9898 + run as f64 * 78.233).sin() * 43_758.547).fract();
                let smooth =
                    |step: f64| (-step / (30.0 + run as f64 * 8.0)).exp() * 0.9 + 0.05 * run as f64 + 0.1;
                let mut raw: Vec<f64> = x.iter().map(|step| smooth(*step) + 0.06 * wobble(*step)).collect();
                if run == 1 {
                    raw.iter_mut().skip(80).take(20).for_each(|value| *value = f64::NAN);
                }
                let line = Points { x: x.clone(), y: x.iter().map(|step| smooth(*step)).collect() };
                let (line, raw) = if run % 2 == 0 {
                    (line, Some(Points { x, y: raw }))
                } else {
                    (Points { x, y: raw }, None)
                };
                Series {
                    run_id: format!("run-{run}"),
                    label: format!("gbm depth={run} lr=0.1"),
                    line,
                    raw,
                    ..Series::default()
                }
            })
            .collect()
    };
    let base = |count: usize| Chart {
        title: "val_loss".into(),
        x_label: "Step".into(),
        y_label: "val_loss".into(),
        series: runs(count),
        ..Chart::default()
    };
    let mut time = base(3);
    time.x_kind = XKind::TimeMs;
    time.x_label = "Time (UTC)".into();
    for series in &mut time.series {
        let stretch =
            |points: &mut Points| points.x.iter_mut().for_each(|x| *x = 1_790_000_000_000.0 + *x * 60_000.0);
        stretch(&mut series.line);
        series.raw.iter_mut().for_each(stretch);
    }
    let charts = [
        ("few", base(4)),
        ("many", base(40)),
        ("time", time),
        ("log", Chart { log_y: true, ..base(5) }),
        ("empty", base(0)),
    ];
    for (name, chart) in charts {
        for (suffix, theme) in [("", Theme::Light), ("-dark", Theme::Dark)] {
            let style = Style { theme, ..Style::default() };
            std::fs::write(format!("{folder}/{name}{suffix}.svg"), draw_svg(&chart, &style)?)?;
            let png: Result<Vec<u8>, Error> = draw_png(&chart, &style);
            std::fs::write(format!("{folder}/{name}{suffix}.png"), png?)?;
        }
    }
    Ok(())
}
