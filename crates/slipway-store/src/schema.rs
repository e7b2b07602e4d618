//! The shape of the database file, and how an older shape becomes the present one.
//!
//! Each step of [`MIGRATIONS`] is applied in a transaction of its own after a backup was written to the `backups`
//! folder beside the database. Steps are only ever added: a database in someone's hands may be at any of them.

use crate::error::{Error, Result};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// Steps from an empty file to the present shape. The schema version is the number of steps applied.
const MIGRATIONS: &[&str] = &[include_str!("../migrations/0001.sql")];

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
    for (index, step) in MIGRATIONS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        if index > 0 {
            back_up(connection, backups, &format!("slipway-v{index}-{stamp}.db"))?;
        }
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {step}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}; COMMIT;",
            index + 1
        ))?;
    }
    Ok(())
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
    std::fs::create_dir_all(backups).map_err(io)?;
    if !target.exists() {
        let partial = backups.join("unfinished");
        match std::fs::remove_file(&partial) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
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
}
