//! Pictures with targets for heads that are trained with the encoder. One file a type of target, which
//! registers itself.

automod::dir!(pub "src/examples");

use std::path::PathBuf;

use palimpsest_core::head::ExamplesRequest;

use crate::loader::Feed;
use crate::spec::DataSpec;

/// The data that are asked for.
pub fn spec(request: &ExamplesRequest<'_>) -> DataSpec {
    let data = request.data;
    DataSpec {
        name: data.name.clone(),
        path: (!data.path.is_empty()).then(|| PathBuf::from(&data.path)),
        channels: data.channels,
        holdout: data.holdout,
        ..DataSpec::default()
    }
}

/// How they become batches.
pub fn feed(request: &ExamplesRequest<'_>, batch: usize) -> Feed {
    let data = request.data;
    Feed {
        batch,
        workers: data.workers,
        seed: request.seed,
        shuffle: true,
        bad_files_limit: Some(data.bad_files),
        prefetch: data.prefetch,
    }
}

/// Mean and deviation that pixels are normalised with, one for each channel.
pub fn normalisation(request: &ExamplesRequest<'_>) -> [Vec<f32>; 2] {
    let data = request.data;
    [&data.mean, &data.std].map(|values| {
        (0..data.channels).map(|c| values[c.min(values.len().saturating_sub(1))] as f32).collect()
    })
}

/// Where the path of the data is written, for messages.
pub fn place(request: &ExamplesRequest<'_>) -> &'static str {
    if request.data.path.is_empty() { "`data.name`" } else { "`data.path`" }
}
