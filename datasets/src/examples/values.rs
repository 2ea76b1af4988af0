//! Images with numbers each: what regression heads are trained on.

use std::sync::Arc;

use palimpsest_core::data::Dataset;
use palimpsest_core::error::listed;
use palimpsest_core::head::{
    ExamplesEntry, ExamplesRequest, LabelledSplits, OpenLabelled, TargetStatistics, Values, counted,
};
use palimpsest_core::{Error, Result};
use palimpsest_targets::ValueData;

use super::whole_image::{Targets, WholeImageAugment, WholeImages};
use crate::parts::Parts;
use crate::recipe_data::DataSource;

/// Opens them.
pub struct OpenValues;

impl OpenLabelled for OpenValues {
    type Target = Values;
    type Settings = WholeImageAugment;

    fn open(
        settings: &WholeImageAugment,
        request: &ExamplesRequest<'_>,
    ) -> Result<Box<dyn LabelledSplits<Values>>> {
        let source = DataSource::from(request);
        let Parts { train, test, mut notes } = source.values()?;
        let names = train.value_names().to_vec();
        if names != test.value_names() {
            let parts = [&names[..], test.value_names()].map(listed);
            return Err(Error::user(format!(
                "the parts have other numbers (training: {}; test: {})",
                parts[0], parts[1]
            ))
            .at(source.location())
            .help("call them alike in both parts, in one order"));
        }
        let targets = [known(&*train)?, known(&*test)?];
        let images: [Arc<dyn Dataset>; 2] = [train, test];
        let count = |values: &[&Values]| TargetStatistics::of_values(&names, values.iter().copied());
        let mut opened = WholeImages::new(settings, request, images, targets, vec![], count)?;
        let used = opened.trained_on().count();
        for value in opened.statistics().values {
            if value.count == 0 {
                return Err(Error::user(format!("no training image has a number for `{}`", value.name))
                    .at(source.location())
                    .help("leave it out, or give it to some images"));
            }
            let missing = match used - value.count {
                0 => String::new(),
                missing => format!("; missing of {missing}, which are not trained on for it"),
            };
            notes.push(format!(
                "`{}`: mean {:.4}, deviation {:.4} over {}{missing}",
                value.name,
                value.mean,
                value.deviation,
                counted(value.count, "training image", "training images"),
            ));
        }
        opened.notes = notes;
        Ok(Box::new(opened))
    }
}

/// The numbers of a part's images that have any.
fn known(data: &dyn ValueData) -> Result<Targets<Values>> {
    (0..data.len()).map(|index| Ok(Some(data.values(index)?).filter(Values::is_known))).collect()
}

palimpsest_core::inventory::submit! { ExamplesEntry::of::<OpenValues>() }
