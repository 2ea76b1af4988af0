//! Data sets as people have them: each is opened as it lies there.

use std::path::Path;

use palimpsest_core::Result;
use palimpsest_datasets::{DataSpec, Opened, Split, open_detection, open_segmentation, open_with_notes};
use palimpsest_targets::{BoundingBox, DetectionData, SegmentationData};

use crate::files::{assert_error, jpeg, png, put};
use crate::segmentation::label_png;

fn try_objects(name: &str, path: &Path, keys: &str, split: Split) -> Result<Opened<dyn DetectionData>> {
    open_detection(&DataSpec { holdout: 0.3, ..DataSpec::at(name, path) }.with_keys(keys)?, split)
}

fn objects(name: &str, path: &Path, split: Split) -> Opened<dyn DetectionData> {
    try_objects(name, path, "", split).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn try_maps(path: &Path, keys: &str, split: Split) -> Result<Opened<dyn SegmentationData>> {
    let spec = DataSpec { holdout: 0.3, ..DataSpec::at("index-png", path) };
    open_segmentation(&spec.with_keys(keys)?, split)
}

fn maps(path: &Path, keys: &str, split: Split) -> Opened<dyn SegmentationData> {
    try_maps(path, keys, split).unwrap_or_else(|e| panic!("{e}"))
}

/// Classes, boxes and number of all images.
fn content(data: &dyn DetectionData) -> Vec<(String, BoundingBox)> {
    let sample = |i| data.sample(i).expect("loads").1;
    let all = (0..data.len()).flat_map(sample);
    all.map(|object| (data.classes()[object.class as usize].clone(), object.bounds)).collect()
}

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

fn xml(file: &str, class: &str, size: &str) -> String {
    format!(
        "<annotation><filename>{file}</filename>{size}<object><name>{class}</name><bndbox><xmin>2</xmin>\
         <ymin>2</ymin><xmax>5</xmax><ymax>4</ymax></bndbox></object></annotation>"
    )
}

const SIZE: &str = "<size><width>12</width><height>10</height><depth>3</depth></size>";

#[test]
fn voc_with_classes_of_ones_own() {
    let bounds = BoundingBox::new(1.0, 1.0, 4.0, 3.0);
    // Folder of the images, of the annotations, the images' ending, the size as annotated.
    for (images, annotations, ending, size) in [
        ("helmets/JPEGImages", "helmets/Annotations", "jpg", SIZE),
        ("JPEGImages", "Annotations", "png", SIZE),
        ("VOCdevkit/VOC2007/JPEGImages", "VOCdevkit/VOC2007/Annotations", "jpeg", ""),
        ("images", "annotations", "png", "<size><width>0</width><height>0</height><depth>3</depth></size>"),
        (".", ".", "jpg", SIZE),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        for i in 0..10 {
            let bytes = if ending == "png" { png(12, 10, i) } else { jpeg(12, 10, i) };
            put(root, &format!("{images}/{i}.{ending}"), bytes);
            let class = ["helmet", "vest"][i as usize % 2];
            put(root, &format!("{annotations}/{i}.xml"), xml(&format!("{i}.{ending}"), class, size));
        }
        put(root, &format!("{images}/._1.{ending}"), "AppleDouble");
        let [train, test] = [Split::Train, Split::Test].map(|split| objects("voc", root, split));
        assert_eq!(train.dataset.len() + test.dataset.len(), 10, "{images}");
        assert_eq!(test.part, "held-out 30 %");
        assert!(train.notes.iter().any(|note| note.contains("helmet (5 objects), vest (5 objects)")));
        for data in [&train, &test] {
            assert_eq!(data.dataset.classes(), ["helmet", "vest"], "{images}");
            assert!(content(&*data.dataset).iter().all(|(_, found)| *found == bounds), "{images}");
        }
        // By the key, and by classes.txt.
        let told = try_objects("voc", root, "classes = ['vest', 'helmet']", Split::Train).expect("opens");
        assert_eq!(told.dataset.classes(), ["vest", "helmet"]);
        assert_error(
            try_objects("voc", root, "classes = ['vest']", Split::Train).map(|_| ()),
            &["unknown class `helmet`"],
        );
    }
}

#[test]
fn voc_lists_with_columns() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for (part, column) in [("train", " 1"), ("val", ".png  -1")] {
        put(root, &format!("ImageSets/Main/{part}.txt"), format!("{part}{column}\n"));
        put(root, &format!("ImageSets/Main/dog_{part}.txt"), "none 1\n");
        put(root, &format!("JPEGImages/{part}.png"), png(12, 10, 1));
        put(root, &format!("Annotations/{part}.xml"), xml("", "dog", SIZE));
    }
    for (split, part) in [(Split::Train, "train"), (Split::Test, "val")] {
        let data = objects("voc", root, split);
        assert_eq!((data.dataset.len(), &*data.part, data.dataset.classes().len()), (1, part, 20));
        assert!(data.dataset.location(0).ends_with(&format!("{part}.png")));
    }
    put(root, "ImageSets/Main/train.txt", "train 1\ntrain -1\n");
    assert_error(
        try_objects("voc", root, "", Split::Train).map(|_| ()),
        &["train.txt:2: `train` is listed twice"],
    );
    // As Roboflow exports it.
    let folder = tempfile::tempdir().expect("a folder");
    for part in ["train", "valid", "test"] {
        put(folder.path(), &format!("{part}/{part}.jpg"), jpeg(12, 10, 1));
        put(folder.path(), &format!("{part}/{part}.xml"), xml("", "helmet", SIZE));
    }
    assert_eq!(objects("voc", folder.path(), Split::Test).part, "test");
}

