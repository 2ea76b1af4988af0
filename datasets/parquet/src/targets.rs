//! Lists of labels and numbers of a file, read once.

use half::f16;
use palimpsest_core::{Error, Result};
use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::column::page::PageReader;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::schema::types::ColumnDescPtr;

use crate::labels::broken;

/// Rows that are decoded at once.
const ROWS: usize = 8192;

/// The list of labels of each row; none where a row has no list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelLists {
    /// Lists of names.
    Names(Vec<Option<Vec<String>>>),
    /// Lists of whole numbers.
    Numbers(Vec<Option<Vec<i64>>>),
}

impl LabelLists {
    /// Without rows, of a column of this type.
    ///
    /// # Errors
    /// A column of other than texts or whole numbers.
    pub(crate) fn of(descriptor: &ColumnDescPtr) -> Result<Self> {
        match descriptor.physical_type() {
            _ if is_moment_or_decimal(descriptor) => {}
            Type::BYTE_ARRAY => return Ok(Self::Names(Vec::new())),
            Type::INT32 | Type::INT64 => return Ok(Self::Numbers(Vec::new())),
            _ => {}
        }
        Err(Error::user(format!("the lists have {}", kind_of(descriptor))).help(
            "name a column of lists of texts or of whole numbers: data.reader.label_list_column=labels",
        ))
    }

    /// Adds the lists of a row group, whose entries are those of `entry`'s depth.
    pub(crate) fn add(&mut self, group: GroupColumn<'_>, entry: i16) -> Result<()> {
        let lists = Lists { greatest: group.descriptor.max_def_level(), entry, rows: group.rows };
        let unsigned = is_unsigned(group.descriptor);
        match (self, group.reader()) {
            (Self::Names(all), ColumnReader::ByteArrayColumnReader(reader)) => lists.read(reader, all, |v| {
                std::str::from_utf8(v.data())
                    .map(str::to_owned)
                    .map_err(|_| Error::user("a label is no text"))
            }),
            (Self::Numbers(all), ColumnReader::Int32ColumnReader(reader)) => {
                lists.read(reader, all, |&v| Ok(if unsigned { i64::from(v as u32) } else { i64::from(v) }))
            }
            (Self::Numbers(all), ColumnReader::Int64ColumnReader(reader)) => {
                lists.read(reader, all, |&v| Ok(v))
            }
            _ => Err(Error::failure("the lists of a column have several types")),
        }
    }
}

/// A column of a row group.
pub(crate) struct GroupColumn<'a> {
    pub(crate) descriptor: &'a ColumnDescPtr,
    pub(crate) pages: Box<dyn PageReader>,
    pub(crate) rows: usize,
}

impl GroupColumn<'_> {
    fn reader(self) -> ColumnReader {
        get_column_reader(self.descriptor.clone(), self.pages)
    }
}

/// How deep the levels of a column of lists are: at `greatest` there is a value, from `entry` on an entry of a list, which
/// may be none, right below an empty list, and deeper no list.
struct Lists {
    greatest: i16,
    entry: i16,
    rows: usize,
}

impl Lists {
    fn read<T: DataType, V>(
        &self,
        mut reader: ColumnReaderImpl<T>,
        all: &mut Vec<Option<Vec<V>>>,
        value: impl Fn(&T::T) -> Result<V>,
    ) -> Result<()> {
        let (mut depths, mut repeats, mut values) = (Vec::new(), Vec::new(), Vec::<T::T>::new());
        let (start, mut done) = (all.len(), 0);
        while done < self.rows {
            depths.clear();
            repeats.clear();
            values.clear();
            let wanted = ROWS.min(self.rows - done);
            let (records, _, _) = reader
                .read_records(wanted, Some(&mut depths), Some(&mut repeats), &mut values)
                .map_err(|e| broken(&e))?;
            if records == 0 {
                return Err(broken(&ParquetError::General(format!("{done} lists for {} rows", self.rows))));
            }
            done += records;
            let mut values = values.iter();
            for (&depth, &repeat) in depths.iter().zip(&repeats) {
                if repeat == 0 {
                    all.push((depth + 1 >= self.entry).then(Vec::new));
                }
                if depth < self.entry {
                    continue;
                }
                let row = all.len().saturating_sub(1);
                let at = |e: Error| e.at(format_args!("row {row}"));
                let found = if depth == self.greatest { values.next() } else { None };
                let Some(found) = found else {
                    return Err(at(Error::user("the list has an entry that is null")
                        .help("leave the entry out; a row whose labels aren't known has no list")));
                };
                let found = value(found).map_err(at)?;
                if let Some(Some(list)) = all.last_mut() {
                    list.push(found);
                }
            }
        }
        match all.len() - start == self.rows {
            true => Ok(()),
            false => Err(broken(&ParquetError::General("other numbers of lists than of rows".to_owned()))),
        }
    }
}

