//! Control groups (the second version): limits that hold for all processes of an attempt together.
//!
//! A group is made for each attempt that has limits, where this process may make one: in its own group, or in one above
//! it. Where that is comes from what the kernel says about this process, never from a fixed path. Where there is none,
//! [`Hierarchy::find`] and [`Group::make`] say why, and the caller limits what it can otherwise.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Processes that were told to end may take this long to be gone.
const PATIENCE: Duration = Duration::from_secs(2);
/// Over so many microseconds the time on processors is counted.
const PERIOD_US: u64 = 100_000;

/// What a group's processes may use together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Memory, with what the system caches for them.
    pub memory_bytes: Option<u64>,
    /// Thousandths of a processor.
    pub cpu_milli: Option<u32>,
    /// Processes and threads at once.
    pub processes: Option<u32>,
}

impl Wanted {
    fn controllers(&self) -> Vec<&'static str> {
        let all = [
            ("memory", self.memory_bytes.is_some()),
            ("cpu", self.cpu_milli.is_some()),
            ("pids", self.processes.is_some()),
        ];
        all.into_iter().filter(|(_, is_wanted)| *is_wanted).map(|(name, _)| name).collect()
    }
}

/// Where this process is among the groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    mount: PathBuf,
    own: PathBuf,
}

impl Hierarchy {
    /// The one that this process is in, or why there is none, in words.
    ///
    /// # Errors
    /// When there is none.
    pub fn find() -> Result<Self, String> {
        let read = |path| std::fs::read_to_string(path).map_err(|error| format!("`{path}`: {error}"));
        Self::of(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?)
    }

    fn of(mounts: &str, groups: &str) -> Result<Self, String> {
        let own = groups.lines().find_map(|line| line.strip_prefix("0::"));
        let own = own.ok_or("the kernel has no control groups of version 2")?;
        for line in mounts.lines() {
            let Some((place, kind)) = line.split_once(" - ") else { continue };
            if kind.split(' ').next() != Some("cgroup2") {
                continue;
            }
            let mut fields = place.split(' ').skip(3);
            let (Some(root), Some(mount)) = (fields.next(), fields.next()) else { continue };
            let (root, mount) = (unescaped(root), PathBuf::from(unescaped(mount)));
            // A part of the hierarchy may be all that is mounted.
            let Ok(below) = Path::new(own).strip_prefix(&root) else { continue };
            if below.components().all(|part| matches!(part, std::path::Component::Normal(_))) {
                return Ok(Self { own: mount.join(below), mount });
            }
        }
        Err("control groups of version 2 are not mounted where this process is among them".to_owned())
    }

    /// What groups can limit here: tried with each kind, in a group that is removed at once.
    ///
    /// # Errors
    /// When they can limit nothing, in words.
    pub fn probe(&self) -> Result<Wanted, String> {
        let all = Wanted { memory_bytes: Some(1 << 40), cpu_milli: Some(1_000), processes: Some(1_000) };
        let name = format!("slipway-probe-{}", std::process::id());
        let try_it = |wanted: Wanted| {
            let group = Group::make(self, &name, &wanted)?;
            group.remove().map_err(|error| format!("`{}` cannot be removed: {error}", group.path.display()))
        };
        let memory = try_it(Wanted { memory_bytes: all.memory_bytes, ..Wanted::default() });
        let found = Wanted {
            memory_bytes: all.memory_bytes.filter(|_| memory.is_ok()),
            cpu_milli: all
                .cpu_milli
                .filter(|_| try_it(Wanted { cpu_milli: all.cpu_milli, ..Wanted::default() }).is_ok()),
            processes: all
                .processes
                .filter(|_| try_it(Wanted { processes: all.processes, ..Wanted::default() }).is_ok()),
        };
        if found == Wanted::default() { Err(memory.err().unwrap_or_default()) } else { Ok(found) }
    }

    /// Its own group, and those above it as far as they can be seen.
    fn parents(&self) -> impl Iterator<Item = &Path> {
        self.own.ancestors().take_while(|parent| parent.starts_with(&self.mount))
    }
}

/// The group of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    path: PathBuf,
    /// Where this process belongs.
    home: PathBuf,
}

/// What the processes of a group have used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Most memory at once, when the kernel says so.
    pub peak_memory_bytes: Option<u64>,
    /// Time on processors.
    pub cpu_ms: Option<u64>,
    /// Processes that were ended because the group had no memory left.
    pub killed_for_memory: u64,
}

