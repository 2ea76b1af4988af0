//! The labels of a file, read once.

use std::collections::HashMap;

use palimpsest_core::{Error, Result};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;

/// No label.
pub const UNLABELLED: u32 = u32::MAX;

/// Rows that are decoded at once.
const ROWS: usize = 8192;

/// The label of each row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// What occurs: texts, or whole numbers as text, in the order in which they occur.
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
        let greatest = descriptor.max_def_level();
        let Self { labels: Labels { texts, rows: labels }, of_numbers, of_texts } = self;
        let mut number = |value: i64| {
            Ok(*of_numbers.entry(value).or_insert_with(|| {
                texts.push(value.to_string());
                texts.len() as u32 - 1
            }))
        };
        match get_column_reader(descriptor.clone(), pages) {
            ColumnReader::BoolColumnReader(reader) => {
                read(reader, greatest, rows, labels, |&value| number(i64::from(value)))
            }
            ColumnReader::Int32ColumnReader(reader) => {
                read(reader, greatest, rows, labels, |&value| number(i64::from(value)))
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
                texts.push(text.to_owned());
                of_texts.insert(data.to_vec(), texts.len() as u32 - 1);
                Ok(texts.len() as u32 - 1)
            }),
            _ => Err(Error::user(format!("the column has {}", descriptor.physical_type()))
                .help("name a column of texts or whole numbers: data.reader.label=label")),
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
