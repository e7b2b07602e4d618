//! The shape of the database file, and how an older shape becomes the present one.
//!
//! Each step of [`MIGRATIONS`] is applied in a transaction of its own after a backup was written to the `backups`
//! folder beside the database. Steps are only ever added: a database in someone's hands may be at any of them.

use crate::error::{Error, Result};
use crate::history::migrate;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Steps from an empty file to the present shape. The schema version is the number of steps applied.
const MIGRATIONS: &[Step] = &[
    Step::Sql(include_str!("../migrations/0001.sql")),
    Step::Code(migrate::points_to_chunks),
    Step::Sql(include_str!("../migrations/0003.sql")),
    Step::Code(migrate::tails_by_run),
    Step::Sql(include_str!("../migrations/0005.sql")),
    Step::Sql(include_str!("../migrations/0006.sql")),
    Step::Sql(include_str!("../migrations/0007.sql")),
];

/// One migration. It runs inside a transaction of its own, which it must leave open.
enum Step {
    Sql(&'static str),
    Code(fn(&Connection) -> Result<()>),
}

/// Version of the schema that this program reads and writes.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// Written into the file's header, so that a foreign SQLite file is told apart ("SLIP").
const APPLICATION_ID: i64 = 0x534C_4950;

/// Brings the database behind `connection` to [`SCHEMA_VERSION`], or says why that cannot be.
///
/// `stamp` names the backup; it is any text that sorts by time.
pub(crate) fn migrate(connection: &Connection, path: &Path, backups: &Path, stamp: &str) -> Result<()> {
    let found = version(connection)?;
    let application_id: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if tables > 0 && application_id != APPLICATION_ID {
        let reason = "it is an SQLite file of another program".to_owned();
        return Err(Error::Foreign { path: path.to_owned(), reason });
    }
    if found > SCHEMA_VERSION {
        return Err(Error::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION });
    }
    if tables == 0 {
        // Has to be said before the first table is made. Freed pages can then go back to the disk one by one.
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL;")?;
    }
    for (index, step) in MIGRATIONS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        if tables > 0 {
            back_up(connection, backups, &format!("slipway-v{index}-{stamp}.db"))?;
        }
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        match step {
            Step::Sql(sql) => transaction.execute_batch(sql)?,
            Step::Code(run) => run(&transaction)?,
        }
        transaction.execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {};",
            index + 1
        ))?;
        transaction.commit()?;
    }
    if tables > 0 && found == 1 {
        shrink_once(connection);
    }
    Ok(())
}

/// Rewrites a file of the first versions, so that it is small and can give pages back from now on. When there is no
/// room for that, it works as well as it is.
fn shrink_once(connection: &Connection) {
    if let Err(error) = connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;") {
        tracing::warn!(%error, "the database was migrated, but could not be made smaller");
    }
}

