//! Processes of a candidate that train together, all on this machine.

use std::net::TcpListener;
use std::process::{Child, ChildStdin, Command, Stdio};

use palimpsest_core::recipe::TrainSettings;
use palimpsest_core::train::check_batch;
use palimpsest_core::{Error, Result};

/// How many processes a candidate has, and the engine between them.
pub(super) struct Together {
    pub(super) size: usize,
    /// A name or path.
    pub(super) engine: String,
}

/// How long they may keep each other waiting, in seconds.
pub(super) const TIME_LIMIT: u64 = 120;

impl Together {
    /// So many processes of one batch.
    ///
    /// # Errors
    /// A batch that can't be split evenly, or an engine that wants its own launcher.
    pub(super) fn new(size: usize, engine: &str, train: &TrainSettings) -> Result<Self> {
        check_batch(train.batch, size, train.accumulate)?;
        if engine == "mpi" {
            return Err(Error::user(
                "the engine mpi works between processes that mpirun started, and compare starts its own",
            )
            .at("--collective")
            .help("choose gloo or nccl"));
        }
        Ok(Self { size, engine: engine.to_owned() })
    }

    /// A candidate's name, to be told apart from that of one process.
    pub(super) fn name(&self, of_one: &str) -> String {
        format!("{of_one} x {}", self.size)
    }

    /// Threads of each: those of the machine shared.
    pub(super) fn threads(&self) -> usize {
        (threads() / self.size).max(1)
    }

    /// What is told of a candidate beside its own description.
    pub(super) fn about(&self, engine: &str) -> String {
        let threads =
            if self.threads() == 1 { "1 thread".to_owned() } else { format!("{} threads", self.threads()) };
        format!("{} processes of {threads} each, {engine} between them", self.size)
    }
}

/// Threads of one process alone.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A port of this machine that nothing listens on just now.
pub(super) fn free_port() -> Result<u16> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .map(|address| address.port())
        .map_err(|e| Error::failure(format!("no port for processes to meet at: {e}")))
}

/// The ranks of a candidate but for 0, which alone speaks: they do as many steps, and say nothing.
pub(super) struct Others(Vec<(Child, Option<ChildStdin>)>);

impl Others {
    /// Starts them.
    pub(super) fn start(name: &str, commands: impl IntoIterator<Item = Command>) -> Result<Self> {
        let mut others = Self(vec![]);
        for mut command in commands {
            let mut child = command
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .map_err(|e| Error::user(format!("{name} can't be started: {e}")))?;
            let to = child.stdin.take();
            others.0.push((child, to));
        }
        Ok(others)
    }

    /// Where each is told what to do.
    pub(super) fn inputs(&mut self) -> impl Iterator<Item = &mut ChildStdin> {
        self.0.iter_mut().filter_map(|(_, to)| to.as_mut())
    }

    /// Tells them that there is nothing more to do.
    pub(super) fn dismiss(&mut self) {
        self.0.iter_mut().for_each(|(_, to)| *to = None);
    }

    /// Waits until they have ended.
    pub(super) fn wait(&mut self) {
        for (child, _) in &mut self.0 {
            child.wait().ok();
        }
    }
}

impl Drop for Others {
    /// They are of no use without rank 0.
    fn drop(&mut self) {
        for (child, _) in &mut self.0 {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
