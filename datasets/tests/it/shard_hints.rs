//! What is told where data are named otherwise than they are: places without anything, patterns, other layouts.
#![allow(clippy::print_stderr, reason = "tells what was passed over")]

use std::fs::File;
use std::path::Path;
use std::process::Command;

use palimpsest_core::data::Split;
use palimpsest_datasets::{DataSpec, open, open_label_sets, open_values, open_with_notes};
use tempfile::tempdir;

use crate::files::{assert_error, png, put};
use crate::shards::{folders, loose_images};

fn tar(path: &Path, members: &[(&str, &[u8])]) {
    let mut tar = tar::Builder::new(File::create(path).expect("a file"));
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *bytes).expect("added");
    }
    tar.finish().expect("written");
}

fn spec(name: &str, path: &Path, keys: &str) -> DataSpec {
    let spec = DataSpec { holdout: 0.0, ..DataSpec::at(name, path) };
    spec.with_keys(keys).expect("keys")
}

#[test]
fn places_that_no_sample_has_are_refused() {
    let root = tempdir().expect("a folder");
    let image = png(8, 8, 1);
    let json = br#"{"label": {"name": "cat", "id": 3}, "age": 4, "withheld": null, "tags": ["x"]}"#;
    tar(&root.path().join("train-0.tar"), &[("a.png", &image), ("a.json", json)]);
    let shards = |keys: &str| spec("webdataset", root.path(), keys);
    let label = |label: &str| open(&shards(&format!("label = \"{label}\"")), Split::Train);
    assert_error(
        label("json:label.nam"),
        &[
            "`data.reader.label`: no sample has `json:label.nam`",
            "did you mean `json:label.name`?",
            "json:age, json:label.id, json:label.name, json:tags, json:withheld",
            "train-0.tar, a.json",
        ],
    );
    assert_error(label("jsn:label"), &["no sample has a member called *.jsn", "did you mean"]);
    assert_error(label("cls"), &["no sample has a member called *.cls", "json, png"]);
    // One that is there and empty, none, and the default, which may find none.
    for label in ["label = \"json:withheld\"", "label = \"\"", ""] {
        assert!(open(&shards(label), Split::Train).is_ok(), "{label}");
    }
    let told = open_with_notes(&shards(""), Split::Train).expect("opened").notes.join("\n");
    assert!(told.contains("no sample has a label in `cls`") && told.contains("json, png"), "{told}");
    assert_eq!(label("json:label.name").expect("opened").classes(), ["cat"]);
    let list =
        |place: &str| open_label_sets(&shards(&format!("label_list = \"{place}\"")), Split::Train).map(drop);
    assert_error(list("json:tag"), &["`data.reader.label_list`", "`json:tag`", "did you mean `json:tags`?"]);
    assert!(list("json:tags").is_ok());
    let values = |places: &str| open_values(&shards(&format!("values = {places}")), Split::Train).map(drop);
    assert_error(
        values("[\"json:age\", \"json:agee\"]"),
        &["`data.reader.values`", "no sample has `json:agee`", "did you mean `json:age`?"],
    );
    assert!(values("[\"json:age\", \"json:withheld\"]").is_ok());
}