#[test]
fn voc_maps_with_classes_of_ones_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for i in 0..10 {
        put(root, &format!("set/JPEGImages/{i}.png"), png(2, 2, i));
        put(root, &format!("set/SegmentationClass/{i}.png"), label_png(2, 2, &[0, 1, 2, 255], Some(8)));
    }
    put(root, "set/class_names.txt", "__ignore__\n_background_\nhelmet\nvest\n");
    let spec = DataSpec { holdout: 0.3, ..DataSpec::at("voc", root) };
    let [train, test] =
        [Split::Train, Split::Test].map(|split| open_segmentation(&spec, split).expect("opens"));
    assert_eq!(train.dataset.len() + test.dataset.len(), 10);
    assert_eq!(train.dataset.classes(), ["_background_", "helmet", "vest"]);
    let named = spec.with_keys("classes = ['helmet', 'vest']").expect("TOML");
    let named = open_segmentation(&named, Split::Train).expect("opens").dataset;
    assert_eq!(named.classes(), ["background", "helmet", "vest"]);
    assert_eq!(named.sample(0).expect("loads").1.labels, [0, 1, 2, 255]);
}

const LINE: &str = "0 0.5 0.5 0.2 0.4\n";

#[test]
fn coco128_and_its_yaml() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for i in 0..4 {
        put(root, &format!("images/train2017/{i}.jpg"), jpeg(20, 10, i));
        put(root, &format!("labels/train2017/{i}.txt"), LINE);
    }
    let yaml = "# COCO128\npath: ../datasets/coco128 # dataset root dir\ntrain: images/train2017\nval: images/train2017\n\
                test: # test images (optional)\n\nnames:\n  0: person\n  1: no\n  2: \"traffic light\"\n";
    put(root, "coco128.yaml", yaml);
    for path in [root.to_owned(), root.join("coco128.yaml")] {
        for split in [Split::Train, Split::Test] {
            let data = objects("yolo", &path, split);
            assert_eq!(
                (data.dataset.len(), data.dataset.classes()),
                (4, &["person", "no", "traffic light"].map(String::from)[..])
            );
            assert!(data.notes[0].contains("`train` and `val` are the same images"), "{:?}", data.notes);
        }
    }
    put(root, "other.yaml", "names: [a]\n");
    assert_error(
        try_objects("yolo", root, "", Split::Train).map(|_| ()),
        &["each describe the data", "data.path"],
    );
}

