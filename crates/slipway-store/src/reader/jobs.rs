//! Jobs, their attempts, and how the queue is set.

use super::{Reader, as_i64};
use crate::error::{Error, Missing, Result};
use crate::job::{Attempt, AttemptEnd, Job, JobState, JobsOrder, JobsQuery};
use crate::model::Page;
use rusqlite::{OptionalExtension, Row, params_from_iter, types::Value};

const COLUMNS: &str = "job_id, id, name, target, state, priority, attempts, experiment, run_id, repeats, reason, \
     submitted_ms, not_before_ms, started_ms, ended_ms, cancel_ms, spec";

impl Reader<'_> {
    /// A job, by its id or by a beginning of it that no other job has.
    ///
    /// # Errors
    /// [`Missing::Job`]; [`Error::Invalid`] when several jobs begin so.
    pub fn job(&self, id: &str) -> Result<Job> {
        let mut statement =
            self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM jobs WHERE job_id = ?1"))?;
        if let Some(job) = statement.query_row([id], read).optional()? {
            return Ok(job);
        }
        let missing = || Error::NotFound(Missing::Job(id.to_owned()));
        if id.is_empty() {
            return Err(missing());
        }
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM jobs WHERE job_id >= ?1 AND job_id < ?1 || char(0x10FFFF) LIMIT 2"
        ))?;
        let mut found = statement.query_map([id], read)?.collect::<rusqlite::Result<Vec<_>>>()?;
        match (found.pop(), found.is_empty()) {
            (Some(job), true) => Ok(job),
            (Some(_), false) => {
                Err(Error::Invalid(format!("several jobs begin with `{id}`; say more of the id")))
            }
            (None, _) => Err(missing()),
        }
    }

    /// Jobs that match, in the order of the query.
    ///
    /// # Errors
    /// What the database says.
    pub fn jobs(&self, query: &JobsQuery) -> Result<Page<Job>> {
        let (condition, mut values) = matching(query);
        let order = order(query);
        values.extend([as_i64(query.limit.saturating_add(1)), as_i64(query.offset)].map(Value::from));
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM jobs WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"
        ))?;
        let mut items =
            statement.query_map(params_from_iter(values), read)?.collect::<rusqlite::Result<Vec<_>>>()?;
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        Ok(Page { items, more })
    }

    /// How many jobs match, by state. Those of the query are left out of account.
    ///
    /// # Errors
    /// What the database says.
    pub fn job_counts(&self, query: &JobsQuery) -> Result<Vec<(JobState, u64)>> {
        let (condition, values) = matching(&JobsQuery { states: Vec::new(), ..query.clone() });
        let mut statement = self
            .db
            .prepare_cached(&format!("SELECT state, count(*) FROM jobs WHERE {condition} GROUP BY state"))?;
        let rows = statement.query_map(params_from_iter(values), |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// All jobs that have not ended, the oldest first.
    ///
    /// # Errors
    /// What the database says.
    pub fn live_jobs(&self) -> Result<Vec<Job>> {
        let mut statement = self
            .db
            .prepare_cached(&format!("SELECT {COLUMNS} FROM jobs WHERE state IN (?1, ?2, ?3) ORDER BY id"))?;
        let rows = statement.query_map([JobState::Queued, JobState::Starting, JobState::Running], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The attempts of a job, the first one first.
    ///
    /// # Errors
    /// What the database says.
    pub fn job_attempts(&self, job_id: &str) -> Result<Vec<Attempt>> {
        let mut statement = self.db.prepare_cached(
            "SELECT a.number, a.state, a.started_ms, a.began_ms, a.ended_ms, a.place, a.at, a.exit_code, a.signal, \
             a.reason, a.cpu_ms, a.peak_memory_bytes FROM job_attempts a JOIN jobs j ON j.id = a.job \
             WHERE j.job_id = ?1 ORDER BY a.number",
        )?;
        let rows = statement.query_map([job_id], |row| {
            let natural = |value: Option<i64>| value.map(i64::cast_unsigned);
            Ok(Attempt {
                number: row.get(0)?,
                state: row.get(1)?,
                started_ms: row.get(2)?,
                began_ms: row.get(3)?,
                ended_ms: row.get(4)?,
                place: row.get(5)?,
                at: row.get(6)?,
                end: AttemptEnd {
                    exit_code: row.get(7)?,
                    signal: row.get(8)?,
                    reason: row.get(9)?,
                    cpu_ms: natural(row.get(10)?),
                    peak_memory_bytes: natural(row.get(11)?),
                },
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How the queue is set, as JSON; none when nobody has set it.
    ///
    /// # Errors
    /// What the database says.
    pub fn queue_settings(&self) -> Result<Option<String>> {
        Ok(self.db.query_row("SELECT settings FROM queue", [], |row| row.get(0)).optional()?)
    }
}

fn matching(query: &JobsQuery) -> (String, Vec<Value>) {
    let mut condition = "1".to_owned();
    let mut values = Vec::new();
    if !query.states.is_empty() {
        // Small numbers of our own, not text from outside.
        let codes: Vec<String> = query.states.iter().map(|state| (*state as u8).to_string()).collect();
        condition.push_str(&format!(" AND state IN ({})", codes.join(", ")));
    }
    if let Some(experiment) = query.experiment_id {
        condition.push_str(" AND experiment = ?");
        values.push(Value::from(experiment));
    }
    if let Some(run) = &query.run_id {
        condition.push_str(" AND run_id = ?");
        values.push(Value::from(run.clone()));
    }
    let text = query.text.trim();
    if !text.is_empty() {
        condition.push_str(" AND (instr(lower(name), lower(?)) > 0 OR instr(job_id, lower(?)) = 1)");
        values.extend([Value::from(text.to_owned()), Value::from(text.to_owned())]);
    }
    (condition, values)
}

/// What to sort by; jobs that have none of it come last.
fn order(query: &JobsQuery) -> String {
    let (expression, is_descending) = match query.order {
        JobsOrder::Submitted => return if query.reverse { "id" } else { "id DESC" }.to_owned(),
        JobsOrder::Queue => {
            let [queued, starting, running] =
                [JobState::Queued, JobState::Starting, JobState::Running].map(|state| state as u8);
            let class = format!(
                "CASE state WHEN {running} THEN 0 WHEN {starting} THEN 0 WHEN {queued} THEN 1 ELSE 2 END"
            );
            let waits = format!("CASE state WHEN {queued} THEN -priority END");
            let age = format!("CASE WHEN state IN ({queued}, {starting}, {running}) THEN id ELSE -id END");
            let parts = [class, waits, age];
            return if query.reverse {
                parts.map(|part| part + " DESC").join(", ")
            } else {
                parts.join(", ")
            };
        }
        JobsOrder::Name => ("lower(name)".to_owned(), false),
        JobsOrder::State => ("state".to_owned(), false),
        JobsOrder::Priority => ("priority".to_owned(), true),
        JobsOrder::Started => ("started_ms".to_owned(), true),
        JobsOrder::Ended => ("ended_ms".to_owned(), true),
        JobsOrder::Duration => (format!("coalesce(ended_ms, {}) - started_ms", query.at_ms), true),
    };
    let direction = if is_descending == query.reverse { "ASC" } else { "DESC" };
    format!("{expression} {direction} NULLS LAST, id DESC")
}

fn read(row: &Row<'_>) -> rusqlite::Result<Job> {
    Ok(Job {
        job_id: row.get(0)?,
        number: row.get(1)?,
        name: row.get(2)?,
        target: row.get(3)?,
        state: row.get(4)?,
        priority: row.get(5)?,
        attempts: row.get(6)?,
        experiment_id: row.get(7)?,
        run_id: row.get(8)?,
        repeats: row.get(9)?,
        reason: row.get(10)?,
        submitted_ms: row.get(11)?,
        not_before_ms: row.get(12)?,
        started_ms: row.get(13)?,
        ended_ms: row.get(14)?,
        cancel_ms: row.get(15)?,
        spec: row.get(16)?,
    })
}
