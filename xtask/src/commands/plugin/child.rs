//! A process of this driver that may end, hang or eat memory without harm.

use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use palimpsest_core::{Error, Result};
use palimpsest_validator::signal_name;

use crate::parent;

/// How a process ended.
pub(super) enum End {
    /// By itself.
    Exited(ExitStatus),
    /// It was stopped: nothing came of it in time.
    TooLong,
}

impl End {
    /// In words, for a process that should have answered.
    pub(super) fn told(&self) -> String {
        match self {
            Self::TooLong => "did not end in time".to_owned(),
            Self::Exited(status) => match parent::signal(*status) {
                Some(signal) => format!("ended the process by signal {signal} ({})", signal_name(signal)),
                None => format!("ended the process with {status}"),
            },
        }
    }
}

/// This driver with other arguments; what it prints is dropped, as a library may print anything.
pub(super) fn driver() -> Result<Command> {
    let program = std::env::current_exe()
        .map_err(|e| Error::failure(format!("cannot locate the driver's executable: {e}")))?;
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

/// Runs a process until it ends, or until `stuck` says so.
pub(super) fn wait(mut command: Command, mut stuck: impl FnMut(Duration) -> bool) -> Result<End> {
    let start = Instant::now();
    let failed = |e: std::io::Error| Error::failure(format!("no process can be started: {e}"));
    let mut child = command.spawn().map_err(failed)?;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(End::Exited(status));
        }
        if stuck(start.elapsed()) {
            child.kill().ok();
            child.wait().ok();
            return Ok(End::TooLong);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// The last line of an answer's file, if it is one.
pub(super) fn answer<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    let text = std::fs::read_to_string(path).ok()?;
    serde_json::from_str(text.lines().last()?).ok()
}
