//! Every reader of targets on trees of which one thing is wrong: a missing file, an unknown class, a box
//! outside of its image, a target of another size. `segmentation` and `detection` have what is wrong with
//! a format's own text.

use std::path::Path;

use palimpsest_core::Result;
use palimpsest_datasets::{DataSpec, Split, open_detection, open_segmentation};

use crate::files::{assert_error, jpeg, put};
use crate::segmentation::label_png;

/// Opens the training part and reads all of it.
fn read_all(name: &str, root: &Path) -> Result<()> {
    let spec = DataSpec { holdout: 0.0, ..DataSpec::at(name, root) };
    if name == "coco" || name == "voc-boxes" || name == "yolo" {
        let spec = DataSpec { name: name.trim_end_matches("-boxes").to_owned(), ..spec };
        let data = open_detection(&spec, Split::Train)?.dataset;
        return (0..data.len()).try_for_each(|i| data.sample(i).map(|_| ()));
    }
    let data = open_segmentation(&spec, Split::Train)?.dataset;
    (0..data.len()).try_for_each(|i| data.sample(i).map(|_| ()))
}

/// A sound tree of one image of 6 x 4 pixels.
fn sound(name: &str, root: &Path) {
    let map = |label: u8| label_png(6, 4, &[label; 24], None);
    match name {
        "ade20k" => {
            let names = "Idx\tRatio\tTrain\tVal\tStuff\tName\n1\t0.1\t1\t1\t1\twall\n";
            put(root, "objectInfo150.txt", names);
            put(root, "images/training/a.jpg", jpeg(6, 4, 1));
            put(root, "annotations/training/a.png", map(1));
        }
        "camvid" => {
            put(root, "train/a.png", crate::files::png(6, 4, 1));
            put(root, "trainannot/a.png", map(1));
        }
        "index-png" => {
            put(root, "classes.txt", "sky\nroad\n");
            put(root, "images/train/a.jpg", jpeg(6, 4, 1));
            put(root, "labels/train/a.png", map(1));
        }
        "voc" => {
            put(root, "ImageSets/Segmentation/train.txt", "a\n");
            put(root, "JPEGImages/a.jpg", jpeg(6, 4, 1));
            put(root, "SegmentationClass/a.png", map(1));
        }
        "voc-boxes" => {
            put(root, "ImageSets/Main/train.txt", "a\n");
            put(root, "JPEGImages/a.jpg", jpeg(6, 4, 1));
            put(root, "Annotations/a.xml", xml(6, "dog", 5));
        }
        "coco" => {
            put(root, "annotations/instances_train2017.json", json(6, 3, 5.0, 4));
            put(root, "train2017/a.jpg", jpeg(6, 4, 1));
        }
        _ => {
            put(root, "classes.txt", "dog\n");
            put(root, "images/train/a.jpg", jpeg(6, 4, 1));
            put(root, "labels/train/a.txt", "0 0.5 0.5 0.5 0.5\n");
        }
    }
}

fn xml(width: usize, class: &str, right: usize) -> String {
    format!(
        "<annotation><size><width>{width}</width><height>4</height></size><object><name>{class}</name>\
         <bndbox><xmin>1</xmin><ymin>1</ymin><xmax>{right}</xmax><ymax>3</ymax></bndbox></object></annotation>"
    )
}

fn json(width: usize, category: usize, right: f64, rows: usize) -> String {
    format!(
        r#"{{"images": [{{"id": 1, "file_name": "a.jpg", "width": {width}, "height": 4}}],
"categories": [{{"id": 3, "name": "dog"}}],
"annotations": [{{"id": 7, "image_id": 1, "category_id": {category}, "bbox": [0, 0, {right}, 3], "area": 12,
"iscrowd": 0, "segmentation": {{"size": [{rows}, 6], "counts": [{}]}}}}]}}"#,
        rows * 6
    )
}

