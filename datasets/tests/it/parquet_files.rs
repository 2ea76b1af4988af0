//! Parquet files: as the package `datasets` reads them, whatever their codec, dictionary and pages; and broken ones.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use palimpsest_datasets::{DataSpec, Split, open, open_with_notes};
use parquet::basic::{Compression, GzipLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use tempfile::tempdir;

use crate::files::{assert_error, png};
use crate::shards::{assert_pixels, batches, expected, folders, loose_images};

fn spec(path: impl AsRef<Path>, keys: &str) -> DataSpec {
    let spec = DataSpec { holdout: 0.0, ..DataSpec::at("parquet", path.as_ref()) };
    spec.with_keys(keys).expect("keys")
}

struct Form {
    compression: Compression,
    dictionary: bool,
    version: WriterVersion,
    /// Rows of a row group, and of a page.
    rows: [usize; 2],
}

const SNAPPY: Form = Form {
    compression: Compression::SNAPPY,
    dictionary: true,
    version: WriterVersion::PARQUET_1_0,
    rows: [100, 100],
};

/// Writes images and labels as `datasets` has them; no bytes are a row with a path alone.
fn write(path: &Path, rows: &[(Option<Vec<u8>>, Option<i64>)], form: &Form) {
    let schema = "message m { optional group image { optional binary bytes; optional binary path (UTF8); } optional int64 label; }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let properties = WriterProperties::builder()
        .set_compression(form.compression)
        .set_dictionary_enabled(form.dictionary)
        .set_writer_version(form.version)
        .set_data_page_row_count_limit(form.rows[1])
        .set_write_batch_size(form.rows[1])
        .build();
    let file = File::create(path).expect("a file");
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).expect("a writer");
    for rows in rows.chunks(form.rows[0]) {
        let mut group = writer.next_row_group().expect("a group");
        let mut column = 0;
        while let Some(mut writer) = group.next_column().expect("a column") {
            if column == 2 {
                let values: Vec<i64> = rows.iter().filter_map(|row| row.1).collect();
                let levels: Vec<i16> = rows.iter().map(|row| i16::from(row.1.is_some())).collect();
                writer.typed::<Int64Type>().write_batch(&values, Some(&levels), None).expect("written");
            } else {
                let values = rows.iter().filter_map(|row| match (column, &row.0) {
                    (0, bytes) => bytes.clone().map(ByteArray::from),
                    _ => Some(ByteArray::from("a.png")),
                });
                let levels = rows.iter().map(|row| if column == 1 || row.0.is_some() { 2 } else { 1 });
                let (values, levels): (Vec<_>, Vec<i16>) = (values.collect(), levels.collect());
                writer.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).expect("written");
            }
            writer.close().expect("closed");
            column += 1;
        }
        group.close().expect("closed");
    }
    writer.close().expect("closed");
}

/// Files without compression, of one Snappy dictionary a row group, and of gzip'd pages of the second version.
#[test]
fn as_the_python_package_reads() {
    for folder in folders("parquet", "datasets") {
        let want: Vec<serde_json::Value> = expected(folder.path());
        let data = folder.path().join("data");
        for (split, part) in [(Split::Train, "train"), (Split::Test, "validation")] {
            let opened = open_with_notes(&spec(&data, ""), split).expect("opened");
            assert_eq!(opened.part, part);
            let named = open(&spec(&data, "label = \"name\""), split).expect("opened");
            assert_eq!(opened.dataset.classes(), ["cat", "dog", "owl"]);
            assert_eq!(named.classes(), ["a", "b", "c"]);
            let want: Vec<_> = want.iter().filter(|sample| sample["part"] == part).collect();
            assert_eq!(opened.dataset.len(), want.len());
            // Not in their order, so that no read can lean on the one before.
            for index in (0..want.len()).rev().chain(0..want.len()) {
                assert_pixels(&*opened.dataset, index, want[index]);
                let label = want[index]["label"].as_i64().filter(|&label| label >= 0);
                assert_eq!(opened.dataset.label(index).map(i64::from), label);
                let name = named.label(index).map(|label| named.classes()[label as usize].as_str());
                assert_eq!(name, want[index]["name"].as_str());
            }
        }
        let refused = folder.path().join("refused");
        let error = |name: &str, parts: &[&str]| {
            assert_error(open(&spec(refused.join(name), ""), Split::Train), parts)
        };
        error("brotli.parquet", &["brotli.parquet", "compressed by brotli", "snappy"]);
        error("paths.parquet", &["paths.parquet", "paths alone", "embed_table_storage"]);
    }
}

