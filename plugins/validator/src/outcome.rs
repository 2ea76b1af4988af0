//! What a check found.

use palimpsest_core::Error;
use serde::{Deserialize, Serialize};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The library holds it.
    Passed,
    /// It holds it, and its author should know something.
    Noted,
    /// It doesn't.
    Failed,
    /// It says nothing about this library.
    Skipped,
}

/// Something that is wrong with a library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Where: the function and what it was asked.
    #[serde(rename = "place")]
    pub location: String,
    /// What came, and what was due.
    pub value: String,
    /// What would help.
    #[serde(rename = "mend")]
    pub help: String,
    /// The number of the random request, for `reproduce`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Finding {
    /// A finding about a request that was not random.
    pub fn new(location: impl Into<String>, value: impl Into<String>, help: impl Into<String>) -> Self {
        Self { location: location.into(), value: value.into(), help: help.into(), seed: None }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}; {}", self.location, self.value, self.help)?;
        match self.seed {
            Some(seed) => write!(f, " (seed {seed})"),
            None => Ok(()),
        }
    }
}

/// A check's answer, as it comes from the process that ran it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// How it ended.
    pub verdict: Verdict,
    /// What was tried, or why nothing was.
    pub note: String,
    /// What is wrong; empty unless it failed.
    pub findings: Vec<Finding>,
}

impl Answer {
    /// A failure with one finding.
    pub fn failed(finding: Finding) -> Self {
        Self { verdict: Verdict::Failed, note: String::new(), findings: vec![finding] }
    }

    pub(crate) fn of(checked: Checked) -> Self {
        match checked {
            Ok(note) => Self { verdict: Verdict::Passed, note, findings: vec![] },
            Err(Stop::Noted(note)) => Self { verdict: Verdict::Noted, note, findings: vec![] },
            Err(Stop::Skipped(note)) => Self { verdict: Verdict::Skipped, note, findings: vec![] },
            Err(Stop::Failed(finding)) => Self::failed(*finding),
        }
    }
}

/// Why a check ended early.
pub(crate) enum Stop {
    Failed(Box<Finding>),
    Noted(String),
    Skipped(String),
}

/// What a check returns: what was tried, in a few words.
pub(crate) type Checked<T = String> = Result<T, Stop>;

impl From<Finding> for Stop {
    fn from(finding: Finding) -> Self {
        Self::Failed(Box::new(finding))
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Finding::new(
            error.location().unwrap_or("the host's call"),
            error.message(),
            error.help_text().unwrap_or("fix what the message says"),
        )
        .into()
    }
}

/// Stops with a finding.
pub(crate) fn fail<T>(
    location: impl Into<String>,
    value: impl Into<String>,
    help: impl Into<String>,
) -> Checked<T> {
    Err(Finding::new(location, value, help).into())
}

/// Stops with what is no failure and may be a mistake.
pub(crate) fn noted<T>(what: impl Into<String>) -> Checked<T> {
    Err(Stop::Noted(what.into()))
}

/// Stops because the check says nothing about this library.
pub(crate) fn skip<T>(why: impl Into<String>) -> Checked<T> {
    Err(Stop::Skipped(why.into()))
}
