//! Small trees in the sets' true layouts, and broken ones.

use std::path::Path;

use palimpsest_datasets::{DataSpec, Opened, Split, open, open_segmentation};
use palimpsest_targets::{IGNORE, SegmentationData};

use crate::files::{assert_error, jpeg, png, put};

/// A PNG of labels: grey of 8 bits, or a palette of fewer.
pub(crate) fn label_png(width: u32, height: u32, labels: &[u8], palette_bits: Option<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    let data = match palette_bits {
        None => {
            encoder.set_color(png::ColorType::Grayscale);
            labels.to_vec()
        }
        Some(bits) => {
            encoder.set_color(png::ColorType::Indexed);
            encoder.set_depth(png::BitDepth::from_u8(bits).expect("a depth"));
            // Colours that are not the labels, so that a look-up would be seen.
            encoder.set_palette(
                (0..=255u8).take(1 << bits).flat_map(|i| [255 - i, i / 2, 7]).collect::<Vec<_>>(),
            );
            let per_byte = 8 / usize::from(bits);
            let pack = |chunk: &[u8]| {
                chunk.iter().enumerate().fold(0, |b, (i, l)| b | l << (8 - usize::from(bits) * (i + 1)))
            };
            labels
                .chunks(width as usize)
                .flat_map(|row| row.chunks(per_byte).map(pack).collect::<Vec<u8>>())
                .collect()
        }
    };
    encoder.write_header().expect("a header").write_image_data(&data).expect("writes");
    bytes
}

fn opened(name: &str, root: &Path, split: Split) -> Opened<dyn SegmentationData> {
    open_segmentation(&DataSpec::at(name, root), split).expect("opens")
}

fn open_error(name: &str, root: &Path, split: Split, parts: &[&str]) {
    assert_error(open_segmentation(&DataSpec::at(name, root), split).map(|_| ()), parts);
}

#[test]
fn ade20k() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("ADEChallengeData2016");
    open_error(
        "ade20k",
        folder.path(),
        Split::Train,
        &["no `objectInfo150.txt` in this folder, nor in `ADE"],
    );
    put(
        &root,
        "objectInfo150.txt",
        "Idx\tRatio\tTrain\tVal\tStuff\tName\n1\t0.1576\t11664\t1172\t1\twall\n2\t0.1072\t6046\t612\t1\tbuilding, edifice\n",
    );
    put(&root, "images/training/ADE_train_00000002.jpg", jpeg(3, 2, 1));
    put(&root, "images/training/ADE_train_00000001.jpg", jpeg(3, 2, 1));
    put(&root, "annotations/training/ADE_train_00000001.png", label_png(3, 2, &[0, 1, 2, 2, 1, 0], None));
    open_error(
        "ade20k",
        folder.path(),
        Split::Train,
        &["ADE_train_00000002.png: no such label map for", "; "],
    );
    put(&root, "annotations/training/ADE_train_00000002.png", label_png(3, 2, &[3; 6], None));
    let data = opened("ade20k", folder.path(), Split::Train).dataset;
    assert_eq!(data.classes(), ["wall", "building, edifice"]);
    let (image, map) = data.sample(0).expect("loads");
    assert_eq!((image.width, image.height, map.width), (3, 2, 3));
    assert_eq!(map.labels, [IGNORE, 0, 1, 1, 0, IGNORE]);
    assert_error(
        data.sample(1),
        &["ADE_train_00000002.png: the pixel at column 0, row 0 has the label 3, an unknown class of 2; "],
    );
    open_error("ade20k", folder.path(), Split::Test, &["images/validation: no such file or folder; "]);
    put(&root, "objectInfo150.txt", "Idx\n1 wall\n");
    open_error("ade20k", folder.path(), Split::Train, &["objectInfo150.txt:2: `1 wall` has fewer than six"]);
}