#[test]
fn yolo_parts_by_folders_lists_and_several() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for name in ["a/images/1", "a/images/deep/2", "b/images/3", "c/4"] {
        put(root, &format!("{name}.jpg"), jpeg(20, 10, 1));
        put(root, &format!("{}.txt", name.replace("images", "labels")), LINE);
    }
    let open = |yaml: &str, split: Split| {
        put(root, "data.yaml", yaml);
        try_objects("yolo", root, "", split)
    };
    let count = |yaml: &str| {
        [Split::Train, Split::Test].map(|split| {
            let data = open(yaml, split).unwrap_or_else(|e| panic!("{yaml}: {e}"));
            (data.dataset.len(), data.part)
        })
    };
    put(root, "lists/list.txt", "../a/images/1.jpg\n./../b/images/3.jpg\n");
    let part = |count: usize, name: &str| (count, name.to_owned());
    assert_eq!(count("names: [x]\ntrain: a/images\nval: b/images\n"), [part(2, "train"), part(1, "val")]);
    assert_eq!(
        count("names: [x]\ntrain: [a/images, c]\nvalid: ../b/images\n"),
        [part(3, "train"), part(1, "valid")]
    );
    assert_eq!(
        count("names: [x]\ntrain: lists/list.txt\nval: c\ntest: b\n"),
        [part(2, "train"), part(1, "test")],
        "the test part first"
    );
    assert_error(open("train: none\nnames: [x]\n", Split::Train).map(|_| ()), &["`train` names `none`"]);
    assert_error(open("nc: 2\nnames: [x]\n", Split::Train).map(|_| ()), &["`nc` is 2, and `names` has 1"]);
    assert_error(open("names: {0: x, 2: y}\n", Split::Train).map(|_| ()), &["the entry `2` of 2"]);
    assert_error(open("names: [x\n", Split::Train).map(|_| ()), &["data.yaml:", "broken YAML"]);
    put(root, "lists/list.txt", "../a/images/none.jpg\n");
    assert_error(
        open("names: [x]\ntrain: lists/list.txt\n", Split::Train).map(|_| ()),
        &["list.txt:1: no such file"],
    );
    assert_eq!(count("names: [x]\nnc: 1\ntrain: c\nval: b/images\n")[0].0, 1);
}

#[test]
fn yolo_poses_equal_lines_and_strays() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    put(root, "data.yaml", "train: images\nval: images\nkpt_shape: [2, 3]\nnames: [cat]\n");
    put(root, "images/a.jpg", jpeg(20, 10, 1));
    put(root, "images/sub/b.jpg", jpeg(20, 10, 1));
    put(root, "images/._a.jpg", "AppleDouble");
    let pose = "0 0.5 0.5 0.2 0.4 0.1 0.9 2 0.3 0.3 1\n";
    put(root, "labels/a.txt", format!("{pose}{pose}0.0 0.5 0.5 0.2 0.4 0.2 0.9 2 0.3 0.3 1\n"));
    put(root, "labels/sub/b.txt", pose);
    put(root, "labels/c.txt", pose);
    let data = objects("yolo", root, Split::Train);
    assert_eq!(data.dataset.len(), 2);
    let boxes = content(&*data.dataset);
    assert!(
        boxes.iter().all(|(_, b)| (b.left - 8.0).abs() < 1e-9 && (b.width - 4.0).abs() < 1e-9),
        "{boxes:?}"
    );
    assert_eq!(boxes.len(), 2);
    let notes = data.notes.join("\n");
    assert!(
        notes.contains("2 lines are equal to another") && notes.contains("1 text files have no image"),
        "{notes}"
    );
    put(root, "labels/a.txt", LINE);
    assert_error(
        try_objects("yolo", root, "", Split::Train).map(|_| ()),
        &["a.txt:1", "keypoints of `kpt_shape`"],
    );
}

#[test]
fn camvid_by_the_reader_of_index_pngs() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for part in ["train", "val", "test"] {
        put(root, &format!("{part}/{part}.png"), png(4, 1, 1));
        put(root, &format!("{part}annot/{part}.png"), label_png(4, 1, &[0, 1, 11, 1], None));
    }
    let keys = "classes = ['sky', 'road']\nignore = [11]";
    let test = maps(root, keys, Split::Test);
    assert_eq!((test.dataset.sample(0).expect("loads").1.labels, &*test.part), (vec![0, 1, 255, 1], "test"));
    assert_eq!(test.notes, ["test: in 1 label maps 25 % of the pixels are ignored (label 11)"]);
    assert_error(
        maps(root, "classes = ['sky', 'road']", Split::Train).dataset.sample(0),
        &["has the label 11, an unknown class of 2", "data.reader.ignore"],
    );
}

