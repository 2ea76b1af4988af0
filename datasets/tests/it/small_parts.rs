//! Parts that a hold-out leaves empty, and the note on pages of TIFFs.

use std::path::Path;

use palimpsest_core::data::Split;
use palimpsest_core::recipe::Recipe;
use palimpsest_datasets::pack::open_parts;
use palimpsest_datasets::split::is_held_out;
use palimpsest_datasets::{DataSource, RecipeData};

use crate::files::{assert_error, fixture, png, put};

fn recipe(path: &Path, keys: &[&str]) -> Recipe {
    palimpsest_datasets::link();
    let path = format!("data.path={}", toml::Value::String(path.display().to_string()));
    let own = [
        "data.name=folder".to_owned(),
        path,
        "data.image_size=16".to_owned(),
        "data.mean=[0.5]".to_owned(),
        "data.std=[0.5]".to_owned(),
    ];
    let all: Vec<String> = own.into_iter().chain(keys.iter().map(|&key| key.to_owned())).collect();
    Recipe::parse("micro", "preset = \"mae\"", &all).expect("a recipe")
}

/// Who looks at data, or packs them, gets the part that there is; who trains is told what is missing.
#[test]
fn a_part_that_the_hold_out_leaves_empty() {
    let root = tempfile::tempdir().expect("a folder");
    // Nine of ten are held out, and this one.
    let mut names = (0..).map(|number| format!("cat/{number}.png")).filter(|name| is_held_out(name, 0.9));
    put(root.path(), &names.next().expect("a name"), png(8, 8, 1));
    for (holdout, there, empty) in [("0.0", Split::Train, "test"), ("0.9", Split::Test, "train")] {
        let holdout = format!("data.holdout={holdout}");
        let source = DataSource::from(&recipe(root.path(), &[&holdout]));
        let (parts, notes) = source.image_parts(None).expect("a part");
        assert_eq!(parts.iter().map(|(split, data)| (*split, data.len())).collect::<Vec<_>>(), [(there, 1)]);
        let note = format!("the {empty} part has no images");
        assert!(notes.iter().any(|told| told.contains(&note)), "{notes:?}");
        assert_eq!(open_parts(&source, None).expect("a part").0.len(), 1);
        let missing = if there == Split::Train { Split::Test } else { Split::Train };
        assert_error(source.image_parts(Some(missing)).map(drop), &["part is empty", "data.holdout"]);
        assert_error(source.images().map(drop), &["part is empty", "data.holdout"]);
    }
}

/// Twenty images of which the tenth part would be none: one is held out, with labels and without.
#[test]
fn few_images_are_held_out_as_many_are() {
    let root = tempfile::tempdir().expect("a folder");
    let names = (0..).map(|number| format!("{number}.png")).filter(|name| !is_held_out(name, 0.1));
    let mut list = ["path,label\n".to_owned(), "path\n".to_owned()];
    for (seed, name) in names.take(20).enumerate() {
        put(root.path(), &name, png(8, 8, seed as u32));
        list[0] += &format!("{name},{}\n", ["cat", "dog"][seed % 2]);
        list[1] += &format!("{name}\n");
    }
    for (file, list) in [("labelled.csv", &list[0]), ("plain.csv", &list[1])] {
        let path = put(root.path(), file, list);
        let data = RecipeData::open(&recipe(&path, &["data.name=csv", "data.holdout=0.1"])).expect("opens");
        assert_eq!(data.counts(), [19, 1], "{file}");
    }
    let data = RecipeData::open(&recipe(root.path(), &["data.holdout=0.1"])).expect("opens");
    assert_eq!(data.counts(), [19, 1]);
}

/// tifffile's files of several pages: the first is read, which is told once with the key, unless a page is asked for, or
/// the pages are the channels.
#[test]
fn pages_that_are_not_read_are_told() {
    let root = tempfile::tempdir().expect("a folder");
    let pages = std::fs::read(fixture("scientific/pages.tif")).expect("read");
    let stack = std::fs::read(fixture("scientific/stack3.tif")).expect("read");
    let notes = |keys: &[&str]| {
        let data = RecipeData::open(&recipe(root.path(), keys)).expect("opens");
        data.notes().iter().filter(|note| note.contains("data.page")).cloned().collect::<Vec<_>>()
    };
    put(root.path(), "train/a.png", png(8, 8, 1));
    put(root.path(), "test/a.png", png(8, 8, 1));
    assert_eq!(notes(&["data.channels=1"]), [""; 0]);
    for part in ["train", "test"] {
        put(root.path(), &format!("{part}/b.tif"), &stack);
    }
    let told = notes(&["data.channels=1"]);
    assert!(
        told.len() == 1 && told[0].contains("train/b.tif with 3") && told[0].contains("data.channels=3"),
        "{told:?}"
    );
    assert_eq!(notes(&["data.channels=3"]), [""; 0]);
    assert_eq!(notes(&["data.channels=1", "data.page=1"]), [""; 0]);
    put(root.path(), "train/b.tif", &pages);
    assert_eq!(notes(&["data.channels=3"]).len(), 1);
    let source = DataSource::from(&recipe(root.path(), &["data.channels=1"]));
    let told = source.images_of(Split::Test).expect("opens").notes;
    assert_eq!(told.iter().filter(|note| note.contains("data.page=N")).count(), 1, "{told:?}");
}
