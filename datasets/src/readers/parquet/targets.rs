//! Label sets and numbers of rows, from columns of lists and of numbers.

use std::path::PathBuf;
use std::sync::Arc;

use palimpsest_core::data::Dataset;
use palimpsest_core::{Error, Result};
use palimpsest_parquet::{ImageFile, LabelLists};
use palimpsest_targets::{LabelSetData, ValueData};
use rayon::prelude::*;

use super::{Parquet, ParquetKeys, part};
use crate::formats::target_table::{LabelTable, ValueTable, WithLabels, WithValues};
use crate::reader::{Opened, Reader};
use crate::spec::DataSpec;
use crate::split::Split;

/// What the rows are opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Class,
    LabelSet,
    Values,
}

/// What is known of the rows of all files.
#[derive(Default)]
pub(super) enum Targets {
    #[default]
    None,
    Lists {
        lists: LabelLists,
        /// The names that the files tell.
        names: Option<Vec<String>>,
    },
    Values(ValueTable),
}

impl Targets {
    /// # Errors
    /// A key that names no column, a column that isn't there or of another type, files that don't go together.
    pub(super) fn read(
        files: &[PathBuf],
        opened: &[ImageFile],
        keys: &ParquetKeys,
        wanted: Wanted,
    ) -> Result<Self> {
        match wanted {
            Wanted::Class => Ok(Self::None),
            Wanted::LabelSet => Self::lists(files, opened, &keys.label_list_column),
            Wanted::Values => values(opened, &keys.value_columns).map(Self::Values),
        }
    }

    fn lists(files: &[PathBuf], opened: &[ImageFile], column: &str) -> Result<Self> {
        if column.is_empty() {
            return Err(Error::user("no column of lists of labels is named")
                .at("`data.reader.label_list_column`")
                .help("name it, as data.reader.label_list_column=labels"));
        }
        let names = opened[0].class_names(column);
        if let Some(other) = opened.iter().position(|file| file.class_names(column) != names) {
            return Err(Error::user(format!(
                "the labels of `{column}` are others than those of {}",
                files[0].display()
            ))
            .at(files[other].display())
            .help("open one set at a time: give the folder of one configuration"));
        }
        let read: Vec<LabelLists> =
            opened.par_iter().map(|file| file.label_lists(column)).collect::<Result<_>>()?;
        // A file whose lists are all empty may have any type.
        let first = read.iter().position(has_entries);
        let of_names = first.is_some_and(|first| matches!(read[first], LabelLists::Names(_)));
        let (mut texts, mut numbers) = (Vec::new(), Vec::new());
        for (file, lists) in read.into_iter().enumerate() {
            match lists {
                LabelLists::Names(lists) if of_names => texts.extend(lists),
                LabelLists::Numbers(lists) if !of_names => numbers.extend(lists),
                lists if !has_entries(&lists) => match lists {
                    LabelLists::Names(lists) => {
                        numbers.extend(lists.into_iter().map(|list| list.map(|_| Vec::new())));
                    }
                    LabelLists::Numbers(lists) => {
                        texts.extend(lists.into_iter().map(|list| list.map(|_| Vec::new())));
                    }
                },
                _ => {
                    let first = files[first.unwrap_or_default()].display();
                    let (here, there) = if of_names { ("numbers", "texts") } else { ("texts", "numbers") };
                    return Err(Error::user(format!(
                        "the lists of `{column}` have {here} here, and {there} in {first}"
                    ))
                    .at(files[file].display())
                    .help("write them alike in all files, or give the files of one set alone"));
                }
            }
        }
        let lists = if of_names { LabelLists::Names(texts) } else { LabelLists::Numbers(numbers) };
        Ok(Self::Lists { lists, names })
    }

    /// Whether anything is told. An image that has no label at all may be one whose labels are withheld.
    pub(super) fn any(&self) -> bool {
        match self {
            Self::None => false,
            Self::Lists { lists, .. } => has_entries(lists),
            Self::Values(table) => table.values().iter().any(palimpsest_core::head::Values::is_known),
        }
    }

