//! From what a person types to the things meant: a run by its id, a prefix of it or its name; an experiment by name
//! or id; a column by its key.

use super::client::{Api, encoded};
use super::{Failure, Result, output};
use slipway_server::app::wire::{
    ColumnInfo, ColumnKind, ColumnList, ColumnRef, Experiment, ExperimentList, Reduce, SortKey, Table,
    TableRequest, TableRow, View,
};
use std::fmt::Write as _;

/// Shorter texts are names, not prefixes of ids.
const SHORTEST_PREFIX: usize = 4;
/// Runs that a text can be looked for in, newest first.
const MAX_LOOKED_AT: u64 = 20_000;
const PAGE: u64 = 1000;

/// Names of the columns that every run has, beside params, metrics and tags.
const ATTRIBUTES: [&str; 10] =
    ["name", "run_id", "state", "start_ms", "end_ms", "duration_ms", "user", "experiment", "source", "note"];

/// The run that a text names.
pub(crate) fn run(api: &Api, text: &str) -> Result<TableRow> {
    let mut by_name = Vec::new();
    let mut by_prefix = Vec::new();
    let may_be_prefix =
        text.len() >= SHORTEST_PREFIX && text.chars().all(|letter| letter.is_ascii_alphanumeric());
    let mut offset = 0;
    loop {
        let request = TableRequest {
            search: text.to_owned(),
            view: View::All,
            offset,
            limit: Some(PAGE),
            ..TableRequest::default()
        };
        let table: Table = api.post("/runs/table", &request)?;
        let got = table.rows.len() as u64;
        for row in table.rows {
            if row.run_id == text {
                return Ok(row);
            }
            if row.name == text {
                by_name.push(row);
            } else if may_be_prefix && row.run_id.starts_with(text) {
                by_prefix.push(row);
            }
        }
        offset += got;
        if got < PAGE || offset >= table.total.min(MAX_LOOKED_AT) {
            break;
        }
    }
    // A name counts before a prefix.
    let mut found = if by_name.is_empty() { by_prefix } else { by_name };
    match found.len() {
        0 => Err(Failure::not_found(format!("no run has the id or the name `{}`", output::clean(text)))
            .hint("`slipway runs ls` lists the runs. An id may be cut to its first characters, at least 4.")),
        1 => Ok(found.remove(0)),
        count => {
            let mut hint = "Give the id of one of them:".to_owned();
            for row in found.iter().take(5) {
                let started = row.start_ms.map(output::time).unwrap_or_default();
                let _ = write!(hint, "\n  {}  {}  {started}", row.run_id, output::clean(&row.name));
            }
            Err(Failure::usage(format!("`{}` means {count} runs", output::clean(text))).hint(hint))
        }
    }
}

/// The experiment that a text names.
pub(crate) fn experiment(api: &Api, text: &str) -> Result<Experiment> {
    let ExperimentList { experiments } = api.get("/experiments?view=active")?;
    let at = experiments
        .iter()
        .position(|experiment| experiment.name == text)
        .or_else(|| experiments.iter().position(|experiment| experiment.experiment_id == text));
    match at.and_then(|at| experiments.into_iter().nth(at)) {
        Some(experiment) => Ok(experiment),
        None => {
            Err(Failure::not_found(format!("no experiment has the name or the id `{}`", output::clean(text)))
                .hint("`slipway runs ls --columns name,experiment` shows which there are."))
        }
    }
}

/// Which runs a command is about: those of one experiment, or all.
pub(crate) fn scope(api: &Api, wanted: Option<&str>) -> Result<Vec<String>> {
    match wanted {
        Some(text) => Ok(vec![experiment(api, text)?.experiment_id]),
        None => Ok(Vec::new()),
    }
}

/// The keys that runs in scope carry.
pub(crate) fn columns(api: &Api, experiment_ids: &[String]) -> Result<Vec<ColumnInfo>> {
    let ids = encoded(&experiment_ids.join(","));
    let target =
        if ids.is_empty() { "/columns".to_owned() } else { format!("/columns?experiment_ids={ids}") };
    Ok(api.get::<ColumnList>(&target)?.columns)
}

/// The column that a text names: `state`, `metrics.val_loss`, `metrics.val_loss.min`, `params.lr`, or just a key.
pub(crate) fn column(known: &[ColumnInfo], text: &str) -> Result<ColumnRef> {
    if ATTRIBUTES.contains(&text) {
        return Ok(plain(ColumnKind::Attribute, text));
    }
    for (prefix, kind) in [
        ("metrics.", ColumnKind::Metric),
        ("metric.", ColumnKind::Metric),
        ("params.", ColumnKind::Param),
        ("param.", ColumnKind::Param),
        ("tags.", ColumnKind::Tag),
        ("tag.", ColumnKind::Tag),
    ] {
        if let Some(key) = text.strip_prefix(prefix) {
            return Ok(match kind {
                ColumnKind::Metric => metric(known, key),
                kind => plain(kind, key),
            });
        }
    }
    let (bare, reduce) = split_reduce(text);
    for kind in [ColumnKind::Metric, ColumnKind::Param, ColumnKind::Tag] {
        if is_known(known, kind, text) {
            return Ok(plain(kind, text));
        }
    }
    if reduce.is_some() && is_known(known, ColumnKind::Metric, bare) {
        return Ok(metric(known, text));
    }
    let mut failure = Failure::usage(format!("no run here has a column `{}`", output::clean(text)));
    let near = nearest(known, text);
    failure = if near.is_empty() {
        failure.hint(format!("Columns are {}, and `metrics.…`, `params.…`, `tags.…`.", ATTRIBUTES.join(", ")))
    } else {
        failure.hint(format!("Did you mean {}?", near.join(" or ")))
    };
    Err(failure)
}