#[test]
fn index_pngs_in_usual_places() {
    for (image, map) in [
        ("images/N.jpg", "masks/N.png"),
        ("JPEGImages/N.jpg", "SegmentationClass/N.png"),
        ("Images/N.jpg", "Labels/N_mask.png"),
        ("imgs/deep/N.jpg", "masks/deep/N_labelIds.png"),
        ("images/N_leftImg8bit.jpg", "annotations/N_gtFine_labelIds.png"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        put(root, "classes.txt", "ground\nobject\n");
        for i in 0..10 {
            put(root, &image.replace('N', &i.to_string()), jpeg(2, 2, i));
            put(root, &map.replace('N', &i.to_string()), label_png(2, 2, &[0, 1, 1, 0], None));
        }
        let [train, test] = [Split::Train, Split::Test].map(|split| maps(root, "", split));
        assert_eq!((train.dataset.len() + test.dataset.len(), &*test.part), (10, "held-out 30 %"), "{map}");
        assert_eq!(test.dataset.sample(0).expect("loads").1.labels, [0, 1, 1, 0], "{map}");
    }
    for (image, map) in
        [("train/images/a.jpg", "train/masks/a.png"), ("Training/a.jpg", "Training_masks/a.png")]
    {
        let folder = tempfile::tempdir().expect("a folder");
        put(folder.path(), "classes.txt", "ground\nobject\n");
        for (part, other) in [("train", "valid"), ("Training", "Testing")] {
            for name in [image, map]
                .into_iter()
                .filter(|name| name.starts_with(&format!("{part}/")) || name.starts_with(&format!("{part}_")))
            {
                let bytes =
                    if name.ends_with("png") { label_png(2, 2, &[0, 1, 1, 0], None) } else { jpeg(2, 2, 1) };
                put(folder.path(), name, &bytes);
                put(folder.path(), &name.replace(part, other), &bytes);
            }
        }
        assert!(["valid", "Testing"].contains(&&*maps(folder.path(), "", Split::Test).part), "{map}");
    }
    // Two maps that may be meant.
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "images/a.jpg", jpeg(2, 2, 1));
    for ending in ["_mask", "_label"] {
        put(folder.path(), &format!("labels/a{ending}.png"), label_png(2, 2, &[0, 0, 1, 1], None));
    }
    let keys = "classes = ['x', 'y']";
    assert_error(
        try_maps(folder.path(), keys, Split::Train).map(|_| ()),
        &["a_label.png` and `", "may be its label map", "data.reader.suffix"],
    );
    let spec = DataSpec { holdout: 0.0, ..DataSpec::at("index-png", folder.path()) };
    let one = spec.with_keys("classes = ['x', 'y']\nsuffix = '_mask'").expect("TOML");
    let one = open_segmentation(&one, Split::Train).expect("opens");
    assert_eq!(one.notes, ["1 label maps have no image"]);
}

#[test]
fn masks_of_0_and_255() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    put(root, "classes.txt", "background\nobject\n");
    for part in ["train", "test"] {
        for i in 0..4 {
            put(root, &format!("images/{part}/{i}.jpg"), jpeg(2, 2, i));
            put(root, &format!("labels/{part}/{i}.png"), label_png(2, 2, &[0, 255, 255, 0], None));
        }
    }
    let plain = maps(root, "", Split::Train);
    assert_eq!(
        plain.notes,
        [
            "train: in 4 label maps label 1 (object) occurs in no map, and 50 % of the pixels are ignored (label 255); \
          data.reader.labels=[0,255] makes 255 a class"
        ]
    );
    let told = maps(root, "labels = [0, 255]", Split::Train);
    assert!(told.notes.is_empty(), "{:?}", told.notes);
    assert_eq!(told.dataset.sample(0).expect("loads").1.labels, [0, 1, 1, 0]);
    for (keys, parts) in [
        ("labels = [0]", &["data.reader.labels", "1 labels for 2 classes"][..]),
        ("labels = [0, 0]", &["the label 0 is given twice"]),
        ("ignore = [1]", &["data.reader.ignore", "the label 1 is a class too"]),
        ("labels = [0, 300]", &["data.reader.labels", "300"]),
    ] {
        assert_error(try_maps(root, keys, Split::Train).map(|_| ()), parts);
    }
}

