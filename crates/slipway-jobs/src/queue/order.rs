//! Whose turn it is: a decision from what waits, what runs and what there is. No process, no clock, no disk.
//!
//! Higher priorities go first. Among equals, experiments take turns: the one with the fewest running jobs is next, and
//! of those the one that waited longest for a turn. Within an experiment, first come, first served. A job that does not
//! fit lets smaller ones pass, but not for ever: after [`PATIENCE`] of them everything waits for it.

use crate::JobId;
use crate::spec::Resources;
use crate::target::Place;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many jobs may pass one that does not fit yet.
pub const PATIENCE: u32 = 32;
/// How far behind the first of an experiment is looked for one that fits.
const LOOK_BEHIND: usize = 16;

/// What the queue gives away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = QueueSettings)]
pub struct Settings {
    /// Nothing is started.
    pub paused: bool,
    /// Jobs at once at most; none for as many as fit.
    pub jobs: Option<u32>,
    /// Thousandths of processors.
    pub cpu_milli: u32,
    /// Memory for jobs that say how much they need.
    pub memory_bytes: u64,
    /// Graphics processors by their index.
    pub gpus: Vec<u32>,
}

/// A job that waits for its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Grows from job to job.
    pub number: i64,
    /// Its experiment, or any number that stands for those without.
    pub group: i64,
    /// Higher ones go first.
    pub priority: i32,
    /// What it needs.
    pub resources: Resources,
    /// Somebody sits at a terminal and waits: processors and memory are not counted.
    pub at_once: bool,
    /// How many have passed it.
    passed_by: u32,
}

/// What a job that runs holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Holding {
    group: i64,
    cpu_milli: u32,
    memory_bytes: u64,
    gpus: Vec<u32>,
    /// It takes one of the places that are counted.
    counts: bool,
}

/// The queue.
#[derive(Debug)]
pub struct Order {
    settings: Settings,
    /// By priority, then by experiment, then by number.
    waiting: BTreeMap<Reverse<i32>, BTreeMap<i64, BTreeMap<i64, JobId>>>,
    jobs: HashMap<JobId, Waiting>,
    running: HashMap<JobId, Holding>,
    /// Running jobs of each experiment, and when it had its last turn.
    turns: HashMap<i64, (u32, u64)>,
    turn: u64,
    /// Room on the disk, as it was last seen.
    free_disk_bytes: u64,
    /// Jobs that wait and need room there.
    needing_disk: usize,
    /// Where each job stands, as long as nothing has changed since that was asked.
    positions: Option<HashMap<JobId, u64>>,
}

impl Waiting {
    /// A job that has just come.
    #[must_use]
    pub fn new(number: i64, group: i64, priority: i32, resources: Resources) -> Self {
        Self { number, group, priority, resources, at_once: false, passed_by: 0 }
    }
}

