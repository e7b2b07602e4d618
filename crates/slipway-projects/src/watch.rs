//! Watches the folder of an opened project for new files and changed descriptions.
//!
//! The system tells what changes. Where it cannot (network file systems, too many folders) or says too much (a storm
//! of events), the folder is looked at every now and then instead, and [`Watch::how`] says so.

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Folders that are watched; a project has its files near its root.
const MAX_FOLDERS: usize = 1_000;
const MAX_DEPTH: usize = 4;
/// Files that a look counts.
const MAX_FILES: usize = 20_000;

/// How patient a watch is.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Waits this long for more before it tells.
    pub gather: Duration,
    /// Between two looks where there are no events.
    pub look_every: Duration,
    /// More events than this within a second are a storm.
    pub storm: u64,
    /// Events are not listened to for so long after a storm.
    pub calm: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            gather: Duration::from_millis(300),
            look_every: Duration::from_secs(10),
            storm: 5_000,
            calm: Duration::from_secs(60),
        }
    }
}

/// How changes are noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// The system tells at once.
    Events,
    /// By looking every so often.
    Looking {
        /// Seconds between two looks.
        every_s: u64,
        /// Why there are no events.
        why: String,
    },
}

/// A watch that ends when it is dropped.
#[derive(Debug)]
pub struct Watch {
    how: Arc<Mutex<How>>,
    /// Its end tells the thread to end.
    _end: Sender<Told>,
}

enum Told {
    Event { makes_folder: bool },
}

impl Watch {
    /// Begins to watch; `changed` is called from another thread, at most every [`Pace::gather`], and when
    /// [`Watch::how`] has changed.
    #[must_use]
    pub fn start(folder: PathBuf, pace: Pace, changed: impl Fn() + Send + 'static) -> Self {
        let how = Arc::new(Mutex::new(How::Events));
        let (end, ended) = channel();
        let shared = Arc::clone(&how);
        std::thread::spawn(move || Watching { folder, pace, how: shared, changed }.run(&ended));
        Self { how, _end: end }
    }

    /// How changes are noticed at the moment.
    #[must_use]
    pub fn how(&self) -> How {
        self.how.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Watching<F> {
    folder: PathBuf,
    pace: Pace,
    how: Arc<Mutex<How>>,
    changed: F,
}

impl<F: Fn()> Watching<F> {
    fn run(&self, ended: &Receiver<Told>) {
        let mut seen = look(&self.folder);
        loop {
            let why = match self.listen(ended, &mut seen) {
                Ok(Stop::Ended) => return,
                Ok(Stop::Storm) => "too much changes at once".to_owned(),
                Err(why) => why,
            };
            let is_storm = why.starts_with("too much");
            self.set(How::Looking { every_s: self.pace.look_every.as_secs(), why });
            let until = is_storm.then(|| Instant::now() + self.pace.calm);
            while until.is_none_or(|until| Instant::now() < until) {
                match ended.recv_timeout(self.pace.look_every) {
                    Err(RecvTimeoutError::Disconnected) => return,
                    _ => self.tell_if_changed(&mut seen),
                }
            }
        }
    }

    /// Whoever shows the project is told, so that the page says it by itself.
    fn set(&self, how: How) {
        let before =
            std::mem::replace(&mut *self.how.lock().unwrap_or_else(PoisonError::into_inner), how.clone());
        if before != how {
            (self.changed)();
        }
    }

    fn tell_if_changed(&self, seen: &mut u64) {
        let now = look(&self.folder);
        if now != *seen {
            *seen = now;
            (self.changed)();
        }
    }

    /// Listens to events until there are too many of them.
    fn listen(&self, ended: &Receiver<Told>, seen: &mut u64) -> Result<Stop, String> {
        if on_network(&self.folder) {
            return Err("the folder is on a network file system, which tells nothing".to_owned());
        }
        let (tell, told) = channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            // Reading changes nothing.
            if !matches!(event.kind, EventKind::Access(_)) {
                let makes_folder = matches!(
                    event.kind,
                    EventKind::Create(_) | EventKind::Modify(notify::event::ModifyKind::Name(_))
                );
                let _ = tell.send(Told::Event { makes_folder });
            }
        })
        .map_err(|error| format!("the system's events cannot be listened to ({error})"))?;
        self.watch_folders(&mut watcher)?;
        self.set(How::Events);
        // Something may have changed before the first folder was watched.
        self.tell_if_changed(seen);
        let mut second = Instant::now();
        let mut events = 0_u64;
        loop {
            // A timeout is the chance to see that the watch has ended.
            let first = match told.recv_timeout(Duration::from_millis(250)) {
                Ok(Told::Event { makes_folder }) => Some(makes_folder),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err("the system's events have ended".to_owned());
                }
            };
            if matches!(ended.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected)) {
                return Ok(Stop::Ended);
            }
            let Some(mut makes_folder) = first else { continue };
            if second.elapsed() > Duration::from_secs(1) {
                (second, events) = (Instant::now(), 0);
            }
            events += 1;
            let until = Instant::now() + self.pace.gather;
            while let Ok(Told::Event { makes_folder: more }) =
                told.recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                makes_folder |= more;
                events += 1;
                if events > self.pace.storm {
                    return Ok(Stop::Storm);
                }
            }
            if makes_folder {
                self.watch_folders(&mut watcher)?;
            }
            self.tell_if_changed(seen);
        }
    }

    /// Watches each folder near the root by itself, so that a huge one beside them costs nothing.
    fn watch_folders(&self, watcher: &mut RecommendedWatcher) -> Result<(), String> {
        let folders = folders(&self.folder);
        if folders.len() > MAX_FOLDERS {
            return Err(format!("it has more than {MAX_FOLDERS} folders"));
        }
        for folder in folders {
            // A folder may be gone again.
            if let Err(error) = watcher.watch(&folder, RecursiveMode::NonRecursive)
                && folder.is_dir()
            {
                return Err(format!("the system refuses to tell about its folders ({error})"));
            }
        }
        Ok(())
    }
}

