//! Texts that others write are read, or refused in a sentence: whatever they hold, nothing panics.

use std::path::Path;

use palimpsest_core::Error;
use palimpsest_core::plugin::Manifest;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::train::RunFolder;
use palimpsest_tests::mutation::{mutated, seeds};
use proptest::prelude::*;

fn texts(kind: &str) -> Vec<String> {
    seeds(&Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(kind))
}

/// The recipes of the repository beside the seeds.
fn recipes() -> Vec<String> {
    let mut all = texts("recipe");
    all.extend(seeds(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes")));
    all
}

fn is_a_sentence(error: &Error) -> bool {
    let text = error.to_string();
    !error.message().is_empty() && !text.contains('\n') && error.exit_status() == 2
}

#[test]
fn the_seeds_themselves_are_read() {
    for text in texts("manifest") {
        Manifest::parse("seed", &text).unwrap();
    }
    for text in recipes() {
        Recipe::parse("seed", &text, &[]).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_manifest_is_read_or_refused(text in mutated(texts("manifest"))) {
        match Manifest::parse("a.palimpsest.toml", &text) {
            Ok(manifest) => {
                prop_assert!(manifest.library.values().all(|library| !library.file.contains('/')));
                prop_assert_eq!(&Manifest::parse("again", &manifest.to_toml()).unwrap(), &manifest);
            }
            Err(error) => prop_assert!(is_a_sentence(&error), "{error}"),
        }
    }

    /// What a recipe resolves to is a recipe, and means the same.
    #[test]
    fn a_recipe_is_read_or_refused(text in mutated(recipes())) {
        match Recipe::parse("a.toml", &text, &[]) {
            Ok(recipe) => {
                let again = Recipe::parse("config.toml", &recipe.to_toml(), &[]);
                let again = again.map_err(|e| TestCaseError::fail(format!("{e}: {}", recipe.to_toml())))?;
                prop_assert_eq!(again.hash(), recipe.hash());
            }
            Err(error) => prop_assert!(is_a_sentence(&error), "{error:?}"),
        }
    }

    /// What can be read of a run's metrics stays when they are rewound to their end.
    #[test]
    fn metrics_are_read_as_far_as_they_are_whole(text in mutated(texts("metrics")), step in 0u64..30) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), "").unwrap();
        std::fs::write(folder.path().join("metrics.jsonl"), &text).unwrap();
        let run = RunFolder::open(folder.path()).unwrap();
        let before = run.metrics().unwrap();
        run.rewind_metrics(u64::MAX).unwrap();
        prop_assert_eq!(&run.metrics().unwrap(), &before);
        run.rewind_metrics(step).unwrap();
        prop_assert!(run.metrics().unwrap().iter().all(|line| line["step"].as_u64().is_none_or(|at| at <= step)));
    }
}
