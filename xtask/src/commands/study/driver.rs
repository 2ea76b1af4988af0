//! Processes of this driver that work on a trial: what becomes of one harms neither the others nor the study.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use palimpsest_core::{Error, Result};
use palimpsest_study::trial::Claim;
use serde_json::Value;

use crate::{parent, plugins};

/// What the processes of a worker have in common.
#[derive(Clone)]
pub(super) struct Driver {
    program: PathBuf,
    /// Arguments of every command: backend, device, plug-ins.
    common: Vec<String>,
    plugins: Vec<String>,
    threads: usize,
}

/// How a command ended.
pub(super) enum Ended {
    /// Well; the last line of its standard output, where that is JSON.
    Done(Option<Value>),
    /// The user asked the study to stop, and the command stopped.
    Stopped,
    /// Not well: the end of what it told.
    Failed(String),
}

/// As core tells it.
pub(super) const DISK_FULL: &str = "the disk is full";
/// Lines of a failed command that are told.
const TOLD: usize = 12;
/// How often it is looked whether a command has ended.
const PAUSE: Duration = Duration::from_millis(20);

impl Driver {
    /// Commands on a backend and device, each with its share of the machine's cores.
    ///
    /// # Errors
    /// The program can't be found.
    pub(super) fn new(backend: &str, device: &str, workers: usize) -> Result<Self> {
        let program =
            std::env::current_exe().map_err(|e| Error::failure(format!("can't find the program: {e}")))?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let plugins = plugins::options().into_iter().map(|word| word.display().to_string());
        Ok(Self {
            program,
            common: ["--backend", backend, "--device", device].map(str::to_owned).to_vec(),
            plugins: plugins.collect(),
            threads: (cores / workers).max(1),
        })
    }

    /// Runs `command` with arguments to its end; what it tells on standard error is added to `log`. The claim is the process's
    /// too, so that nobody takes the trial from it should this one be killed.
    ///
    /// # Errors
    /// No process can be started, or its log can't be written.
    pub(super) fn run(
        &self,
        arguments: &[String],
        log: &Path,
        claim: &Claim,
        stop: &AtomicBool,
    ) -> Result<Ended> {
        let failed = |e: std::io::Error| Error::failure(format!("no process can be started: {e}"));
        let out = tempfile::tempfile().map_err(failed)?;
        let mut log_file =
            File::options().create(true).append(true).open(log).map_err(|e| Error::io(log, &e))?;
        writeln!(log_file, "$ palimpsest {}", arguments.join(" ")).map_err(|e| Error::io(log, &e))?;
        let began = log_file.metadata().map_or(0, |meta| meta.len());
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .args(&self.common)
            .args(&self.plugins)
            .stdin(Stdio::from(claim.carried()?))
            .stdout(Stdio::from(out.try_clone().map_err(failed)?))
            .stderr(Stdio::from(log_file));
        parent::bind(&mut command);
        for name in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS"] {
            if std::env::var_os(name).is_none() {
                command.env(name, self.threads.to_string());
            }
        }
        let mut child = command.spawn().map_err(failed)?;
        let mut asked = false;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                break status;
            }
            if stop.load(Ordering::Relaxed) && !asked {
                asked = true;
                parent::ask_to_stop(&child);
            }
            std::thread::sleep(PAUSE);
        };
        if status.success() {
            return Ok(Ended::Done(last_json(out)));
        }
        // Whoever asked it to stop: it is no fault of the trial's.
        if stop.load(Ordering::Relaxed) || is_interrupted(status) {
            return Ok(Ended::Stopped);
        }
        let text = std::fs::read(log).unwrap_or_default();
        let text = String::from_utf8_lossy(text.get(began as usize..).unwrap_or_default()).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let error =
            lines.iter().rev().find(|line| line.starts_with("error: ")).map(|line| (*line).to_owned());
        let tail = || lines[lines.len().saturating_sub(TOLD)..].join("\n");
        if lines.iter().any(|line| line.contains(DISK_FULL)) {
            return Err(Error::failure(DISK_FULL)
                .at(log.display())
                .help("free some space and start the study again"));
        }
        Ok(Ended::Failed(match (error, status.code()) {
            (Some(error), _) => error.trim_start_matches("error: ").to_owned(),
            (None, Some(_)) => tail(),
            (None, None) => format!("its process was ended by {status}; the last that it told:\n{}", tail()),
        }))
    }
}

/// Whether a process ended because it was asked to: by a status of its own, or by a signal that asks.
fn is_interrupted(status: ExitStatus) -> bool {
    const ASKED: [i32; 5] = [1, 2, 10, 12, 15];
    match status.code() {
        Some(75 | 130) => true,
        Some(code) => ASKED.contains(&(code - 128)),
        None => parent::signal(status).is_some_and(|signal| ASKED.contains(&signal)),
    }
}

/// The last line of a command's standard output.
fn last_json(mut out: File) -> Option<Value> {
    let mut text = String::new();
    out.rewind().and_then(|()| out.read_to_string(&mut text)).ok()?;
    serde_json::from_str(text.lines().last()?).ok()
}
