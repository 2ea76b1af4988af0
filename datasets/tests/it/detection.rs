//! Small trees in the sets' true layouts, and broken ones.

use std::path::Path;

use palimpsest_datasets::{DataSpec, Opened, Split, open, open_detection};
use palimpsest_targets::{BoundingBox, DetectionData, Object};

use crate::files::{assert_error, jpeg, put};

fn opened(name: &str, root: &Path, split: Split) -> Opened<dyn DetectionData> {
    open_detection(&DataSpec { holdout: 0.0, ..DataSpec::at(name, root) }, split).expect("opens")
}

fn open_error(name: &str, root: &Path, split: Split, parts: &[&str]) {
    assert_error(open_detection(&DataSpec::at(name, root), split).map(|_| ()), parts);
}

fn objects(name: &str, root: &Path, index: usize) -> Vec<Object> {
    opened(name, root, Split::Train).dataset.sample(index).expect("loads").1
}

const COCO: &str = r#"{
"info": {"year": 2017}, "licenses": [{"id": 1}],
"images": [
 {"id": 20, "file_name": "000000000020.jpg", "width": 12, "height": 10, "license": 1},
 {"id": 9, "file_name": "000000000009.jpg", "width": 12, "height": 10, "license": 1},
 {"id": 30, "file_name": "000000000030.jpg", "width": 12, "height": 10, "license": 1}],
"annotations": [
 {"id": 1, "image_id": 20, "category_id": 18, "bbox": [2, 2, 6, 5], "area": 29.5, "iscrowd": 0,
  "segmentation": [[2, 2, 8, 2, 8, 7, 2, 7]]},
 {"id": 2, "image_id": 20, "category_id": 1, "bbox": [0, 0, 2, 10], "area": 20, "iscrowd": 1,
  "segmentation": {"size": [10, 12], "counts": [0, 20, 100]}},
 {"id": 3, "image_id": 9, "category_id": 1, "bbox": [0, 0, 1, 10.4], "area": 10, "iscrowd": 0,
  "segmentation": {"size": [10, 12], "counts": "0:^3"}},
 {"id": 4, "image_id": 9, "category_id": 1, "bbox": [3, 3, 4, 0], "area": 0, "iscrowd": 0, "segmentation": []}],
"categories": [{"id": 18, "name": "dog", "supercategory": "animal"}, {"id": 1, "name": "person", "supercategory": "person"}]}"#;

fn coco(root: &Path, json: &str) {
    put(root, "annotations/instances_train2017.json", json);
    for id in ["009", "020", "030"] {
        put(root, &format!("train2017/000000000{id}.jpg"), jpeg(12, 10, 1));
    }
}

#[test]
fn coco_boxes_polygons_runs_and_crowds() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    coco(root, COCO);
    let data = opened("coco", root, Split::Train);
    assert_eq!(data.notes.len(), 1);
    assert!(data.notes[0].contains("1 boxes without area were left out"), "{:?}", data.notes);
    assert_eq!(data.dataset.classes(), ["person", "dog"]);
    // In the order of the ids.
    let (_, first) = data.dataset.sample(0).expect("loads");
    assert_eq!(first.len(), 1);
    // It reached 0.4 pixels over the edge.
    assert_eq!(first[0].bounds, BoundingBox::new(0.0, 0.0, 1.0, 10.0));
    assert_eq!(first[0].mask.as_ref().expect("a mask").counts(), [0, 10, 110]);
    let (_, second) = data.dataset.sample(1).expect("loads");
    let dog = &second[0];
    assert_eq!((dog.class, dog.area, dog.crowd), (1, 29.5, false));
    let mask = dog.mask.as_ref().expect("a mask");
    assert_eq!((mask.area(), mask.bounds()), (30, BoundingBox::new(2.0, 2.0, 6.0, 5.0)));
    assert_eq!((second[1].class, second[1].crowd), (0, true));
    assert_eq!(second[1].mask.as_ref().expect("a mask").area(), 20);
    // An image without objects is one, too.
    assert!(data.dataset.sample(2).expect("loads").1.is_empty());
    // Without another file, a part of this one is held out.
    let spec = DataSpec { holdout: 0.5, ..DataSpec::at("coco", root) };
    let [train, test] = [Split::Train, Split::Test].map(|split| open_detection(&spec, split).expect("opens"));
    assert_eq!((train.dataset.len() + test.dataset.len(), &*test.part), (3, "held-out 50 %"));
    // The images alone, to pre-train on.
    assert_eq!(open(&DataSpec { holdout: 0.0, ..spec }, Split::Train).expect("opens").len(), 3);
}

#[test]
fn coco_beside_the_images() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "valid/_annotations.coco.json", COCO);
    for id in ["009", "020", "030"] {
        put(folder.path(), &format!("valid/000000000{id}.jpg"), jpeg(12, 10, 1));
    }
    assert_eq!(opened("coco", folder.path(), Split::Test).dataset.len(), 3);
}

