//! `plugin fuzz`: random requests, in a process that may end.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use palimpsest_core::plugin::StrategyLibrary;
use palimpsest_core::{Error, Result};
use palimpsest_validator::fuzz::{Fuzz, FuzzCounts, Limits};
use palimpsest_validator::{Finding, Progress, confine};
use serde_json::json;

use super::{child, locate};
use crate::cli::{FuzzPlugin, FuzzWorker};
use crate::output;

/// A request that takes longer hangs.
const STUCK: Duration = Duration::from_secs(20);
/// Findings after which it stops: they mostly have one cause.
const MOST: usize = 10;

pub(super) fn run(args: &FuzzPlugin) -> Result<()> {
    let library = locate::library(&args.plugin)?;
    let scratch = tempfile::tempdir().map_err(|e| Error::failure(format!("no temporary folder: {e}")))?;
    let (answer, progress) = (scratch.path().join("answer"), scratch.path().join("progress"));
    fs::write(&progress, [0; 8]).map_err(|e| Error::io(&progress, &e))?;
    let mut command = child::driver()?;
    command.args(["plugin", "fuzz-worker"]).arg(&library);
    command
        .args([args.calls, args.seed, args.time].map(|number| number.to_string()))
        .arg(&answer)
        .arg(&progress);
    let start = Instant::now();
    let (mut last, mut since) = (None, Instant::now());
    let end = child::wait(command, |_| {
        let seed = Progress::read(&progress);
        if seed != last {
            (last, since) = (seed, Instant::now());
        }
        since.elapsed() > STUCK
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let mut done: FuzzCounts = child::answer(&answer).unwrap_or_default();
    if !answer.is_file() {
        // An open that failed is told in the driver's own words.
        if Progress::read(&progress).is_none() {
            StrategyLibrary::open(&library)?;
        }
        let mut finding =
            Finding::new("the library", end.told(), "run it under a debugger: plugin reproduce LIB SEED");
        finding.seed = Progress::read(&progress);
        done.findings.push(finding);
    }
    if args.result.json {
        let line = json!({ "library": library.display().to_string(), "seconds": seconds, "done": done });
        output::json(&line);
    } else {
        for finding in &done.findings {
            output::line(&format!("FAILED {finding}"));
        }
        output::line(&format!(
            "{} plans of {} strategies, {} refused in words, {} failed, {seconds:.1} s",
            done.plans,
            done.strategies,
            done.refused,
            done.findings.len()
        ));
    }
    match done.findings.iter().find_map(|finding| finding.seed) {
        _ if done.findings.is_empty() => Ok(()),
        seed => {
            let error = Error::failure(format!("{} random requests failed", done.findings.len()))
                .at(library.display());
            Err(match seed {
                Some(seed) => error
                    .help(format!("look at one: cargo xtask plugin reproduce {} {seed}", library.display())),
                None => error,
            })
        }
    }
}

/// The process that may end.
pub(super) fn run_worker(args: &FuzzWorker) -> Result<()> {
    let library = Arc::new(StrategyLibrary::open(&args.library)?);
    confine();
    let progress = Progress::open(&args.progress)?;
    let limits = Limits { calls: args.calls, time: Duration::from_secs(args.time), most: MOST };
    let done = Fuzz::new(library).run(args.seed, &limits, |seed| progress.put(seed));
    let line = serde_json::to_string(&done).map_err(|e| Error::failure(e.to_string()))?;
    fs::write(&args.answer, line + "\n").map_err(|e| Error::io(&args.answer, &e))?;
    std::process::exit(0);
}
