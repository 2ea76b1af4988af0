//! The commands by which a trial is measured.

use palimpsest_core::Result;
use palimpsest_study::axis::changes;
use palimpsest_study::file::HeadOfStudy;
use palimpsest_study::plan::{EvalOfCell, Measured, Measurement};
use palimpsest_study::trial::TrialFolder;

/// The arguments that measure a trial's run.
///
/// # Errors
/// A head's keys that are none.
pub(super) fn arguments(trial: &TrialFolder, measurement: &Measurement<'_>) -> Result<Vec<String>> {
    let run = trial.path("run").display().to_string();
    match measurement.what {
        Measured::Head(head) => of_head(&run, head, measurement.eval),
        Measured::Analysis(analysis) => {
            let out = trial.path("analysis").display().to_string();
            let images = analysis.images.to_string();
            Ok(["analyse", &run, "--images", &images, "--no-baseline", "--out", &out, "--json"]
                .map(str::to_owned)
                .to_vec())
        }
    }
}

/// `eval` of a run with one head.
///
/// # Errors
/// Keys that are none.
pub(super) fn of_head(run: &str, head: &HeadOfStudy, eval: &EvalOfCell) -> Result<Vec<String>> {
    let mut arguments =
        ["eval", run, "--head", &head.head, "--no-baseline", "--json"].map(str::to_owned).to_vec();
    let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
    option("--blocks", head.blocks.unwrap_or(eval.blocks).to_string());
    option("--features", head.features.clone().unwrap_or_else(|| eval.features.clone()));
    option("--train-images", head.train_images.unwrap_or(eval.train_images).to_string());
    option("--test-images", head.test_images.unwrap_or(eval.test_images).to_string());
    head.data.iter().for_each(|data| option("--data", data.clone()));
    head.path.iter().for_each(|path| option("--data-path", path.clone()));
    if head.shots > 0 {
        option("--shots", head.shots.to_string());
    }
    if !head.seeds.is_empty() {
        option("--seeds", head.seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
    }
    arguments.extend(changes(&head.set)?.1);
    Ok(arguments)
}
