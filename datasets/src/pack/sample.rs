//! A sample as it is packed.

use palimpsest_core::data::{Dataset, Encoded};
use serde_json::json;

use super::Resize;
use super::image::{NotPacked, PackedImage, packed_image};
use super::targets::{LABELS, PackTargets, SampleTargets};

/// A sample as it is packed.
pub(super) struct PackedSample {
    /// What it is called, once in its part.
    pub(super) key: Box<str>,
    /// The name that the data have for it.
    pub(super) name: Option<String>,
    pub(super) image: PackedImage,
    pub(super) label: Option<u32>,
    /// The label's name.
    pub(super) class: Option<String>,
    pub(super) targets: SampleTargets,
}

impl PackedSample {
    /// # Errors
    /// An image that can't be read: the error names it.
    pub(super) fn of(
        data: &dyn Dataset,
        index: usize,
        key: Box<str>,
        encoded: Option<Encoded>,
        targets: SampleTargets,
        resize: Option<Resize>,
    ) -> Result<Self, NotPacked> {
        let image = packed_image(data, index, encoded, resize)?;
        let label = data.label(index);
        let class = label.and_then(|label| data.classes().get(label as usize)).cloned();
        Ok(Self { key, name: data.name(index), image, label, class, targets })
    }

    /// The path that the image has in a parquet file.
    pub(super) fn path(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("{}.{}", self.key, self.image.format.ending()))
    }

    /// Where the sample comes from and what it shows, as a line of JSON: with its labels and numbers by their names, where
    /// the data have some.
    pub(super) fn json(&self, targets: &PackTargets) -> String {
        let mut all = json!({ "class": self.class, "name": self.name });
        if targets.labels.is_some() {
            let names = targets.label_names();
            let labels = self.targets.labels.as_ref();
            all[LABELS] = labels
                .map(|labels| labels.iter().map(|&label| names[label as usize].as_str()).collect::<Vec<_>>())
                .into();
        }
        for (name, value) in targets.value_names().iter().zip(&self.targets.values) {
            all[name] = json!(value);
        }
        all.to_string()
    }
}
