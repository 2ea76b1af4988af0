//! `plugin validate`: every check in a process of its own.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use palimpsest_core::{Device, DeviceHandle, Error, Result};
use palimpsest_validator::{Answer, CHECKS, Check, Finding, Subject, Verdict, confine, find, tell_faults};
use serde_json::{Value, json};

use super::{child, locate};
use crate::cli::{CheckWorker, Validate};
use crate::{backends, output};

/// Where `apply` and `score` are tried: the backend that every machine has.
const BACKEND: &str = "burn";
/// The checks that run its operations begin like this, or are one of these.
const ON_BACKEND: [&str; 4] = ["apply.", "score.", "robust.operations", "robust.panics"];

struct Row {
    check: &'static Check,
    answer: Answer,
    seconds: f64,
}

pub(super) fn run(args: &Validate) -> Result<()> {
    if args.list {
        list(args.result.json);
        return Ok(());
    }
    let library = locate::library(args.plugin.as_deref().unwrap_or_default())?;
    let library = library.canonicalize().map_err(|e| Error::io(&library, &e))?;
    let checks = chosen(&args.only)?;
    let scratch = tempfile::tempdir().map_err(|e| Error::failure(format!("no temporary folder: {e}")))?;
    let limit = Duration::from_secs(args.timeout);
    let mut rows: Vec<Row> = vec![];
    let mut folder = None;
    for check in checks {
        let start = Instant::now();
        let answer = if args.in_process {
            output::note(&format!("{}: {}", check.name, check.says));
            check.run(&Subject::new(&library, &device))
        } else {
            if folder.is_none() && ON_BACKEND.iter().any(|name| check.name.starts_with(name)) {
                // Found, and built where this is a checkout, once and outside the checks' time.
                let backend = backends::library(BACKEND)?;
                folder = backend.canonicalize().ok().and_then(|path| Some(path.parent()?.to_owned()));
            }
            in_child(&library, check, limit, scratch.path(), folder.as_deref())?
        };
        let failed_to_load = check.name == CHECKS[0].name && answer.verdict == Verdict::Failed;
        rows.push(Row { check, answer, seconds: start.elapsed().as_secs_f64() });
        if failed_to_load {
            break;
        }
    }
    if args.result.json {
        output::line(&as_json(&library, &rows).to_string());
    } else {
        print(&rows, args.only_failed);
    }
    let failed: Vec<&str> =
        rows.iter().filter(|row| row.answer.verdict == Verdict::Failed).map(|row| row.check.name).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Error::failure(format!("{} of {} checks failed: {}", failed.len(), rows.len(), failed.join(", ")))
        .at(library.display()))
}

/// The backend of the checks: opened once, as it stays open for the life of the process.
fn device() -> Result<DeviceHandle> {
    static DEVICE: OnceLock<DeviceHandle> = OnceLock::new();
    if let Some(device) = DEVICE.get() {
        return Ok(device.clone());
    }
    let device = backends::device(BACKEND, Device::Cpu)?;
    Ok(DEVICE.get_or_init(|| device).clone())
}

fn chosen(only: &[String]) -> Result<Vec<&'static Check>> {
    if only.is_empty() {
        return Ok(CHECKS.iter().collect());
    }
    for name in only {
        let group = format!("{name}.");
        if !CHECKS.iter().any(|check| check.name.starts_with(&group)) {
            find(name).map_err(|e| e.at("--only"))?;
        }
    }
    let wanted = |check: &&Check| {
        only.iter().any(|name| check.name == name || check.name.split('.').next() == Some(name))
    };
    Ok(CHECKS.iter().filter(wanted).collect())
}

/// Runs a check in a process of its own. However that ends, it is an answer.
fn in_child(
    library: &Path,
    check: &Check,
    limit: Duration,
    scratch: &Path,
    backends: Option<&Path>,
) -> Result<Answer> {
    let file = scratch.join(check.name);
    File::create(&file).map_err(|e| Error::io(&file, &e))?;
    let mut command = child::driver()?;
    command.args(["plugin", "check-worker"]).arg(library).arg(check.name).arg(&file);
    if let Some(folder) = backends {
        command.env("PALIMPSEST_BACKENDS", folder);
    }
    let end = child::wait(command, |spent| spent > limit)?;
    if let (child::End::Exited(_), Some(answer)) = (&end, child::answer::<Answer>(&file)) {
        return Ok(answer);
    }
    let help = match end {
        child::End::TooLong => {
            format!("find the endless loop or the wait; --timeout gives more than {} s", limit.as_secs())
        }
        child::End::Exited(_) => format!("run it under a debugger: --only {} --in-process", check.name),
    };
    Ok(Answer::failed(Finding::new("the library", end.told(), help)))
}

/// The process of one check.
pub(super) fn run_worker(args: &CheckWorker) -> Result<()> {
    let check = find(&args.check)?;
    let mut file =
        OpenOptions::new().append(true).open(&args.answer).map_err(|e| Error::io(&args.answer, &e))?;
    confine();
    tell_faults(file.as_raw_fd());
    let answer = check.run(&Subject::new(&args.library, &device));
    let line = serde_json::to_string(&answer).map_err(|e| Error::failure(e.to_string()))?;
    writeln!(file, "{line}").map_err(|e| Error::io(&args.answer, &e))?;
    // Nothing of the library's runs any more, its destructors included.
    std::process::exit(0);
}

fn list(as_json: bool) {
    if as_json {
        let items: Vec<Value> =
            CHECKS.iter().map(|check| json!({ "name": check.name, "says": check.says })).collect();
        output::line(&json!(items).to_string());
    } else {
        let rows: Vec<_> =
            CHECKS.iter().map(|check| vec![check.name.to_owned(), check.says.to_owned()]).collect();
        output::table(&rows);
    }
}

fn as_json(library: &Path, rows: &[Row]) -> Value {
    let passed = rows.iter().all(|row| row.answer.verdict != Verdict::Failed);
    let checks: Vec<Value> = rows
        .iter()
        .map(|row| {
            let Answer { verdict, note, findings } = &row.answer;
            json!({
                "check": row.check.name, "says": row.check.says, "verdict": verdict, "note": note,
                "findings": findings, "seconds": (row.seconds * 1e3).round() / 1e3,
            })
        })
        .collect();
    json!({ "library": library, "passed": passed, "checks": checks })
}

fn print(rows: &[Row], only_failed: bool) {
    let shown = rows.iter().filter(|row| !only_failed || row.answer.verdict == Verdict::Failed);
    let mut table = vec![];
    for row in shown {
        let verdict = match row.answer.verdict {
            Verdict::Passed => "pass",
            Verdict::Skipped => "-",
            Verdict::Failed => "FAILED",
        };
        let note = if row.answer.findings.is_empty() { row.answer.note.as_str() } else { row.check.says };
        table.push(vec![
            row.check.name.to_owned(),
            verdict.to_owned(),
            format!("{:.2} s", row.seconds),
            note.to_owned(),
        ]);
    }
    output::table(&table);
    for row in rows {
        for finding in &row.answer.findings {
            output::line(&format!("FAILED {}: {finding}", row.check.name));
        }
    }
    let count = |verdict| rows.iter().filter(|row| row.answer.verdict == verdict).count();
    output::line(&format!(
        "{} passed, {} failed, {} not for this plug-in",
        count(Verdict::Passed),
        count(Verdict::Failed),
        count(Verdict::Skipped)
    ));
}
