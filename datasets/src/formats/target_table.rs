//! Label sets and numbers of images as tables: what any reader whose files tell them up front makes of them, whether they
//! stand in columns, in lists of names or in lists of numbers.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use palimpsest_core::data::{Dataset, Encoded, Image};
use palimpsest_core::error::unknown_name;
use palimpsest_core::head::{LabelSet, Values};
use palimpsest_core::{Error, Result};
use palimpsest_targets::{LabelSetData, ValueData};

use super::shown::shown;

/// The label set of each image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelTable {
    names: Arc<[String]>,
    sets: Vec<LabelSet>,
}

impl LabelTable {
    /// From what is known of each label of each image, in the order of the names.
    ///
    /// # Panics
    /// If an image has another number of them.
    pub fn of_flags(names: Vec<String>, images: impl IntoIterator<Item = Vec<Option<bool>>>) -> Self {
        let set = |flags: Vec<Option<bool>>| {
            assert_eq!(flags.len(), names.len(), "labels of an image");
            let mut set = LabelSet::unknown(names.len());
            flags.into_iter().enumerate().for_each(|(label, has)| set.set(label, has));
            set
        };
        let sets = images.into_iter().map(set).collect();
        Self { names: names.into(), sets }
    }

    /// From the names of the labels that each image has: it has no others; of an image without a list (none) nothing is
    /// known. The labels are `known` in their order, or where there are none those that occur, sorted.
    ///
    /// # Errors
    /// A name that is not among the known; `place` tells where the image of a number is from.
    pub fn of_names(
        images: &[Option<Vec<String>>],
        known: &[String],
        place: impl Fn(usize) -> String,
    ) -> Result<Self> {
        let occurring = || {
            let names: BTreeSet<&String> = images.iter().flatten().flatten().collect();
            names.into_iter().cloned().collect()
        };
        let names = if known.is_empty() { occurring() } else { known.to_vec() };
        let by_name: HashMap<&str, usize> =
            names.iter().enumerate().map(|(label, name)| (name.as_str(), label)).collect();
        let set = |(image, list): (usize, &Option<Vec<String>>)| {
            let Some(list) = list else { return Ok(LabelSet::unknown(names.len())) };
            let mut set = LabelSet::none_of(names.len());
            for name in list {
                let label = by_name.get(name.as_str()).ok_or_else(|| {
                    unknown_name("label", &shown(name), names.iter().map(String::as_str)).at(place(image))
                })?;
                set.set(*label, Some(true));
            }
            Ok(set)
        };
        let sets = images.iter().enumerate().map(set).collect::<Result<_>>()?;
        Ok(Self { names: names.into(), sets })
    }

    /// From the places of the labels that each image has in `names`, as lists of numbers in shards have them; else as
    /// [`LabelTable::of_names`].
    ///
    /// # Errors
    /// A number that is no place.
    pub fn of_indices(
        images: &[Option<Vec<i64>>],
        names: Vec<String>,
        place: impl Fn(usize) -> String,
    ) -> Result<Self> {
        let set = |(image, list): (usize, &Option<Vec<i64>>)| {
            let Some(list) = list else { return Ok(LabelSet::unknown(names.len())) };
            let mut set = LabelSet::none_of(names.len());
            for &label in list {
                let label = usize::try_from(label).ok().filter(|&label| label < names.len());
                let label = label.ok_or_else(|| {
                    Error::user(format!("a label that is none of the {}", names.len()))
                        .at(place(image))
                        .help("number the labels from 0, and name them all")
                })?;
                set.set(label, Some(true));
            }
            Ok(set)
        };
        let sets = images.iter().enumerate().map(set).collect::<Result<_>>()?;
        Ok(Self { names: names.into(), sets })
    }

    /// The names of the labels.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The label set of each image.
    pub fn sets(&self) -> &[LabelSet] {
        &self.sets
    }

    /// Those of the images of these numbers.
    ///
    /// # Panics
    /// If there is no such image.
    #[must_use]
    pub fn of_rows(&self, rows: &[u32]) -> Self {
        let sets = rows.iter().map(|&row| self.sets[row as usize].clone()).collect();
        Self { names: self.names.clone(), sets }
    }
}

/// The numbers of each image.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueTable {
    names: Arc<[String]>,
    values: Vec<Values>,
}

impl ValueTable {
    /// From the numbers of each image, in the order of the names; what is not finite is missing.
    ///
    /// # Panics
    /// If an image has another number of them.
    pub fn new(names: Vec<String>, images: impl IntoIterator<Item = Vec<Option<f32>>>) -> Self {
        let finite = |value: Option<f32>| value.filter(|value| value.is_finite());
        let of = |values: Vec<Option<f32>>| {
            assert_eq!(values.len(), names.len(), "values of an image");
            Values(values.into_iter().map(finite).collect())
        };
        let values = images.into_iter().map(of).collect();
        Self { names: names.into(), values }
    }

