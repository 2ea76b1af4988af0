//! STL-10 in its true layout: planes column by column, labels from 1, as torchvision's reader takes them.

use palimpsest_datasets::{DataSpec, Split, open};

use crate::files::{assert_error, bytes, put};

const PLANE: usize = 96 * 96;

/// `count` images; the byte of channel c, column x, row y of image i is a function of these.
fn images(count: usize) -> Vec<u8> {
    (0..count * 3 * PLANE)
        .map(|at| {
            let (i, c, x, y) = (at / (3 * PLANE), at / PLANE % 3, at / 96 % 96, at % 96);
            (50 * i + 20 * c + x + y / 4) as u8
        })
        .collect()
}

fn spec(name: &str, root: &std::path::Path) -> DataSpec {
    DataSpec::at(name, root)
}

#[test]
fn layout() {
    let root = tempfile::tempdir().expect("a folder");
    let names: Vec<String> = (0..10).map(|i| format!("class{i}")).collect();
    let put = |name: &str, bytes: Vec<u8>| put(root.path(), &format!("stl10_binary/{name}"), bytes);
    put("class_names.txt", names.join("\n").into_bytes());
    put("train_X.bin", images(3));
    put("train_y.bin", vec![1, 10, 4]);
    put("test_X.bin", images(2));
    put("test_y.bin", vec![2, 2]);
    put("unlabeled_X.bin", images(4));
    let train = open(&spec("stl10", root.path()), Split::Train).expect("opened");
    assert_eq!((train.len(), train.classes().len()), (3, 10));
    assert_eq!((0..3).map(|i| train.label(i)).collect::<Vec<_>>(), [Some(0), Some(9), Some(3)]);
    let image = bytes(train.load(1).expect("loaded"));
    assert_eq!((image.width, image.height, image.channels), (96, 96, 3));
    for (x, y, c) in [(0, 0, 0), (95, 0, 1), (0, 95, 2), (17, 60, 1)] {
        assert_eq!(image.pixels[(y * 96 + x) * 3 + c], (50 + 20 * c + x + y / 4) as u8, "{x} {y} {c}");
    }
    let unlabelled = open(&spec("stl10-unlabeled", root.path()), Split::Train).expect("opened");
    assert_eq!((unlabelled.len(), unlabelled.classes().len(), unlabelled.label(0)), (4, 0, None));
    let test = open(&spec("stl10-unlabeled", root.path()), Split::Test).expect("opened");
    assert_eq!((test.len(), test.label(1)), (2, Some(1)));

    put("train_y.bin", vec![1, 11, 4]);
    assert_error(
        open(&spec("stl10", root.path()), Split::Train),
        &["train_y.bin", "label 1 is 11, not 1 to 10"],
    );
    put("train_y.bin", vec![1, 1]);
    assert_error(open(&spec("stl10", root.path()), Split::Train), &["train_y.bin", "2 labels for 3 images"]);
    put("train_X.bin", images(3)[..5000].to_vec());
    assert_error(
        open(&spec("stl10", root.path()), Split::Train),
        &["train_X.bin", "5000 bytes", "truncated"],
    );
    std::fs::remove_file(root.path().join("stl10_binary/test_X.bin")).expect("removed");
    assert_error(open(&spec("stl10", root.path()), Split::Train), &["no `test_X.bin`", "stl10_binary"]);
}
