//! Samples that can't be read, and when there are too many of them.

use palimpsest_core::head::{Broken, BrokenSample};
use palimpsest_core::{Error, Result};

use crate::source::SampleSource;

/// A sample of `source` that failed, with its place.
pub(crate) fn broken_sample<S: SampleSource>(source: &S, index: usize, error: &Error) -> BrokenSample {
    broken_at(&source.location(index), u32::try_from(source.label(index)).ok(), error)
}

/// The sample at `location`, which is told once.
pub(crate) fn broken_at(location: &str, class: Option<u32>, error: &Error) -> BrokenSample {
    let text = error.to_string();
    let message = if text.contains(location) { text } else { format!("{location}: {text}") };
    BrokenSample { class, message }
}

/// Whether so many broken samples are forgiven: not more than `limit`.
pub(crate) fn forgiven(broken: &Broken, samples: usize, limit: usize) -> Result<()> {
    if broken.len() > limit { Err(too_many_broken(broken, samples, limit)) } else { Ok(()) }
}

/// The error of more broken samples than are forgiven.
pub(crate) fn too_many_broken(broken: &Broken, samples: usize, limit: usize) -> Error {
    let one = broken.values().next_back().map_or("", |sample| sample.message.as_str());
    Error::user(format!(
        "{} of {samples} files are broken, more than data.bad_files = {limit}; one of them: {one}",
        broken.len(),
    ))
    .help("fix or remove them, or raise `data.bad_files`")
}
