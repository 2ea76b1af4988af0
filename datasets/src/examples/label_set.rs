//! Images with a set of labels each: what multi-label heads are trained on.

use std::sync::Arc;

use palimpsest_core::Result;
use palimpsest_core::data::Dataset;
use palimpsest_core::error::listed;
use palimpsest_core::head::{
    ExamplesEntry, ExamplesRequest, LabelSet, LabelledSplits, OpenLabelled, TargetStatistics,
};
use palimpsest_targets::LabelSetData;

use super::whole_image::{Targets, WholeImageAugment, WholeImages};
use crate::parts::Parts;
use crate::recipe_data::DataSource;

/// Opens them.
pub struct OpenLabelSets;

impl OpenLabelled for OpenLabelSets {
    type Target = LabelSet;
    type Settings = WholeImageAugment;

    fn open(
        settings: &WholeImageAugment,
        request: &ExamplesRequest<'_>,
    ) -> Result<Box<dyn LabelledSplits<LabelSet>>> {
        let Parts { train, test, mut notes } = DataSource::from(request).label_sets()?;
        let names = train.classes().to_vec();
        let targets = [known(&*train)?, known(&*test)?];
        let images: [Arc<dyn Dataset>; 2] = [train, test];
        let count = |sets: &[&LabelSet]| TargetStatistics::of_labels(names.len(), sets.iter().copied());
        let mut opened = WholeImages::new(settings, request, images, targets, names.clone(), count)?;
        let counts = opened.statistics().labels;
        let never: Vec<&String> =
            names.iter().zip(&counts).filter(|(_, c)| c.positives == 0).map(|(n, _)| n).collect();
        if !never.is_empty() {
            notes.push(format!("no training image is known to have: {}", listed(&never)));
        }
        let unknown = opened.trained_on().flat_map(LabelSet::iter).filter(Option::is_none).count();
        if unknown > 0 {
            notes.push(format!(
                "{unknown} of the {} labels of training images are unknown, and are not trained on",
                opened.trained_on().count() * names.len()
            ));
        }
        opened.notes = notes;
        Ok(Box::new(opened))
    }
}

/// The label sets of a part of which anything is known.
fn known(data: &dyn LabelSetData) -> Result<Targets<LabelSet>> {
    (0..data.len()).map(|index| Ok(Some(data.labels(index)?).filter(LabelSet::is_known))).collect()
}

palimpsest_core::inventory::submit! { ExamplesEntry::of::<OpenLabelSets>() }
