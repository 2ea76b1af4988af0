//! COCO's JSON as people have it.

use palimpsest_datasets::{DataSpec, Split, open_detection};
use palimpsest_targets::BoundingBox;

use super::{content, objects, try_objects};
use crate::files::{assert_error, jpeg, put};

fn json(images: &[&str], categories: &str) -> String {
    let image = |(i, name): (usize, &&str)| {
        format!(r#"{{"id": {i}, "file_name": "{name}", "width": 12, "height": 10}}"#)
    };
    let annotation =
        |i: usize| format!(r#"{{"id": {i}, "image_id": {i}, "category_id": 1, "bbox": [1, 1, 4, 3]}}"#);
    let images: Vec<String> = images.iter().enumerate().map(image).collect();
    let annotations: Vec<String> = (0..images.len()).map(annotation).collect();
    format!(
        r#"{{"images": [{}], "annotations": [{}], "categories": {categories}}}"#,
        images.join(","),
        annotations.join(",")
    )
}

const CAT: &str = r#"[{"id": 1, "name": "cat"}]"#;

#[test]
fn coco_files_and_images_in_usual_places() {
    let names: Vec<String> = (0..10).map(|i| format!("{i}.jpg")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // The files, where the images are, and what the test part is called.
    for (files, images, part) in [
        (&["annotations/instances_train.json", "annotations/instances_val.json"][..], "images", "val"),
        (&["train.json", "test.json"], "images", "test"),
        (&["train_annotations.json", "validation_annotations.json"], ".", "validation"),
        (&["train/annotations.json", "dev/annotations.json"], "images", "dev"),
        (&["annotations/Training.json", "annotations/Testing.json"], "images", "Testing"),
        (&["annotations.json"], "images", "held-out 30 %"),
        (&["annotations/all.json"], "images", "held-out 30 %"),
        (&["result.json"], ".", "held-out 30 %"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        files.iter().for_each(|file| drop(put(root, file, json(&names, CAT))));
        names.iter().for_each(|name| drop(put(root, &format!("{images}/{name}"), jpeg(12, 10, 1))));
        let [train, test] = [Split::Train, Split::Test].map(|split| objects("coco", root, split));
        assert_eq!(test.part, part, "{files:?}");
        let whole = files.len() == 1;
        let count = if whole { train.dataset.len() + test.dataset.len() } else { train.dataset.len() };
        assert_eq!(count, 10, "{files:?}");
        assert_eq!(content(&*test.dataset)[0], ("cat".to_owned(), BoundingBox::new(1.0, 1.0, 4.0, 3.0)));
        // The file itself.
        assert!(!objects("coco", &root.join(files[0]), Split::Test).dataset.is_empty());
    }
}

#[test]
fn coco_test_part_first_and_names_with_folders() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for (part, file) in [("train", "a.jpg"), ("valid", "b.jpg"), ("test", "c.jpg")] {
        put(root, &format!("{part}/_annotations.coco.json"), json(&[file], CAT));
        put(root, &format!("{part}/{file}"), jpeg(12, 10, 1));
    }
    assert_eq!(objects("coco", root, Split::Test).part, "test");
    // Objects that are withheld can't be measured on.
    put(
        root,
        "test/_annotations.coco.json",
        r#"{"images": [{"id": 1, "file_name": "c.jpg"}], "categories": []}"#,
    );
    assert_eq!(objects("coco", root, Split::Test).part, "valid");
    put(root, "train/_annotations.coco.json", json(&["deep/x.jpg", "train\\\\y.jpg"], CAT));
    put(root, "train/deep/x.jpg", jpeg(12, 10, 1));
    put(root, "train/y.jpg", jpeg(12, 10, 1));
    assert_eq!(objects("coco", root, Split::Train).dataset.len(), 2);
    // Two files that aren't named after parts.
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "a.json", json(&[], CAT));
    put(folder.path(), "b.json", json(&[], CAT));
    assert_error(
        try_objects("coco", folder.path(), "", Split::Train).map(|_| ()),
        &["a.json", "b.json", "not named after parts", "data.path=FILE"],
    );
}

/// What pycocotools 2.0.11 takes (`COCO`, `loadRes`, `COCOeval`) is read; a value of the first annotation changes.
#[test]
fn coco_as_pycocotools_reads_it() {
    let plain = r#""area": 12, "iscrowd": 0, "segmentation": [[1, 1, 5, 1, 5, 4, 1, 4]]"#;
    let file = |annotation: &str, image: &str| {
        format!(
            r#"{{"images": [{{{image}, "file_name": "a.jpg"}}], "categories": [{{"id": 1, "name": "cat"}}],
"annotations": [{{{annotation}}}]}}"#
        )
    };
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    put(root, "train/a.jpg", jpeg(12, 10, 1));
    let read = |text: String| {
        put(root, "annotations/instances_train.json", text);
        open_detection(&DataSpec { holdout: 0.0, ..DataSpec::at("coco", root) }, Split::Train)
    };
    let ids = r#""id": 1, "image_id": 1, "category_id": 1"#;
    let bbox = r#""bbox": [1, 1, 4, 3]"#;
    let size = r#""id": 1, "width": 12, "height": 10"#;
    let sound = [
        (format!("{ids}, {bbox}, {plain}"), size),
        (format!("{ids}, {bbox}, {}", plain.replace(": 0", ": false")), size),
        (format!("{ids}, {bbox}, {}", plain.replace(": 0", ": 0.0")), size),
        (format!("{ids}, {bbox}, {}", plain.replace("12,", "NaN,")), size),
        (format!("{ids}, {bbox}, {}", plain.replace("[[1, 1", r#"[["1", "1""#)), size),
        (format!("{ids}, {bbox}, {}", plain.replace("]]", "], [2, 2]]")), size),
        (format!("{ids}, {}, {plain}", bbox.replace("4,", "\"4\",")), size),
        (format!("{}, {bbox}, {plain}", ids.replace("d\": 1", "d\": 1.0")), size),
        (format!("{}, {bbox}, {plain}", ids.replace("\"id\": 1", "\"id\": \"x\"")), size),
        (format!("{ids}, {bbox}, {plain}"), r#""id": 1.0, "width": 12.0, "height": 10.0"#),
        (format!("{ids}, {bbox}, {plain}"), r#""id": 1, "width": "12", "height": "10""#),
        (format!("{ids}, {bbox}, {plain}"), r#""id": 1"#),
        (format!("{ids}, {bbox}, {plain}").replace("image_id\": 1", "image_id\": \"a\""), r#""id": "a""#),
        // Boxes around what is outlined, where none is told.
        (format!("{ids}, {plain}"), size),
        (format!("{ids}, \"bbox\": [], {plain}"), size),
        (format!("{ids}, \"bbox\": null, {plain}"), size),
    ];
    for (annotation, image) in sound {
        let data = read(file(&annotation, image)).unwrap_or_else(|e| panic!("{annotation} {image}: {e}"));
        assert_eq!(
            content(&*data.dataset),
            [("cat".to_owned(), BoundingBox::new(1.0, 1.0, 4.0, 3.0))],
            "{annotation} {image}"
        );
        let object = data.dataset.sample(0).expect("loads").1.remove(0);
        assert_eq!((object.crowd, object.mask.expect("a mask").area(), object.area), (false, 12, 12.0));
    }
    for truth in ["true", "1", "1.0", "2"] {
        let text = file(&format!("{ids}, {bbox}, {}", plain.replace(": 0", &format!(": {truth}"))), size);
        assert!(read(text).expect("opens").dataset.sample(0).expect("loads").1[0].crowd, "{truth}");
    }
    // Without an outline that is one.
    for outline in ["[[]]", "[[1, 2, 3, 4]]", "[]", "null", "{}"] {
        let text = file(&format!("{ids}, {bbox}, \"segmentation\": {outline}"), size);
        let data = read(text).expect("opens");
        assert!(data.dataset.sample(0).expect("loads").1[0].mask.is_none(), "{outline}");
        let counted = data.notes.iter().any(|note| note.contains("1 outlines of fewer than three corners"));
        assert_eq!(counted, outline.starts_with("[["), "{:?}", data.notes);
    }
    // pycocotools makes three corners of seven numbers.
    let text = file(&format!("{ids}, {bbox}, \"segmentation\": [[1, 1, 5, 1, 5, 4, 1]]"), size);
    assert!(read(text).expect("opens").notes[0].contains("an x without a y"));
    let flat = file(&format!("{ids}, {bbox}, \"segmentation\": [1, 1, 5, 1, 5, 4, 1, 4]"), size);
    assert!(read(flat).expect("opens").dataset.sample(0).expect("loads").1[0].mask.is_some());
    let marked = format!("\u{feff}{}", file(&format!("{ids}, {bbox}"), size));
    assert_eq!(read(marked).expect("opens").dataset.len(), 1);
    // Over the edge: cut, counted, and the annotated area stays.
    let over = read(file(&format!("{ids}, \"bbox\": [-6, 4, 10, 60], \"area\": 600"), size)).expect("opens");
    assert_eq!(over.notes, ["train: 1 boxes reached over the edge of their images and were cut there"]);
    let object = over.dataset.sample(0).expect("loads").1.remove(0);
    assert_eq!((object.bounds, object.area), (BoundingBox::new(0.0, 4.0, 4.0, 6.0), 600.0));
    let outside = read(file(&format!("{ids}, \"bbox\": [60, 4, 10, 6]"), size)).expect("opens");
    assert_eq!(outside.notes, ["train: 1 boxes outside of their images were left out"]);
    assert_error(read(file(ids, size)).map(|_| ()), &["annotation 1: neither `bbox` nor `segmentation`"]);
}