impl Order {
    /// An empty one.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            waiting: BTreeMap::new(),
            jobs: HashMap::new(),
            running: HashMap::new(),
            turns: HashMap::new(),
            turn: 0,
            free_disk_bytes: u64::MAX,
            needing_disk: 0,
            positions: None,
        }
    }

    /// What it gives away.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Gives away something else from now on. What runs keeps what it holds.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Says how much room there is on the disk. What runs is not counted: it may have taken its room already.
    pub fn see_free_disk(&mut self, bytes: u64) {
        self.free_disk_bytes = bytes;
    }

    /// Some job waits that needs room on the disk.
    #[must_use]
    pub fn needs_disk(&self) -> bool {
        self.needing_disk > 0
    }

    /// Adds a job that waits.
    pub fn add(&mut self, job: JobId, waiting: Waiting) {
        self.remove(&job);
        self.positions = None;
        self.needing_disk += usize::from(waiting.resources.disk_bytes.is_some());
        let groups = self.waiting.entry(Reverse(waiting.priority)).or_default();
        groups.entry(waiting.group).or_default().insert(waiting.number, job.clone());
        self.jobs.insert(job, waiting);
    }

    /// Takes a job out that waits; gives what it was.
    pub fn remove(&mut self, job: &JobId) -> Option<Waiting> {
        let waiting = self.jobs.remove(job)?;
        self.positions = None;
        self.needing_disk -= usize::from(waiting.resources.disk_bytes.is_some());
        if let Some(groups) = self.waiting.get_mut(&Reverse(waiting.priority)) {
            if let Some(group) = groups.get_mut(&waiting.group) {
                group.remove(&waiting.number);
                if group.is_empty() {
                    groups.remove(&waiting.group);
                }
            }
            if groups.is_empty() {
                self.waiting.remove(&Reverse(waiting.priority));
            }
        }
        Some(waiting)
    }

    /// Says that a job runs already, e.g. since an earlier start of the program.
    pub fn hold(&mut self, job: JobId, waiting: &Waiting, place: &Place) {
        let holding = Holding {
            group: waiting.group,
            cpu_milli: if waiting.at_once { 0 } else { waiting.resources.counted_cpu_milli() },
            memory_bytes: if waiting.at_once { 0 } else { waiting.resources.memory_bytes.unwrap_or(0) },
            gpus: place.gpus.clone(),
            counts: !waiting.at_once,
        };
        self.turn += 1;
        self.positions = None;
        let turns = self.turns.entry(holding.group).or_default();
        *turns = (turns.0 + 1, self.turn);
        self.running.insert(job, holding);
    }

    /// A job that ran has ended.
    pub fn release(&mut self, job: &JobId) {
        self.positions = None;
        if let Some(holding) = self.running.remove(job)
            && let Some(turns) = self.turns.get_mut(&holding.group)
        {
            turns.0 = turns.0.saturating_sub(1);
        }
    }

    /// Whose turn it is, and what it gets. It runs from now on.
    pub fn take_next(&mut self) -> Option<(JobId, Place)> {
        if self.settings.paused {
            return None;
        }
        let (chosen, passed) = self.choose()?;
        for job in passed {
            if let Some(waiting) = self.jobs.get_mut(&job) {
                waiting.passed_by += 1;
            }
        }
        let waiting = self.remove(&chosen)?;
        let place = self.fits(&waiting)?;
        self.hold(chosen.clone(), &waiting, &place);
        Some((chosen, place))
    }

    /// The job whose turn it is, and those in front of it that do not fit yet.
    fn choose(&self) -> Option<(JobId, Vec<JobId>)> {
        let mut passed = Vec::new();
        for groups in self.waiting.values() {
            let mut turns: Vec<_> = groups
                .iter()
                .map(|(group, jobs)| {
                    let (running, last) = self.turns.get(group).copied().unwrap_or_default();
                    ((running, last, jobs.keys().next().copied().unwrap_or(i64::MAX)), jobs)
                })
                .collect();
            turns.sort_unstable_by_key(|(turn, _)| *turn);
            for (_, jobs) in turns {
                for job in jobs.values().take(LOOK_BEHIND) {
                    let Some(waiting) = self.jobs.get(job) else { continue };
                    if self.fits(waiting).is_some() {
                        return Some((job.clone(), passed));
                    }
                    // What can never fit keeps nobody waiting.
                    if self.lacks(waiting).is_none() {
                        if waiting.passed_by >= PATIENCE {
                            return None;
                        }
                        passed.push(job.clone());
                    }
                }
            }
        }
        None
    }

    /// What a job would get now.
    fn fits(&self, waiting: &Waiting) -> Option<Place> {
        let gpus: Vec<u32> = self.free_gpus().into_iter().take(waiting.resources.gpus as usize).collect();
        if gpus.len() < waiting.resources.gpus as usize {
            return None;
        }
        if waiting.resources.disk_bytes.is_some_and(|needed| needed > self.free_disk_bytes) {
            return None;
        }
        let place = Place { gpus };
        if waiting.at_once {
            return Some(place);
        }
        let (jobs, cpu_milli, memory_bytes) = self.held();
        let fits = self.settings.jobs.is_none_or(|limit| jobs < limit)
            && cpu_milli + u64::from(waiting.resources.counted_cpu_milli())
                <= u64::from(self.settings.cpu_milli)
            && memory_bytes.saturating_add(waiting.resources.memory_bytes.unwrap_or(0))
                <= self.settings.memory_bytes;
        fits.then_some(place)
    }

    fn free_gpus(&self) -> BTreeSet<u32> {
        let mut free: BTreeSet<u32> = self.settings.gpus.iter().copied().collect();
        for holding in self.running.values() {
            for gpu in &holding.gpus {
                free.remove(gpu);
            }
        }
        free
    }

    /// Jobs, thousandths of processors and memory that are given away.
    fn held(&self) -> (u32, u64, u64) {
        self.running.values().filter(|holding| holding.counts).fold(
            (0, 0, 0),
            |(jobs, cpu, memory), holding| {
                (jobs + 1, cpu + u64::from(holding.cpu_milli), memory.saturating_add(holding.memory_bytes))
            },
        )
    }

    /// Why a job could not even run alone, as things are.
    fn lacks(&self, waiting: &Waiting) -> Option<String> {
        let Resources { memory_bytes, gpus, .. } = &waiting.resources;
        let there = self.settings.gpus.len();
        if *gpus as usize > there {
            return Some(format!("it needs {gpus} GPUs, and the queue has {there} to give"));
        }
        if let Some(needed) = waiting.resources.disk_bytes.filter(|needed| *needed > self.free_disk_bytes) {
            let (needs, has) = (needed >> 20, self.free_disk_bytes >> 20);
            return Some(format!("it needs {needs} MiB of room on the disk, and {has} MiB are free"));
        }
        if waiting.at_once {
            return None;
        }
        let cpu_milli = waiting.resources.counted_cpu_milli();
        if cpu_milli > self.settings.cpu_milli {
            let number = |milli: u32| f64::from(milli) / 1_000.0;
            let (needs, has) = (number(cpu_milli), number(self.settings.cpu_milli));
            return Some(format!("it needs {needs} processors, and the queue has {has} to give"));
        }
        let memory_bytes = memory_bytes.unwrap_or(0);
        if memory_bytes > self.settings.memory_bytes {
            let (needs, has) = (memory_bytes >> 20, self.settings.memory_bytes >> 20);
            return Some(format!("it needs {needs} MiB of memory, and the queue has {has} MiB to give"));
        }
        (self.settings.jobs == Some(0)).then(|| "the queue is set to run no jobs at all".to_owned())
    }

    /// Why a job that waits does so, in words.
    #[must_use]
    pub fn reason(&self, job: &JobId) -> Option<String> {
        let waiting = self.jobs.get(job)?;
        if self.settings.paused {
            return Some("the queue is paused".to_owned());
        }
        if let Some(lack) = self.lacks(waiting) {
            return Some(lack);
        }
        if self.free_gpus().len() < waiting.resources.gpus as usize {
            return Some("it waits for GPUs that others hold".to_owned());
        }
        let (jobs, cpu_milli, _) = self.held();
        if self.settings.jobs.is_some_and(|limit| jobs >= limit) {
            return Some(format!("{jobs} jobs run, which is as many as may at once"));
        }
        if cpu_milli + u64::from(waiting.resources.counted_cpu_milli()) > u64::from(self.settings.cpu_milli) {
            return Some("it waits for processors that others hold".to_owned());
        }
        if self.fits(waiting).is_none() {
            return Some("it waits for memory that others hold".to_owned());
        }
        Some("it is next".to_owned())
    }

    /// The place of a job among those that wait, from 1: its turn if everybody fitted and nobody came or ended.
    pub fn position(&mut self, job: &JobId) -> Option<u64> {
        if self.positions.is_none() {
            self.positions = Some(self.count_positions());
        }
        self.positions.as_ref()?.get(job).copied()
    }

    fn count_positions(&self) -> HashMap<JobId, u64> {
        let mut turns: Vec<_> = self
            .waiting
            .iter()
            .flat_map(|(priority, groups)| {
                groups.iter().flat_map(move |(group, jobs)| {
                    let (running, last) = self.turns.get(group).copied().unwrap_or_default();
                    // Each turn of an experiment puts it behind those with as many running jobs.
                    jobs.iter().enumerate().map(move |(behind, (number, job))| {
                        let round = u64::from(running) + behind as u64;
                        ((*priority, round, if behind == 0 { last } else { u64::MAX }, *number), job)
                    })
                })
            })
            .collect();
        turns.sort_unstable_by_key(|(turn, _)| *turn);
        turns.into_iter().zip(1..).map(|((_, job), position)| (job.clone(), position)).collect()
    }

    /// Jobs that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.jobs.len()
    }

    /// Whether a job waits here.
    #[must_use]
    pub fn is_waiting(&self, job: &JobId) -> bool {
        self.jobs.contains_key(job)
    }

    /// Who holds which graphics processor.
    #[must_use]
    pub fn gpu_holders(&self) -> BTreeMap<u32, JobId> {
        let held =
            self.running.iter().flat_map(|(job, holding)| holding.gpus.iter().map(|gpu| (*gpu, job.clone())));
        held.collect()
    }

    /// Thousandths of processors and bytes of memory that jobs hold.
    #[must_use]
    pub fn given(&self) -> (u64, u64) {
        let (_, cpu_milli, memory_bytes) = self.held();
        (cpu_milli, memory_bytes)
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