fn version(connection: &Connection) -> Result<i64> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Writes a complete copy of the database; an existing file of that name is left alone.
///
/// It gets its name when it is whole: nobody must take a copy that was cut off for a backup.
fn back_up(connection: &Connection, backups: &Path, name: &str) -> Result<PathBuf> {
    let target = backups.join(name);
    let io = |source| Error::Io { what: format!("cannot back up to {}", target.display()), source };
    // Whoever may read the database is the only one who may read its copies.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(backups).map_err(io)?;
    if !target.exists() {
        let partial = backups.join("unfinished");
        match std::fs::remove_file(&partial) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial).map_err(io)?;
        connection.execute("VACUUM INTO ?1", [partial.to_string_lossy().as_ref()])?;
        std::fs::File::open(&partial).and_then(|file| file.sync_all()).map_err(io)?;
        std::fs::rename(&partial, &target).map_err(io)?;
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path) -> Connection {
        Connection::open(dir.join("slipway.db")).unwrap()
    }

    #[test]
    fn a_new_file_gets_the_present_version() {
        let dir = tempfile::tempdir().unwrap();
        let connection = open(dir.path());
        migrate(&connection, Path::new("x"), &dir.path().join("backups"), "now").unwrap();
        assert_eq!(version(&connection).unwrap(), SCHEMA_VERSION);
        // Opening it again changes nothing.
        migrate(&connection, Path::new("x"), &dir.path().join("backups"), "now").unwrap();
    }

    #[test]
    fn a_newer_file_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let connection = open(dir.path());
        migrate(&connection, Path::new("x"), dir.path(), "now").unwrap();
        connection.execute_batch("PRAGMA user_version = 999").unwrap();
        let error = migrate(&connection, Path::new("x"), dir.path(), "now").unwrap_err().to_string();
        assert!(error.contains("schema version 999"), "{error}");
        assert_eq!(version(&connection).unwrap(), 999);
    }

    #[test]
    fn a_database_of_another_program_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let connection = open(dir.path());
        connection.execute_batch("CREATE TABLE alembic_version (version_num TEXT)").unwrap();
        let error = migrate(&connection, Path::new("mlflow.db"), dir.path(), "now").unwrap_err();
        assert!(matches!(error, Error::Foreign { .. }), "{error}");
    }

    #[test]
    fn a_backup_is_a_complete_database() {
        let dir = tempfile::tempdir().unwrap();
        let connection = open(dir.path());
        migrate(&connection, Path::new("x"), dir.path(), "now").unwrap();
        let copy = back_up(&connection, &dir.path().join("backups"), "copy.db").unwrap();
        let copied: i64 = Connection::open(copy)
            .unwrap()
            .query_row("SELECT count(*) FROM experiments", [], |row| row.get(0))
            .unwrap();
        assert_eq!(copied, 1);
    }

    /// A database as version 1 left it: a run with one short and one long history.
    fn version_1(dir: &Path) -> Connection {
        let connection = open(dir);
        connection.execute_batch(include_str!("../migrations/0001.sql")).unwrap();
        connection
            .execute_batch(&format!(
                "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;
                 INSERT INTO names (id, text) VALUES (1, 'short'), (2, 'long');
                 INSERT INTO runs (id, run_id, experiment, name, user, status, artifact_uri)
                 VALUES (1, 'r', 0, 'r', '', 1, '');
                 INSERT INTO series (id, run, name, points, last_step, last_ms, last_bits, first_step, first_ms,
                 first_bits) VALUES (7, 1, 1, 2, 0, 0, 0, 0, 0, 0), (8, 1, 2, 3000, 0, 0, 0, 0, 0, 0);
                 INSERT INTO points VALUES (7, -3, 5, 4607182418800017408), (7, -3, 4, -1);
                 WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2999)
                 INSERT INTO points SELECT 8, i, i * 10, i * 1000003 FROM n;"
            ))
            .unwrap();
        connection
    }

    fn check_version_2(dir: &Path) {
        let store = crate::Store::open(dir, Box::new(|_| {})).unwrap();
        let read = |key: &str| store.read(|reader| reader.series("r", key)).unwrap();
        let bits = |points: Vec<crate::Point>| -> Vec<_> {
            points
                .iter()
                .map(|point| (point.step, point.time_ms, point.value.to_bits().cast_signed()))
                .collect()
        };
        assert_eq!(bits(read("short")), [(-3, 4, -1), (-3, 5, 4_607_182_418_800_017_408)]);
        let long: Vec<_> = (0..3000).map(|i| (i, i * 10, i * 1_000_003)).collect();
        assert_eq!(bits(read("long")), long);
        store.close();
    }

    #[test]
    fn points_of_version_1_become_chunks() {
        let dir = tempfile::tempdir().unwrap();
        drop(version_1(dir.path()));
        check_version_2(dir.path());
        let connection = open(dir.path());
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT sum(points) FROM chunks"), 3000);
        assert_eq!(count("SELECT count(*) FROM sqlite_master WHERE name = 'points'"), 0);
        assert_eq!(count("PRAGMA auto_vacuum"), 2);
        // One before each step.
        let backups = std::fs::read_dir(dir.path().join("backups")).unwrap().count();
        assert_eq!(backups as i64, SCHEMA_VERSION - 1);
    }

    /// Growth stops at each page in turn, as on a full disk: the file stays at its version with all that was in it.
    #[test]
    fn a_migration_that_fails_anywhere_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let backups = dir.path().join("backups");
        let connection = version_1(dir.path());
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let points = "SELECT count(*) || ':' || sum(bits) FROM points";
        let before: String = connection.query_row(points, [], |row| row.get(0)).unwrap();
        let mut failed = 0;
        for more in 0.. {
            let limit = format!("PRAGMA max_page_count = {}", pages + more);
            connection.query_row(&limit, [], |row| row.get::<_, i64>(0)).unwrap();
            match migrate(&connection, Path::new("x"), &backups, "now") {
                Ok(()) => break,
                Err(error) => assert!(matches!(error, Error::DiskFull), "{error}"),
            }
            failed += 1;
            assert!(connection.is_autocommit());
            // Each step is whole or not at all: it stays where the last whole one brought it.
            let at = version(&connection).unwrap();
            assert!(at < SCHEMA_VERSION, "{at}");
            if at == 1 {
                assert_eq!(connection.query_row(points, [], |row| row.get::<_, String>(0)).unwrap(), before);
            }
        }
        assert!(failed > 3, "{failed}");
        drop(connection);
        check_version_2(dir.path());
    }
}
