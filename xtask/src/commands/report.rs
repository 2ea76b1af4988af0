//! `report`: the page of one run, or of several side by side.

use std::path::PathBuf;

use palimpsest_core::Result;
use palimpsest_core::train::RunFolder;

use crate::cli::Report;
use crate::{live, output, report};

pub(crate) fn run(args: &Report) -> Result<()> {
    if args.serve {
        return live::serve(args);
    }
    let runs = args.runs.iter().map(|run| RunFolder::open(run)).collect::<Result<Vec<_>>>()?;
    let out = match (&args.out, runs.as_slice()) {
        (Some(out), _) => out.clone(),
        (None, [run]) => run.path("report.html"),
        (None, _) => PathBuf::from("report.html"),
    };
    report::write(&runs, &out)?;
    output::line(&out.display().to_string());
    Ok(())
}
