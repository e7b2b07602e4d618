//! Groups, their members, pins, the archive, values at a step and differing columns against a slow evaluator.

use super::*;
use crate::{ARCHIVED_TAG, Group, GroupKey, GroupSortBy, GroupSortKey, GroupsQuery, TableCell};
use std::collections::BTreeSet;
use std::time::Duration;

fn column(kind: ColumnKind, key: &str) -> ColumnRef {
    ColumnRef { kind, key: key.to_owned(), reduce: Reduce::Last }
}

fn any_column(dice: &mut Dice) -> ColumnRef {
    let attributes = [
        "name",
        "run_id",
        "state",
        "start_ms",
        "end_ms",
        "duration_ms",
        "user",
        "experiment",
        "source",
        "note",
    ];
    match dice.roll(4) {
        0 => {
            let reduce = dice.pick(&[Reduce::Last, Reduce::Min, Reduce::Max]);
            ColumnRef { reduce, ..column(ColumnKind::Metric, dice.pick(METRICS)) }
        }
        1 => column(ColumnKind::Param, dice.pick(PARAMS)),
        2 => column(ColumnKind::Tag, dice.pick(TAGS)),
        _ => column(ColumnKind::Attribute, dice.pick(&attributes)),
    }
}

impl Remembered {
    fn cell(&self, column: &ColumnRef) -> TableCell {
        let text = |text: Option<&String>| text.cloned().map_or(TableCell::Empty, TableCell::Text);
        let number = |number: Option<f64>| number.map_or(TableCell::Empty, TableCell::Number);
        let key = column.key.as_str();
        let finite = || {
            let points = self.metrics.get(key).map(Vec::as_slice).unwrap_or_default();
            points.iter().map(|point| point.value).filter(|value| value.is_finite())
        };
        match (column.kind, column.reduce) {
            (ColumnKind::Metric, Reduce::Min) => number(finite().reduce(f64::min)),
            (ColumnKind::Metric, Reduce::Max) => number(finite().reduce(f64::max)),
            (ColumnKind::Metric, Reduce::At(step)) => {
                let mut until = self.clone();
                until.metrics.values_mut().for_each(|points| points.retain(|point| point.step <= step));
                until.metrics.retain(|_, points| !points.is_empty());
                number(until.latest(key))
            }
            (ColumnKind::Metric, _) => number(self.latest(key)),
            (ColumnKind::Param, _) => text(self.params.get(key)),
            (ColumnKind::Tag, _) => text(self.tags.get(key)),
            (ColumnKind::Attribute, _) => match key {
                "name" => text(self.tags.get("mlflow.runName")),
                "run_id" => TableCell::Text(self.run_id.clone()),
                "state" => TableCell::Text(
                    match self.status {
                        RunStatus::Running => "running",
                        RunStatus::Scheduled => "queued",
                        RunStatus::Finished => "succeeded",
                        RunStatus::Failed => "failed",
                        RunStatus::Killed => "canceled",
                    }
                    .to_owned(),
                ),
                "start_ms" => number(self.start.map(|ms| ms as f64)),
                "end_ms" => number(self.end.map(|ms| ms as f64)),
                "duration_ms" => number(self.start.zip(self.end).map(|(start, end)| (end - start) as f64)),
                "user" => {
                    let own = Some(&self.user).filter(|user| !user.is_empty());
                    text(self.tags.get("mlflow.user").or(own))
                }
                "experiment" => TableCell::Text(
                    ["Default", "e1", "e2"][usize::try_from(self.experiment).unwrap()].to_owned(),
                ),
                "source" => text(self.tags.get("mlflow.source.name")),
                _ => text(self.tags.get("mlflow.note.content")),
            },
        }
    }
}

/// A text that is equal for values that are one value.
fn shown(cell: &TableCell) -> String {
    match cell {
        TableCell::Number(number) => format!("{:?}", number + 0.0),
        other => format!("{other:?}"),
    }
}

