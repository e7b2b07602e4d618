//! The rows of a comparison: which keys there are, in which of them runs differ, and the headings that keys with
//! common beginnings stand under.

use super::super::wire::{CompareReduce, CompareSection};
use super::facts::{Fact, Value};
use std::collections::BTreeMap;

/// Headings within headings.
const MAX_DEPTH: u32 = 12;

/// The values of all runs, by key.
#[derive(Debug, Default)]
pub(super) struct Matrix {
    /// For each key one value per run, in the order of the runs.
    pub(super) keys: BTreeMap<(CompareSection, String), Vec<Option<Value>>>,
}

impl Matrix {
    /// `runs` has the facts of each run.
    pub(super) fn of(runs: Vec<Vec<Fact>>) -> Self {
        let count = runs.len();
        let mut keys: BTreeMap<(CompareSection, String), Vec<Option<Value>>> = BTreeMap::new();
        for (index, facts) in runs.into_iter().enumerate() {
            for fact in facts {
                let values = keys.entry((fact.section, fact.key)).or_insert_with(|| vec![None; count]);
                if let Some(place) = values.get_mut(index) {
                    *place = Some(fact.value);
                }
            }
        }
        Self { keys }
    }
}

/// Whether two values are the same for the reader. NaN is like NaN.
pub(super) fn same(a: Option<&Value>, b: Option<&Value>, reduce: CompareReduce) -> bool {
    let equal = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => a == b || a.is_nan() && b.is_nan(),
        (a, b) => a.is_none() && b.is_none(),
    };
    match (a, b) {
        (None, None) => true,
        (Some(Value::Text(a)), Some(Value::Text(b))) => a == b,
        (
            Some(Value::Metric { last, min, max, first }),
            Some(Value::Metric { last: last_b, min: min_b, max: max_b, first: first_b }),
        ) => match reduce {
            CompareReduce::Last => equal(Some(*last), Some(*last_b)),
            CompareReduce::First => equal(Some(*first), Some(*first_b)),
            CompareReduce::Min => equal(*min, *min_b),
            CompareReduce::Max => equal(*max, *max_b),
            CompareReduce::Best => equal(*min, *min_b) && equal(*max, *max_b),
        },
        _ => false,
    }
}

/// A line of the comparison.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Line<'a> {
    Heading {
        section: CompareSection,
        prefix: &'a str,
        label: &'a str,
        depth: u32,
        keys: u64,
        path: String,
        differs: bool,
    },
    Key {
        section: CompareSection,
        key: &'a str,
        label: &'a str,
        depth: u32,
        differs: bool,
    },
}

/// Name of a heading, for the list of closed ones.
fn path(section: CompareSection, prefix: &str) -> String {
    let section = match section {
        CompareSection::Params => "params",
        CompareSection::Metrics => "metrics",
        CompareSection::Tags => "tags",
        CompareSection::Environment => "environment",
        CompareSection::Code => "code",
        CompareSection::Data => "data",
    };
    if prefix.is_empty() { section.to_owned() } else { format!("{section}:{prefix}") }
}

