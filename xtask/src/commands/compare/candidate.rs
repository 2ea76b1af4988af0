//! A candidate: a process of its own, or several that train together, which do steps when they are told to.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use palimpsest_core::{Device, Error, Result};
use serde_json::Value;

use crate::comparison::{Outcome, Step};
use crate::energy::Meter;
use crate::gpu::Gpu;
use crate::output;

use super::together::{self, Others, TIME_LIMIT, Together};

/// A running candidate.
pub(super) struct Candidate {
    /// Of several processes rank 0.
    child: Child,
    others: Others,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    outcome: Outcome,
    /// Where its last turn's steps begin.
    turn: usize,
    /// What its first step takes long for.
    first: Option<&'static str>,
}

impl Candidate {
    /// Whether a backend can be had, and has the device. It is built here, so that compiling is no part of its start.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn offered(backend: &str, device: Device) -> Result<()> {
        match crate::backends::open(backend)?.devices().contains(&device) {
            true => Ok(()),
            false => crate::backends::device(backend, device).map(|_| ()),
        }
    }

    /// A backend, in a process of this driver.
    pub(super) fn backend(name: &str, config: &Path, device: Device) -> Result<Self> {
        Self::start(name, vec![worker(name, config, &device.to_string())?], "")
    }

    /// A backend, in several processes of this driver.
    pub(super) fn backend_together(
        backend: &str,
        config: &Path,
        device: Device,
        together: &Together,
    ) -> Result<Self> {
        let port = together::free_port()?;
        // Each on the GPU of its own number.
        let kind = device.to_string();
        let kind = kind.split(':').next().unwrap_or_default();
        let command = |rank: usize| {
            let mut command = worker(backend, config, kind)?;
            command.args(["--ranks", &together.size.to_string(), "--rank", &rank.to_string()]);
            command.args(["--meet", &format!("127.0.0.1:{port}"), "--time-limit", &TIME_LIMIT.to_string()]);
            command.args(["--collective", &together.engine]);
            // As many threads as its share of the cores, whatever one process alone was told.
            command.env_remove("RAYON_NUM_THREADS");
            Ok(command)
        };
        let commands = (0..together.size).map(command).collect::<Result<_>>()?;
        let name = together.name(backend);
        let mut candidate = Self::start(&name, commands, &format!(": {}", together.about(&together.engine)))?;
        candidate.tell_more(&together.about(&together.engine));
        Ok(candidate)
    }

    /// PyTorch, in a process of Python.
    pub(super) fn pytorch(mode: &str, inputs: &Path, device: Device) -> Result<Self> {
        let command = python(mode, inputs, device, together::threads())?;
        let mut candidate = Self::start(&format!("pytorch-{mode}"), vec![command], ", which imports torch")?;
        candidate.first =
            (mode == "compile").then_some("its first step compiles the model, for a minute or more");
        Ok(candidate)
    }

    /// PyTorch's DistributedDataParallel, in several processes of Python.
    pub(super) fn pytorch_together(inputs: &Path, device: Device, together: &Together) -> Result<Self> {
        let port = together::free_port()?;
        let command = |rank: usize| {
            let device = match device {
                Device::Cuda(_) => Device::Cuda(rank),
                other => other,
            };
            let mut command = python("ddp", inputs, device, together.threads())?;
            command.envs([("RANK", rank.to_string()), ("WORLD_SIZE", together.size.to_string())]);
            command.envs([("MASTER_ADDR", "127.0.0.1".to_owned()), ("MASTER_PORT", port.to_string())]);
            Ok(command)
        };
        let commands = (0..together.size).map(command).collect::<Result<_>>()?;
        let engine = if matches!(device, Device::Cuda(_)) { "nccl" } else { "gloo" };
        let about = together.about(engine);
        let mut candidate =
            Self::start(&together.name("pytorch-ddp"), commands, &format!(", which imports torch: {about}"))?;
        candidate.tell_more(&about);
        Ok(candidate)
    }

    /// Adds to what is told of it.
    fn tell_more(&mut self, about: &str) {
        let description = &mut self.outcome.description;
        *description = format!("{description}; {about}");
    }

    /// Starts its processes, the first of which speaks.
    fn start(name: &str, commands: Vec<Command>, about: &str) -> Result<Self> {
        output::note(&format!("starting {name}{about}"));
        let started = Instant::now();
        let mut commands = commands.into_iter().map(|mut command| {
            // libgomp's waiting threads spin by default, which would slow whoever's turn it is.
            command.env("OMP_WAIT_POLICY", "passive");
            command
        });
        let mut first = commands.next().ok_or_else(|| Error::failure("a candidate without a process"))?;
        let others = Others::start(name, commands)?;
        let mut child = first
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| Error::user(format!("{name} can't be started: {e}")))?;
        let to = child.stdin.take();
        let from = child.stdout.take().ok_or_else(|| Error::failure("no pipe"))?;
        let outcome = Outcome {
            name: name.to_owned(),
            description: String::new(),
            instructions: None,
            startup: 0.0,
            steps: vec![],
        };
        let mut candidate =
            Self { child, others, to, from: BufReader::new(from), outcome, turn: 0, first: None };
        let ready: Value = candidate.read()?;
        candidate.outcome.startup = started.elapsed().as_secs_f64();
        let text = |key: &str| ready["info"][key].as_str().unwrap_or_default().to_owned();
        candidate.outcome.description = format!("{} ({})", text("description"), text("version"));
        candidate.outcome.instructions = ready["info"]["instructions"].as_str().map(str::to_owned);
        Ok(candidate)
    }

    fn read<T: serde::de::DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        let ended = self.from.read_line(&mut line).map_or(true, |bytes| bytes == 0);
        if ended {
            let status = self.child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
            return Err(Error::failure(format!("{} ended early: {status}", self.outcome.name))
                .help("its own words are above"));
        }
        serde_json::from_str(&line)
            .map_err(|e| Error::failure(format!("unexpected reply of {} ({e}): {line}", self.outcome.name)))
    }

    /// Does `count` steps, and tells of their energy and of the memory that they leave on a card.
    pub(super) fn advance(&mut self, count: u64, meter: &Meter<'_>, gpu: Option<&Gpu>) -> Result<()> {
        self.turn = self.outcome.steps.len();
        if let Some(why) = self.first.take() {
            output::note(&format!("waiting for {}: {why}", self.outcome.name));
        }
        let before = meter.read();
        if let Some(to) = &mut self.to {
            // A candidate that has ended is told by `read`.
            for to in std::iter::once(to).chain(self.others.inputs()) {
                drop(writeln!(to, "{count}").and_then(|()| to.flush()));
            }
        }
        (0..count).try_for_each(|_| self.one_step())?;
        let joules = meter.since(&before).share(count as f64);
        let held = gpu.and_then(|gpu| gpu.bytes_of(self.child.id()));
        for step in &mut self.outcome.steps[self.turn..] {
            step.joules = joules;
            step.device_process = held;
        }
        Ok(())
    }

    fn one_step(&mut self) -> Result<()> {
        let step: Step = self.read()?;
        if !step.loss.is_finite() {
            return Err(Error::failure(format!(
                "{} diverged at step {}: loss {}",
                self.outcome.name, step.step, step.loss
            )));
        }
        self.outcome.steps.push(step);
        Ok(())
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.outcome.name
    }

    /// The steps of its last turn, those before a failure too.
    pub(super) fn new_steps(&self) -> &[Step] {
        &self.outcome.steps[self.turn..]
    }

    /// Name and last loss.
    pub(super) fn tell(&self) -> String {
        let last = self.outcome.steps.last();
        last.map_or_else(String::new, |s| {
            format!("{} {:.5} ({:.0} ms)", self.outcome.name, s.loss, 1e3 * s.seconds)
        })
    }

    /// Ends the process, and gives what it told.
    pub(super) fn finish(mut self) -> Outcome {
        self.to = None;
        self.others.dismiss();
        if self.child.wait().is_ok_and(|status| status.success()) {
            self.others.wait();
        }
        self.outcome
    }
}

/// A process of this driver that trains with a backend.
fn worker(backend: &str, config: &Path, device: &str) -> Result<Command> {
    let driver = std::env::current_exe()
        .map_err(|e| Error::failure(format!("cannot locate the driver's executable: {e}")))?;
    let mut command = Command::new(driver);
    command.arg("compare-worker").arg(config).args(crate::plugins::options());
    command.args(["--backend", backend, "--device", device]);
    Ok(command)
}

/// A process of Python.
fn python(mode: &str, inputs: &Path, device: Device, threads: usize) -> Result<Command> {
    let device = match device {
        Device::Wgpu(_) => return Err(Error::user("PyTorch has no wgpu device").at("--pytorch")),
        other => other.to_string(),
    };
    let script = inputs.with_file_name("pytorch.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(inputs).args([mode, &device, &threads.to_string()]);
    Ok(command)
}