#[test]
fn lists_of_other_tools() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for name in ["images/ISIC_1.jpg", "images/ISIC_2.jpg", "images/ISIC_3.jpg", "images/ISIC_4.jpg"] {
        put(root, name, jpeg(3, 3, 0));
    }
    let read = |text: &str, keys: &str| {
        let list = put(root, "list.csv", text);
        let spec = DataSpec { holdout: 0.0, ..DataSpec::at("csv", list) }.with_keys(keys)?;
        open_with_notes(&spec, Split::Train)
    };
    let labels = |text: &str, keys: &str| -> Vec<Option<String>> {
        let data = read(text, keys).unwrap_or_else(|e| panic!("{text}: {e}")).dataset;
        (0..data.len()).map(|i| data.label(i).map(|label| data.classes()[label as usize].clone())).collect()
    };
    let [a, b] = ["nv", "mel"].map(|name| Some(name.to_owned()));
    for (text, keys) in [
        ("image;class\nISIC_1;nv\nISIC_2;mel\n", ""),
        ("Filename\tTarget\nimages/ISIC_1.jpg\tnv\nISIC_2.jpg\tmel\n", ""),
        ("x,y\nISIC_1,nv\nISIC_2,mel\n", "path_column = 'x'"),
        ("image,label,kind\nISIC_1,9,nv\nISIC_2,8,mel\n", "label_column = 'kind'"),
        ("image|label\nISIC_1|nv\nISIC_2|mel\n", ""),
        ("image label\nISIC_1 nv\nISIC_2 mel\n", "separator = ' '"),
        // One of them, and probabilities.
        ("image,mel,nv\nISIC_1,0.0,1.0\nISIC_2,1.0,0.0\n", ""),
        ("image,mel,nv\nISIC_1,0.2,0.8\nISIC_2,0.6,0.4\n", ""),
    ] {
        assert_eq!(labels(text, keys), [a.clone(), b.clone()], "{text}");
    }
    let shares = read("image,mel,nv\nISIC_1,0.2,0.8\nISIC_2,0.5,0.5\nISIC_3,,\n", "").expect("opens");
    assert_eq!(shares.dataset.classes(), ["mel", "nv"]);
    let told = shares.notes.join("\n");
    assert!(told.contains("list: the class is the column with the greatest share: mel, nv"), "{told}");
    assert!(told.contains("1 rows have several classes with the greatest share"), "{told}");
    assert!(told.contains("1 rows have no label"), "{told}");
    // Several of one image, or ages: no shares.
    assert_eq!(labels("image,a,b\nISIC_1,1,1\nISIC_2,1,0\n", ""), [None, None]);
    assert_error(
        read("image,label\nISIC_1,nv\n", "label_column = 'lable'"),
        &["data.reader.label_column", "did you mean `label`"],
    );
    assert_error(
        read("image,label\nISIC_1,nv\nISIC_2,mel\nISIC_1,mel\n", ""),
        &["list.csv:4: `images/ISIC_1.jpg` has the label `mel`, and on line 2 `nv`; "],
    );
    let again = read("image,label\nISIC_1,nv\nISIC_2,mel\nISIC_1,nv\n", "").expect("opens");
    assert!(again.notes[0].contains("1 rows repeat an image"), "{:?}", again.notes);
}

#[test]
fn text_of_another_encoding_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    put(root, "JPEGImages/1.jpg", jpeg(8, 8, 0));
    let xml = "<!DOCTYPE annotation><annotation><size><width>8</width><height>8</height></size><object>\
               <name>f\u{e9}e</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>4</ymax></bndbox>\
               </object></annotation>";
    put(root, "Annotations/1.xml", xml);
    let spec = DataSpec { holdout: 0.0, ..DataSpec::at("voc", root) };
    assert_eq!(open_detection(&spec, Split::Train).expect("opens").dataset.classes(), ["f\u{e9}e"]);
    let latin: Vec<u8> = xml.chars().map(|c| c as u8).collect();
    put(root, "Annotations/1.xml", latin);
    assert_error(
        open_detection(&spec, Split::Train).map(drop),
        &["1.xml", "is not UTF-8", "save it as UTF-8"],
    );
}