    /// What the values are called.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The numbers of each image.
    pub fn values(&self) -> &[Values] {
        &self.values
    }

    /// Those of the images of these numbers.
    ///
    /// # Panics
    /// If there is no such image.
    #[must_use]
    pub fn of_rows(&self, rows: &[u32]) -> Self {
        let values = rows.iter().map(|&row| self.values[row as usize].clone()).collect();
        Self { names: self.names.clone(), values }
    }
}

/// Images with the label sets of a table.
pub struct WithLabels {
    images: Arc<dyn Dataset>,
    table: LabelTable,
}

impl WithLabels {
    /// # Panics
    /// If the table has another number of images.
    pub fn new(images: Arc<dyn Dataset>, table: LabelTable) -> Self {
        assert_eq!(images.len(), table.sets.len(), "images of a table");
        Self { images, table }
    }
}

impl LabelSetData for WithLabels {
    fn labels(&self, index: usize) -> Result<LabelSet> {
        Ok(self.table.sets[index].clone())
    }
}

/// Images with the numbers of a table.
pub struct WithValues {
    images: Arc<dyn Dataset>,
    table: ValueTable,
}

impl WithValues {
    /// # Panics
    /// If the table has another number of images.
    pub fn new(images: Arc<dyn Dataset>, table: ValueTable) -> Self {
        assert_eq!(images.len(), table.values.len(), "images of a table");
        Self { images, table }
    }
}

impl ValueData for WithValues {
    fn value_names(&self) -> &[String] {
        &self.table.names
    }

    fn values(&self, index: usize) -> Result<Values> {
        Ok(self.table.values[index].clone())
    }
}

/// The images of both, which have no one class each; the classes of images with label sets are the labels.
macro_rules! images_of {
    ($data:ty, $own:ident => $classes:expr) => {
        impl Dataset for $data {
            fn len(&self) -> usize {
                self.images.len()
            }
            fn classes(&self) -> &[String] {
                let $own = self;
                $classes
            }
            fn label(&self, _: usize) -> Option<u32> {
                None
            }
            fn load(&self, index: usize) -> Result<Image> {
                self.images.load(index)
            }
            fn location(&self, index: usize) -> String {
                self.images.location(index)
            }
            fn name(&self, index: usize) -> Option<String> {
                self.images.name(index)
            }
            fn encoded(&self, index: usize) -> Option<Encoded> {
                self.images.encoded(index)
            }
        }
    };
}

images_of!(WithLabels, data => &data.table.names);
images_of!(WithValues, _data => &[]);

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|&name| name.to_owned()).collect()
    }

    fn place(image: usize) -> String {
        format!("image {image}")
    }

    #[test]
    fn names_numbers_and_flags_give_the_same_sets() {
        let lists = [Some(names(&["dog", "cat"])), Some(vec![]), None, Some(names(&["owl"]))];
        let by_name = LabelTable::of_names(&lists, &[], place).expect("names");
        assert_eq!(by_name.names(), ["cat", "dog", "owl"]);
        let numbers = [Some(vec![1, 0, 1]), Some(vec![]), None, Some(vec![2])];
        assert_eq!(
            LabelTable::of_indices(&numbers, by_name.names().to_vec(), place).expect("numbers"),
            by_name
        );
        let (yes, no) = (Some(true), Some(false));
        let flags = [vec![yes, yes, no], vec![no; 3], vec![None; 3], vec![no, no, yes]];
        assert_eq!(LabelTable::of_flags(by_name.names().to_vec(), flags), by_name);
        assert_eq!(by_name.of_rows(&[3, 0]).sets(), [by_name.sets()[3].clone(), by_name.sets()[0].clone()]);
    }

    #[test]
    fn a_label_that_there_is_not_is_told() {
        let lists = [Some(vec![]), Some(names(&["dgo"]))];
        let error =
            LabelTable::of_names(&lists, &names(&["cat", "dog"]), place).expect_err("unknown").to_string();
        assert!(error.contains("image 1") && error.contains("`dgo`") && error.contains("`dog`"), "{error}");
        for wrong in [-1, 2] {
            let numbers = [Some(vec![wrong])];
            let error =
                LabelTable::of_indices(&numbers, names(&["cat", "dog"]), place).expect_err("no place");
            assert!(error.to_string().contains("image 0"), "{error}");
        }
    }

    #[test]
    fn what_is_no_number_is_missing() {
        let table = ValueTable::new(names(&["a"]), [vec![Some(f32::NAN)], vec![Some(2.0)], vec![None]]);
        assert_eq!(table.values(), [Values(vec![None]), Values(vec![Some(2.0)]), Values(vec![None])]);
    }
}
