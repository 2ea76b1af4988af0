//! What is packed of images beside their class: label sets and numbers.

use std::sync::Arc;

use palimpsest_core::data::{Dataset, Split};
use palimpsest_core::error::listed;
use palimpsest_core::head::{LabelSet, Values, counted};
use palimpsest_core::{Error, Result};
use palimpsest_targets::{LabelSetData, ValueData};

use super::{PackFormat, PackPart};
use crate::recipe_data::DataSource;

/// The member of JSON, or the column, that has a sample's list of labels.
pub(super) const LABELS: &str = "labels";

/// What a part has beside the classes of its images, in the same order.
#[derive(Clone, Default)]
pub struct PackTargets {
    /// The label set of each image.
    pub labels: Option<Arc<dyn LabelSetData>>,
    /// The numbers of each image.
    pub values: Option<Arc<dyn ValueData>>,
}

impl PackTargets {
    /// The names of the labels.
    pub(super) fn label_names(&self) -> &[String] {
        self.labels.as_ref().map(|labels| labels.classes()).unwrap_or_default()
    }

    /// The names of the numbers.
    pub(super) fn value_names(&self) -> &[String] {
        self.values.as_ref().map(|values| values.value_names()).unwrap_or_default()
    }

    /// What is known of an image.
    pub(super) fn of(&self, index: usize) -> Result<SampleTargets> {
        let labels = self.labels.as_ref().map(|data| data.labels(index)).transpose()?;
        let values = self.values.as_ref().map(|data| data.values(index)).transpose()?;
        Ok(SampleTargets {
            labels: labels.filter(LabelSet::is_known).map(|set| {
                let has = (0..).zip(set.iter()).filter(|(_, has)| *has == Some(true));
                has.map(|(label, _)| label).collect()
            }),
            values: values.map(|Values(values)| values).unwrap_or_default(),
        })
    }
}

/// What is known of an image.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SampleTargets {
    /// All labels that it has; none where they aren't known, or there are no labels.
    pub(super) labels: Option<Vec<u32>>,
    pub(super) values: Vec<Option<f32>>,
}

/// The parts of the data that a recipe names as they are packed, with the label sets and numbers that its keys name, and
/// what the user may want to know. Without `split` these are all parts that have images.
///
/// # Errors
/// Data that can't be opened; label sets or numbers of other images than those with classes; an image of which some
/// labels are known and others aren't.
pub fn open_parts(source: &DataSource, split: Option<Split>) -> Result<(Vec<PackPart>, Vec<String>)> {
    let (images, mut notes) = source.image_parts(split)?;
    let splits: Vec<Split> = images.iter().map(|(split, _)| *split).collect();
    let mut parts: Vec<PackPart> = images
        .into_iter()
        .map(|(split, data)| PackPart { split, data, targets: PackTargets::default() })
        .collect();
    if source.names_label_sets() {
        let (opened, more) = source.label_sets_of(&splits)?;
        notes.extend(more);
        for (part, labels) in parts.iter_mut().zip(opened) {
            check_same(part, &*labels, "label sets")?;
            check_known(part.split, &*labels)?;
            part.targets.labels = Some(labels);
        }
    }
    if source.names_values() {
        let (opened, more) = source.values_of(&splits)?;
        notes.extend(more);
        for (part, values) in parts.iter_mut().zip(opened) {
            check_same(part, &*values, "numbers")?;
            part.targets.values = Some(values);
        }
    }
    let mut once: Vec<String> = Vec::new();
    notes.retain(|note| {
        !once.contains(note) && {
            once.push(note.clone());
            true
        }
    });
    Ok((parts, notes))
}

fn check_same<D: Dataset + ?Sized>(part: &PackPart, targets: &D, what: &str) -> Result<()> {
    let images = &*part.data;
    let same = images.len() == targets.len()
        && (0..images.len()).all(|index| images.location(index) == targets.location(index));
    if same {
        return Ok(());
    }
    Err(Error::user(format!(
        "the {} part has {what} of other images ({}) than those with a class ({})",
        part.split,
        targets.len(),
        images.len()
    ))
    .help("a part whose labels are withheld gives way to the validation part: leave it out of the data"))
}

fn check_known(split: Split, data: &dyn LabelSetData) -> Result<()> {
    let partly = |set: &LabelSet| set.is_known() && set.iter().any(|has| has.is_none());
    let (mut count, mut first) = (0, None);
    for index in 0..data.len() {
        if partly(&data.labels(index)?) {
            count += 1;
            first = first.or(Some(index));
        }
    }
    let Some(first) = first else { return Ok(()) };
    let images = counted(count, "image has", "images have");
    Err(Error::user(format!(
        "{images} labels that aren't known beside others that are, which a list of labels can't tell; the first in the \
         {split} part is {}",
        data.location(first)
    ))
    .at("`data.reader.label_columns`")
    .help("fill them in or empty the others, or leave the key out and keep the list beside the shards"))
}

/// Whether the names of labels and numbers can be those of members or columns.
///
/// # Errors
/// One that can't.
pub(super) fn check_names(format: PackFormat, targets: &PackTargets) -> Result<()> {
    let taken: &[&str] = match format {
        PackFormat::WebDataset => &["class", "name", LABELS],
        PackFormat::Parquet => &["image", "label", LABELS],
    };
    for name in targets.value_names() {
        if taken.contains(&name.as_str()) {
            return Err(Error::user(format!(
                "a number is called `{name}`, which shards have for something else"
            ))
            .help(format!("call it other than {}", listed(taken))));
        }
        if format == PackFormat::WebDataset && name.contains('.') {
            return Err(Error::user(format!(
                "a number is called `{name}`, and a dot leads into what a member has"
            ))
            .help("rename its column, or pack it with --format parquet"));
        }
    }
    Ok(())
}

/// The keys by which the reader of shards finds the label sets and numbers of these parts, as they are given on the
/// command line, but for quotes that a shell wants.
pub fn reader_keys(format: PackFormat, parts: &[PackPart]) -> Vec<String> {
    let Some(part) = parts.first() else { return vec![] };
    let list = |names: &[String]| serde_json::to_string(names).unwrap_or_default();
    let (labels, values) = (part.targets.label_names(), part.targets.value_names());
    let mut keys = vec![];
    match format {
        PackFormat::WebDataset => {
            if !labels.is_empty() {
                keys.push(format!("data.reader.label_list=json:{LABELS}"));
                keys.push(format!("data.reader.labels={}", list(labels)));
            }
            if !values.is_empty() {
                let places: Vec<String> = values.iter().map(|name| format!("json:{name}")).collect();
                keys.push(format!("data.reader.values={}", list(&places)));
            }
        }
        PackFormat::Parquet => {
            if !labels.is_empty() {
                // Their names stand in the files.
                keys.push(format!("data.reader.label_list_column={LABELS}"));
            }
            if !values.is_empty() {
                keys.push(format!("data.reader.value_columns={}", list(values)));
            }
        }
    }
    keys
}