/// Equal but for what is lost when numbers of this size are added up in another order.
fn close(a: Option<f64>, b: Option<f64>, size: f64) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * size,
        (a, b) => a == b,
    }
}

fn check_group(group: &Group, members: &[&Remembered], columns: &[ColumnRef]) {
    assert_eq!(group.run_count, members.len() as u64);
    let with = |status| members.iter().filter(|run| run.status == status).count() as u64;
    assert_eq!(group.running_count, with(RunStatus::Running));
    assert_eq!(group.failed_count, with(RunStatus::Failed));
    assert_eq!(group.newest_start_ms, members.iter().filter_map(|run| run.start).max());
    for (column, found) in columns.iter().zip(&group.cells) {
        let cells: Vec<TableCell> = members.iter().map(|run| run.cell(column)).collect();
        let there = cells.iter().filter(|cell| **cell != TableCell::Empty).count();
        assert_eq!(found.n, there as u64, "{column:?}");
        let numbers: Vec<f64> = cells
            .iter()
            .filter_map(|cell| match cell {
                TableCell::Number(number) => Some(*number),
                TableCell::Text(text) => text.trim().parse().ok(),
                TableCell::Empty => None,
            })
            .filter(|number: &f64| number.is_finite())
            .collect();
        assert_eq!(found.numbers, numbers.len() as u64, "{column:?} {cells:?}");
        let count = numbers.len() as f64;
        let mean = numbers.iter().sum::<f64>() / count;
        let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
        let finite = |number: f64| Some(number).filter(|number| number.is_finite());
        let std = finite((squares / (count - 1.0)).sqrt()).filter(|_| numbers.len() > 1);
        let size = numbers.iter().map(|number| number.abs()).fold(1e-300, f64::max);
        assert!(close(found.mean, finite(mean), size), "{found:?} {numbers:?}");
        assert!(close(found.std, std, size), "{found:?} {numbers:?}");
        assert_eq!(found.min, numbers.iter().copied().reduce(f64::min));
        assert_eq!(found.max, numbers.iter().copied().reduce(f64::max));
        let texts: BTreeSet<&str> = cells
            .iter()
            .filter_map(|cell| match cell {
                TableCell::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(found.different, texts.len() as u64);
        let only = texts.first().filter(|_| texts.len() == 1);
        assert_eq!(found.text.as_deref(), only.copied());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn groups_and_their_members_are_what_they_should_be(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let mut world = World::new();
        for _ in 0..12 {
            for _ in 0..dice.roll(12) {
                world.step(&mut dice);
            }
            let mut asked = Asked::new(&mut dice, true);
            asked.order.clear();
            (asked.offset, asked.limit) = (0, 10_000);
            if asked.experiments.is_empty() {
                asked.experiments.push(1);
            }
            if dice.once_in(4) {
                world.store.read(|reader| reader.read_columns_ahead(&[], View::Active)).unwrap();
            }
            let archived = dice.once_in(2);
            let is_seen = |run: &Remembered| archived || run.tags.get(ARCHIVED_TAG).is_none_or(|tag| tag != "true");
            let ids: BTreeSet<String> = asked.expected(&world.runs).0.into_iter().collect();
            let matching: Vec<&Remembered> =
                world.runs.iter().filter(|run| ids.contains(&run.run_id) && is_seen(run)).collect();
            let runs = TableQuery {
                experiment_ids: asked.experiments.clone(),
                filter: asked.search().filter,
                view: asked.view,
                archived,
                limit: 10_000,
                columns: (0..4).map(|_| any_column(&mut dice)).collect(),
                ..TableQuery::default()
            };
            let by: Vec<ColumnRef> = (0..=dice.roll(3)).map(|_| any_column(&mut dice)).collect();
            let mut expected: BTreeMap<Vec<String>, Vec<&Remembered>> = BTreeMap::new();
            for run in &matching {
                let key = by.iter().map(|column| shown(&run.cell(column))).collect();
                expected.entry(key).or_default().push(run);
            }
            let sorts = [
                GroupSortBy::RunCount,
                GroupSortBy::Value(runs.columns[0].clone()),
                GroupSortBy::Max(runs.columns[1].clone()),
            ];
            let order_by = vec![GroupSortKey { by: dice.pick(&sorts), descending: true }];
            let query = GroupsQuery { runs: runs.clone(), by: by.clone(), order_by };
            let found = world.store.read(|reader| reader.run_groups(&query)).unwrap();
            prop_assert_eq!((found.total, found.matching), (expected.len() as u64, matching.len() as u64));
            for group in &found.groups {
                let key: Vec<String> = group.key.iter().map(shown).collect();
                check_group(group, &expected[&key], &runs.columns);
            }
            // Every group once, in an order that pages do not disturb.
            let keys: BTreeSet<Vec<String>> =
                found.groups.iter().map(|group| group.key.iter().map(shown).collect()).collect();
            prop_assert_eq!(keys.len(), expected.len());
            let numbers: Vec<Option<f64>> = found.groups.iter().map(|group| match &query.order_by[0].by {
                GroupSortBy::RunCount => Some(group.run_count as f64),
                GroupSortBy::Max(_) => group.cells[1].max,
                _ if by.contains(&runs.columns[0]) => None,
                _ => group.cells[0].mean,
            }).collect();
            let texts_come_first = matches!(query.order_by[0].by, GroupSortBy::Value(_));
            let there: Vec<f64> = numbers.iter().copied().flatten().collect();
            prop_assert!(there.is_sorted_by(|a, b| a >= b), "{:?}", numbers);
            prop_assert!(texts_come_first || numbers[..there.len()].iter().all(Option::is_some), "{:?}", numbers);
            let mut paged = Vec::new();
            for offset in (0..found.total + 2).step_by(3) {
                let runs = TableQuery { offset, limit: 3, ..runs.clone() };
                let query = GroupsQuery { runs, ..query.clone() };
                paged.extend(world.store.read(|reader| reader.run_groups(&query)).unwrap().groups);
            }
            prop_assert_eq!(format!("{:?}", &paged), format!("{:?}", &found.groups));
            // The members of a group, asked for by its key.
            for group in found.groups.iter().take(4) {
                let key = group.key.clone();
                let shape = dice.pick(&[TableShape::Flat, TableShape::Roots]);
                let query =
                    TableQuery { group: Some(GroupKey { by: by.clone(), key }), shape, ..runs.clone() };
                let table = world.store.read(|reader| reader.run_table(&query)).unwrap();
                prop_assert_eq!(table.matching, group.run_count, "{:?}", query);
                if query.shape == TableShape::Flat {
                    let key: Vec<String> = group.key.iter().map(shown).collect();
                    let wanted: BTreeSet<&str> = expected[&key].iter().map(|run| &*run.run_id).collect();
                    let ids: BTreeSet<&str> = table.rows.iter().map(|row| &*row.run_id).collect();
                    prop_assert_eq!(ids, wanted);
                }
            }
            // All that match, for changes to many.
            let all = world.store.read(|reader| reader.matching_runs(&runs)).unwrap();
            let wanted: BTreeSet<&str> = matching.iter().map(|run| &*run.run_id).collect();
            prop_assert_eq!(all.iter().map(|id| &**id).collect::<BTreeSet<_>>(), wanted);
            // In which columns they differ.
            let differing =
                world.store.read(|reader| reader.differing_columns(&runs, Duration::from_secs(60))).unwrap();
            prop_assert!(differing.complete);
            let keys = |kind, keys: &[&str]| keys.iter().map(|key| column(kind, key)).collect::<Vec<_>>();
            let all = [
                keys(ColumnKind::Metric, METRICS),
                keys(ColumnKind::Param, PARAMS),
                keys(ColumnKind::Tag, TAGS),
                keys(ColumnKind::Attribute, &["name", "state", "start_ms", "duration_ms", "user", "experiment"]),
            ];
            for column in all.concat() {
                let exactly = |cell: TableCell| match cell {
                    TableCell::Number(number) if column.kind == ColumnKind::Attribute => format!("{}", number + 0.0),
                    TableCell::Number(number) if number.is_nan() => "NaN".to_owned(),
                    cell => format!("{cell:?}"),
                };
                let values: BTreeSet<String> = matching.iter().map(|run| exactly(run.cell(&column))).collect();
                prop_assert_eq!(differing.columns.contains(&column), values.len() > 1, "{:?} {:?}", column, values);
            }
        }
    }

    #[test]
    fn pins_the_archive_and_values_at_a_step(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let mut world = World::new();
        for _ in 0..20 {
            for _ in 0..dice.roll(8) {
                world.step(&mut dice);
            }
            if dice.once_in(4) {
                // Histories are in chunks then.
                world.store.tidy_up();
            }
            let at = ColumnRef {
                reduce: Reduce::At(dice.pick(&[-2, -1, 0, 1, 5])),
                ..column(ColumnKind::Metric, dice.pick(METRICS))
            };
            let mut pins: Vec<String> = (0..3)
                .filter_map(|_| world.runs.get(dice.roll(30)).map(|run| run.run_id.clone()))
                .collect();
            pins.insert(0, "nobody".to_owned());
            let archived = dice.once_in(2);
            let query = TableQuery {
                experiment_ids: vec![0, 1, 2],
                view: View::All,
                archived,
                columns: vec![at.clone()],
                order_by: vec![SortKey { column: at.clone(), descending: dice.once_in(2) }],
                limit: 10_000,
                pins: pins.clone(),
                ..TableQuery::default()
            };
            let is_seen = |run: &&Remembered| archived || run.tags.get(ARCHIVED_TAG).is_none_or(|tag| tag != "true");
            // Of points at one place, NaN counts as 0: either of them may be the latest.
            let value = |cell: &TableCell| match cell {
                TableCell::Number(number) if number.is_nan() => Some(0.0),
                TableCell::Number(number) => Some(*number),
                _ => None,
            };
            for way in WAYS {
                let plain = TableQuery { order_by: Vec::new(), ..query.clone() };
                for query in [&query, &plain] {
                    let table = world.store.read(|reader| reader.through(way).run_table(query)).unwrap();
                    let pinned: Vec<&str> = table.pinned.iter().map(|row| &*row.run_id).collect();
                    prop_assert_eq!(pinned, pins[1..].iter().map(|id| &**id).collect::<Vec<_>>());
                    let known: BTreeMap<&str, &Remembered> =
                        world.runs.iter().filter(is_seen).map(|run| (&*run.run_id, run)).collect();
                    let ids: BTreeSet<&str> = table.rows.iter().map(|row| &*row.run_id).collect();
                    prop_assert_eq!(&ids, &known.keys().copied().collect::<BTreeSet<_>>());
                    for row in &table.rows {
                        let expected = known[&*row.run_id].cell(&at);
                        prop_assert_eq!(value(&row.cells[0]), value(&expected), "{:?} {:?}", row, expected);
                    }
                    if let Some(key) = query.order_by.first() {
                        let number = |cell: &TableCell| match cell {
                            TableCell::Number(number) if !number.is_nan() => Some(*number),
                            _ => None,
                        };
                        let cells: Vec<Option<f64>> = table.rows.iter().map(|row| number(&row.cells[0])).collect();
                        let there: Vec<f64> = cells.iter().copied().flatten().collect();
                        prop_assert!(cells[..there.len()].iter().all(Option::is_some));
                        let ordered = |a: &f64, b: &f64| if key.descending { a >= b } else { a <= b };
                        prop_assert!(there.is_sorted_by(ordered));
                    }
                }
            }
        }
    }
}
