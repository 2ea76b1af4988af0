//! Images with index PNGs in other layouts.

use palimpsest_datasets::{DataSpec, Split, open_segmentation};

use super::{maps, try_maps};
use crate::files::{assert_error, jpeg, png, put};
use crate::segmentation::label_png;

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