/// Lays the keys of one section out. `keys` are sorted; each comes with whether runs differ in it.
pub(super) fn section<'a>(
    section: CompareSection,
    keys: &[(&'a str, bool)],
    closed: &[String],
    lines: &mut Vec<Line<'a>>,
) {
    if keys.is_empty() {
        return;
    }
    let path = path(section, "");
    let is_closed = closed.contains(&path);
    lines.push(Line::Heading {
        section,
        prefix: "",
        label: "",
        depth: 0,
        keys: keys.len() as u64,
        path,
        differs: keys.iter().any(|(_, differs)| *differs),
    });
    if !is_closed {
        let mut keys = keys.to_vec();
        // By parts, so that all that begins alike stands together: `a-b` sorts between `a` and `a.b` as a plain text.
        keys.sort_by(|(a, _), (b, _)| parts(a).cmp(parts(b)));
        below(section, &keys, 0, 1, closed, lines);
    }
}

fn parts(key: &str) -> impl Iterator<Item = &str> {
    key.split(['.', '/'])
}

/// Keys that all begin alike up to `from`.
fn below<'a>(
    section: CompareSection,
    keys: &[(&'a str, bool)],
    from: usize,
    depth: u32,
    closed: &[String],
    lines: &mut Vec<Line<'a>>,
) {
    let mut rest = keys;
    while let Some((first, differs)) = rest.first().copied() {
        let end = part_end(first, from);
        let group = match end {
            Some(end) if depth < MAX_DEPTH => {
                let prefix = &first[..end];
                rest.iter().take_while(|(key, _)| key.len() > end && key.starts_with(prefix)).count()
            }
            _ => 1,
        };
        let Some(end) = end.filter(|_| group > 1) else {
            lines.push(Line::Key { section, key: first, label: &first[from..], depth, differs });
            rest = &rest[1..];
            continue;
        };
        let members = &rest[..group];
        // Where all go on alike, one heading says it all.
        let mut shared = end;
        while let Some(next) = part_end(first, shared)
            && members.iter().all(|(key, _)| key.len() > next && key.starts_with(&first[..next]))
        {
            shared = next;
        }
        let prefix = &first[..shared];
        let path = path(section, prefix);
        let is_closed = closed.contains(&path);
        lines.push(Line::Heading {
            section,
            prefix,
            label: &first[from..shared],
            depth,
            keys: group as u64,
            path,
            differs: members.iter().any(|(_, differs)| *differs),
        });
        if !is_closed {
            below(section, members, shared, depth + 1, closed, lines);
        }
        rest = &rest[group..];
    }
}

/// Where the part of a key that begins at `from` ends, with its separator; None for the last part.
fn part_end(key: &str, from: usize) -> Option<usize> {
    let at = key.get(from..)?.find(['.', '/'])?;
    // An empty part is no heading.
    (at > 0).then_some(from + at + 1).filter(|end| *end < key.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(keys: &[&str], closed: &[&str]) -> Vec<String> {
        let mut keys: Vec<(&str, bool)> = keys.iter().map(|key| (*key, false)).collect();
        keys.sort();
        let closed: Vec<String> = closed.iter().map(|path| (*path).to_owned()).collect();
        let mut lines = Vec::new();
        section(CompareSection::Params, &keys, &closed, &mut lines);
        lines
            .iter()
            .map(|line| match line {
                Line::Heading { label, depth, keys, .. } => {
                    format!("{}{label}*{keys}", " ".repeat(*depth as usize))
                }
                Line::Key { label, depth, .. } => format!("{}{label}", " ".repeat(*depth as usize)),
            })
            .collect()
    }

    #[test]
    fn keys_that_begin_alike_stand_under_one_heading() {
        let keys =
            ["lr", "opt.name", "opt.beta.1", "opt.beta.2", "opt-x", "data.a.b.c", "data.a.b.d", "one.only"];
        let expected = [
            "*8",
            " data.a.b.*2",
            "  c",
            "  d",
            " lr",
            " one.only",
            " opt.*3",
            "  beta.*2",
            "   1",
            "   2",
            "  name",
            " opt-x",
        ];
        assert_eq!(outline(&keys, &[]), expected);
    }

    #[test]
    fn closed_headings_keep_their_rows_to_themselves() {
        assert_eq!(outline(&["a/b", "a/c", "d"], &["params:a/"]), ["*3", " a/*2", " d"]);
        assert_eq!(outline(&["a/b", "a/c", "d"], &["params"]), ["*3"]);
    }

    #[test]
    fn odd_keys_are_rows_of_their_own() {
        let expected = ["*5", " ", " ..", " .a", " a.", " é/🚢"];
        assert_eq!(outline(&["", "..", "a.", ".a", "é/🚢"], &[]), expected);
    }

    #[test]
    fn every_key_is_laid_out_once() {
        let keys: Vec<String> = (0..300).map(|i| format!("m{}/{}.{}", i % 7, i % 3, i)).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        assert_eq!(outline(&keys, &[]).iter().filter(|line| !line.contains('*')).count(), 300);
    }

    #[test]
    fn nan_is_like_nan_and_absent_is_not_empty() {
        let metric = |last| Value::Metric { last, min: None, max: None, first: 0.0 };
        let text = Value::Text(String::new());
        assert!(same(Some(&metric(f64::NAN)), Some(&metric(f64::NAN)), CompareReduce::Last));
        assert!(!same(Some(&metric(f64::NAN)), Some(&metric(1.0)), CompareReduce::Last));
        assert!(same(Some(&metric(f64::NAN)), Some(&metric(1.0)), CompareReduce::First));
        assert!(!same(Some(&text), None, CompareReduce::Last));
    }
}
