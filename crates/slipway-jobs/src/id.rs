//! How jobs and their attempts are called.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A job: up to 64 letters, digits and `-`, so that it is the name of a folder, too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

/// One try of a job; the first one is 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// The job.
    pub job: JobId,
    /// Which try.
    pub number: u32,
}

/// A text that cannot be the id of a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no job: an id has up to 64 lower-case letters, digits and `-`")]
pub struct BadId(String);

impl JobId {
    /// One that nobody has had.
    #[must_use]
    pub fn random() -> Self {
        Self(format!("{:012x}", rand::random::<u64>() >> 16))
    }

    /// The text of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One try of it.
    #[must_use]
    pub fn attempt(&self, number: u32) -> AttemptId {
        AttemptId { job: self.clone(), number }
    }
}

impl FromStr for JobId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for JobId {
    type Error = BadId;

    fn try_from(text: String) -> Result<Self, BadId> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(fits) && !text.starts_with('-') {
            Ok(Self(text))
        } else {
            Err(BadId(text.chars().take(80).collect()))
        }
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "attempt {} of job {}", self.number, self.job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_name_of_a_folder() {
        assert!("3f9a0c".parse::<JobId>().is_ok() && JobId::random().as_str().parse::<JobId>().is_ok());
        for bad in ["", ".", "..", "a/b", "A", "-a", "a\0", &"a".repeat(65)] {
            assert!(bad.parse::<JobId>().is_err(), "{bad:?}");
        }
        assert!(serde_json::from_str::<JobId>("\"../x\"").is_err());
    }
}
