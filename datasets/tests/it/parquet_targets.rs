//! Label sets and numbers in Parquet files: as `datasets` and pyarrow read them; and columns that are neither.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use palimpsest_core::Result;
use palimpsest_core::data::Dataset;
use palimpsest_core::head::LabelSet;
use palimpsest_datasets::{DataSpec, Split, open, open_label_sets, open_values};
use parquet::basic::{ConvertedType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use serde_json::Value;
use tempfile::tempdir;

use crate::files::{assert_error, png};
use crate::shards::{expected, written};

fn spec(path: impl AsRef<Path>, keys: &str) -> DataSpec {
    let spec = DataSpec { holdout: 0.0, ..DataSpec::at("parquet", path.as_ref()) };
    spec.with_keys(keys).expect("keys")
}

/// The label sets of a part as lists of names; none where nothing is known.
fn lists(spec: &DataSpec, split: Split) -> Result<Vec<Option<Vec<String>>>> {
    let data = open_label_sets(spec, split)?.dataset;
    let names = data.classes().to_vec();
    let of = |set: LabelSet| {
        set.is_known().then(|| {
            let has = names.iter().zip(set.iter()).filter(|(_, has)| *has == Some(true));
            has.map(|(name, _)| name.clone()).collect::<Vec<_>>()
        })
    };
    (0..data.len()).map(|index| data.labels(index).map(of)).collect()
}

fn sorted(list: Option<Vec<String>>) -> Option<Vec<String>> {
    list.map(|mut list| {
        list.sort();
        list
    })
}

/// Lists of numbers and of texts, columns of floats and integers of several widths, parts of structs and of lists of them.
#[test]
fn as_the_python_packages_read() {
    const NAMES: [&str; 3] = ["red", "green", "blue"];
    for folder in written("targets", &["targets.py"], "datasets") {
        let want: Value = expected(folder.path());
        for writer in ["datasets", "pyarrow"] {
            let data = folder.path().join(writer);
            for (split, part) in [(Split::Train, "train"), (Split::Test, "test")] {
                let want = &want[format!("{writer}/{part}")];
                let rows = |key: &str| want[key].as_array().expect("rows").clone();
                let tags: Vec<Option<Vec<String>>> = rows("tags")
                    .iter()
                    .map(|row| {
                        let list = row.as_array()?.iter();
                        let name = |tag: &Value| NAMES[tag.as_u64().expect("a number") as usize].to_owned();
                        sorted(Some(list.map(name).collect()))
                    })
                    .collect();
                // `datasets` keeps the names in the footer; pyarrow knows of none.
                let (columns, given): (&[&str], &str) = match writer {
                    "datasets" => (&["tags", "objects.category", "boxes.category"], ""),
                    _ => (&["tags"], "labels = [\"red\", \"green\", \"blue\"]\n"),
                };
                for column in columns {
                    let keys = format!("{given}label_list_column = \"{column}\"");
                    let found = lists(&spec(&data, &keys), split).expect("opened");
                    let found: Vec<_> = found.into_iter().map(sorted).collect();
                    // Of a list of structs `datasets` writes none as an empty one, and there may be no more than that.
                    assert_eq!(found, tags, "{writer}, {part}, {column}");
                }
                // The test part alone has a dog.
                let words = "label_list_column = \"words\"\nlabels = [\"cat\", \"dog\", \"owl\"]";
                let words = lists(&spec(&data, words), split).expect("opened");
                let due: Vec<Option<Vec<String>>> = rows("words")
                    .iter()
                    .map(|row| serde_json::from_value(row.clone()).expect("names"))
                    .collect();
                assert_eq!(
                    words.into_iter().map(sorted).collect::<Vec<_>>(),
                    due.into_iter().map(sorted).collect::<Vec<_>>()
                );
                let names = ["age", "count", "half", "large"];
                let keys = format!("value_columns = {names:?}");
                let values = open_values(&spec(&data, &keys), split).expect("opened").dataset;
                assert_eq!(values.value_names(), names);
                for index in 0..values.len() {
                    let due = names.map(|name| rows(name)[index].as_f64().map(|value| value as f32));
                    assert_eq!(values.values(index).expect("read").0, due, "{writer}, {part}, row {index}");
                    assert!(values.load(index).is_ok());
                }
            }
        }
        let all = folder.path().join("pyarrow");
        let told = |keys: &str, parts: &[&str]| {
            assert_error(lists(&spec(&all, keys), Split::Train).map(drop), parts);
        };
        told("label_list_column = \"tags\"", &["the labels are numbers", "data.reader.labels"]);
        told("label_list_column = \"tgas\"", &["parquet", "did you mean `tags`"]);
        told("label_list_column = \"age\"", &["one value a row", "data.reader.label=age"]);
        told("label_list_column = \"nested\"", &["lists of lists"]);
        told("label_list_column = \"holes\"", &["train-00000", "row 0", "an entry that is null"]);
        let words = spec(&all, "label_list_column = \"words\"");
        assert_error(lists(&words, Split::Test), &["test-00000", "row 0", "unknown label `dog`"]);
        told("", &["no column of lists", "data.reader.label_list_column"]);
        let told = |keys: &str, parts: &[&str]| {
            assert_error(open_values(&spec(&all, keys), Split::Train).map(drop), parts);
        };
        told("value_columns = [\"day\"]", &["dates", "cast"]);
        told("value_columns = [\"tags\"]", &["has lists, not a number a row", "label_list_column"]);
        told("value_columns = [\"huge\"]", &["row 0", "1e300", "too large"]);
        told("value_columns = [\"age\", \"age\"]", &["named twice"]);
        told("", &["no columns of numbers", "data.reader.value_columns"]);
        assert_error(
            open(&spec(&all, "label = \"tags\""), Split::Train),
            &["has lists", "label_list_column"],
        );
    }
}

enum Labels<'a> {
    Texts(&'a [&'a str]),
    Numbers(&'a [i64], ConvertedType),
    Floats(&'a [f64]),
}

/// A file of images with such labels.
fn write(path: &Path, labels: &Labels<'_>) {
    let leaf = |name: &str, kind, converted| {
        let leaf = Type::primitive_type_builder(name, kind).with_repetition(Repetition::REQUIRED);
        Arc::new(leaf.with_converted_type(converted).build().expect("a column"))
    };
    let (kind, converted) = match labels {
        Labels::Texts(_) => (Physical::BYTE_ARRAY, ConvertedType::UTF8),
        Labels::Numbers(_, converted) => (Physical::INT64, *converted),
        Labels::Floats(_) => (Physical::DOUBLE, ConvertedType::NONE),
    };
    let fields =
        vec![leaf("image", Physical::BYTE_ARRAY, ConvertedType::NONE), leaf("label", kind, converted)];
    let schema = Type::group_type_builder("schema").with_fields(fields).build().expect("a schema");
    let properties = Arc::new(WriterProperties::builder().set_dictionary_enabled(false).build());
    let file = File::create(path).expect("a file");
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), properties).expect("a writer");
    let mut group = writer.next_row_group().expect("a group");
    let count = match labels {
        Labels::Texts(values) => values.len(),
        Labels::Numbers(values, _) => values.len(),
        Labels::Floats(values) => values.len(),
    };
    let images: Vec<ByteArray> = (0..count).map(|seed| ByteArray::from(png(8, 8, seed as u32))).collect();
    let mut column = group.next_column().expect("a column").expect("images");
    column.typed::<ByteArrayType>().write_batch(&images, None, None).expect("written");
    column.close().expect("closed");
    let mut column = group.next_column().expect("a column").expect("labels");
    let written = match labels {
        Labels::Texts(values) => {
            let values: Vec<ByteArray> = values.iter().map(|&text| ByteArray::from(text)).collect();
            column.typed::<ByteArrayType>().write_batch(&values, None, None)
        }
        Labels::Numbers(values, _) => column.typed::<Int64Type>().write_batch(values, None, None),
        Labels::Floats(values) => column.typed::<DoubleType>().write_batch(values, None, None),
    };
    written.expect("written");
    column.close().expect("closed");
    group.close().expect("closed");
    writer.close().expect("closed");
}

