//! What deleting for ever came to, in words.

use crate::cli::{Global, Result, output};
use slipway_server::app::wire::{GcReport, PurgeReport};
use std::io::Write;

/// Places that are named; the JSON output has more.
const NAMED: usize = 10;

/// `14.2 GB`.
pub(crate) fn bytes(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "";
    for next in units {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if value < 10.0 {
        format!("{value:.2} {unit}")
    } else if value < 100.0 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

/// `1 run`, `2 runs`.
pub(super) fn count(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// Lines about what was, or would be, deleted.
pub(super) fn purged(report: &PurgeReport, would: bool) -> Vec<String> {
    let parts: Vec<String> = [
        (report.experiments, "experiment"),
        (report.runs, "run"),
        (report.logged_models, "logged model"),
        (report.versions, "model version"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, one)| count(number, one))
    .collect();
    if parts.is_empty() {
        return vec!["There is nothing to delete.".to_owned()];
    }
    let mut lines = vec![format!(
        "{} {}, {} {}.",
        if would { "Would delete" } else { "Deleted" },
        parts.join(", "),
        if would { "free" } else { "freed" },
        bytes(report.bytes)
    )];
    for kept in report.kept.iter().take(NAMED) {
        lines.push(format!(
            "{} {} of {}: used by {}.",
            if would { "Would keep" } else { "Kept" },
            bytes(kept.bytes),
            output::clean(&kept.path),
            output::clean(&kept.used_by.join(", "))
        ));
    }
    more(&mut lines, report.kept.len(), "places are kept");
    for place in report.outside.iter().take(NAMED) {
        lines.push(format!("Not touched, since Slipway does not hold it: {}.", output::clean(place)));
    }
    more(&mut lines, report.outside.len(), "places are not touched");
    for problem in report.problems.iter().take(NAMED) {
        lines.push(format!("Could not be removed: {}.", output::clean(problem)));
    }
    lines
}

/// Lines about files that nothing referred to.
pub(super) fn collected(report: &GcReport, would: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let verb = if would { "Would remove" } else { "Removed" };
    if report.count > 0 {
        lines.push(format!(
            "{verb} {} in {} that nothing refers to, {}.",
            count(report.files, "file"),
            count(report.count, "place"),
            bytes(report.bytes)
        ));
        for item in report.items.iter().take(NAMED) {
            lines.push(format!("  {} ({})", output::clean(&item.path), bytes(item.bytes)));
        }
        more(&mut lines, usize::try_from(report.count).unwrap_or(usize::MAX), "places");
    }
    if report.upload_files > 0 {
        lines.push(format!(
            "{verb} {} of unfinished uploads, {}.",
            count(report.upload_files, "file"),
            bytes(report.upload_bytes)
        ));
    }
    if report.shared {
        lines.push(
            "Artifacts are kept in a folder that others may use, too: nothing in it is taken for unreferenced."
                .to_owned(),
        );
    } else if report.count + report.upload_files == 0 {
        lines.push("There are no files that nothing refers to.".to_owned());
    }
    if report.too_new > 0 {
        lines.push(format!(
            "{} changed too lately to be touched: a client may be about to refer to it.",
            count(report.too_new, "place")
        ));
    }
    lines.extend(
        report
            .problems
            .iter()
            .take(NAMED)
            .map(|problem| format!("Could not be removed: {}.", output::clean(problem))),
    );
    lines
}

fn more(lines: &mut Vec<String>, all: usize, what: &str) {
    if all > NAMED {
        lines.push(format!("  and {} more {what}; `--json` names them.", all - NAMED));
    }
}

pub(super) fn print_purged(global: &Global, report: &PurgeReport, would: bool) -> Result<()> {
    print(global, &purged(report, would))
}

pub(super) fn print(global: &Global, lines: &[String]) -> Result<()> {
    if !global.quiet {
        let mut out = std::io::stdout().lock();
        for line in lines {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        for (number, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (14_200_000_000, "14.2 GB"),
            (999_999, "1.00 MB"),
            (120_000_000, "120 MB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }
}
