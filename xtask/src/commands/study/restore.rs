//! `study restore`: trials out of a study's `trials.jsonl`.

use palimpsest_core::{Error, Result};
use palimpsest_study::archive;
use palimpsest_study::plan::Plan;
use serde_json::json;

use super::trials_of;
use crate::cli::RestoreStudy;
use crate::output;

pub(super) fn run(args: &RestoreStudy) -> Result<()> {
    let path = args.study.join(archive::FILE);
    let text = std::fs::read_to_string(&path)
        .map_err(|e| Error::io(&path, &e).help("give a study's folder in which `study report` has been"))?;
    let trials = trials_of(&args.study, args.trials.as_ref(), Plan::read(&args.study).ok().as_ref());
    let restored = archive::restore(&path.display().to_string(), &text, &trials)?;
    if args.result.json {
        output::json(&json!({ "restored": restored, "trials": trials.display().to_string() }));
    } else {
        output::line(&format!(
            "{restored} of {} trials are put back in {}",
            text.lines().count(),
            trials.display()
        ));
    }
    Ok(())
}
