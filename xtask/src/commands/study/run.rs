//! `study run`: plans, works on trials, and judges what came of them.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use palimpsest_core::stored::write_atomically;
use palimpsest_core::{Error, Result};
use palimpsest_statistics::Sides;
use palimpsest_study::comparison::ALPHA;
use palimpsest_study::plan::Plan;
use palimpsest_study::trial::TrialFolder;
use serde_json::json;

use super::driver::Driver;
use super::estimate;
use super::list::{State, states};
use super::planning::{Planned, plan};
use super::progress::StudyProgress;
use super::report;
use super::worker::Work;
use crate::cli::RunStudy;
use crate::report::folder_size;
use crate::{environment, interrupt, output};

/// How long what is on the disk is taken to stay as it is.
const SIZES_LAST: Duration = Duration::from_secs(30);

pub(super) fn run(args: &RunStudy) -> Result<()> {
    let Planned { mut plan, before, folder, trials, text } = plan(args)?;
    let measurements = plan.measurements_by_trial();
    let known = states(&plan, &measurements, &trials);
    let measured = known.iter().filter(|state| **state == State::Measured).count();
    output::note(&format!(
        "{}: {} cells, {} seeds, {} trials, {measured} of them measured",
        plan.name,
        plan.cells.len(),
        plan.seeds.len(),
        plan.trials.len()
    ));
    output::note(&power(&plan));
    if args.dry_run {
        return estimate::tell(&plan, &measurements, &known, &trials, args);
    }
    for difference in before.as_ref().map(|before| plan.differences(before)).unwrap_or_default() {
        output::note(&format!("note: since it was planned last, {difference}"));
    }
    drop(measurements);
    let any = looked_at(&plan, before.as_ref(), &trials);
    plan.declare(before.as_ref(), &crate::report::date(environment::seconds_since_epoch()), any);
    plan.write(&folder)?;
    let given: String = plan.overrides.iter().map(|change| format!("# Run with --set {change}\n")).collect();
    write_atomically(&folder.join("study.toml"), format!("{given}{text}").as_bytes())?;
    write_atomically(&folder.join("env.json"), format!("{:#}\n", environment::of_process()).as_bytes())?;
    let measurements = plan.measurements_by_trial();

    let stop = interrupt::flag()?;
    let driver = Driver::new(&args.on.backend, &args.on.device().to_string(), args.workers)?;
    let progress = StudyProgress::new(plan.trials.len(), measured, args.workers);
    let (began, budget) = (Instant::now(), plan.budget);
    // All folders are walked through for it, so not for every trial.
    let room = Mutex::new((Instant::now(), f64::NAN));
    let has_room = || {
        let mut known = room.lock().unwrap_or_else(PoisonError::into_inner);
        if known.1.is_nan() || known.0.elapsed() > SIZES_LAST {
            *known = (Instant::now(), size(&plan, &trials));
        }
        known.1 < budget.gigabytes * 1e9
    };
    let may_begin = || {
        let hours = began.elapsed().as_secs_f64() / 3600.0;
        (budget.hours == 0.0 || hours < budget.hours) && (budget.gigabytes == 0.0 || has_room())
    };
    let work = Work {
        plan: &plan,
        measurements: &measurements,
        trials: &trials,
        driver: &driver,
        stop,
        progress: &progress,
        retry_failed: args.retry_failed,
        may_begin: &may_begin,
    };
    let ended: Vec<Result<()>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..args.workers).map(|_| scope.spawn(|| work.run())).collect();
        let ended = |worker: std::thread::ScopedJoinHandle<'_, Result<()>>| {
            worker.join().unwrap_or_else(|_| Err(Error::failure("a worker of the study panicked")))
        };
        workers.into_iter().map(ended).collect()
    });
    progress.finish();
    ended.into_iter().collect::<Result<Vec<()>>>()?;

    let known = states(&plan, &measurements, &trials);
    let count = |wanted: State| known.iter().filter(|state| **state == wanted).count();
    let [measured, failed, others] = [State::Measured, State::Failed, State::Working].map(count);
    let left = known.len() - measured - failed - others;
    let page = report::write(&plan, &folder, &trials, &folder)?;
    let told = format!(
        "{measured} of {} trials measured, {failed} failed, {others} with other processes, {left} left",
        known.len()
    );
    output::note(&format!("{told}; {}", page.display()));
    if args.result.json {
        output::json(&json!({
            "study": folder.display().to_string(), "trials": known.len(), "measured": measured, "failed": failed,
            "working": others, "left": left, "report": page.display().to_string(),
        }));
    }
    if stop.load(Ordering::Relaxed) {
        return Err(Error::interrupted("the study was stopped")
            .saved()
            .help(format!("go on: cargo xtask {}", environment::command().join(" "))));
    }
    if failed > 0 {
        return Err(Error::failure(format!("{failed} trials failed")).at(folder.display()).help(format!(
            "see why: cargo xtask study list {} --failed; then begin them again with --retry-failed",
            folder.display()
        )));
    }
    if left > 0 {
        output::note(&format!(
            "the study's budget ({}) is spent; raise [budget] and start it again",
            budget_told(&plan)
        ));
    }
    Ok(())
}

fn budget_told(plan: &Plan) -> String {
    format!("{} hours, {} GB", plan.budget.hours, plan.budget.gigabytes)
}

/// What so many seeds can show, before anything runs.
fn power(plan: &Plan) -> String {
    let n = plan.seeds.len();
    let least = palimpsest_statistics::least_p(n, Sides::Two);
    let comparisons =
        plan.compare.iter().map(|c| if c.heads.is_empty() { plan.measures().len() } else { c.heads.len() });
    let tests: usize = comparisons.sum();
    let mut out = format!("the smallest p that {n} paired seeds can give is {least:.4}");
    if tests == 0 {
        return out;
    }
    let smallest = |n: usize| palimpsest_statistics::least_p(n, Sides::Two) * tests as f64;
    if tests > 1 {
        out +=
            &format!("; with Holm's correction over the {tests} declared tests {:.3}", smallest(n).min(1.0));
    }
    if smallest(n) + f64::EPSILON >= ALPHA {
        // As many as let the smallest p of all tests come below.
        let enough = (n..=64).find(|&n| smallest(n) + f64::EPSILON < ALPHA);
        let enough = enough.map_or_else(String::new, |enough| format!("; {enough} seeds can"));
        let fewer = if least < ALPHA { ", or fewer declared tests" } else { "" };
        out += &format!(": no claim can be confirmed at {ALPHA}{enough}{fewer}");
    }
    out
}

/// Trials of the study, as it is or as it was planned before, that have any score: what is declared now may have been looked at.
fn looked_at(plan: &Plan, before: Option<&Plan>, trials: &Path) -> usize {
    let any = |id: &str| {
        let scores = TrialFolder::of(trials, id).path("scores");
        std::fs::read_dir(scores).is_ok_and(|mut files| {
            files.any(|file| file.is_ok_and(|file| file.file_name() != "trained.json"))
        })
    };
    let all: std::collections::BTreeSet<&str> = plan
        .trials
        .iter()
        .chain(before.iter().flat_map(|plan| &plan.trials))
        .map(|trial| trial.id.as_str())
        .collect();
    all.into_iter().filter(|id| any(id)).count()
}

/// Bytes of the study's trials on disk.
fn size(plan: &Plan, trials: &Path) -> f64 {
    let bytes = plan.trials.iter().map(|trial| folder_size(&TrialFolder::of(trials, &trial.id).path("")));
    bytes.sum::<u64>() as f64
}
