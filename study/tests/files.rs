//! The studies of this project can be planned: every cell is a recipe and a model, every comparison means cells.

use std::path::{Path, PathBuf};

use palimpsest_core::model::Model;
use palimpsest_study::file::StudyFile;
use palimpsest_study::plan::{ImagesOfCell, Plan};
use palimpsest_study::planner::Planner;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// None where a cell's teacher is a run that is to be made first, as the study's head says: that is told with its key.
fn planned(path: &Path) -> Option<Plan> {
    let text = std::fs::read_to_string(path).expect("a study");
    let study = StudyFile::parse(&path.display().to_string(), &text).unwrap_or_else(|e| panic!("{e}"));
    let mut planner = Planner {
        backend: "burn",
        overrides: &[],
        locate: &|name| Ok(root().join("recipes").join(format!("{name}.toml"))),
        check: &mut |recipe| Model::build(recipe).map(|_| ImagesOfCell::default()),
    };
    match planner.plan(&study, &text) {
        Ok(plan) => Some(plan),
        Err(e) if text.contains("--out runs/teacher") => {
            let told = e.to_string();
            assert!(told.contains("target.teacher") && told.contains("runs/teacher"), "{told}");
            None
        }
        Err(e) => panic!("{}: {e}", path.display()),
    }
}

#[test]
fn every_study_is_planned() {
    let files = std::fs::read_dir(root().join("studies")).expect("the folder of studies");
    let files: Vec<PathBuf> = files
        .map(|entry| entry.expect("listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        let Some(plan) = planned(&file) else { continue };
        assert_eq!(Some(plan.name.as_str()), file.file_stem().and_then(|name| name.to_str()));
        // Enough seeds for what is declared: a study that can confirm nothing isn't worth its hours. The small one shows how.
        let tests: usize = plan.compare.iter().map(|declared| declared.heads.len().max(1)).sum();
        let least = palimpsest_statistics::least_p(plan.seeds.len(), palimpsest_statistics::Sides::Two);
        if plan.name != "small" && tests > 0 {
            assert!(least * tests as f64 <= 0.05, "{}: {tests} tests, {} seeds", plan.name, plan.seeds.len());
        }
    }
}