#[test]
fn broken_coco() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for (from, to, parts) in [
        (
            "[2, 2, 6, 5]",
            "[2, 2, \"inf\", 5]",
            &["annotation 1: the box from (2, 2) to (inf, 7) is none; "][..],
        ),
        ("[2, 2, 6, 5]", "[2, 2, -6, 5]", &["annotation 1: the box from (2, 2) to (-4, 7) is none; "]),
        ("\"category_id\": 18", "\"category_id\": 19", &["annotation 1: unknown class 19; "]),
        ("\"image_id\": 9", "\"image_id\": 8", &["annotation 3: unknown image 8; "]),
        (
            "[10, 12], \"counts\": [0",
            "[12, 10], \"counts\": [0",
            &["annotation 2: the mask has 10x12 pixels, its image 12x10; "],
        ),
        (
            "[0, 20, 100]",
            "[0, 20, 90]",
            &["annotation 2: the runs of the mask have 110 pixels, its size 12x10 has 120; "],
        ),
        ("0:^3", "0:^", &["annotation 3: the runs' text ends within a number; "]),
        ("000000000030.jpg", "000000000031.jpg", &["image 30: no such file", "31.jpg`; unpack"]),
        ("\"bbox\": [2, 2, 6, 5]", "\"bbox\": [2, 2, 6]", &["annotation 1: `bbox` has 3 numbers; "]),
        (
            "\"bbox\": [2, 2, 6, 5]",
            "\"bbox\": [2, 2, 6, true]",
            &["instances_train2017.json:8:", "`bbox`: invalid type: boolean `true`, expected a number; "],
        ),
        ("[[2, 2, 8, 2, 8, 7, 2, 7]]", "\"x\"", &["`segmentation` is neither polygons nor a mask"]),
        (
            "\"iscrowd\": 1",
            "\"iscrowd\": \"0\"",
            &["`iscrowd`: invalid value: string \"0\", expected true, false"],
        ),
        ("\"width\": 12", "\"width\": 12.5", &["image 20: `width` is 12.5, not a number of pixels; "]),
        ("\"id\": 20,", "\"id\": 9,", &["image 9: the id of `images` 9 is given twice; "]),
        (
            "\"id\": 3, \"image_id\"",
            "\"id\": 2, \"image_id\"",
            &["the id of `annotations` 2 is given twice; "],
        ),
        ("\"id\": 18, \"name\"", "\"id\": 1, \"name\"", &["the id of `categories` 1 is given twice; "]),
        ("\"categories\"", "\"kinds\"", &["missing field `categories`"]),
    ] {
        assert!(COCO.contains(from), "{from}");
        coco(root, &COCO.replacen(from, to, 1));
        open_error("coco", root, Split::Train, parts);
    }
    // Of another size than its annotation says: found when it is loaded.
    coco(root, COCO);
    put(root, "train2017/000000000009.jpg", jpeg(11, 10, 1));
    assert_error(
        opened("coco", root, Split::Train).dataset.sample(0),
        &["000000000009.jpg: the image has 11x10 pixels, its annotation says 12x10; "],
    );
}

const XML: &str = "<annotation>
<folder>VOC2012</folder><filename>a.jpg</filename>
<size><width>12</width><height>10</height><depth>3</depth></size>
<segmented>0</segmented>
<object><name>person</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>
 <bndbox><xmin>1</xmin><ymin>2</ymin><xmax>12</xmax><ymax>10</ymax></bndbox>
 <part><name>head</name><bndbox><xmin>4</xmin><ymin>4</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></part></object>
<object><name>dog</name>
 <bndbox><xmax>5.6</xmax><xmin>3.5</xmin><ymin>3</ymin><ymax>4</ymax></bndbox><difficult>1</difficult></object>
</annotation>";

fn voc(root: &Path, xml: &str) {
    for part in ["train", "val"] {
        put(root, &format!("VOCdevkit/VOC2012/ImageSets/Main/{part}.txt"), "a\n");
    }
    put(root, "VOCdevkit/VOC2012/JPEGImages/a.jpg", jpeg(12, 10, 1));
    put(root, "VOCdevkit/VOC2012/Annotations/a.xml", xml);
}

#[test]
fn voc_xml() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    voc(root, XML);
    let all = objects("voc", root, 0);
    assert_eq!(all.len(), 2);
    // Counted from 1, both ends included.
    assert_eq!(all[0].bounds, BoundingBox::new(0.0, 1.0, 12.0, 9.0));
    let data = opened("voc", root, Split::Test).dataset;
    assert_eq!((&*data.classes()[all[0].class as usize], all[0].ignore), ("person", false));
    assert_eq!((&*data.classes()[all[1].class as usize], all[1].ignore), ("dog", true));
    assert!((all[1].bounds.left - 2.5).abs() < 1e-12 && all[1].mask.is_none());
    // With a test list, as VOC 2007 has it, training is on trainval.
    put(root, "VOCdevkit/VOC2012/ImageSets/Main/test.txt", "a\n");
    assert_eq!(opened("voc", root, Split::Train).part, "train", "there is no trainval.txt");
    // Those of VOC 2012 have no annotations.
    put(root, "VOCdevkit/VOC2012/ImageSets/Main/test.txt", "2008_000001\n");
    assert_eq!(objects("voc", root, 0).len(), 2);
}