/// The test part's labels may be withheld, whole members of them; and it is the training part that must have some.
#[test]
fn withheld_labels_are_no_mistake() {
    let root = tempdir().expect("a folder");
    let image = png(8, 8, 1);
    tar(&root.path().join("train-0.tar"), &[("a.png", &image), ("a.json", br#"{"class": "cat"}"#)]);
    tar(&root.path().join("test-0.tar"), &[("b.png", &image)]);
    for split in [Split::Train, Split::Test] {
        assert!(open(&spec("webdataset", root.path(), "label = \"json:class\""), split).is_ok());
    }
}

#[test]
fn a_column_of_labels_that_is_named_must_be_there() {
    let [golden, ..] = &folders("parquet", "datasets")[..] else { panic!("a folder") };
    let path = golden.path().join("data");
    let images = "image = \"image\"\nlabel = \"\"";
    assert!(open(&spec("parquet", &path, images), Split::Train).is_ok());
    assert_error(
        open(&spec("parquet", &path, "label = \"labell\""), Split::Train),
        &["labell", "did you mean `label`"],
    );
}

#[test]
fn the_example_of_an_image_is_one_that_is_there() {
    let root = tempdir().expect("a folder");
    let image = png(8, 8, 1);
    tar(
        &root.path().join("a.tar"),
        &[("x.json", b"{}"), ("x.jpg.input.jpg", &image), ("x.target.txt", b"1")],
    );
    let shards = |keys: &str| open(&spec("webdataset", root.path(), keys), Split::Train);
    assert_error(shards(""), &["no images called *.jpg", "as data.reader.image=jpg.input.jpg"]);
    assert_eq!(shards("image = \"jpg.input.jpg\"").expect("opened").len(), 1);
    tar(&root.path().join("a.tar"), &[("x.json", b"{}"), ("x.cls", b"1")]);
    assert_error(shards(""), &["none of them like an image"]);
}

#[test]
fn wildcards_are_told_from_braces() {
    let root = tempdir().expect("a folder");
    for name in ["webdataset", "parquet", "folder", "csv", "coco"] {
        let folder = root.path().display();
        assert_error(
            open(&spec(name, &root.path().join("*.tar"), ""), Split::Train),
            &["wildcards aren't expanded", &format!("data.path={folder}"), "{000..146}.tar'"],
        );
    }
    // A folder may be called so.
    put(root.path(), "what?/a.png", png(8, 8, 1));
    assert!(open(&spec("folder", &root.path().join("what?"), ""), Split::Train).is_ok());
}

#[test]
fn data_of_another_reader_are_told() {
    let root = tempdir().expect("a folder");
    let [tars, rows, images] = ["tars", "rows", "images"].map(|name| root.path().join(name));
    put(&tars, "train-0.tar", b"x");
    put(&rows, "train.parquet", b"x");
    put(&images, "a.png", png(8, 8, 1));
    for (name, path, help) in [
        ("folder", &tars, "data.name=webdataset"),
        ("folder", &rows, "data.name=parquet"),
        ("webdataset", &rows, "data.name=parquet"),
        ("parquet", &tars, "data.name=webdataset"),
        ("webdataset", &images, "data.name=folder"),
        ("parquet", &images, "data.name=folder"),
        ("folder", &tars.join("train-0.tar"), "data.name=webdataset"),
        ("folder", &rows.join("train.parquet"), "data.name=parquet"),
    ] {
        assert_error(open(&spec(name, path, ""), Split::Train), &[help]);
    }
}

const SAVE: &str = r#"
import sys, datasets
def part(folder):
    return datasets.load_dataset("imagefolder", data_dir=folder, split="train", cache_dir=sys.argv[3])
one = part(sys.argv[1])
one.save_to_disk(sys.argv[2] + "/one")
datasets.DatasetDict({"train": one, "test": one}).save_to_disk(sys.argv[2] + "/both")
"#;

/// What `save_to_disk` wrote is read after the command that is offered.
#[test]
fn arrow_files_are_told_with_what_makes_them_parquet() {
    let root = tempdir().expect("a folder");
    loose_images(&root.path().join("images"));
    let paths = ["images", "saved", "cache"].map(|name| root.path().join(name));
    let saved = Command::new("python3").args(["-c", SAVE]).args(&paths).env("HF_HUB_OFFLINE", "1").output();
    if !saved.is_ok_and(|output| output.status.success()) {
        eprintln!("passed over: python3 can't write such files");
        return;
    }
    for (set, parts) in [("one", 1), ("both", 2)] {
        let path = paths[1].join(set);
        let mut commands = vec![];
        for name in ["folder", "webdataset", "parquet"] {
            let error = open(&spec(name, &path, ""), Split::Train).map(drop).expect_err("Arrow");
            let help = error.help_text().expect("a help");
            assert!(help.contains("`save_to_disk`"), "{help}");
            let rest = help.split_once("wrote: ").expect("a command").1;
            commands.push(rest.split_once(" writes them").expect("its end").0.to_owned());
        }
        let output = Command::new("sh").args(["-c", &commands[0]]).output().expect("a shell");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let rows = paths[1].join(format!("{set}-parquet"));
        let data = open(&spec("parquet", &rows, ""), Split::Train).expect("opened");
        assert_eq!((data.len(), data.classes()), (40, &["cat", "dog", "dog-small"].map(str::to_owned)[..]));
        assert!(data.load(0).is_ok());
        assert_eq!(std::fs::read_dir(&rows).expect("listed").count(), parts);
    }
}