enum Stop {
    Ended,
    Storm,
}

fn is_skipped(name: &str) -> bool {
    name.starts_with('.') && name != ".hydra"
        || matches!(
            name,
            "node_modules" | "__pycache__" | "site-packages" | "venv" | "env" | "mlruns" | "wandb"
        )
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.to_owned()];
    let mut waiting = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = waiting.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && depth < MAX_DEPTH && !is_skipped(&entry.file_name().to_string_lossy()) {
                found.push(entry.path());
                waiting.push((entry.path(), depth + 1));
                if found.len() > MAX_FOLDERS {
                    return found;
                }
            }
        }
    }
    found
}

/// A number that changes when a file that matters comes, goes or changes.
fn look(root: &Path) -> u64 {
    let mut files = Vec::new();
    'folders: for folder in folders(root) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let lower = name.to_lowercase();
            let matters = lower == "mlproject"
                || [".py", ".ipynb", ".yaml", ".yml", ".toml", ".lock", ".txt", ".sh"]
                    .iter()
                    .any(|end| lower.ends_with(end));
            if !matters {
                continue;
            }
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_file() {
                files.push((entry.path(), meta.len(), meta.modified().ok()));
            }
            if files.len() >= MAX_FILES {
                break 'folders;
            }
        }
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    hasher.finish()
}

/// Network file systems accept a watch and then tell only what this machine does itself.
fn on_network(folder: &Path) -> bool {
    // NFS, SMB, CIFS, SMB2, AFS, Ceph, FUSE, 9p, Lustre: by the numbers of the kernel.
    const NETWORKS: [i64; 9] = [
        0x6969,
        0x517B,
        0xFF53_4D42,
        0xFE53_4D42,
        0x5346_414F,
        0x00C3_6400,
        0x6573_5546,
        0x0102_1997,
        0x0BD0_0BD0,
    ];
    rustix::fs::statfs(folder).is_ok_and(|stat| NETWORKS.contains(&stat.f_type))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

    use super::*;
    use std::sync::mpsc::channel;

    fn pace() -> Pace {
        Pace {
            gather: Duration::from_millis(50),
            look_every: Duration::from_millis(100),
            storm: 200,
            calm: Duration::from_millis(700),
        }
    }

    fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < Duration::from_secs(20), "{what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn new_and_changed_files_are_told_also_in_new_folders() {
        let folder = tempfile::tempdir().unwrap();
        let (tell, told) = channel();
        let watch = Watch::start(folder.path().to_owned(), pace(), move || {
            let _ = tell.send(());
        });
        let heard = || told.recv_timeout(Duration::from_secs(10)).is_ok();
        std::thread::sleep(Duration::from_millis(100));
        std::fs::write(folder.path().join("MLproject"), "name: x").unwrap();
        assert!(heard(), "a new file");
        std::fs::create_dir(folder.path().join("src")).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        std::fs::write(folder.path().join("src/train.py"), "1").unwrap();
        assert!(heard(), "in a new folder");
        while told.recv_timeout(Duration::from_millis(300)).is_ok() {}
        std::fs::write(folder.path().join("model.bin"), "weights").unwrap();
        assert!(told.recv_timeout(Duration::from_millis(500)).is_err(), "what does not matter is not told");
        assert_eq!(watch.how(), How::Events);
    }

    #[test]
    fn a_storm_is_looked_at_and_said_and_passes() {
        let folder = tempfile::tempdir().unwrap();
        let (tell, told) = channel();
        let watch = Watch::start(folder.path().to_owned(), pace(), move || {
            let _ = tell.send(());
        });
        std::thread::sleep(Duration::from_millis(200));
        assert!(told.try_recv().is_err(), "nothing has changed");
        for number in 0..3_000 {
            std::fs::write(folder.path().join(format!("{number}.bin")), "x").unwrap();
        }
        until(
            "the storm is said",
            || matches!(watch.how(), How::Looking { ref why, .. } if why.contains("too much")),
        );
        assert!(told.recv_timeout(Duration::from_secs(5)).is_ok(), "that it is looked at now is told");
        std::fs::write(folder.path().join("new.py"), "1").unwrap();
        assert!(told.recv_timeout(Duration::from_secs(5)).is_ok(), "seen by looking");
        until("events again", || watch.how() == How::Events);
        assert!(told.recv_timeout(Duration::from_secs(5)).is_ok(), "that it has passed is told");
    }
}