/// Adds the numbers of a row group; none where one is missing or not a number.
pub(crate) fn add_numbers(group: GroupColumn<'_>, all: &mut Vec<Option<f32>>) -> Result<()> {
    let (descriptor, rows) = (group.descriptor, group.rows);
    let unsigned = is_unsigned(descriptor);
    let greatest = descriptor.max_def_level();
    let half = matches!(descriptor.logical_type_ref(), Some(LogicalType::Float16));
    let refused = || {
        Error::user(format!("the column has {}, not numbers", kind_of(descriptor)))
            .help("name columns of floats or whole numbers, or cast this one to float32")
    };
    if is_moment_or_decimal(descriptor) {
        return Err(refused());
    }
    match group.reader() {
        ColumnReader::BoolColumnReader(reader) => {
            numbers(reader, greatest, rows, all, |&v| f64::from(u8::from(v)))
        }
        ColumnReader::Int32ColumnReader(reader) => {
            numbers(
                reader,
                greatest,
                rows,
                all,
                |&v| if unsigned { f64::from(v as u32) } else { f64::from(v) },
            )
        }
        ColumnReader::Int64ColumnReader(reader) => {
            numbers(reader, greatest, rows, all, |&v| if unsigned { v as u64 as f64 } else { v as f64 })
        }
        ColumnReader::FloatColumnReader(reader) => numbers(reader, greatest, rows, all, |&v| f64::from(v)),
        ColumnReader::DoubleColumnReader(reader) => numbers(reader, greatest, rows, all, |&v| v),
        ColumnReader::FixedLenByteArrayColumnReader(reader) if half => {
            numbers(reader, greatest, rows, all, |v| match *v.data() {
                [low, high] => f64::from(f16::from_le_bytes([low, high])),
                _ => f64::NAN,
            })
        }
        _ => Err(refused()),
    }
}

fn numbers<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    greatest: i16,
    rows: usize,
    all: &mut Vec<Option<f32>>,
    number: impl Fn(&T::T) -> f64,
) -> Result<()> {
    let (mut depths, mut values): (Vec<i16>, Vec<T::T>) = (Vec::new(), Vec::new());
    let mut done = 0;
    while done < rows {
        depths.clear();
        values.clear();
        let (records, found, _) = reader
            .read_records(ROWS.min(rows - done), Some(&mut depths), None, &mut values)
            .map_err(|e| broken(&e))?;
        if records == 0 {
            return Err(broken(&ParquetError::General(format!("{done} numbers for {rows} rows"))));
        }
        done += records;
        let mut values = values[..found].iter();
        for row in 0..records {
            let there = greatest == 0 || depths.get(row).is_some_and(|&depth| depth == greatest);
            let value = if there { values.next().map(&number) } else { None };
            let value = value.filter(|value| !value.is_nan());
            if let Some(value) = value.filter(|&value| !(value as f32).is_finite()) {
                return Err(Error::user(format!("{value:e} is infinite, or too large for 32 bits"))
                    .at(format_args!("row {}", all.len()))
                    .help("write finite numbers, and null where one is missing"));
            }
            all.push(value.map(|value| value as f32));
        }
    }
    Ok(())
}

/// Whether the integers of a column have no sign; those of 8 and 16 bits are positive either way.
pub(crate) fn is_unsigned(descriptor: &ColumnDescPtr) -> bool {
    matches!(descriptor.converted_type(), ConvertedType::UINT_32 | ConvertedType::UINT_64)
}

/// Whether the integers of a column are dates, times or decimals.
pub(crate) fn is_moment_or_decimal(descriptor: &ColumnDescPtr) -> bool {
    matches!(
        descriptor.converted_type(),
        ConvertedType::DATE
            | ConvertedType::TIME_MILLIS
            | ConvertedType::TIME_MICROS
            | ConvertedType::TIMESTAMP_MILLIS
            | ConvertedType::TIMESTAMP_MICROS
            | ConvertedType::DECIMAL
    ) || matches!(
        descriptor.logical_type_ref(),
        Some(LogicalType::Date | LogicalType::Time(_) | LogicalType::Timestamp(_) | LogicalType::Decimal(_))
    )
}

/// What a column has, in words.
pub(crate) fn kind_of(descriptor: &ColumnDescPtr) -> String {
    match descriptor.physical_type() {
        _ if is_moment_or_decimal(descriptor) => "dates, times or decimals".to_owned(),
        Type::BYTE_ARRAY => "texts".to_owned(),
        Type::FLOAT | Type::DOUBLE => "floats".to_owned(),
        Type::BOOLEAN => "truth values".to_owned(),
        Type::INT32 | Type::INT64 => "whole numbers".to_owned(),
        _ if matches!(descriptor.logical_type_ref(), Some(LogicalType::Float16)) => "floats".to_owned(),
        other => format!("values of the type {other}"),
    }
}
