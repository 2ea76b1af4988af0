//! Which folders are the parts of a set, whether they agree on their classes, and what a score stands on.

use std::path::Path;

use palimpsest_core::data::{Share, Split};
use palimpsest_core::recipe::Recipe;
use palimpsest_datasets::open::open_with_notes;
use palimpsest_datasets::{DataSpec, Draw, RecipeData};
use tempfile::tempdir;

use crate::files::{assert_error, png, put};

/// `count` images of each class of a part.
fn classes(root: &Path, part: &str, names: &[&str], count: usize) {
    for (k, name) in names.iter().enumerate() {
        for i in 0..count {
            put(root, &format!("{part}/{name}/{i}.png"), png(8, 8, (100 * k + i) as u32));
        }
    }
}

/// The part's name and its number of images, for training and testing.
fn found(root: &Path) -> [(String, usize); 2] {
    let spec = DataSpec::at("folder", root);
    [Split::Train, Split::Test].map(|split| {
        let opened = open_with_notes(&spec, split).expect("opens");
        (opened.part, opened.dataset.len())
    })
}

fn recipe(root: &Path, more: &[&str]) -> Recipe {
    let mut overrides = vec![
        "data.name=folder".to_owned(),
        format!("data.path={}", root.display()),
        "data.channels=3".to_owned(),
        "data.image_size=8".to_owned(),
    ];
    overrides.extend(more.iter().map(|&text| text.to_owned()));
    let text = include_str!("../../../recipes/mae-micro.toml");
    Recipe::parse("mae-micro.toml", text, &overrides).expect("is sound")
}

#[test]
fn the_test_part_has_the_labels_of_the_training_part_whatever_lies_beside() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    classes(root, "train", &["a", "b", "c"], 20);
    classes(root, "test", &["c"], 2);
    put(root, "train/overview.png", png(4, 4, 0));
    let test = open_with_notes(&DataSpec::at("folder", root), Split::Test).expect("opens").dataset;
    assert_eq!((test.classes().len(), test.label(0)), (3, Some(2)));
}

#[test]
fn parts_are_found_under_the_names_of_the_field() {
    for [train, test] in [
        ["Training", "Testing"],
        ["Train", "Test"],
        ["seg_train", "seg_test"],
        ["train", "valid"],
        ["training", "validation"],
        ["TRAIN", "dev"],
    ] {
        let folder = tempdir().expect("a folder");
        classes(folder.path(), train, &["a", "b"], 3);
        classes(folder.path(), test, &["a", "b"], 2);
        assert_eq!(found(folder.path()), [(train.to_owned(), 6), (test.to_owned(), 4)]);
    }
}

#[test]
fn the_test_part_is_measured_and_the_validation_part_named() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    for (part, count) in [("train", 5), ("test", 3), ("valid", 2)] {
        classes(root, part, &["a", "b"], count);
    }
    put(root, "notes/a.png", png(4, 4, 0));
    assert_eq!(found(root), [("train".to_owned(), 10), ("test".to_owned(), 6)]);
    let notes = open_with_notes(&DataSpec::at("folder", root), Split::Test).expect("opens").notes;
    assert_eq!(notes, ["valid is not read", "beside the parts, notes is not read"]);
}

#[test]
fn a_single_part_is_split_and_two_test_parts_are_refused() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    classes(root, "val", &["a", "b"], 60);
    let [(train, trained), (_, tested)] = found(root);
    assert_eq!((train.as_str(), trained + tested), ("all but the held-out 10 %", 120));
    classes(root, "test", &["a", "b"], 1);
    assert_error(
        open_with_notes(&DataSpec::at("folder", root), Split::Train),
        &["test and val but no training part"],
    );
}

#[test]
fn a_class_may_be_called_like_a_part() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    classes(root, ".", &["bus", "car", "train"], 40);
    let opened = open_with_notes(&DataSpec::at("folder", root), Split::Train).expect("opens");
    assert_eq!(opened.dataset.classes(), ["bus", "car", "train"]);
    assert!(opened.notes[1].contains("`train` is taken for a class, beside bus, car"), "{:?}", opened.notes);
}

#[test]
fn an_archives_own_folder_is_no_class() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    classes(root, "photos/photos/train", &["a", "b"], 3);
    classes(root, "photos/photos/test", &["a", "b"], 2);
    put(root, "photos/readme.txt", "text");
    assert_eq!(found(root), [("train".to_owned(), 6), ("test".to_owned(), 4)]);
    let notes = open_with_notes(&DataSpec::at("folder", root), Split::Train).expect("opens").notes;
    assert!(notes[0].ends_with("photos/photos, the only folder"), "{notes:?}");
    // A single folder of images is the one class that there is.
    let folder = tempdir().expect("a folder");
    classes(folder.path(), ".", &["a"], 30);
    let opened = open_with_notes(&DataSpec::at("folder", folder.path()), Split::Train).expect("opens");
    assert_eq!(opened.dataset.classes(), ["a"]);
}