    /// The label sets, whose names are `given`, or the files', or `known`, or those that occur.
    fn label_table(
        &self,
        given: &[String],
        known: &[String],
        place: impl Fn(usize) -> String,
    ) -> Result<LabelTable> {
        let Self::Lists { lists, names } = self else {
            return Err(Error::failure("rows were opened without their labels"));
        };
        let named = [given, names.as_deref().unwrap_or_default(), known];
        let named = named.into_iter().find(|names| !names.is_empty()).unwrap_or_default();
        match lists {
            LabelLists::Names(lists) => LabelTable::of_names(lists, named, place),
            LabelLists::Numbers(_) if named.is_empty() && has_entries(lists) => {
                Err(Error::user("the labels are numbers, and nothing names them")
                    .at("`data.reader.labels`")
                    .help("name them in the order of the numbers, as [\"cat\", \"dog\"]"))
            }
            LabelLists::Numbers(lists) => LabelTable::of_indices(lists, named.to_vec(), place),
        }
    }
}

fn has_entries(lists: &LabelLists) -> bool {
    match lists {
        LabelLists::Names(lists) => lists.iter().flatten().any(|list| !list.is_empty()),
        LabelLists::Numbers(lists) => lists.iter().flatten().any(|list| !list.is_empty()),
    }
}

fn values(opened: &[ImageFile], names: &[String]) -> Result<ValueTable> {
    let wrong =
        |what: String, help: &str| Err(Error::user(what).at("`data.reader.value_columns`").help(help));
    if names.is_empty() {
        return wrong("no columns of numbers are named".to_owned(), "name them, as [\"age\", \"weight\"]");
    }
    if let Some((_, twice)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
        return wrong(format!("`{twice}` is named twice"), "name each column once");
    }
    let mut columns: Vec<Vec<Option<f32>>> = Vec::with_capacity(names.len());
    for name in names {
        let read: Vec<Vec<Option<f32>>> =
            opened.par_iter().map(|file| file.numbers(name)).collect::<Result<_>>()?;
        columns.push(read.concat());
    }
    let rows = columns.first().map_or(0, Vec::len);
    let of = |row: usize| columns.iter().map(|column| column[row]).collect();
    Ok(ValueTable::new(names.to_vec(), (0..rows).map(of)))
}

impl Reader<dyn LabelSetData> for Parquet {
    type Settings = ParquetKeys;

    fn open(keys: &ParquetKeys, spec: &DataSpec, split: Split) -> Result<Opened<dyn LabelSetData>> {
        let own = part(keys, spec, split, Wanted::LabelSet)?;
        let table = |data: &super::ParquetRows, known: &[String]| {
            data.targets().label_table(&keys.labels, known, |row| data.location(row))
        };
        // The test part's labels mean the training part's names.
        let known = match split {
            Split::Test => {
                let train = part(keys, spec, Split::Train, Wanted::LabelSet)?;
                table(&train.data, &[])?.names().to_vec()
            }
            Split::Train => Vec::new(),
        };
        let table = table(&own.data, &known)?;
        let table = own.rows.as_ref().map(|rows| table.of_rows(rows)).unwrap_or(table);
        let Opened { dataset, notes, part } = own.opened();
        let data: Arc<dyn LabelSetData> = Arc::new(WithLabels::new(dataset, table));
        Ok(Opened::new(data).notes(notes).part(part))
    }
}

impl Reader<dyn ValueData> for Parquet {
    type Settings = ParquetKeys;

    fn open(keys: &ParquetKeys, spec: &DataSpec, split: Split) -> Result<Opened<dyn ValueData>> {
        let mut own = part(keys, spec, split, Wanted::Values)?;
        let Targets::Values(table) = own.data.take_targets() else {
            return Err(Error::failure("rows were opened without their numbers"));
        };
        let table = own.rows.as_ref().map(|rows| table.of_rows(rows)).unwrap_or(table);
        let Opened { dataset, notes, part } = own.opened();
        let data: Arc<dyn ValueData> = Arc::new(WithValues::new(dataset, table));
        Ok(Opened::new(data).notes(notes).part(part))
    }
}