#[test]
fn broken_voc() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    open_error("voc", root, Split::Train, &["no `JPEGImages` in this folder"]);
    for (from, to, parts) in [
        ("<xmax>12<", "<xmax>inf<", &["a.xml:5: the box from (0, 1) to (inf, 10) is none; "][..]),
        ("<xmax>12<", "<xmax>-5<", &["a.xml:5: the box from (0, 1) to (-5, 10) is none; "]),
        ("<width>12<", "<width>12.5<", &["a.xml:3: `width` is 12.5, not a number of pixels; "]),
        ("<width>12<", "<width>NaN<", &["a.xml:3: `width` is NaN, not a number of pixels; "]),
        ("<width>12<", "<width>1e30<", &["not a number of pixels; "]),
        ("<name>dog", "<name>", &["a.xml:8: `name` is empty; "]),
        ("<xmin>1<", "<xmin>one<", &["a.xml:5: `xmin` is `one`, not a number; "]),
        ("<ymax>10</ymax>", "", &["a.xml:5: no `ymax` in `bndbox`; "]),
        ("<width>12</width>", "", &["a.xml:3: no `width` in `size`; "]),
        ("</annotation>", "", &["a.xml: broken XML", "; copy it again"]),
    ] {
        voc(root, &XML.replacen(from, to, 1));
        open_error("voc", root, Split::Train, parts);
    }
    voc(root, XML);
    std::fs::remove_file(root.join("VOCdevkit/VOC2012/JPEGImages/a.jpg")).expect("removes");
    open_error("voc", root, Split::Train, &["train.txt:1: no such file"]);
    std::fs::remove_file(root.join("VOCdevkit/VOC2012/Annotations/a.xml")).expect("removes");
    open_error("voc", root, Split::Train, &["train.txt:1: ", "a.xml: no such file"]);
}

#[test]
fn yolo_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for part in ["train", "val"] {
        put(root, &format!("images/{part}/a.jpg"), jpeg(20, 10, 1));
        put(root, &format!("images/{part}/b.jpg"), jpeg(20, 10, 1));
        put(root, &format!("labels/{part}/a.txt"), "0 0.5 0.5 0.2 0.4\n1 0.1 0.2 0.4 0.2 0.4 0.7 0.1 0.7\n");
    }
    open_error("yolo", root, Split::Train, &["no names of the classes; "]);
    for (file, text) in [
        ("data.yaml", "train: images/train\nnc: 2\nnames: ['cat', \"dog\"]\n"),
        ("data.yaml", "names:\n  0: cat\n  1: dog\nnc: 2\n"),
        ("data.yaml", "names:\n- cat\n- dog\n\nnc: 2\n"),
        ("obj.names", "cat\ndog\n"),
        ("classes.txt", "cat\ndog\n"),
    ] {
        put(root, file, text);
        assert_eq!(opened("yolo", root, Split::Test).dataset.classes(), ["cat", "dog"], "{text}");
        if file == "data.yaml" {
            std::fs::remove_file(root.join(file)).expect("removes");
        }
    }
    let data = opened("yolo", root, Split::Train);
    assert_eq!(data.notes, ["train: 1 images have no text file, so no objects"]);
    let all = objects("yolo", root, 0);
    let close = |b: BoundingBox, want: [f64; 4]| {
        [b.left, b.top, b.width, b.height].iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-9)
    };
    assert!(close(all[0].bounds, [8.0, 3.0, 4.0, 4.0]), "{:?}", all[0].bounds);
    assert!(close(all[1].bounds, [2.0, 2.0, 6.0, 5.0]), "{:?}", all[1].bounds);
    assert_eq!((all[1].class, all[1].mask.as_ref().map(|mask| mask.area())), (1, Some(30)));
    assert!(objects("yolo", root, 1).is_empty());
    for (line, parts) in [
        ("2 0.5 0.5 0.2 0.4", &["a.txt:1: unknown class 2 of 2; "][..]),
        ("0 0.5 0.5 1.4 0.4", &["a.txt:1: 1.4 is outside of the image; "]),
        ("0 0.5 -0.5 0.4 0.4", &["a.txt:1: -0.5 is outside of the image; "]),
        ("0.5 0.5 0.5 0.2 0.4", &["a.txt:1: unknown class 0.5 of 2; "]),
        ("0 0.5 0.5 0.2", &["a.txt:1: `0 0.5 0.5 0.2` is no line of numbers; write CLASS X Y"]),
        ("cat 0.5 0.5 0.2 0.4", &["is no line of numbers"]),
        ("0 NaN 0.5 0.2 0.4", &["is none; "]),
    ] {
        put(root, "labels/train/a.txt", line);
        open_error("yolo", root, Split::Train, parts);
    }
    std::fs::remove_dir_all(root.join("labels")).expect("removes");
    open_error("yolo", root, Split::Train, &["no folders of images and text files for the train part; "]);
}

#[test]
fn data_without_objects() {
    assert_error(
        open_detection(&DataSpec::new("ade20k"), Split::Train).map(|_| ()),
        &["`ade20k` has no objects; use one of: coco, scenes, voc, yolo"],
    );
}
