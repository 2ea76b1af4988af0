//! Several processes that train one model, through real engines and launchers. Each is passed over, by name, where its
//! engine can't be had: libtorch for gloo, mpicc and mpirun for MPI.

mod deaths;
mod disagreement;
mod launchers;
mod same_result;
mod same_samples;
mod two_hosts;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::driver::{command, run, stderr};

/// Ranks by hand, as RANK and WORLD_SIZE say.
pub(crate) struct Ranks {
    pub(crate) children: Vec<Child>,
}

/// Whether an engine can be had here; what it lacks is told.
#[allow(clippy::print_stderr, reason = "tells what was passed over")]
pub(crate) fn has(engine: &str) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let built = run(folder.path(), &["collective", "build", engine]);
    if !built.status.success() {
        assert!(built.status.code() == Some(2), "{engine}: {}", stderr(&built));
        eprintln!("{engine}: passed over: {}", stderr(&built));
    }
    built.status.success()
}

/// A port that nothing listens on just now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port()
}

/// A rank's command.
pub(crate) fn rank(path: &Path, args: &[&str], number: usize, size: usize, port: u16) -> Command {
    let mut command = command(path, args);
    command
        .envs([("RANK", number.to_string()), ("WORLD_SIZE", size.to_string())])
        .envs([("MASTER_ADDR", "127.0.0.1".to_owned()), ("MASTER_PORT", port.to_string())])
        .env("RAYON_NUM_THREADS", "1")
        .env_remove("LOCAL_RANK")
        .env_remove("LOCAL_WORLD_SIZE")
        .env_remove("TORCHELASTIC_RUN_ID")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Starts all ranks.
pub(crate) fn start(path: &Path, args: &[&str], size: usize) -> Ranks {
    let port = free_port();
    let start = |number| rank(path, args, number, size, port).spawn().expect("the driver starts");
    Ranks { children: (0..size).map(start).collect() }
}

impl Ranks {
    /// Waits for all. The limit is there for those that would hang.
    pub(crate) fn outputs(mut self) -> Vec<Output> {
        let limit = Duration::from_secs(120);
        let started = Instant::now();
        while self.children.iter_mut().any(|child| child.try_wait().expect("asked").is_none()) {
            if started.elapsed() > limit {
                self.children.iter_mut().for_each(|child| drop(child.kill()));
                let texts: Vec<String> = std::mem::take(&mut self.children)
                    .into_iter()
                    .map(|child| stderr(&child.wait_with_output().expect("ended")))
                    .collect();
                panic!("not at an end after {limit:?}: {texts:#?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        std::mem::take(&mut self.children)
            .into_iter()
            .map(|child| child.wait_with_output().expect("ended"))
            .collect()
    }

    /// Waits for all, which must succeed.
    pub(crate) fn succeed(self) -> Vec<Output> {
        let outputs = self.outputs();
        let texts: Vec<String> = outputs.iter().map(stderr).collect();
        assert!(outputs.iter().all(|output| output.status.success()), "{texts:#?}");
        outputs
    }
}

impl Drop for Ranks {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Lines of a run's metrics so far.
pub(crate) fn logged(run: &Path) -> usize {
    std::fs::read_to_string(run.join("metrics.jsonl")).map_or(0, |text| text.lines().count())
}

/// The losses of a run's steps, and the gradient's norms, as it logged them.
pub(crate) fn figures(run: &Path) -> Vec<(u64, f64, f64)> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
    // A run that goes on may have written half of the last.
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let lines = whole.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line"));
    let steps = lines.filter(|line| line["loss"].is_f64());
    let of = |line: Value| {
        let figure = |name: &str| line[name].as_f64().expect("a figure");
        (line["step"].as_u64().expect("a step"), figure("loss"), figure("grad_norm"))
    };
    steps.map(of).collect()
}
