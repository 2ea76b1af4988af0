//! `[data.reader]` in recipes.

use palimpsest_core::recipe::{Layers, Recipe};
use palimpsest_datasets::DataSource;

fn recipe(text: &str, overrides: &[&str]) -> Recipe {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    Recipe::parse("a.toml", &format!("preset = \"paper\"\n{text}"), &overrides).expect("a recipe")
}

const COARSE: &str = "[data]\nname = \"cifar100\"\npath = \"x\"\n[data.reader]\ncoarse = true\n";

#[test]
fn keys_count_where_they_are_given() {
    let plain = recipe("[data]\nname = \"cifar100\"\npath = \"x\"", &[]);
    assert!(!plain.to_toml().contains("reader"), "recipes without them keep their hash");
    let coarse = recipe(COARSE, &[]);
    assert_ne!(plain.hash(), coarse.hash());
    assert_eq!(coarse.hash(), recipe("[data]\nname = \"cifar100\"", &["data.reader.coarse=true"]).hash());
    assert_eq!(DataSource::from(&coarse).spec().reader.table()["coarse"].as_bool(), Some(true));
    // What a run's folder keeps is the same recipe.
    let mut layers = Layers::text("config.toml", &coarse.to_toml()).expect("TOML");
    layers.overrides(&[]).expect("none");
    assert_eq!(Recipe::resolve(layers).expect("a recipe").hash(), coarse.hash());
}

#[test]
fn another_data_set_has_none_of_them() {
    assert!(recipe(COARSE, &["data.name=cifar10"]).reader.table().is_empty());
    assert!(!recipe(COARSE, &["data.name=cifar100", "data.flip=false"]).reader.table().is_empty());
    let scenes = recipe(COARSE, &["data.name=scenes", "data.reader.count=[3,2]"]);
    assert_eq!(scenes.reader.table().len(), 1);
}

/// `exif` is a key of the reader `coco`: the message says where it belongs. The one of the embedded sample has none.
#[test]
fn a_readers_key_beside_its_table() {
    palimpsest_datasets::link();
    let error = |overrides: &[&str]| {
        let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
        Recipe::parse("a.toml", "preset = \"paper\"", &overrides).expect_err("unknown").to_string()
    };
    let told = error(&["data.name=coco", "data.exif=\"ignore\""]);
    assert!(told.contains("`data.exif`: unknown key `exif`; "), "{told}");
    assert!(told.ends_with("; what the reader is told is data.reader.exif"), "{told}");
    for overrides in [&["data.exif=\"ignore\""][..], &["data.name=coco", "data.coarse=true"]] {
        let told = error(overrides);
        assert!(told.contains("unknown key") && !told.contains("data.reader"), "{told}");
    }
    // At its default it isn't in a recipe, so that recipes before it keep their hash.
    let plain = recipe("[data]\nname = \"coco\"\npath = \"x\"", &[]);
    assert!(!plain.to_toml().contains("exif"));
}
