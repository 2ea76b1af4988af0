//! A sample as it is packed.

use palimpsest_core::Result;
use palimpsest_core::data::Dataset;
use serde_json::json;

use super::image::{PackedImage, packed_image};

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
}

impl PackedSample {
    /// # Errors
    /// An image that can't be read: the error names it.
    pub(super) fn of(data: &dyn Dataset, index: usize, key: Box<str>, resize: Option<usize>) -> Result<Self> {
        let image = packed_image(data, index, resize)?;
        let label = data.label(index);
        let class = label.and_then(|label| data.classes().get(label as usize)).cloned();
        Ok(Self { key, name: data.name(index), image, label, class })
    }

    /// The path that the image has in a parquet file.
    pub(super) fn path(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("{}.{}", self.key, self.image.format.ending()))
    }

    /// Where the sample comes from and what it shows, as a line of JSON.
    pub(super) fn json(&self) -> String {
        json!({ "class": self.class, "name": self.name }).to_string()
    }
}
