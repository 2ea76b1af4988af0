//! Which plug-in it was.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A plug-in's id, version and the hash of its library: what a run and its checkpoints remember.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginIdentity {
    /// Reverse domain name.
    pub id: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the library.
    pub sha256: String,
}

impl std::fmt::Display for PluginIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} (sha256 {})", self.id, self.version, &self.sha256[..self.sha256.len().min(12)])
    }
}

/// Refuses what is no id.
///
/// # Errors
/// Such a text.
pub fn check_id(id: &str) -> Result<()> {
    let part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    if id.contains('.') && id.split('.').all(part) {
        return Ok(());
    }
    Err(Error::user(format!("`{id}` is no id"))
        .help("write a reverse domain name of lower case letters, digits and -, as org.example.blue-noise"))
}
