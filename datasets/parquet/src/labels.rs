//! The labels of a file, read once.

use std::collections::HashMap;

use palimpsest_core::{Error, Result};
use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;

use crate::targets::{is_moment_or_decimal, is_unsigned, kind_of};

/// No label.
pub const UNLABELLED: u32 = u32::MAX;

/// Rows that are decoded at once.
const ROWS: usize = 8192;

/// What labels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelKind {
    /// Texts.
    Texts,
    /// Whole numbers.
    Numbers,
}

/// The label of each row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// What the column has.
    pub kind: Option<LabelKind>,
    /// What occurs: texts without the white space around them, or whole numbers as text, in the order in which they occur.
    /// A text without anything is no label.
    pub texts: Vec<String>,
    /// A place in `texts` for each row, or [`UNLABELLED`].
    pub rows: Vec<u32>,
}

/// What builds them, row group by row group.
#[derive(Default)]
pub(crate) struct LabelsRead {
    labels: Labels,
    of_numbers: HashMap<i64, u32>,
    of_texts: HashMap<Vec<u8>, u32>,
}

impl LabelsRead {
    pub(crate) fn finish(self) -> Labels {
        self.labels
    }

    /// Adds the labels of a column of a row group.
    pub(crate) fn add(
        &mut self,
        descriptor: &parquet::schema::types::ColumnDescPtr,
        pages: Box<dyn parquet::column::page::PageReader>,
        rows: usize,
    ) -> Result<()> {
        let refused = || {
            let name = descriptor.path().string();
            let what = format!("the column `{name}` has {}, which are no classes", kind_of(descriptor));
            let help = "name a column of texts or whole numbers, or data.reader.label=\"\" for none";
            Err(Error::user(what).help(help))
        };
        if is_moment_or_decimal(descriptor) {
            return refused();
        }
        let (greatest, unsigned) = (descriptor.max_def_level(), is_unsigned(descriptor));
        let Self { labels: Labels { kind, texts, rows: labels }, of_numbers, of_texts } = self;
        let text = descriptor.physical_type() == Type::BYTE_ARRAY;
        *kind = Some(if text { LabelKind::Texts } else { LabelKind::Numbers });
        let mut number = |value: i64| {
            Ok(*of_numbers.entry(value).or_insert_with(|| {
                // Of 64 bits without a sign these are the bits.
                texts.push(if unsigned { (value as u64).to_string() } else { value.to_string() });
                texts.len() as u32 - 1
            }))
        };
        match get_column_reader(descriptor.clone(), pages) {
            ColumnReader::BoolColumnReader(reader) => {
                read(reader, greatest, rows, labels, |&value| number(i64::from(value)))
            }
            ColumnReader::Int32ColumnReader(reader) => {
                let wide = |value: i32| if unsigned { i64::from(value as u32) } else { i64::from(value) };
                read(reader, greatest, rows, labels, |&value| number(wide(value)))
            }
            ColumnReader::Int64ColumnReader(reader) => {
                read(reader, greatest, rows, labels, |&value| number(value))
            }
            ColumnReader::ByteArrayColumnReader(reader) => read(reader, greatest, rows, labels, |value| {
                let data = value.data();
                if let Some(&known) = of_texts.get(data) {
                    return Ok(known);
                }
                let text = std::str::from_utf8(data).map_err(|_| {
                    Error::user("a label is no text").help("name a column of texts or whole numbers")
                })?;
                let text = text.trim();
                let label = match of_texts.get(text.as_bytes()) {
                    _ if text.is_empty() => UNLABELLED,
                    Some(&known) => known,
                    None => {
                        texts.push(text.to_owned());
                        texts.len() as u32 - 1
                    }
                };
                of_texts.insert(text.as_bytes().to_vec(), label);
                of_texts.insert(data.to_vec(), label);
                Ok(label)
            }),
            ColumnReader::FloatColumnReader(_) | ColumnReader::DoubleColumnReader(_) => {
                let name = descriptor.path().string();
                Err(Error::user(format!("the column `{name}` has floats, which are no classes")).help(format!(
                    "read them as numbers, data.reader.value_columns=[\"{name}\"] with data.reader.label=\"\", or write \
                     the file again with whole numbers or texts there (ds.cast_column(\"{name}\", Value(\"int64\")))"
                )))
            }
            _ => refused(),
        }
    }
}

fn read<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    greatest: i16,
    rows: usize,
    labels: &mut Vec<u32>,
    mut label: impl FnMut(&T::T) -> Result<u32>,
) -> Result<()> {
    let (mut levels, mut values): (Vec<i16>, Vec<T::T>) = (Vec::new(), Vec::new());
    let mut done = 0;
    while done < rows {
        levels.clear();
        values.clear();
        let (records, found, _) = reader
            .read_records(ROWS.min(rows - done), Some(&mut levels), None, &mut values)
            .map_err(|e| broken(&e))?;
        if records == 0 {
            return Err(broken(&ParquetError::General(format!("{done} labels for {rows} rows"))));
        }
        done += records;
        let mut values = values[..found].iter();
        for row in 0..records {
            let there = greatest == 0 || levels.get(row).is_some_and(|&level| level == greatest);
            let value = if there { values.next() } else { None };
            labels.push(value.map_or(Ok(UNLABELLED), &mut label)?);
        }
    }
    Ok(())
}

/// The error of a file that is damaged.
pub(crate) fn broken(error: &ParquetError) -> Error {
    let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    Error::user(format!("broken Parquet: {text}")).help("copy the file again")
}