impl Group {
    /// Makes a group with limits, or says why there can be none, in words.
    ///
    /// # Errors
    /// When no group can be made here that has all that is wanted.
    pub fn make(hierarchy: &Hierarchy, name: &str, wanted: &Wanted) -> Result<Self, String> {
        let mut problem = "there is no group to make it in".to_owned();
        for parent in hierarchy.parents() {
            match Self::make_in(parent, &hierarchy.own, name, wanted) {
                Ok(group) => return Ok(group),
                Err(words) => problem = words,
            }
        }
        Err(problem)
    }

    fn make_in(parent: &Path, home: &Path, name: &str, wanted: &Wanted) -> Result<Self, String> {
        let controllers = wanted.controllers();
        let there = words(&parent.join("cgroup.controllers"));
        if let Some(missing) = controllers.iter().find(|name| !there.iter().any(|one| one == *name)) {
            return Err(format!("`{}` has no controller {missing}", parent.display()));
        }
        let failed = |what: &str, error: io::Error| format!("`{}`: {what}: {error}", parent.display());
        let enabled = words(&parent.join("cgroup.subtree_control"));
        let added: Vec<String> = controllers
            .iter()
            .filter(|name| !enabled.iter().any(|one| one == *name))
            .map(|name| format!("+{name}"))
            .collect();
        if !added.is_empty() {
            std::fs::write(parent.join("cgroup.subtree_control"), added.join(" "))
                .map_err(|error| failed("its groups cannot be given controllers", error))?;
        }
        let group = Self { path: parent.join(name), home: home.to_owned() };
        std::fs::create_dir(&group.path).map_err(|error| failed("a group cannot be made", error))?;
        if let Err(error) = group.limit(wanted) {
            let _ = std::fs::remove_dir(&group.path);
            return Err(failed("limits cannot be set", error));
        }
        Ok(group)
    }

    fn limit(&self, wanted: &Wanted) -> io::Result<()> {
        if let Some(bytes) = wanted.memory_bytes {
            self.set("memory.max", &bytes.to_string())?;
            // What does not fit must not go to the disk instead. Not every kernel counts that.
            let _ = self.set("memory.swap.max", "0");
            // A command of which one process is missing seldom notices.
            let _ = self.set("memory.oom.group", "1");
        }
        if let Some(milli) = wanted.cpu_milli {
            let quota_us = (u64::from(milli) * PERIOD_US / 1_000).max(1_000);
            self.set("cpu.max", &format!("{quota_us} {PERIOD_US}"))?;
        }
        if let Some(count) = wanted.processes {
            self.set("pids.max", &count.to_string())?;
        }
        Ok(())
    }

    fn set(&self, name: &str, value: &str) -> io::Result<()> {
        std::fs::write(self.path.join(name), value)
    }

    /// The group in a folder, as somebody else made it.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { home: path.clone(), path }
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Does something as a member of the group, so that whatever it starts is one from its first instruction on; then
    /// goes back.
    ///
    /// # Errors
    /// When this process may not go there and back; then nothing was done.
    pub fn within<T>(&self, what: impl FnOnce() -> T) -> io::Result<T> {
        // Whether the way back is open has to be known before.
        std::fs::write(self.home.join("cgroup.procs"), "0")?;
        std::fs::write(self.path.join("cgroup.procs"), "0")?;
        let done = what();
        if let Err(error) = std::fs::write(self.home.join("cgroup.procs"), "0") {
            tracing::warn!(%error, "the agent shares the limits of its command");
        }
        Ok(done)
    }

    /// Ids of its processes.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        words(&self.path.join("cgroup.procs")).iter().filter_map(|word| word.parse().ok()).collect()
    }

    /// What its processes have used so far.
    #[must_use]
    pub fn used(&self) -> Used {
        let number =
            |name: &str| std::fs::read_to_string(self.path.join(name)).ok()?.trim().parse::<u64>().ok();
        let line = |name: &str, key: &str| {
            let text = std::fs::read_to_string(self.path.join(name)).ok()?;
            text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse::<u64>().ok())
        };
        Used {
            peak_memory_bytes: number("memory.peak"),
            cpu_ms: line("cpu.stat", "usage_usec ").map(|us| us / 1_000),
            killed_for_memory: line("memory.events", "oom_kill ").unwrap_or(0),
        }
    }

    /// Ends its processes by force and removes it.
    ///
    /// # Errors
    /// When it is still there.
    pub fn remove(&self) -> io::Result<()> {
        if !self.processes().is_empty() {
            // Older kernels cannot; whoever else ends them has to.
            let _ = std::fs::write(self.path.join("cgroup.kill"), "1");
        }
        let until = Instant::now() + PATIENCE;
        loop {
            match std::fs::remove_dir(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                done => return done,
            }
        }
    }
}