fn is_known(known: &[ColumnInfo], kind: ColumnKind, key: &str) -> bool {
    known.iter().any(|column| column.kind == kind && column.key == key)
}

fn plain(kind: ColumnKind, key: &str) -> ColumnRef {
    ColumnRef { kind, key: key.to_owned(), reduce: None, step: None }
}

/// A metric's key may itself end in `.min`, so that what is known counts first.
fn metric(known: &[ColumnInfo], text: &str) -> ColumnRef {
    let (key, reduce) = split_reduce(text);
    if reduce.is_some() && !is_known(known, ColumnKind::Metric, text) {
        return ColumnRef { kind: ColumnKind::Metric, key: key.to_owned(), reduce, step: None };
    }
    plain(ColumnKind::Metric, text)
}

fn split_reduce(text: &str) -> (&str, Option<Reduce>) {
    for (ending, reduce) in
        [(".min", Reduce::Min), (".max", Reduce::Max), (".first", Reduce::First), (".last", Reduce::Last)]
    {
        if let Some(key) = text.strip_suffix(ending) {
            return (key, Some(reduce));
        }
    }
    (text, None)
}

fn nearest(known: &[ColumnInfo], text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let mut near: Vec<(usize, String)> = known
        .iter()
        .map(|column| (distance(&column.key.to_lowercase(), &text), column))
        .filter(|(far, column)| *far <= 1 + text.len() / 3 || column.key.to_lowercase().contains(&text))
        .map(|(far, column)| (far, format!("`{}`", output::clean(&full_key(column.kind, &column.key, None)))))
        .collect();
    near.sort();
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// How many letters must change to turn one text into the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(100).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().take(100).enumerate() {
        let mut next = vec![i + 1];
        for ((j, other), above) in b.iter().enumerate().zip(&row) {
            let left = next.last().copied().unwrap_or(0);
            let up = row.get(j + 1).copied().unwrap_or(usize::MAX - 1);
            next.push((above + usize::from(letter != *other)).min(left + 1).min(up + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

/// `metrics.loss.min` and the like: what a column is called in JSON and CSV.
pub(crate) fn full_key(kind: ColumnKind, key: &str, reduce: Option<Reduce>) -> String {
    let ending = match reduce {
        None | Some(Reduce::Last) => "",
        Some(Reduce::Min) => ".min",
        Some(Reduce::Max) => ".max",
        Some(Reduce::First) => ".first",
        // No option of the command line asks for it.
        Some(Reduce::At) => ".at",
    };
    match kind {
        ColumnKind::Attribute => key.to_owned(),
        ColumnKind::Param => format!("params.{key}"),
        ColumnKind::Metric => format!("metrics.{key}{ending}"),
        ColumnKind::Tag => format!("tags.{key}"),
    }
}

/// `-val_loss`: largest first; `val_loss`: smallest first.
pub(crate) fn sort_key(known: &[ColumnInfo], text: &str) -> Result<SortKey> {
    let (text, descending) = text.strip_prefix('-').map_or((text, false), |rest| (rest, true));
    Ok(SortKey { column: column(known, text)?, descending })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<ColumnInfo> {
        [(ColumnKind::Metric, "val_loss"), (ColumnKind::Metric, "odd.min"), (ColumnKind::Param, "lr")]
            .into_iter()
            .map(|(kind, key)| ColumnInfo {
                kind,
                key: key.to_owned(),
                run_count: 1,
                is_curve: false,
                numeric: false,
                varies: false,
            })
            .collect()
    }

    #[test]
    fn columns_go_by_key_or_by_full_name() {
        let find = |text: &str| column(&known(), text).unwrap();
        assert_eq!(find("state"), plain(ColumnKind::Attribute, "state"));
        assert_eq!(find("val_loss"), plain(ColumnKind::Metric, "val_loss"));
        assert_eq!(find("lr"), plain(ColumnKind::Param, "lr"));
        assert_eq!(find("params.state"), plain(ColumnKind::Param, "state"));
        let least = ColumnRef {
            kind: ColumnKind::Metric,
            key: "val_loss".into(),
            reduce: Some(Reduce::Min),
            step: None,
        };
        assert_eq!(find("val_loss.min"), least);
        assert_eq!(find("metrics.val_loss.min"), least);
        assert_eq!(find("odd.min"), plain(ColumnKind::Metric, "odd.min"), "a key that ends like a reduction");
    }

    #[test]
    fn a_mistyped_column_is_told_the_right_one() {
        let failure = column(&known(), "val_los").unwrap_err();
        assert_eq!(failure.code(), 2);
        assert!(failure.text().contains("`metrics.val_loss`"), "{failure}");
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn a_minus_turns_the_order() {
        assert!(sort_key(&known(), "-val_loss").unwrap().descending);
        assert!(!sort_key(&known(), "lr").unwrap().descending);
    }
}
