//! YOLO's sets as people have them.

use palimpsest_datasets::Split;

use super::{content, objects, try_objects};
use crate::files::{assert_error, jpeg, put};

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