/// A file that is put in another's place; none takes it away.
type Fault = (&'static str, &'static str, Option<Vec<u8>>, &'static str);

fn faults() -> Vec<Fault> {
    let map = |width: u32, label: u8| Some(label_png(width, 4, &vec![label; width as usize * 4], None));
    let text = |text: String| Some(text.into_bytes());
    let line = |line: &str| Some(line.as_bytes().to_vec());
    let small = || Some(jpeg(5, 4, 1));
    vec![
        ("ade20k", "annotations/training/a.png", None, "a.png: no such label map for"),
        ("ade20k", "objectInfo150.txt", None, "no `objectInfo150.txt` in this folder"),
        ("ade20k", "annotations/training/a.png", map(6, 2), "has the label 2, an unknown class of 1"),
        ("ade20k", "annotations/training/a.png", map(5, 1), "has 5x4 pixels, its image 6x4"),
        ("camvid", "trainannot/a.png", None, "a.png: no such label map for"),
        ("camvid", "trainannot/a.png", map(6, 12), "has the label 12, an unknown class of 11"),
        ("camvid", "trainannot/a.png", map(5, 1), "has 5x4 pixels, its image 6x4"),
        ("index-png", "labels/train/a.png", None, "a.png: no such label map for"),
        ("index-png", "labels/train/a.png", map(6, 2), "has the label 2, an unknown class of 2"),
        ("index-png", "labels/train/a.png", map(5, 1), "has 5x4 pixels, its image 6x4"),
        ("voc", "JPEGImages/a.jpg", None, "a.jpg: no such image"),
        ("voc", "SegmentationClass/a.png", None, "a.png: no such label map for"),
        ("voc", "SegmentationClass/a.png", map(6, 21), "has the label 21, an unknown class of 21"),
        ("voc", "SegmentationClass/a.png", map(5, 1), "has 5x4 pixels, its image 6x4"),
        ("voc-boxes", "JPEGImages/a.jpg", None, "no such file"),
        ("voc-boxes", "Annotations/a.xml", None, "a.xml: no such file"),
        ("voc-boxes", "Annotations/a.xml", text(xml(6, "", 5)), "`name` is empty"),
        ("voc-boxes", "JPEGImages/a.jpg", small(), "the image has 5x4 pixels, its annotation says 6x4"),
        ("coco", "train2017/a.jpg", None, "no such file"),
        ("coco", "annotations/instances_train2017.json", text(json(6, 4, 5.0, 4)), "unknown class 4"),
        ("coco", "annotations/instances_train2017.json", text(json(6, 3, -9.0, 4)), "to (-9, 3) is none"),
        (
            "coco",
            "annotations/instances_train2017.json",
            text(json(6, 3, 5.0, 3)),
            "the mask has 6x3 pixels, its image 6x4",
        ),
        ("coco", "train2017/a.jpg", small(), "the image has 5x4 pixels, its annotation says 6x4"),
        ("yolo", "classes.txt", None, "no names of the classes"),
        ("yolo", "labels/train/a.txt", line("1 0.5 0.5 0.5 0.5"), "a.txt:1: unknown class 1 of 1"),
        ("yolo", "labels/train/a.txt", line("0 1.9 0.5 0.5 0.5"), "is outside of the image"),
        ("yolo", "labels/train/a.txt", line("0 0.1 0.1 1.4 0.1 0.5 0.5"), "is outside of the image"),
    ]
}

#[test]
fn one_thing_is_wrong() {
    for (name, file, bytes, part) in faults() {
        let folder = tempfile::tempdir().expect("a folder");
        sound(name, folder.path());
        read_all(name, folder.path()).unwrap_or_else(|e| panic!("{name}, sound: {e}"));
        let path = folder.path().join(file);
        assert!(path.is_file(), "{name} has no {file}");
        match bytes {
            Some(bytes) => std::fs::write(&path, bytes).expect("writes"),
            None => std::fs::remove_file(&path).expect("removes"),
        }
        assert_error(read_all(name, folder.path()), &[part, "; "]);
    }
}
