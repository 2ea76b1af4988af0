//! The processes of a check, all on this machine.

use std::fs::{self, File};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use palimpsest_core::{Error, Result};
use tempfile::TempDir;

use super::answer::{Answer, marker, now};
use crate::cli::{CheckCollective, CollectiveTask};

/// The processes of one task, and the folder where they answer.
pub(super) struct Processes {
    folder: TempDir,
    children: Vec<Child>,
    ranks: usize,
    /// Whether one process, mpirun, started the ranks.
    by_mpirun: bool,
}

/// How they ended.
pub(super) struct Ended {
    /// By rank; none where a rank did not answer.
    pub(super) answers: Vec<Option<Answer>>,
    pub(super) seconds: f64,
    /// What they wrote to standard error, where one did not answer.
    pub(super) said: String,
    /// Whether they had to be killed.
    pub(super) too_long: bool,
}

impl Processes {
    /// Starts them, which meet at a free port.
    pub(super) fn start(args: &CheckCollective, task: CollectiveTask) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(|e| Error::failure(format!("no temporary folder: {e}")))?;
        let ranks = usize::from(args.ranks);
        let by_mpirun = args.name == "mpi";
        let mut processes = Self { folder, children: vec![], ranks, by_mpirun };
        if by_mpirun {
            let mut command = Command::new("mpirun");
            command.arg("-n").arg(ranks.to_string()).arg(program()?);
            // As root in a container, and more ranks than cores: Open MPI 4 and 5 refuse either unasked.
            for name in [
                "OMPI_ALLOW_RUN_AS_ROOT",
                "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
                "OMPI_MCA_rmaps_base_oversubscribe",
            ] {
                command.env(name, "1");
            }
            command.env("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe");
            command.env("OMPI_MCA_hwloc_base_binding_policy", "none");
            processes.spawn(command, args, task, 0)?;
            return Ok(processes);
        }
        let port = free_port()?;
        for rank in 0..ranks {
            let mut command = Command::new(program()?);
            processes.spawn_rank(&mut command, rank, ranks, port);
            processes.spawn(command, args, task, rank)?;
        }
        Ok(processes)
    }

    fn spawn_rank(&self, command: &mut Command, rank: usize, ranks: usize, port: u16) {
        command.arg("collective-worker");
        command.arg("--ranks").arg(ranks.to_string()).arg("--rank").arg(rank.to_string());
        command.arg("--meet").arg(format!("127.0.0.1:{port}"));
    }

    fn spawn(
        &mut self,
        mut command: Command,
        args: &CheckCollective,
        task: CollectiveTask,
        rank: usize,
    ) -> Result<()> {
        if self.by_mpirun {
            command.arg("collective-worker");
        }
        let task = task.to_possible_value().expect("every task has a name");
        command.arg(&args.name).args(["--task", task.get_name()]).arg("--limit").arg(args.limit.to_string());
        command.arg("--out").arg(self.folder.path());
        // This process may be a rank of something itself.
        for name in
            ["RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID", "MASTER_ADDR"]
        {
            command.env_remove(name);
        }
        let path = self.folder.path().join(format!("said-{rank}"));
        let said = File::create(&path).map_err(|e| Error::io(&path, &e))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        let child = command.spawn().map_err(|e| match self.by_mpirun {
            true => Error::user(format!("mpirun can't be started: {e}"))
                .help("install an MPI, or load the module of this machine's"),
            false => Error::failure(format!("no process can be started: {e}")),
        })?;
        self.children.push(child);
        Ok(())
    }

    /// Kills the last rank once all have come so far; when that was.
    pub(super) fn kill_last(&mut self, limit: Duration) -> Result<Option<f64>> {
        let start = Instant::now();
        let last = self.ranks - 1;
        while !(0..self.ranks).all(|rank| marker(self.folder.path(), rank).is_file()) {
            let ended = |child: &mut Child| child.try_wait().is_ok_and(|status| status.is_some());
            if start.elapsed() > limit || self.children.iter_mut().any(ended) {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // The others wait for it by then.
        std::thread::sleep(Duration::from_millis(100));
        let at = now();
        self.children[last].kill().map_err(|e| Error::failure(format!("a process can't be killed: {e}")))?;
        Ok(Some(at))
    }

    /// Waits for them; those that take longer than `limit` are killed.
    pub(super) fn end(mut self, limit: Duration) -> Ended {
        let start = Instant::now();
        let mut too_long = false;
        let mut pause = Duration::from_millis(1);
        loop {
            let running = self.children.iter_mut().filter_map(|child| match child.try_wait() {
                Ok(None) => Some(child),
                _ => None,
            });
            let mut running: Vec<&mut Child> = running.collect();
            if running.is_empty() {
                break;
            }
            if start.elapsed() > limit {
                too_long = true;
                running.iter_mut().for_each(|child| drop(child.kill()));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        let answers: Vec<_> = (0..self.ranks).map(|rank| Answer::read(self.folder.path(), rank)).collect();
        let said = (0..self.children.len()).map(|rank| {
            let text = fs::read(self.folder.path().join(format!("said-{rank}"))).unwrap_or_default();
            String::from_utf8_lossy(&text).into_owned()
        });
        Ended { answers, seconds: start.elapsed().as_secs_f64(), said: said.collect(), too_long }
    }
}

impl Drop for Processes {
    /// None outlives a check that failed half-way.
    fn drop(&mut self) {
        for child in &mut self.children {
            if matches!(child.try_wait(), Ok(None)) {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

fn program() -> Result<std::path::PathBuf> {
    std::env::current_exe().map_err(|e| Error::failure(format!("cannot locate the driver's executable: {e}")))
}

/// A port that nobody used a moment ago.
fn free_port() -> Result<u16> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
    bound.map(|address| address.port()).map_err(|e| Error::failure(format!("no free port: {e}")))
}
