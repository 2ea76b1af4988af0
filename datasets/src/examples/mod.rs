//! Pictures with targets for heads that are trained with the encoder. One file a type of target, which
//! registers itself.

automod::dir!(pub "src/examples");

use std::path::PathBuf;
use std::sync::Arc;

use palimpsest_core::Result;
use palimpsest_core::data::Dataset;
use palimpsest_core::head::ExamplesRequest;
use palimpsest_core::random::{Philox, Stream};

use crate::loader::Feed;
use crate::open::open_with_notes;
use crate::spec::DataSpec;
use crate::split::{Split, Subset};

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

/// Training part, test part, and what the user may want to know.
pub type Parts = (Arc<dyn Dataset>, Arc<dyn Dataset>, Vec<String>);

/// Both parts of the data as pictures with a class.
///
/// # Errors
/// Data that can't be opened.
pub fn opened(request: &ExamplesRequest<'_>) -> Result<Parts> {
    let spec = spec(request);
    let open = |split| open_with_notes(&spec, split).map_err(|e| e.at(place(request)));
    let (train, test) = (open(Split::Train)?, open(Split::Test)?);
    let mut notes = train.notes;
    notes.extend(test.notes.into_iter().filter(|note| !notes.contains(note)).collect::<Vec<_>>());
    Ok((train.dataset, test.dataset, notes))
}

/// At most this many samples, drawn by the seed; all for 0.
pub fn limited(dataset: Arc<dyn Dataset>, most: usize, seed: u64) -> Arc<dyn Dataset> {
    if most == 0 || most >= dataset.len() {
        return dataset;
    }
    let mut random = Philox::new(seed, Stream::Shuffle, u64::from(u32::MAX), 1);
    let mut chosen = random.choose(dataset.len(), most);
    chosen.sort_unstable();
    Arc::new(Subset::new(dataset, chosen.into_iter().map(|i| i as u32).collect()))
}