/// Whatever the codec, the dictionary, the version, row groups and pages: the batches of the folder.
#[test]
fn the_same_batches_as_a_folder_whatever_the_form() {
    let root = tempdir().expect("a folder");
    let loose = root.path().join("loose");
    let files = loose_images(&loose);
    let folder =
        open(&DataSpec { holdout: 0.0, ..DataSpec::at("folder", &loose) }, Split::Train).expect("opened");
    let rows: Vec<(Option<Vec<u8>>, Option<i64>)> = files
        .iter()
        .enumerate()
        .map(|(i, (_, path))| (std::fs::read(path).ok(), folder.label(i).map(i64::from)))
        .collect();
    let want = batches(folder, 12);
    let gzip = Compression::GZIP(GzipLevel::default());
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, gzip, Compression::LZ4_RAW] {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for (dictionary, rows_of) in
                [(true, [100, 100]), (true, [9, 4]), (false, [40, 3]), (false, [1, 1])]
            {
                let path = root.path().join("train-00000-of-00001.parquet");
                write(&path, &rows, &Form { compression, dictionary, version, rows: rows_of });
                let spec = spec(&path, "classes = [\"cat\", \"dog\", \"dog-small\"]");
                let told = format!("{compression} {dictionary} {version:?} {rows_of:?}");
                let data = match open(&spec, Split::Train) {
                    Ok(data) => data,
                    // The second version's encoding without a dictionary keeps values in pieces.
                    Err(error) => {
                        assert!(!dictionary && version == WriterVersion::PARQUET_2_0, "{told}: {error}");
                        assert!(error.to_string().contains("(DELTA_BYTE_ARRAY)"), "{told}: {error}");
                        continue;
                    }
                };
                assert_eq!(data.classes(), ["cat", "dog", "dog-small"]);
                assert_eq!(batches(data, 12), want, "{told}");
            }
        }
    }
}

#[test]
fn rows_that_cannot_be_read_are_named() {
    let root = tempdir().expect("a folder");
    let path = root.path().join("a.parquet");
    let rows = [
        (Some(png(8, 8, 1)), Some(0)),
        (None, Some(1)),
        (Some(b"no image".to_vec()), None),
        (Some(png(8, 8, 2)), Some(-1)),
    ];
    write(&path, &rows, &SNAPPY);
    let data = open(&spec(&path, ""), Split::Train).expect("opened");
    assert_eq!(data.classes(), ["-1", "0", "1"]);
    assert!(data.load(0).is_ok() && data.load(3).is_ok());
    assert_error(data.load(1), &["a.parquet, row 1", "only a path"]);
    assert_error(data.load(2), &["a.parquet, row 2", "not a JPEG, PNG or WebP"]);
    assert_error(open(&spec(&path, "image = \"img\""), Split::Train), &["a.parquet", "img", "image, label"]);
    assert_error(
        open(&spec(&path, "label = \"labl\""), Split::Train),
        &["a.parquet", "did you mean `label`"],
    );
    assert_error(open(&spec(&path, "image = \"label\""), Split::Train), &["a.parquet", "INT64"]);
    assert_error(open(&spec(&path, "label = \"image\""), Split::Train), &["a.parquet", "has parts"]);
    write(&path, &rows[..1], &SNAPPY);
    assert_error(data.load(0), &["a.parquet, row 0", "changed"]);
}

/// Cut or damaged anywhere, a file is refused, a row is, or an image is found: nothing hangs or panics.
#[test]
fn damaged_files_are_told() {
    let root = tempdir().expect("a folder");
    let path = root.path().join("a.parquet");
    let rows: Vec<_> = (0..6).map(|i| (Some(png(8, 8, i)), Some(i64::from(i)))).collect();
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY] {
        write(&path, &rows, &Form { compression, rows: [4, 2], ..SNAPPY });
        let whole = std::fs::read(&path).expect("read");
        for length in (0..whole.len()).step_by(41) {
            std::fs::write(&path, &whole[..length]).expect("written");
            assert_error(open(&spec(&path, ""), Split::Train), &["a.parquet", "copy"]);
        }
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x29;
            std::fs::write(&path, &bytes).expect("written");
            let Ok(data) = open(&spec(&path, ""), Split::Train) else { continue };
            for index in 0..data.len().min(8) {
                if let Err(error) = data.load(index) {
                    assert!(error.to_string().contains("a.parquet, row "), "{error}");
                }
            }
        }
    }
}
