//! Sets in VOC's form as people have them.

use palimpsest_datasets::{DataSpec, Split, open_detection, open_segmentation};
use palimpsest_targets::BoundingBox;

use super::{content, objects, try_objects};
use crate::files::{assert_error, jpeg, png, put};
use crate::segmentation::label_png;

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