/// A text without anything is no class, as in a list of comma-separated values.
#[test]
fn an_empty_text_is_no_label() {
    let root = tempdir().expect("a folder");
    let texts = ["cat", "", " dog ", "  ", "dog"];
    write(&root.path().join("a.parquet"), &Labels::Texts(&texts));
    let data = open(&spec(root.path(), ""), Split::Train).expect("opened");
    let rows: String = texts.iter().enumerate().map(|(i, text)| format!("{i}.png,{text}\n")).collect();
    for i in 0..texts.len() {
        crate::files::put(root.path(), &format!("{i}.png"), png(8, 8, i as u32));
    }
    let list = crate::files::put(root.path(), "list.csv", format!("path,label\n{rows}"));
    let of_list =
        open(&DataSpec { holdout: 0.0, ..DataSpec::at("csv", list) }, Split::Train).expect("opened");
    let labels = |data: &dyn Dataset| (0..data.len()).map(|index| data.label(index)).collect::<Vec<_>>();
    assert_eq!(labels(&*data), [Some(0), None, Some(1), None, Some(1)]);
    assert_eq!((data.classes(), labels(&*data)), (of_list.classes(), labels(&*of_list)));
}

/// Whole numbers are what pyarrow would show, also beyond the half that has a sign; days and times are none.
#[test]
fn numbers_without_a_sign_and_moments() {
    let root = tempdir().expect("a folder");
    let file = root.path().join("a.parquet");
    let (least, most) = (1i64 << 63, -1);
    write(&file, &Labels::Numbers(&[most, 3, least, 3], ConvertedType::UINT_64));
    let data = open(&spec(root.path(), ""), Split::Train).expect("opened");
    assert_eq!(data.classes(), ["3", "9223372036854775808", "18446744073709551615"]);
    assert_eq!([0, 1, 2, 3].map(|row| data.label(row)), [Some(2), Some(0), Some(1), Some(0)]);
    for moment in [ConvertedType::TIMESTAMP_MICROS, ConvertedType::TIME_MICROS] {
        write(&file, &Labels::Numbers(&[1, 2], moment));
        assert_error(
            open(&spec(root.path(), ""), Split::Train),
            &["a.parquet", "`label` has dates, times or decimals", "no classes", "data.reader.label=\"\""],
        );
    }
    // Texts that name images, or are them in base64.
    write(&file, &Labels::Texts(&["0.png", "1.png"]));
    let texts = "image = \"label\"\nlabel = \"\"";
    assert_error(
        open(&spec(root.path(), texts), Split::Train),
        &["a.parquet", "`label` has texts, not images"],
    );
}

#[test]
fn labels_that_do_not_go_together_are_told() {
    let root = tempdir().expect("a folder");
    let [texts, numbers] = ["a.parquet", "b.parquet"].map(|name| root.path().join(name));
    write(&texts, &Labels::Texts(&["cat", "dog"]));
    write(&numbers, &Labels::Numbers(&[3, 4], ConvertedType::NONE));
    assert_error(
        open(&spec(root.path(), ""), Split::Train),
        &["a.parquet: the labels of `label` are texts here, and numbers in", "b.parquet"],
    );
    // A file whose texts are all empty has no labels that would differ.
    write(&texts, &Labels::Texts(&["", ""]));
    let data = open(&spec(root.path(), ""), Split::Train).expect("opened");
    assert_eq!(data.classes(), ["3", "4"]);
    write(&texts, &Labels::Floats(&[0.5, 1.5]));
    assert_error(
        open(&spec(&texts, ""), Split::Train),
        &["`label` has floats", "data.reader.value_columns=[\"label\"]", "int64"],
    );
    let values = open_values(&spec(&texts, "value_columns = [\"label\"]"), Split::Train).expect("opened");
    assert_eq!(values.dataset.values(1).expect("read").0, [Some(1.5)]);
}
