//! Images written as Hugging Face's `datasets` writes them.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use serde_json::json;

/// Rows of a row group: as many as `datasets` writes of images.
const ROW_GROUP: usize = 100;

/// What rows have beside their image.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImageColumns<'a> {
    /// The names of the classes; without them there is no column `label`.
    pub classes: &'a [String],
    /// The names of the labels of lists; without them there is no column `labels`.
    pub labels: &'a [String],
    /// The names of columns of numbers.
    pub values: &'a [String],
}

/// A row.
#[derive(Debug, Clone, Default)]
pub struct ImageRow {
    /// The image file.
    pub bytes: Bytes,
    /// Its name.
    pub path: String,
    /// Its class.
    pub label: Option<u32>,
    /// All labels that it has; none where they aren't known.
    pub labels: Option<Vec<u32>>,
    /// Its numbers, as many as there are columns of them.
    pub values: Vec<Option<f32>>,
}

/// Writes a Parquet file of images: the column `image`, a struct of `bytes` and `path`; where there are classes, the
/// column `label`, whose names stand in the metadata as those of a `ClassLabel`; where there are labels, the column
/// `labels` of lists of such; and columns of 32-bit floats. Nothing is compressed, since images are. What is written
/// depends on the rows alone.
pub struct ImageWriter<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    rows: Vec<ImageRow>,
    has_label: bool,
    has_labels: bool,
    values: usize,
}

impl<W: Write + Send> ImageWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// A full disk.
    pub fn new(out: W, columns: ImageColumns<'_>) -> Result<Self, ParquetError> {
        let ImageColumns { classes, labels, values } = columns;
        let (has_label, has_labels) = (!classes.is_empty(), !labels.is_empty());
        let schema = schema(columns)?;
        let mut features = json!({ "image": { "_type": "Image" } });
        let named = |names: &[String]| json!({ "names": names, "_type": "ClassLabel" });
        if has_label {
            features["label"] = named(classes);
        }
        if has_labels {
            // Versions of `datasets` before 4 know this name alone; later ones take it for a list.
            features["labels"] = json!({ "feature": named(labels), "_type": "Sequence" });
        }
        for name in values {
            features[name] = json!({ "dtype": "float32", "_type": "Value" });
        }
        let information = json!({ "info": { "features": features } }).to_string();
        let properties = WriterProperties::builder()
            .set_created_by("palimpsest".to_owned())
            .set_compression(Compression::UNCOMPRESSED)
            .set_dictionary_enabled(false)
            // Of images the least and the greatest say nothing.
            .set_statistics_enabled(EnabledStatistics::None)
            .set_key_value_metadata(Some(vec![KeyValue::new("huggingface".to_owned(), information)]))
            .build();
        let writer = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?;
        let rows = Vec::with_capacity(ROW_GROUP);
        Ok(Self { writer, rows, has_label, has_labels, values: values.len() })
    }

    /// Writes a row, when its row group is full.
    ///
    /// # Errors
    /// A full disk.
    pub fn add(&mut self, row: ImageRow) -> Result<(), ParquetError> {
        self.rows.push(row);
        if self.rows.len() == ROW_GROUP { self.write_rows() } else { Ok(()) }
    }

    /// Writes the rest, and gives back what it was written into.
    ///
    /// # Errors
    /// A full disk.
    pub fn finish(mut self) -> Result<W, ParquetError> {
        if !self.rows.is_empty() {
            self.write_rows()?;
        }
        self.writer.into_inner()
    }

    fn write_rows(&mut self) -> Result<(), ParquetError> {
        let rows = std::mem::take(&mut self.rows);
        let mut group = self.writer.next_row_group()?;
        // How much of image, then bytes or path, is there: all of it.
        let there = vec![2; rows.len()];
        let bytes: Vec<ByteArray> = rows.iter().map(|row| ByteArray::from(row.bytes.clone())).collect();
        let paths: Vec<ByteArray> = rows.iter().map(|row| ByteArray::from(row.path.as_str())).collect();
        write_column::<_, ByteArrayType>(&mut group, &bytes, &there, None)?;
        write_column::<_, ByteArrayType>(&mut group, &paths, &there, None)?;
        if self.has_label {
            let values: Vec<i64> = rows.iter().filter_map(|row| row.label.map(i64::from)).collect();
            let there: Vec<i16> = rows.iter().map(|row| i16::from(row.label.is_some())).collect();
            write_column::<_, Int64Type>(&mut group, &values, &there, None)?;
        }
        if self.has_labels {
            let (mut values, mut there, mut repeats) = (vec![], vec![], vec![]);
            for row in &rows {
                // No list, an empty one, and an entry; those behind the first repeat.
                let list = row.labels.as_deref();
                let Some(list) = list.filter(|list| !list.is_empty()) else {
                    there.push(i16::from(list.is_some()));
                    repeats.push(0);
                    continue;
                };
                values.extend(list.iter().map(|&label| i64::from(label)));
                there.extend(list.iter().map(|_| 3));
                repeats.extend((0..list.len()).map(|entry| i16::from(entry > 0)));
            }
            write_column::<_, Int64Type>(&mut group, &values, &there, Some(&repeats))?;
        }
        for column in 0..self.values {
            let of = |row: &ImageRow| row.values.get(column).copied().flatten();
            let values: Vec<f32> = rows.iter().filter_map(of).collect();
            let there: Vec<i16> = rows.iter().map(|row| i16::from(of(row).is_some())).collect();
            write_column::<_, FloatType>(&mut group, &values, &there, None)?;
        }
        group.close()?;
        Ok(())
    }
}

/// Built, not parsed: a name of a column may have any letters.
fn schema(columns: ImageColumns<'_>) -> Result<Type, ParquetError> {
    let leaf = |name: &str, kind: Physical, logical: Option<LogicalType>| {
        let leaf = Type::primitive_type_builder(name, kind).with_repetition(Repetition::OPTIONAL);
        leaf.with_logical_type(logical).build().map(Arc::new)
    };
    let group = |name: &str, repetition: Repetition, fields: Vec<Arc<Type>>, logical: Option<LogicalType>| {
        let group = Type::group_type_builder(name).with_repetition(repetition).with_fields(fields);
        group.with_logical_type(logical).build().map(Arc::new)
    };
    let image = vec![
        leaf("bytes", Physical::BYTE_ARRAY, None)?,
        leaf("path", Physical::BYTE_ARRAY, Some(LogicalType::String))?,
    ];
    let mut fields = vec![group("image", Repetition::OPTIONAL, image, None)?];
    if !columns.classes.is_empty() {
        fields.push(leaf("label", Physical::INT64, None)?);
    }
    if !columns.labels.is_empty() {
        let entry = vec![leaf("element", Physical::INT64, None)?];
        let list = vec![group("list", Repetition::REPEATED, entry, None)?];
        fields.push(group("labels", Repetition::OPTIONAL, list, Some(LogicalType::List))?);
    }
    for name in columns.values {
        fields.push(leaf(name, Physical::FLOAT, None)?);
    }
    Type::group_type_builder("schema").with_fields(fields).build()
}

fn write_column<W: Write + Send, T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    there: &[i16],
    repeats: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let column = group.next_column()?;
    let mut column =
        column.ok_or_else(|| ParquetError::General("the schema has no such column".to_owned()))?;
    column.typed::<T>().write_batch(values, Some(there), repeats)?;
    column.close()
}
