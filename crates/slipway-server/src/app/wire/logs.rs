//! Logs of runs, line by line.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The files of a run that are logs: what lies below `logs/`, and names that end with `.log`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LogList {
    /// What tells most first: the standard streams, then by name.
    pub files: Vec<LogFile>,
    /// There are more files than were looked through.
    pub truncated: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LogFile {
    pub path: String,
    pub size_bytes: u64,
    pub modified_ms: i64,
}

/// Which lines of a log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LogRequest {
    pub path: String,
    /// Number of the first line, from 0. Absent: the last lines.
    #[serde(default)]
    pub first_line: Option<u64>,
    /// How many lines; at most 2,000.
    pub count: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LogPage {
    pub size_bytes: u64,
    pub modified_ms: i64,
    /// Bytes whose lines are counted. Less than the size while a very large file is read for the first time; ask
    /// again to go on.
    pub indexed_bytes: u64,
    /// Lines among the indexed bytes.
    pub line_count: u64,
    /// Number of the first of `lines`; absent for last lines that are not counted yet.
    pub first_line: Option<u64>,
    pub lines: Vec<LogLine>,
    /// The last line of the file has no line feed yet.
    pub ends_open: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// With escape sequences for colours. What is not UTF-8 is replaced.
    pub text: String,
    /// Bytes in the middle of a very long line that are not in `text`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out_bytes: u64,
    /// It was written over by carriage returns, as progress bars are; `text` is the last state.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_rewritten: bool,
    /// Where its beginning comes from; only in logs of jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<LogStream>,
    /// When its beginning came; only in logs of jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<i64>,
    /// Its number in the whole log, from 0, when only the lines of one stream were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
}

/// Where something in the log of a job comes from: the command's streams, or what watches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    Stdout,
    Stderr,
    Agent,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LogSearch {
    pub path: String,
    #[serde(default)]
    pub find: LogFind,
    /// Number of the line to start at, from 0.
    #[serde(default)]
    pub from_line: u64,
    /// How many lines; at most 10,000.
    pub limit: u64,
}

/// What to find in a log.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LogFind {
    /// Lines that speak of an error.
    #[default]
    Errors,
    /// A text.
    Text {
        text: String,
        #[serde(default)]
        matches_case: bool,
    },
    /// A regular expression.
    Regex {
        pattern: String,
        #[serde(default)]
        matches_case: bool,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LogMatches {
    /// Numbers of the lines that match.
    pub lines: Vec<u64>,
    /// Where to go on, when the limit or the time was reached.
    pub next_line: Option<u64>,
    pub line_count: u64,
}