fn words(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

/// As `mountinfo` writes spaces and the like.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, letter)| text.replace(code, letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIXED: &str = "\
23 1 0:20 / /proc rw - proc proc rw
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw
";

    #[test]
    fn the_hierarchy_is_where_the_kernel_says() {
        let find = Hierarchy::of;
        let found = find(MIXED, "4:memory:/x\n0::/user.slice/a.scope\n").unwrap();
        assert_eq!(found.own, Path::new("/sys/fs/cgroup/unified/user.slice/a.scope"));
        assert_eq!(found.mount, Path::new("/sys/fs/cgroup/unified"));
        let part = "9 1 0:2 /docker/abc /groups\\040here rw - cgroup2 cgroup rw\n";
        assert_eq!(find(part, "0::/docker/abc/x\n").unwrap().own, Path::new("/groups here/x"));
        assert!(find(part, "0::/elsewhere\n").unwrap_err().contains("not mounted"));
        assert!(find("9 1 0:2 / /g rw - cgroup2 c rw\n", "0::/../x\n").is_err());
        assert!(find(MIXED, "4:memory:/x\n").is_err());
        assert!(find("", "").is_err() && find("x - cgroup2\n", "0::/\n").is_err());
    }

    /// A folder with files like those of a kernel.
    fn tree() -> (tempfile::TempDir, Hierarchy) {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("slice/own");
        std::fs::create_dir_all(&own).unwrap();
        for (name, text) in [
            ("cgroup.controllers", "cpu memory pids\n"),
            ("cgroup.subtree_control", "memory\n"),
            ("slice/cgroup.controllers", "memory\n"),
            ("slice/cgroup.subtree_control", ""),
            ("slice/own/cgroup.controllers", ""),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let hierarchy = Hierarchy { mount: folder.path().to_owned(), own };
        (folder, hierarchy)
    }

    #[test]
    fn a_group_is_made_in_the_nearest_that_has_what_is_wanted() {
        let (folder, hierarchy) = tree();
        let read = |path: &str| std::fs::read_to_string(folder.path().join(path)).unwrap();
        let memory = Wanted { memory_bytes: Some(5 << 20), ..Wanted::default() };
        let group = Group::make(&hierarchy, "j-1", &memory).unwrap();
        assert_eq!(group.path(), folder.path().join("slice/j-1"));
        assert_eq!(read("slice/cgroup.subtree_control"), "+memory");
        assert_eq!(read("slice/j-1/memory.max"), "5242880");
        let all = Wanted { cpu_milli: Some(1_500), processes: Some(9), ..memory };
        let group = Group::make(&hierarchy, "j-2", &all).unwrap();
        assert_eq!(group.path(), folder.path().join("j-2"));
        assert_eq!(read("cgroup.subtree_control"), "+cpu +pids");
        assert_eq!((read("j-2/cpu.max"), read("j-2/pids.max")), ("150000 100000".to_owned(), "9".to_owned()));
        // Not twice, and not outside of what is mounted.
        assert!(Group::make(&hierarchy, "j-2", &all).unwrap_err().contains("cannot be made"));
        let narrow = Hierarchy { mount: hierarchy.own.clone(), ..hierarchy.clone() };
        assert!(Group::make(&narrow, "j-3", &memory).unwrap_err().contains("no controller memory"));
        assert!(narrow.probe().unwrap_err().contains("no controller memory"));
    }

    #[test]
    fn what_a_group_has_used_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let group = Group::at(folder.path().join("g"));
        assert_eq!((group.used(), group.processes()), (Used::default(), Vec::new()));
        std::fs::create_dir(group.path()).unwrap();
        for (name, text) in [
            ("memory.peak", "4096\n"),
            ("cpu.stat", "usage_usec 2500\nuser_usec 1\n"),
            ("memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 1\n"),
            ("cgroup.procs", "12\n15\n"),
        ] {
            std::fs::write(group.path().join(name), text).unwrap();
        }
        let expected = Used { peak_memory_bytes: Some(4_096), cpu_ms: Some(2), killed_for_memory: 2 };
        assert_eq!((group.used(), group.processes()), (expected, vec![12, 15]));
    }
}
