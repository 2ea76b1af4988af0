//! The plug-ins of this workspace train with their own recipes, and name what they come from.

use std::path::PathBuf;

use crate::driver::library;
use crate::workshop::{Workshop, compile, source};

/// The folders with a recipe, and their libraries.
fn examples(workshop: &Workshop) -> Vec<(PathBuf, PathBuf)> {
    let stripes = workshop.path("libstripes.so");
    compile(&source("plugins/c-stripes/stripes.c"), &stripes, "-DNDEBUG");
    let folders = std::fs::read_dir(source("plugins")).expect("plugins").flatten().map(|entry| entry.path());
    let with_recipe = folders.filter(|folder| folder.join("recipe.toml").is_file());
    let library_of = |folder: &PathBuf| {
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a name");
        match name {
            "c-stripes" => stripes.clone(),
            name => library(&format!("palimpsest_{}", name.replace('-', "_"))),
        }
    };
    with_recipe.map(|folder| (folder.clone(), library_of(&folder))).collect()
}

#[test]
fn recipes_train() {
    let workshop = Workshop::new();
    let examples = examples(&workshop);
    assert_eq!(examples.len(), 7);
    for (folder, library) in examples {
        let recipe = folder.join("recipe.toml").display().to_string();
        let library = library.display().to_string();
        let out = folder.file_name().and_then(|name| name.to_str()).expect("a name");
        workshop.succeed(&[
            "pretrain",
            &recipe,
            "--plugin",
            &library,
            "--out",
            out,
            "--steps",
            "2",
            "eval.heads=[]",
        ]);
        let environment = std::fs::read_to_string(workshop.path(out).join("env.json")).expect("env.json");
        assert!(environment.contains("org.palimpsest."), "{recipe}");
    }
}
