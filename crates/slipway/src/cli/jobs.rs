//! `slipway jobs`: what executes here, what it prints, ending and repeating it; and the queue.

use super::client::{Api, encoded};
use super::table::TextTable;
use super::{Failure, Global, Result, output};
use clap::{Args, Subcommand};
use serde_json::json;
use slipway_server::app::wire::{
    Changed, EndedLeftovers, JobDetail, JobList, JobState, JobSummary, QueueStatus,
};
use std::io::{BufWriter, Write};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List jobs, the latest first.
    Ls(List),
    /// Show everything about a job.
    Show(Show),
    /// Print what a job prints.
    Logs(Logs),
    /// Ask a job to end; after its grace it is ended by force.
    #[command(alias = "stop")]
    Cancel(Cancel),
    /// Run a job again, as a new job.
    Retry(One),
    /// Let a job go before or after others.
    Priority(Priority),
    /// Start nothing any more; what runs goes on.
    Pause,
    /// Start jobs again.
    Resume,
    /// Show the queue, or set what it gives away.
    Queue(Queue),
    /// End processes that a lost job left behind.
    EndLeftovers(One),
    /// Forget jobs that have ended, with their logs. Their runs stay.
    Rm(Remove),
}

#[derive(Args)]
pub(crate) struct List {
    /// Only in these states, e.g. `queued,running`.
    #[arg(long, value_name = "STATES")]
    state: Option<String>,
    /// With this in the name, or at the beginning of the id.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// So many at most.
    #[arg(long, short = 'n', default_value_t = 30)]
    limit: u64,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Show {
    /// Its id, or the beginning of it.
    job: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct One {
    /// Its id, or the beginning of it.
    job: String,
}

#[derive(Args)]
pub(crate) struct Logs {
    /// Its id, or the beginning of it.
    job: String,
    /// Go on until it ends, and return its exit code.
    #[arg(long, short)]
    follow: bool,
    /// Which try; the last one otherwise.
    #[arg(long, value_name = "NUMBER")]
    attempt: Option<u32>,
}

#[derive(Args)]
pub(crate) struct Cancel {
    /// Its id, or the beginning of it.
    #[arg(required = true)]
    jobs: Vec<String>,
    /// Seconds until it is ended by force; 0 for at once.
    #[arg(long, value_name = "SECONDS")]
    grace: Option<u64>,
}

#[derive(Args)]
pub(crate) struct Priority {
    /// Its id, or the beginning of it.
    job: String,
    /// Higher ones go first; 0 is usual.
    #[arg(allow_hyphen_values = true)]
    priority: i32,
}

#[derive(Args)]
pub(crate) struct Queue {
    /// Jobs at once at most; `all` for as many as fit.
    #[arg(long, value_name = "COUNT")]
    jobs: Option<String>,
    /// Processors to give away.
    #[arg(long, value_name = "COUNT")]
    cpus: Option<f64>,
    /// Memory to give away, in MiB.
    #[arg(long, value_name = "MIB")]
    memory: Option<u64>,
    /// Indexes of the graphics processors to give away, e.g. `0,1`; empty for none.
    #[arg(long, value_name = "INDEXES")]
    gpus: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Remove {
    /// Ids of jobs that have ended.
    #[arg(required = true)]
    jobs: Vec<String>,
}

pub(crate) fn run(global: &Global, command: Command) -> Result<ExitCode> {
    let api = Api::open(&global.data_dir()?)?;
    match command {
        Command::Ls(list) => self::list(&api, &list)?,
        Command::Show(show) => self::show(&api, &show)?,
        Command::Logs(logs) => return self::logs(&api, &logs),
        Command::Cancel(cancel) => {
            for job in &cancel.jobs {
                let grace_ms = cancel.grace.map(|seconds| seconds.saturating_mul(1_000));
                let Changed { changed } =
                    api.post(&format!("/jobs/{}/cancel", encoded(job)), &json!({ "grace_ms": grace_ms }))?;
                global.say(if changed == 0 {
                    format!("Job {job} has ended already.")
                } else {
                    format!("Job {job} was asked to end.")
                });
            }
        }
        Command::Retry(one) => {
            let job: JobSummary = api.post(&format!("/jobs/{}/retry", encoded(&one.job)), &json!({}))?;
            println!("{}", job.job_id);
        }
        Command::Priority(Priority { job, priority }) => {
            let _: JobSummary =
                api.post(&format!("/jobs/{}/priority", encoded(&job)), &json!({ "priority": priority }))?;
        }
        Command::Pause => set(&api, |queue| queue.settings.paused = true).map(drop)?,
        Command::Resume => set(&api, |queue| queue.settings.paused = false).map(drop)?,
        Command::Queue(queue) => self::queue(&api, &queue)?,
        Command::EndLeftovers(one) => {
            let ended: EndedLeftovers =
                api.post(&format!("/jobs/{}/end-leftovers", encoded(&one.job)), &json!({}))?;
            global.say(format!("{} processes were ended.", ended.processes));
        }
        Command::Rm(remove) => {
            let mut job_ids = Vec::new();
            for job in &remove.jobs {
                let found: JobDetail = api.get(&format!("/jobs/{}", encoded(job)))?;
                if !slipway_jobs::JobState::from(found.summary.state).is_final() {
                    return Err(Failure::failed(format!("job {job} has not ended"))
                        .hint(format!("`slipway jobs cancel {job}` ends it.")));
                }
                job_ids.push(found.summary.job_id);
            }
            let Changed { changed } = api.post("/jobs/forget", &json!({ "job_ids": job_ids }))?;
            global.say(format!("Forgot {changed}."));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn word(state: JobState) -> &'static str {
    slipway_jobs::JobState::from(state).as_str()
}

fn list(api: &Api, list: &List) -> Result<()> {
    let mut target = format!("/jobs?limit={}", list.limit.min(500));
    if let Some(states) = &list.state {
        target.push_str(&format!("&state={}", encoded(states)));
    }
    if let Some(text) = &list.filter {
        target.push_str(&format!("&text={}", encoded(text)));
    }
    let found: JobList = api.get(&target)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    if list.json {
        serde_json::to_writer_pretty(&mut out, &found)?;
        writeln!(out)?;
        return Ok(());
    }
    let row = |job: &JobSummary| {
        let took = job.started_ms.map(|started| job.ended_ms.unwrap_or_else(now_ms) - started);
        vec![
            job.job_id.clone(),
            word(job.state).to_owned(),
            output::clean(&job.name),
            took.map(output::duration).unwrap_or_default(),
            output::time(job.submitted_ms),
            output::clean(&job.reason),
        ]
    };
    let table = TextTable {
        head: ["job", "state", "name", "time", "submitted", "reason"].map(str::to_owned).to_vec(),
        rows: found.jobs.iter().map(row).collect(),
        numeric: Vec::new(),
    };
    let colour = output::colour_stdout();
    table.print(&mut out, |column, cell| {
        (colour && column == 1).then(|| output::state_colour(cell)).flatten()
    })?;
    out.flush()?;
    Ok(())
}

fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

fn show(api: &Api, show: &Show) -> Result<()> {
    let job: JobDetail = api.get(&format!("/jobs/{}", encoded(&show.job)))?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    if show.json {
        serde_json::to_writer_pretty(&mut out, &job)?;
        writeln!(out)?;
        return Ok(());
    }
    let summary = &job.summary;
    writeln!(out, "{}  {}  {}", summary.job_id, word(summary.state), output::clean(&summary.name))?;
    if !summary.reason.is_empty() {
        writeln!(out, "reason     {}", output::clean(&summary.reason))?;
    }
    writeln!(out, "command    {}", output::clean(&summary.command))?;
    writeln!(out, "target     {}", output::clean(&summary.target))?;
    if let Some(run) = &summary.run_id {
        writeln!(out, "run        {run}")?;
    }
    if let Some(repeats) = &summary.repeats {
        writeln!(out, "repeats    {repeats}")?;
    }
    writeln!(out, "submitted  {}", output::time(summary.submitted_ms))?;
    for attempt in &job.attempt_list {
        let took = attempt.ended_ms.unwrap_or_else(now_ms) - attempt.began_ms.unwrap_or(attempt.started_ms);
        write!(out, "attempt {}  {}  {}", attempt.number, word(attempt.state), output::duration(took))?;
        if let (Some(cpu_ms), Some(bytes)) = (attempt.cpu_ms, attempt.peak_memory_bytes) {
            let seconds = output::number(cpu_ms as f64 / 1_000.0);
            write!(out, "  {seconds} s on processors  {} MiB at most", bytes >> 20)?;
        }
        writeln!(out, "  {} {}", output::clean(&attempt.at), output::clean(&attempt.reason))?;
    }
    for process in &job.leftovers {
        writeln!(out, "left behind: process {}  {}", process.pid, output::clean(&process.command))?;
    }
    if !job.leftovers.is_empty() {
        writeln!(out, "`slipway jobs end-leftovers {}` ends them.", summary.job_id)?;
    }
    out.flush()?;
    Ok(())
}

/// Prints a log as it is; with `follow` until the job has ended, whose exit code comes back.
fn logs(api: &Api, logs: &Logs) -> Result<ExitCode> {
    let id = encoded(&logs.job);
    let attempt = logs.attempt.map(|number| format!("&attempt={number}")).unwrap_or_default();
    let mut from = 0;
    loop {
        let wait_ms = if logs.follow { 20_000 } else { 0 };
        let bytes = api.get_bytes(&format!("/jobs/{id}/log?from={from}&wait_ms={wait_ms}{attempt}"))?;
        from += bytes.len() as u64;
        let mut out = std::io::stdout().lock();
        out.write_all(&bytes)?;
        out.flush()?;
        drop(out);
        if !bytes.is_empty() {
            continue;
        }
        if !logs.follow {
            return Ok(ExitCode::SUCCESS);
        }
        let job: JobDetail = api.get(&format!("/jobs/{id}"))?;
        if slipway_jobs::JobState::from(job.summary.state).is_final() {
            let last = job.attempt_list.last();
            let code = match (job.summary.state, last.and_then(|last| last.exit_code)) {
                (JobState::Succeeded | JobState::Cached, _) => 0,
                (_, Some(code)) => u8::try_from(code).unwrap_or(1),
                _ => 1,
            };
            return Ok(ExitCode::from(code));
        }
    }
}

fn set(api: &Api, edit: impl FnOnce(&mut QueueStatus)) -> Result<QueueStatus> {
    let mut status: QueueStatus = api.get("/queue")?;
    edit(&mut status);
    api.put("/queue", &status.settings)
}

fn queue(api: &Api, queue: &Queue) -> Result<()> {
    let wrong = |what: &str| Failure::usage(format!("`{what}` is no number"));
    let jobs = match queue.jobs.as_deref() {
        None => None,
        Some("all") => Some(None),
        Some(count) => Some(Some(count.parse::<u32>().map_err(|_| wrong(count))?)),
    };
    let gpus = match queue.gpus.as_deref() {
        None => None,
        Some(text) => {
            let indexes = text.split(',').filter(|index| !index.trim().is_empty());
            Some(
                indexes
                    .map(|index| index.trim().parse().map_err(|_| wrong(index)))
                    .collect::<Result<Vec<u32>>>()?,
            )
        }
    };
    let is_set = jobs.is_some() || gpus.is_some() || queue.cpus.is_some() || queue.memory.is_some();
    let status = if is_set {
        set(api, |status| {
            let settings = &mut status.settings;
            if let Some(jobs) = jobs {
                settings.jobs = jobs;
            }
            if let Some(gpus) = gpus {
                settings.gpus = gpus;
            }
            if let Some(cpus) = queue.cpus {
                settings.cpu_milli = (cpus * 1_000.0).clamp(0.0, 1e9) as u32;
            }
            if let Some(memory) = queue.memory {
                settings.memory_bytes = memory.saturating_mul(1 << 20);
            }
        })?
    } else {
        api.get("/queue")?
    };
    let mut out = std::io::stdout().lock();
    if queue.json {
        serde_json::to_writer_pretty(&mut out, &status)?;
        writeln!(out)?;
        return Ok(());
    }
    let settings = &status.settings;
    let cpus = |milli: f64| output::number(milli / 1_000.0);
    writeln!(out, "{}", if settings.paused { "paused" } else { "running" })?;
    let jobs = settings.jobs.map_or_else(|| "as many as fit".to_owned(), |jobs| jobs.to_string());
    writeln!(out, "jobs at once  {jobs}")?;
    let (given, all) = (cpus(status.given_cpu_milli as f64), cpus(f64::from(settings.cpu_milli)));
    writeln!(out, "processors    {given} of {all} given away")?;
    writeln!(
        out,
        "memory        {} of {} MiB given away",
        status.given_memory_bytes >> 20,
        settings.memory_bytes >> 20
    )?;
    for gpu in &status.machine.gpus {
        writeln!(out, "GPU {}         {}", gpu.index, gpu.job_id.as_deref().unwrap_or("free"))?;
    }
    writeln!(out, "{}", status.machine.limits)?;
    Ok(())
}