#[test]
fn stray_images_beside_class_folders_are_passed_over_and_told() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    classes(root, "train", &["a", "b"], 10);
    classes(root, "test", &["a", "b"], 10);
    put(root, "train/overview.png", png(4, 4, 0));
    put(root, "test/overview.png", png(4, 4, 0));
    for split in [Split::Train, Split::Test] {
        let opened = open_with_notes(&DataSpec::at("folder", root), split).expect("opens");
        assert_eq!((opened.dataset.len(), opened.dataset.classes().len()), (20, 2));
        assert!(opened.notes[0].contains("1 image beside the folders of classes was passed over"));
    }
    // Many are no strays: then nothing is lost, and it is said why there are no classes.
    (0..20).for_each(|i| drop(put(root, &format!("train/{i}.png"), png(4, 4, i))));
    let opened = open_with_notes(&DataSpec::at("folder", root), Split::Train).expect("opens");
    assert_eq!((opened.dataset.len(), opened.dataset.classes().len()), (41, 0));
    assert!(opened.notes[0].contains("not taken for classes"), "{:?}", opened.notes);
}

#[test]
fn what_is_opened_is_told_first() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    classes(root, "train", &["cat", "dog"], 3);
    classes(root, "val", &["cat", "dog"], 1);
    let data = RecipeData::open(&recipe(root, &[])).expect("opens");
    assert_eq!(
        data.notes(),
        [format!(
            "data `folder` at {}: trained on train (6 images), measured on val (2 images); 2 classes: cat, dog",
            root.display()
        )]
    );
}

#[test]
fn a_path_that_nothing_would_be_read_from_is_refused() {
    for name in ["fashion-mnist", "scenes"] {
        let recipe = recipe(Path::new("/photos"), &[&format!("data.name={name}")]);
        assert_error(RecipeData::open(&recipe), &["is part of the program", "/photos", "data.name=folder"]);
    }
}

#[test]
fn a_score_says_what_it_stands_on() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    let mut lists = [String::from("path,label\n"), String::from("path,label\n")];
    for (part, list) in ["train", "test"].iter().zip(&mut lists) {
        for i in 0..20 {
            let name = format!("{part}{i}.png");
            // Three images have no class, and of the test part four are no images.
            let bytes = if *part == "test" && i >= 16 { b"lies".to_vec() } else { png(8, 8, i) };
            put(root, &name, bytes);
            list.push_str(&format!(
                "{name},{}\n",
                if i < 3 {
                    ""
                } else if i % 2 == 0 {
                    "even"
                } else {
                    "odd"
                }
            ));
        }
        put(root, &format!("{part}.csv"), list.as_bytes());
    }
    let data = RecipeData::open(&recipe(root, &["data.name=csv"])).expect("opens");
    assert_eq!(data.without_classes(), None);
    let splits = data.labelled(&Draw { limits: [11, 0], ..Draw::default() }).expect("has classes");
    let [train, test] = splits.sizes();
    assert_eq!(train.to_string(), "11 of 20 images of 2 classes (3 without a class; 6 not drawn)");
    let mut pass = splits.test(Share::WHOLE).expect("starts");
    let seen: usize = pass.by_ref().map(|examples| examples.expect("a batch").batch.len()).sum();
    let test = test.without(pass.broken());
    assert_eq!(seen, test.images);
    let text = "13 of 20 images of 2 classes (4 broken: 2 of even, 2 of odd; 3 without a class)";
    assert_eq!(test.to_string(), text);
    assert!(pass.broken()[&16].message.contains("test16.png"));
}

#[test]
fn a_limit_is_drawn_over_the_classes_and_changes_no_old_hash() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    classes(root, "train", &["a", "b", "c"], 10);
    classes(root, "test", &["a", "b", "c"], 2);
    let whole = recipe(root, &["train.batch=6", "train.accumulate=1"]);
    let limited = recipe(root, &["train.batch=6", "train.accumulate=1", "data.limit=6"]);
    assert!(!whole.to_toml().contains("limit") && whole.hash() != limited.hash());
    let data = RecipeData::open(&limited).expect("opens");
    assert_eq!(data.counts(), [6, 6]);
    let mut labels = data.loader(&limited).expect("starts").next_examples().expect("a batch").batch.labels;
    labels.sort_unstable();
    assert_eq!(labels, [0, 0, 1, 1, 2, 2]);
    // Heads have limits of their own.
    assert_eq!(data.labelled(&Draw::default()).expect("has classes").counts(), [30, 6]);
}

