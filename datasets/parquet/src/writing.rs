//! Images written as Hugging Face's `datasets` writes them.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::json;

/// Rows of a row group: as many as `datasets` writes of images.
const ROW_GROUP: usize = 100;

/// A row.
#[derive(Debug, Clone)]
pub struct ImageRow {
    /// The image file.
    pub bytes: Bytes,
    /// Its name.
    pub path: String,
    /// Its class.
    pub label: Option<u32>,
}

/// Writes a Parquet file of images: the column `image`, a struct of `bytes` and `path`, and, where there are classes,
/// the column `label`, whose names stand in the metadata as those of a `ClassLabel`. Nothing is compressed, since
/// images are. What is written depends on the rows alone.
pub struct ImageWriter<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    rows: Vec<ImageRow>,
    labelled: bool,
}

impl<W: Write + Send> ImageWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// A full disk.
    pub fn new(out: W, classes: &[String]) -> Result<Self, ParquetError> {
        let labelled = !classes.is_empty();
        let label = if labelled { "OPTIONAL INT64 label;" } else { "" };
        let schema = format!(
            "message schema {{ OPTIONAL GROUP image {{ OPTIONAL BYTE_ARRAY bytes; OPTIONAL BYTE_ARRAY path (STRING); }} {label} }}"
        );
        let mut features = json!({ "image": { "_type": "Image" } });
        if labelled {
            features["label"] = json!({ "names": classes, "_type": "ClassLabel" });
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
        let writer =
            SerializedFileWriter::new(out, Arc::new(parse_message_type(&schema)?), Arc::new(properties))?;
        Ok(Self { writer, rows: Vec::with_capacity(ROW_GROUP), labelled })
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
        for values in [bytes, paths] {
            if let Some(mut column) = group.next_column()? {
                column.typed::<ByteArrayType>().write_batch(&values, Some(&there), None)?;
                column.close()?;
            }
        }
        if self.labelled
            && let Some(mut column) = group.next_column()?
        {
            let values: Vec<i64> = rows.iter().filter_map(|row| row.label.map(i64::from)).collect();
            let there: Vec<i16> = rows.iter().map(|row| i16::from(row.label.is_some())).collect();
            column.typed::<Int64Type>().write_batch(&values, Some(&there), None)?;
            column.close()?;
        }
        group.close()?;
        Ok(())
    }
}
