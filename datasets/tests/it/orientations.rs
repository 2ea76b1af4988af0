//! Images that their metadata turn: as Pillow turns them, and where targets were drawn on stored pixels.

use std::collections::BTreeMap;
use std::path::Path;

use palimpsest_core::Result;
use palimpsest_core::data::Image;
use palimpsest_datasets::decode::{DecodeOptions, Exif, decode_file};
use palimpsest_datasets::image_header::ImageHeader;
use palimpsest_datasets::orientation::upright;
use palimpsest_datasets::{DataSpec, Opened, Split, open_detection, open_segmentation};
use palimpsest_targets::DetectionData;

use crate::files::{assert_error, bytes, fixture, jpeg, put};
use crate::segmentation::label_png;

/// `fixtures/orientation/make.py` made the images and asked Pillow.
#[test]
fn images_are_turned_as_pillow_turns_them() {
    let folder = fixture("orientation");
    let table = std::fs::read_to_string(folder.join("pillow.json")).expect("the table");
    let table: BTreeMap<String, u8> = serde_json::from_str(&table).expect("JSON");
    assert!(table.len() > 30);
    for (name, want) in table {
        let path = folder.join(&name);
        let header = ImageHeader::of_file(&path).expect("an image");
        assert_eq!(header.stored, (6, 4), "{name}");
        let found = if header.is_turned() { header.orientation } else { 1 };
        assert_eq!(found, want, "{name}");
        let stored = DecodeOptions::default().with_exif(Exif::Ignore);
        let as_stored: Image = decode_file(&path, stored).expect("decodes");
        assert_eq!((as_stored.width, as_stored.height), (6, 4), "{name}");
        assert_eq!(
            decode_file(&path, DecodeOptions::default()).expect("decodes"),
            upright(as_stored, want),
            "{name}"
        );
    }
}

/// A JPEG that EXIF turns.
fn turned(width: u32, height: u32, orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let plain = jpeg(width, height, 1);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&plain[..2], &[0xFF, 0xE1], &length, &exif, &plain[2..]].concat()
}

fn coco(root: &Path, orientation: u8, size: (u32, u32)) {
    for part in ["train", "val"] {
        let (mut images, mut annotations) = (vec![], vec![]);
        for i in 1..=4 {
            let (width, height) = size;
            images.push(format!(
                r#"{{"id": {i}, "file_name": "{i}.jpg", "width": {width}, "height": {height}}}"#
            ));
            annotations
                .push(format!(r#"{{"id": {i}, "image_id": {i}, "category_id": 1, "bbox": [1, 1, 4, 3]}}"#));
            let bytes = if i == 1 { turned(12, 10, orientation) } else { jpeg(size.0, size.1, i) };
            put(root, &format!("{part}/{i}.jpg"), bytes);
        }
        let json = format!(
            r#"{{"images": [{}], "annotations": [{}], "categories": [{{"id": 1, "name": "cat"}}]}}"#,
            images.join(","),
            annotations.join(",")
        );
        put(root, &format!("annotations/instances_{part}.json"), json);
    }
}

fn opened(root: &Path, keys: &str) -> Result<Opened<dyn DetectionData>> {
    open_detection(&DataSpec::at("coco", root).with_keys(keys)?, Split::Train)
}

#[test]
fn boxes_on_turned_images_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    coco(root, 3, (12, 10));
    let note = |keys: &str| opened(root, keys).expect("opens").notes.join("\n");
    let applied = note("");
    assert!(
        applied.contains("train: 1 of 4 images are turned by EXIF, and boxes are taken as drawn on upright")
    );
    assert!(applied.contains("data.reader.exif=ignore"), "{applied}");
    assert!(note("exif = \"ignore\"").contains("1 of 4 images have an EXIF turn, which is ignored"));
    let pixels =
        |keys: &str| bytes(opened(root, keys).expect("opens").dataset.sample(0).expect("loads").0).pixels;
    let (shown, stored) = (pixels(""), pixels("exif = \"ignore\""));
    assert_eq!(shown.chunks(3).rev().flatten().copied().collect::<Vec<_>>(), stored);
    assert_error(opened(root, "exif = \"turn\"").map(|_| ()), &["data.reader.exif", "`apply` or `ignore`"]);

    // Sideways: the annotated size tells which is meant.
    coco(root, 6, (12, 10));
    let found = opened(root, "").expect("opens");
    assert!(
        found.notes[0]
            .ends_with("1 annotated sizes are those of the image as stored, 0 those of the upright one")
    );
    assert_error(
        found.dataset.sample(0),
        &[
            "1.jpg: the image has 10x12 pixels, its annotation says 12x10: EXIF turned the image upright; set \
             data.reader.exif=ignore",
        ],
    );
    assert!(opened(root, "exif = \"ignore\"").expect("opens").dataset.sample(0).is_ok());
    coco(root, 6, (10, 12));
    assert!(opened(root, "").expect("opens").dataset.sample(0).is_ok());
    assert_error(
        opened(root, "exif = \"ignore\"").expect("opens").dataset.sample(0),
        &["12x10 pixels, its annotation says 10x12: its EXIF turn is ignored; set data.reader.exif=apply"],
    );
    coco(root, 1, (12, 10));
    assert!(opened(root, "").expect("opens").notes.is_empty());
}

#[test]
fn maps_on_turned_images_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    put(root, "classes.txt", "ground\nsky\n");
    for part in ["train", "test"] {
        for (i, orientation) in [1, 1, 6].into_iter().enumerate() {
            put(root, &format!("images/{part}/{i}.jpg"), turned(4, 2, orientation));
            put(root, &format!("labels/{part}/{i}.png"), label_png(4, 2, &[0, 1, 1, 1, 0, 0, 0, 1], None));
        }
    }
    let open = |keys: &str| {
        let spec = DataSpec::at("index-png", root).with_keys(keys).expect("TOML");
        open_segmentation(&spec, Split::Test).expect("opens")
    };
    let found = open("");
    assert!(found.notes[0].starts_with("test: 1 of 3 images are turned by EXIF, and label maps are taken"));
    assert_error(
        found.dataset.sample(2),
        &["2.png: the label map has 4x2 pixels, its image 2x4: EXIF turned", "data.reader.exif=ignore"],
    );
    assert!(open("exif = 'ignore'").dataset.sample(2).is_ok());
}