#[test]
fn data_without_classes_are_told_apart_from_too_few_images() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    for part in ["train", "test"] {
        (0..4).for_each(|i| drop(put(root, &format!("{part}/{i}.png"), png(8, 8, i))));
    }
    let data = RecipeData::open(&recipe(root, &[])).expect("opens");
    assert!(data.without_classes().expect("a reason").contains("images of 0 classes"));
    assert_error(data.labelled(&Draw::default()).map(drop), &["two classes", "4 without a class"]);

    let folder = tempdir().expect("a folder");
    classes(folder.path(), "train", &["a", "b"], 4);
    classes(folder.path(), "test", &["a", "b"], 4);
    let data = RecipeData::open(&recipe(folder.path(), &[])).expect("opens");
    assert_eq!(data.without_classes(), None);
    let one = data.labelled(&Draw { limits: [1, 0], ..Draw::default() }).map(drop);
    assert_error(one, &["1 of 8 images of 1 class (7 not drawn)", "--train-images"]);
}

#[test]
fn scores_need_a_test_part_that_opens() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    classes(root, "train", &["cat", "dog"], 4);
    classes(root, "test", &["unknown"], 4);
    let recipe = recipe(root, &["eval.heads=[]"]);
    // Pre-training needs none, and says so; scores are never of the training images.
    let data = RecipeData::open(&recipe).expect("opens");
    assert!(data.notes().iter().any(|note| note.contains("no test part")), "{:?}", data.notes());
    assert_error(
        RecipeData::open_for_scores(&recipe).map(drop),
        &["no class `unknown`", "training: cat, dog; test: unknown"],
    );
}

#[test]
fn a_part_within_its_own_folder_and_a_class_of_other_files() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    classes(root, "seg_train/seg_train", &["a", "b"], 3);
    classes(root, "seg_test/images", &["a", "b"], 2);
    assert_eq!(found(root), [("seg_train".to_owned(), 6), ("seg_test".to_owned(), 4)]);
    put(root, "seg_train/seg_train/owl/1.bmp", b"BM");
    let notes = open_with_notes(&DataSpec::at("folder", root), Split::Train).expect("opens").notes;
    assert!(
        notes.iter().any(|note| note.contains("no images of jpg") && note.ends_with(" in owl")),
        "{notes:?}"
    );
}

#[test]
fn a_list_whose_test_labels_are_withheld_is_measured_on_validation() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    for (part, labels) in [("train", "ab"), ("val", "ab"), ("test", "  ")] {
        let mut list = String::from("path,label\n");
        for (i, label) in labels.chars().enumerate() {
            put(root, &format!("{part}{i}.png"), png(8, 8, i as u32));
            list.push_str(&format!("{part}{i}.png,{}\n", label.to_string().trim()));
        }
        put(root, &format!("{part}.csv"), list.as_bytes());
    }
    let opened = open_with_notes(&DataSpec::at("csv", root), Split::Test).expect("opens");
    assert_eq!((opened.part.as_str(), opened.dataset.label(1)), ("val", Some(1)));
}

#[test]
fn a_column_may_tell_the_part_of_each_row() {
    let folder = tempdir().expect("a folder");
    let root = folder.path();
    let mut list = String::from("path,label,split\n");
    for (i, part) in ["train", "Train", "val", "test", "train", "val"].iter().enumerate() {
        put(root, &format!("{i}.png"), png(8, 8, i as u32));
        let label = if *part == "test" { "" } else { ["a", "b"][i % 2] };
        list.push_str(&format!("{i}.png,{label},{part}\n"));
    }
    let path = put(root, "all.csv", list.as_bytes());
    let part = |split| {
        let opened = open_with_notes(&DataSpec::at("csv", &path), split).expect("opens");
        let places = (0..opened.dataset.len()).map(|i| opened.dataset.location(i));
        (
            opened.part,
            places.map(|place| place.rsplit('/').next().unwrap_or("").to_owned()).collect::<Vec<_>>(),
        )
    };
    let (name, train) = part(Split::Train);
    assert_eq!(
        (name.as_str(), train),
        ("rows of the training part", vec!["0.png".to_owned(), "1.png".into(), "4.png".into()])
    );
    // The test part's labels are withheld.
    let (name, test) = part(Split::Test);
    assert_eq!(
        (name.as_str(), test),
        ("rows of the validation part", vec!["2.png".to_owned(), "5.png".into()])
    );
}
