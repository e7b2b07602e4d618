//! What a command may use at most: enforced by a control group where one can be made, by the engine for a container, and
//! else as far as the limits of single processes go. Whatever it is, it is said.

use crate::cgroup::{Group, Hierarchy, Wanted};
use crate::spec::Resources;
use crate::target::{Cause, ExitRecord, Submission};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// The variable with the limits as words for an engine; empty when there are none.
pub(super) const ENGINE_VARIABLE: &str = crate::container::LIMITS_VARIABLE;

/// The limits of one attempt's command.
pub(super) struct Limits {
    wanted: Wanted,
    by_engine: bool,
    group: Option<Group>,
    /// Why there is no group.
    problem: String,
}

impl Limits {
    /// Makes a group for an attempt that has limits, if one can be made.
    pub(super) fn prepare(submission: &Submission) -> Self {
        let Resources { memory_bytes, cpu_milli, processes, .. } = submission.spec.resources;
        let wanted = Wanted { memory_bytes, cpu_milli, processes };
        let by_engine = submission.spec.container_engine.is_some();
        let mut limits = Self { wanted, by_engine, group: None, problem: String::new() };
        if by_engine || wanted == Wanted::default() {
            return limits;
        }
        let name = format!("slipway-{}-{}", submission.attempt.job, submission.attempt.number);
        match Hierarchy::find().and_then(|hierarchy| Group::make(&hierarchy, &name, &wanted)) {
            Ok(group) => match group.within(|| ()) {
                Ok(()) => limits.group = Some(group),
                Err(error) => {
                    limits.problem =
                        format!("a process may not be put into `{}`: {error}", group.path().display());
                    // Empty, and of no use.
                    let _ = group.remove();
                }
            },
            Err(problem) => limits.problem = problem,
        }
        limits
    }

    /// The group that the command has to be started in.
    pub(super) fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// What an engine has to be told.
    pub(super) fn for_engine(&self) -> String {
        let Wanted { memory_bytes, cpu_milli, processes } = self.wanted;
        let words = [
            memory_bytes.map(|bytes| format!("--memory={bytes}b")),
            cpu_milli.map(|milli| format!("--cpus={}", f64::from(milli) / 1_000.0)),
            processes.map(|count| format!("--pids-limit={count}")),
        ];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// Limits a command that has just been started in other ways when there is no group, and says how all is enforced.
    pub(super) fn apply(&self, pid: u32) -> String {
        let Wanted { memory_bytes, cpu_milli, processes } = self.wanted;
        let memory = memory_bytes.map(|bytes| format!("memory: {} MiB", bytes >> 20));
        let cpu = cpu_milli.map(|milli| format!("processors: {}", f64::from(milli) / 1_000.0));
        let count = processes.map(|count| format!("processes: {count}"));
        if memory.is_none() && cpu.is_none() && count.is_none() {
            return "no limits".to_owned();
        }
        let together =
            |words: [Option<String>; 3]| words.into_iter().flatten().collect::<Vec<_>>().join(", ");
        if self.by_engine {
            return format!("{}; by the container engine", together([memory, cpu, count]));
        }
        if self.group.is_some() {
            return format!(
                "{}; of all processes together, by their control group",
                together([memory, cpu, count])
            );
        }
        let memory = memory_bytes.map(|bytes| {
            let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            // Of each process, and of what it writes to; address space alone would be too little for most libraries.
            match prlimit(pid, Resource::Data, limit) {
                Ok(_) => format!("memory of each process: {} MiB, by its resource limit", bytes >> 20),
                Err(error) => format!("memory: counted, not limited ({error})"),
            }
        });
        let counted = cpu.map(|words| format!("{words} counted, not limited"));
        let free = count.map(|words| format!("{words} not limited"));
        let words = [memory, counted, free].into_iter().flatten().collect::<Vec<_>>().join("; ");
        format!("{words} (no control group: {})", self.problem)
    }

    /// Ends and removes the group, and adds to the record what it tells.
    pub(super) fn end(&self, record: &mut ExitRecord) {
        let Some(group) = &self.group else { return };
        let used = group.used();
        if let Err(error) = group.remove() {
            tracing::warn!(%error, group = %group.path().display(), "a control group stays");
        }
        record.cpu_ms = used.cpu_ms;
        record.peak_memory_bytes = used.peak_memory_bytes;
        if let (1.., Some(bytes)) = (used.killed_for_memory, self.wanted.memory_bytes) {
            let more = format!("it needed more than its {} MiB", bytes >> 20);
            record.reason = if record.cause == Cause::Exited && record.signal == Some(9) {
                format!("killed: {more}")
            } else {
                format!("{}; a process of it was killed: {more}", record.reason)
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Command, JobSpec};
    use crate::{JobId, target::Place};

    fn limits(container: bool) -> Limits {
        let mut spec = JobSpec::new("x", Command::Argv(vec!["true".into()]));
        spec.resources =
            Resources { memory_bytes: Some(3 << 20), cpu_milli: Some(500), ..Resources::default() };
        spec.container_engine = container.then(|| "/usr/bin/podman".into());
        let attempt = JobId::random().attempt(1);
        let submission =
            Submission { attempt, spec, place: Place::default(), variables: [].into(), tracker: None };
        Limits::prepare(&submission)
    }

    #[test]
    fn an_engine_is_told_what_it_has_to_limit() {
        let limits = limits(true);
        assert_eq!(limits.for_engine(), "--memory=3145728b --cpus=0.5");
        assert_eq!(limits.apply(0), "memory: 3 MiB, processors: 0.5; by the container engine");
    }

    #[test]
    fn how_limits_are_enforced_is_said() {
        let limits = limits(false);
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let words = limits.apply(child.id());
        match limits.group() {
            Some(_) => assert!(words.ends_with("by their control group"), "{words}"),
            None => {
                assert!(words.contains("memory of each process: 3 MiB"), "{words}");
                assert!(
                    words.contains("processors: 0.5 counted, not limited (no control group: "),
                    "{words}"
                );
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        limits.end(&mut ExitRecord::default());
    }

    #[test]
    fn whoever_was_killed_for_memory_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("memory.events"), "oom_kill 1\n").unwrap();
        let group = Some(Group::at(folder.path().to_owned()));
        let limits = Limits { group, ..limits(true) };
        let mut record =
            ExitRecord { signal: Some(9), reason: "ended by signal 9".into(), ..ExitRecord::default() };
        limits.end(&mut record);
        assert_eq!(record.reason, "killed: it needed more than its 3 MiB");
        let mut record =
            ExitRecord { exit_code: Some(1), reason: "exit code 1".into(), ..ExitRecord::default() };
        limits.end(&mut record);
        assert_eq!(record.reason, "exit code 1; a process of it was killed: it needed more than its 3 MiB");
    }
}
