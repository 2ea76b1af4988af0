//! The parts of a recipe's data that there are, for commands that look at data and train nothing.

use std::sync::Arc;

use palimpsest_core::data::{Dataset, Split};
use palimpsest_core::{Result, registry};
use palimpsest_targets::{LabelSetData, ValueData};

use crate::class_agreement::Relabel;
use crate::open::{open_label_sets, open_values};
use crate::parts::Parts;
use crate::reader::{Opened, ReaderEntry};
use crate::recipe_data::DataSource;
use crate::spec::DataSpec;

/// Keys by which readers of lists and shards are told where label sets are.
const LABEL_SETS: [&str; 3] = ["label_columns", "label_list_column", "label_list"];
/// Keys by which they are told where numbers are.
const VALUES: [&str; 2] = ["value_columns", "values"];

/// Parts with what the user may want to know.
type PartsFound<T> = (Vec<T>, Vec<String>);

impl DataSource {
    /// One part as images, or all that have some: of few images the held-out share may be none, or all.
    ///
    /// # Errors
    /// Data that can't be opened; a part without images that is asked for.
    pub fn image_parts(&self, split: Option<Split>) -> Result<PartsFound<(Split, Arc<dyn Dataset>)>> {
        if let Some(split) = split {
            let Opened { dataset, notes, .. } = self.images_of(split)?;
            return Ok((vec![(split, dataset)], notes));
        }
        let mut source = self.clone();
        source.empty_parts = true;
        let Parts { train, test, mut notes } = source.images()?;
        let mut parts = vec![(Split::Train, train), (Split::Test, test)];
        for (split, _) in parts.iter().filter(|(_, data)| data.is_empty()) {
            notes.push(format!(
                "the {split} part has no images (data.holdout = {}), so there is only the other",
                self.spec().holdout
            ));
        }
        parts.retain(|(_, data)| !data.is_empty());
        Ok((parts, notes))
    }

    /// Whether the data have label sets, as far as the reader's keys tell.
    pub fn names_label_sets(&self) -> bool {
        self.names(&LABEL_SETS, |reader| reader.label_sets.is_some())
    }

    /// Whether the data have numbers, as far as the reader's keys tell.
    pub fn names_values(&self) -> bool {
        self.names(&VALUES, |reader| reader.values.is_some())
    }

    /// A reader that has none of the keys needs not be told.
    fn names(&self, keys: &[&str], has: impl Fn(&ReaderEntry) -> bool) -> bool {
        let spec = self.spec();
        let Ok(reader) = registry::find::<ReaderEntry>("data set", &spec.name) else { return false };
        let known = (reader.fields)().iter().any(|field| keys.contains(&field.name));
        let said = |key: &&str| match spec.reader.table().get(*key) {
            Some(toml::Value::String(text)) => !text.is_empty(),
            Some(toml::Value::Array(list)) => !list.is_empty(),
            _ => false,
        };
        has(reader) && (!known || keys.iter().any(said))
    }

    /// These parts as images with a set of labels each, in the order of the parts.
    ///
    /// # Errors
    /// Data that can't be opened, or have none.
    pub fn label_sets_of(&self, splits: &[Split]) -> Result<PartsFound<Arc<dyn LabelSetData>>> {
        self.targets_of("label sets", splits, open_label_sets, Self::label_sets)
    }

    /// These parts as images with numbers each, in the order of the parts.
    ///
    /// # Errors
    /// Data that can't be opened, or have none.
    pub fn values_of(&self, splits: &[Split]) -> Result<PartsFound<Arc<dyn ValueData>>> {
        self.targets_of("numbers", splits, open_values, Self::values)
    }

    fn targets_of<D: ?Sized + Relabel>(
        &self,
        what: &str,
        splits: &[Split],
        open: fn(&DataSpec, Split) -> Result<Opened<D>>,
        both: fn(&Self) -> Result<Parts<D>>,
    ) -> Result<PartsFound<Arc<D>>> {
        if let [Split::Train, Split::Test] = splits {
            let Parts { train, test, notes } = both(self)?;
            // The first tells what was opened, as it does of the images.
            return Ok((vec![train, test], notes.into_iter().skip(1).collect()));
        }
        let spec = self.spec_of_targets(what)?;
        let (mut parts, mut notes) = (vec![], vec![]);
        for &split in splits {
            let opened = self.part(&spec, split, open)?;
            parts.push(opened.dataset);
            notes.extend(opened.notes);
        }
        Ok((parts, notes))
    }
}