#[test]
fn voc_palettes_are_not_looked_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("VOCdevkit/VOC2012");
    put(&root, "ImageSets/Segmentation/train.txt", "2007_000032\n2007_000039\n");
    put(&root, "ImageSets/Segmentation/val.txt", "2007_000033\n");
    for name in ["2007_000032", "2007_000039", "2007_000033"] {
        put(&root, &format!("JPEGImages/{name}.jpg"), jpeg(5, 2, 1));
    }
    let labels = [0, 1, 255, 20, 0, 15, 15, 255, 0, 1];
    put(&root, "SegmentationClass/2007_000032.png", label_png(5, 2, &labels, Some(8)));
    let few = [0, 1, 2, 3, 0, 3, 3, 1, 0, 1];
    put(&root, "SegmentationClass/2007_000039.png", label_png(5, 2, &few, Some(2)));
    put(&root, "SegmentationClass/2007_000033.png", label_png(4, 2, &[0; 8], Some(8)));
    let data = opened("voc", folder.path(), Split::Train).dataset;
    assert_eq!(
        (data.classes().len(), &*data.classes()[0], &*data.classes()[15]),
        (21, "background", "person")
    );
    assert_eq!(data.sample(0).expect("loads").1.labels, labels);
    assert_eq!(data.sample(1).expect("loads").1.labels, few);
    let val = opened("voc", &root, Split::Test).dataset;
    assert_error(
        val.sample(0),
        &["2007_000033.png: the label map has 4x2 pixels, its image 5x2; make both the same size"],
    );
    put(&root, "SegmentationClass/2007_000033.png", png(5, 2, 0));
    assert_error(val.sample(0), &["2007_000033.png: a PNG of Rgb samples of 8 bits, not of labels; "]);
    put(&root, "SegmentationClass/2007_000033.png", &label_png(5, 2, &[0; 10], None)[..50]);
    assert_error(val.sample(0), &["2007_000033.png: broken label map"]);
    std::fs::remove_file(root.join("SegmentationClass/2007_000033.png")).expect("removes");
    open_error("voc", &root, Split::Test, &["2007_000033.png: no such label map"]);
}

#[test]
fn camvid_as_segnet_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for part in ["train", "test"] {
        put(root, &format!("{part}/0001TP_006690.png"), png(4, 1, 1));
        put(root, &format!("{part}annot/0001TP_006690.png"), label_png(4, 1, &[0, 10, 11, 3], None));
    }
    for split in [Split::Train, Split::Test] {
        let data = opened("camvid", root, split).dataset;
        assert_eq!(
            (data.classes().len(), data.sample(0).expect("loads").1.labels),
            (11, vec![0, 10, IGNORE, 3])
        );
    }
    put(root, "testannot/0001TP_006690.png", label_png(4, 1, &[0, 10, 12, 3], None));
    assert_error(
        opened("camvid", root, Split::Test).dataset.sample(0),
        &["column 2, row 0 has the label 12"],
    );
}

#[test]
fn folders_of_index_pngs() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    open_error(
        "index-png",
        root,
        Split::Train,
        &["no folders of images and label maps for the train part; make `images/train`"],
    );
    put(root, "images/train/a.jpg", jpeg(2, 2, 1));
    put(root, "labels/train/a.png", label_png(2, 2, &[0, 1, 255, 1], Some(8)));
    open_error(
        "index-png",
        root,
        Split::Train,
        &["classes.txt: no names of the classes; ", "data.reader.classes", "(maps here have 0, 1, 255)"],
    );
    put(root, "classes.txt", "sky\nroad\n");
    put(root, "images/val/b.jpg", jpeg(2, 2, 1));
    put(root, "annotations/val/b.png", label_png(2, 2, &[0, 1, 2, 1], None));
    let train = opened("index-png", root, Split::Train).dataset;
    assert_eq!(train.sample(0).expect("loads").1.labels, [0, 1, 255, 1]);
    assert_error(
        opened("index-png", root, Split::Test).dataset.sample(0),
        &["has the label 2, an unknown class of 2"],
    );
    let spec = DataSpec::at("index-png", root).with_keys("classes = ['a', 'b', 'c']").expect("TOML");
    let named = open_segmentation(&spec, Split::Test).expect("opens").dataset;
    assert_eq!(named.sample(0).expect("loads").1.labels, [0, 1, 2, 1]);
    // The images alone, to pre-train on.
    assert_eq!(open(&spec, Split::Train).expect("opens").load(0).expect("loads").width, 2);
}

#[test]
fn data_without_label_maps() {
    assert_error(
        open_segmentation(&DataSpec::new("fashion-mnist"), Split::Train).map(|_| ()),
        &["`fashion-mnist` has no label maps; use one of: ade20k, camvid, index-png, scenes, voc"],
    );
    assert_error(
        open_segmentation(&DataSpec::new("ade20"), Split::Train).map(|_| ()),
        &["unknown data set `ade20`; did you mean `ade20k`?"],
    );
}
