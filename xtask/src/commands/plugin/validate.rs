//! `plugin validate`: every check in a process of its own.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use palimpsest_core::{Device, DeviceHandle, Error, Result};
use palimpsest_validator::{
    Answer, CHECKS, Check, Elsewhere, Finding, Subject, Verdict, confine, find, tell_faults,
};
use serde_json::{Value, json};

use super::{child, elsewhere, locate};
use crate::cli::{CheckWorker, Validate};
use crate::{backends, output};

/// Where `apply` and `score` are tried: the backend that every machine has.
const BACKEND: &str = "burn";
/// The checks that run its operations begin like this, or are one of these.
const ON_BACKEND: [&str; 6] =
    ["apply.", "score.", "plan.effect", "robust.operations", "robust.output", "robust.panics"];

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
    let elsewhere = |other: &Elsewhere| elsewhere::ask(&library, other);
    for check in checks {
        let start = Instant::now();
        let answer = if args.in_process {
            output::note(&format!("{}: {}", check.name, check.says));
            check.run(&Subject::new(&library, &device).with_processes(&elsewhere))
        } else {
            if folder.is_none() && ON_BACKEND.iter().any(|name| check.name.starts_with(name)) {
                // Found, and built where this is a checkout, once and outside the checks' time.
                let backend = backends::library(BACKEND)?;
                folder = backend.canonicalize().ok().and_then(|path| Some(path.parent()?.to_owned()));
            }
            in_child(&library, check, limit, scratch.path(), folder.as_deref())?
        };
        let failed_to_load = check.name == CHECKS[0].name && answer.verdict == Verdict::Failed;
        let row = Row { check, answer, seconds: start.elapsed().as_secs_f64() };
        if !args.result.json && (!args.only_failed || row.answer.verdict == Verdict::Failed) {
            output::line(&row.text());
        }
        rows.push(row);
        if failed_to_load {
            break;
        }
    }
    if args.result.json {
        output::json(&as_json(&library, &rows));
    } else {
        print(&rows);
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
    let elsewhere = |other: &Elsewhere| elsewhere::ask(&args.library, other);
    let answer = check.run(&Subject::new(&args.library, &device).with_processes(&elsewhere));
    let line = serde_json::to_string(&answer).map_err(|e| Error::failure(e.to_string()))?;
    writeln!(file, "{line}").map_err(|e| Error::io(&args.answer, &e))?;
    // Nothing of the library's runs any more, its destructors included.
    std::process::exit(0);
}

fn list(as_json: bool) {
    if as_json {
        let items: Vec<Value> =
            CHECKS.iter().map(|check| json!({ "name": check.name, "says": check.says })).collect();
        output::json(&items);
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
    json!({ "library": library.display().to_string(), "passed": passed, "checks": checks })
}

impl Row {
    /// A line of the table, which is printed as soon as it is known: its columns are as wide as any check's.
    fn text(&self) -> String {
        let Self { check, answer, seconds } = self;
        let width = CHECKS.iter().map(|check| check.name.len()).max().unwrap_or_default();
        let verdict = match answer.verdict {
            Verdict::Passed => "pass",
            Verdict::Noted => "note",
            Verdict::Skipped => "-",
            Verdict::Failed => "FAILED",
        };
        let note = if answer.findings.is_empty() { answer.note.as_str() } else { check.says };
        format!("{:width$}  {verdict:6}  {seconds:>5.2} s  {note}", check.name).trim_end().to_owned()
    }
}

fn print(rows: &[Row]) {
    for row in rows {
        for finding in &row.answer.findings {
            output::line(&format!("FAILED {}: {finding}", row.check.name));
        }
    }
    let count = |verdict| rows.iter().filter(|row| row.answer.verdict == verdict).count();
    let notes = match count(Verdict::Noted) {
        0 => String::new(),
        1 => ", 1 of them with a note".to_owned(),
        notes => format!(", {notes} of them with a note"),
    };
    output::line(&format!(
        "{} passed{notes}, {} failed, {} not for this plug-in",
        count(Verdict::Passed) + count(Verdict::Noted),
        count(Verdict::Failed),
        count(Verdict::Skipped)
    ));
}
