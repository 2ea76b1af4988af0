//! Samples that can't be read, and when there are too many of them.

use palimpsest_core::Error;
use palimpsest_core::head::{Broken, BrokenSample};

use crate::source::SampleSource;

/// A sample of `source` that failed, with its place.
pub(crate) fn broken_sample<S: SampleSource>(source: &S, index: usize, error: &Error) -> BrokenSample {
    let (text, location) = (error.to_string(), source.location(index));
    BrokenSample {
        class: u32::try_from(source.label(index)).ok(),
        message: if text.contains(&location) { text } else { format!("{location}: {text}") },
    }
}

/// The error of more broken samples than are forgiven.
pub(crate) fn too_many_broken(broken: &Broken, samples: usize, limit: usize) -> Error {
    let one = broken.values().next_back().map_or("", |sample| sample.message.as_str());
    Error::user(format!(
        "{} of {samples} files are broken, more than data.bad_files = {limit}; one of them: {one}",
        broken.len(),
    ))
    .help("mend or remove them, or raise `data.bad_files`")
}
