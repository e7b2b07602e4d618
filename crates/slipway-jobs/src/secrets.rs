//! Secrets by name, in one file of the data folder that only its owner can read.
//!
//! A description of a job names them. Their values go from here into the variables of a command, and nowhere else.

use crate::spec::is_secret_name;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The secrets of a data folder.
#[derive(Debug, Clone)]
pub struct Secrets {
    file: PathBuf,
}

impl Secrets {
    /// Those of a data folder.
    #[must_use]
    pub fn of(data_folder: &Path) -> Self {
        Self { file: data_folder.join("secrets.json") }
    }

    /// The file that they are in.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// All of them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn all(&self) -> io::Result<BTreeMap<String, String>> {
        match std::fs::read(&self.file) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        }
    }

    /// Their names.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.all()?.into_keys().collect())
    }

    /// Keeps one, or forgets it; false when there was nothing to forget.
    ///
    /// # Errors
    /// When the name cannot be one, or the file cannot be written.
    pub fn set(&self, name: &str, value: Option<&str>) -> io::Result<bool> {
        if !is_secret_name(name) {
            let words = "a secret's name has up to 100 letters, digits, `_`, `-` and `.`";
            return Err(io::Error::new(ErrorKind::InvalidInput, words));
        }
        let mut all = self.all()?;
        let had = match value {
            Some(value) => {
                all.insert(name.to_owned(), value.to_owned());
                true
            }
            None => all.remove(name).is_some(),
        };
        let temporary = self.file.with_extension("new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&serde_json::to_vec(&all)?)?;
        file.sync_all()?;
        std::fs::rename(&temporary, &self.file)?;
        Ok(had)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn secrets_are_kept_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::of(folder.path());
        assert!(secrets.names().unwrap().is_empty());
        assert!(secrets.set("HF_TOKEN", Some("hf_x")).unwrap());
        assert_eq!(secrets.all().unwrap()["HF_TOKEN"], "hf_x");
        let mode = std::fs::metadata(folder.path().join("secrets.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(secrets.set("a b", Some("x")).is_err());
        assert!(secrets.set("HF_TOKEN", None).unwrap() && !secrets.set("HF_TOKEN", None).unwrap());
    }
}
