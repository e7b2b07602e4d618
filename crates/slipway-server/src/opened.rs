//! The projects that were opened: a small file in the data folder, and a watch on each folder while the server runs.

use crate::EventBus;
use serde::{Deserialize, Serialize};
use slipway_projects::watch::{How, Pace, Watch};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

const FILE: &str = "projects.json";
/// More than a person keeps open; the oldest are forgotten.
const MOST: usize = 200;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) project: String,
    pub(crate) opened_ms: i64,
}

/// All of them, and who watches.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    watches: Mutex<HashMap<String, Watch>>,
}

impl Opened {
    /// The opened projects, last opened first; their folders are watched from now on.
    pub(crate) fn list(&self, data_dir: &Path, events: &EventBus) -> io::Result<Vec<Entry>> {
        let mut watches = self.lock();
        let entries = read(data_dir)?;
        watches.retain(|project, _| entries.iter().any(|entry| entry.project == *project));
        for entry in &entries {
            watch(&mut watches, &entry.project, events);
        }
        Ok(entries)
    }

    /// Adds one, or makes it the last that was opened.
    pub(crate) fn add(
        &self,
        data_dir: &Path,
        project: &str,
        at_ms: i64,
        events: &EventBus,
    ) -> io::Result<()> {
        let mut watches = self.lock();
        let mut entries = read(data_dir)?;
        entries.retain(|entry| entry.project != project);
        entries.insert(0, Entry { project: project.to_owned(), opened_ms: at_ms });
        entries.truncate(MOST);
        write(data_dir, &entries)?;
        watch(&mut watches, project, events);
        drop(watches);
        events.projects_changed(project);
        Ok(())
    }

    /// Forgets one; its files stay as they are.
    pub(crate) fn remove(&self, data_dir: &Path, project: &str, events: &EventBus) -> io::Result<bool> {
        let mut watches = self.lock();
        let mut entries = read(data_dir)?;
        let before = entries.len();
        entries.retain(|entry| entry.project != project);
        if entries.len() == before {
            return Ok(false);
        }
        write(data_dir, &entries)?;
        watches.remove(project);
        drop(watches);
        events.projects_changed(project);
        Ok(true)
    }

    /// How the changes of one are noticed; nothing for what is not watched.
    pub(crate) fn how(&self, project: &str) -> Option<How> {
        self.lock().get(project).map(Watch::how)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Watch>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn watch(watches: &mut HashMap<String, Watch>, project: &str, events: &EventBus) {
    let folder = PathBuf::from(project);
    if watches.contains_key(project) || !folder.is_dir() {
        return;
    }
    let (events, named) = (events.clone(), project.to_owned());
    let begun = Watch::start(folder, Pace::default(), move || events.projects_changed(&named));
    watches.insert(project.to_owned(), begun);
}

fn read(data_dir: &Path) -> io::Result<Vec<Entry>> {
    match std::fs::read(data_dir.join(FILE)) {
        // A file that was damaged is begun anew: it only remembers what was opened.
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn write(data_dir: &Path, entries: &[Entry]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(data_dir)?;
    serde_json::to_writer_pretty(&mut file, entries)?;
    file.as_file().sync_all()?;
    file.persist(data_dir.join(FILE)).map_err(|error| error.error)?;
    Ok(())
}
