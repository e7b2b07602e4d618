//! Upgrades that are killed or fail at any statement.

use super::{Files, VERSION_1, VERSION_3, VERSION_4, VERSION_6, everything, files, open, put, written};
use crate::schema;
use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use std::cell::RefCell;
use std::path::Path;

/// Watches the statements of the migration on this thread.
struct Watch {
    dir: std::path::PathBuf,
    statements: usize,
    /// Steps of SQLite's machine.
    operations: usize,
    /// What lay on disk when a statement began, and now and then while one ran.
    states: Vec<Files>,
    broken_backups: usize,
    /// The statement at which to fail; 0 for none.
    fail_at: usize,
}

thread_local! {
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

impl Watch {
    fn look(&mut self) {
        if self.fail_at == 0 {
            let state = files(&self.dir);
            if self.states.last() != Some(&state) {
                self.states.push(state);
            }
            self.broken_backups += broken_backups(&self.dir.join("backups"));
        }
    }
}

fn on_statement(event: TraceEvent<'_>) {
    let TraceEvent::Stmt(..) = event else { return };
    WATCH.with_borrow_mut(|watch| {
        if let Some(watch) = watch {
            watch.statements += 1;
            watch.look();
        }
    });
}

/// Gives true where SQLite is to stop.
fn on_operation() -> bool {
    WATCH.with_borrow_mut(|watch| {
        let Some(watch) = watch else { return false };
        watch.operations += 1;
        if watch.operations.is_multiple_of(100) {
            watch.look();
        }
        watch.fail_at != 0 && watch.statements >= watch.fail_at
    })
}

/// How many files look like a backup and are none.
fn broken_backups(backups: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(backups) else { return 0 };
    let is_broken = |path: &std::path::PathBuf| {
        let runs = Connection::open(path).and_then(|copy| {
            copy.busy_timeout(std::time::Duration::ZERO)?;
            copy.query_row("SELECT count(*) FROM runs", [], |row| row.get::<_, i64>(0))
        });
        path.extension().is_some_and(|ending| ending == "db") && runs != Ok(5)
    };
    entries.map(|entry| entry.unwrap().path()).filter(is_broken).count()
}

/// Migrates the database in `dir` while every statement is watched. Gives what was seen, and how it ended.
fn migrate_watched(dir: &Path, fail_at: usize) -> (Watch, crate::Result<()>) {
    let connection = Connection::open(dir.join("slipway.db")).unwrap();
    // As little memory as possible, so that what is not committed yet reaches the disk, too.
    connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA cache_size = 1;").unwrap();
    let watched = Watch {
        dir: dir.to_owned(),
        statements: 0,
        operations: 0,
        states: Vec::new(),
        broken_backups: 0,
        fail_at,
    };
    WATCH.set(Some(watched));
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(on_statement));
    connection.progress_handler(1, Some(on_operation)).unwrap();
    let path = dir.join("slipway.db");
    let result = schema::migrate(&connection, &path, &dir.join("backups"), "20260101T000000Z");
    // Before it is closed, which puts the log into the database.
    let last = files(dir);
    drop(connection);
    let mut watch = WATCH.take().unwrap();
    watch.states.push(last);
    (watch, result)
}

#[test]
fn an_upgrade_that_is_killed_at_any_statement_is_made_up_for_by_the_next_start() {
    for old in [VERSION_1, VERSION_3, VERSION_4, VERSION_6].map(written) {
        is_made_up_for_when_killed(&old);
    }
}

fn is_made_up_for_when_killed(old: &Files) {
    let expected = everything(put(old).path());
    assert!(expected.contains("odd numbers") && expected.contains("champion"));
    let dir = put(old);
    let (watch, result) = migrate_watched(dir.path(), 0);
    result.unwrap();
    assert!(watch.statements >= 2, "nothing was watched");
    assert_eq!(watch.broken_backups, 0, "a kill would have left half a backup that looks like a whole one");
    for (number, state) in watch.states.iter().enumerate() {
        let left = put(state);
        assert_eq!(everything(left.path()), expected, "state {number} of {}", watch.states.len());
        // Once more, as every later start does.
        if number.is_multiple_of(16) {
            assert_eq!(everything(left.path()), expected, "state {number} of {}", watch.states.len());
        }
    }
}

#[test]
fn an_upgrade_that_fails_at_any_statement_is_made_up_for_by_the_next_start() {
    for old in [VERSION_1, VERSION_3, VERSION_4, VERSION_6].map(written) {
        is_made_up_for_when_it_fails(&old);
    }
}

fn is_made_up_for_when_it_fails(old: &Files) {
    let expected = everything(put(old).path());
    let (watch, _) = migrate_watched(put(old).path(), 0);
    // Each of the first ones; of thousands that copy rows, some.
    let stride = (watch.statements / 150).max(1);
    for fail_at in (1..=watch.statements).filter(|number| *number < 60 || number % stride == 0) {
        let dir = put(old);
        let (_, result) = migrate_watched(dir.path(), fail_at);
        let failed = result.is_err();
        assert_eq!(everything(dir.path()), expected, "after failing ({failed}) at statement {fail_at}");
    }
}

#[test]
fn a_first_start_that_is_killed_or_fails_at_any_statement_is_made_up_for_by_the_next() {
    let is_usable = |dir: &Path| {
        let store = open(dir);
        assert_eq!(store.read(|reader| reader.experiment(0)).unwrap().name, "Default");
        store.close();
    };
    let dir = tempfile::tempdir().unwrap();
    let (watch, result) = migrate_watched(dir.path(), 0);
    result.unwrap();
    assert!(watch.statements > 20, "each statement of a step is one of its own: {}", watch.statements);
    for state in &watch.states {
        is_usable(put(state).path());
    }
    let mut failures = 0;
    for fail_at in 1..=watch.statements {
        let dir = tempfile::tempdir().unwrap();
        failures += usize::from(migrate_watched(dir.path(), fail_at).1.is_err());
        is_usable(dir.path());
    }
    assert!(failures > watch.statements / 2, "only {failures} of {} failed", watch.statements);
}
