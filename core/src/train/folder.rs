//! A run's folder: what it holds, and how it is written so that nothing is lost.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::checkpoint::Checkpoint;
use crate::corruption::{CorruptionPlan, Injection};
use crate::data::Batch;
use crate::error::listed;
use crate::recipe::Recipe;
use crate::stored::write_atomically;
use crate::{Error, Result};

/// A run's folder.
#[derive(Debug, Clone)]
pub struct RunFolder {
    root: PathBuf,
}

impl RunFolder {
    /// Makes the folder of a new run.
    ///
    /// # Errors
    /// A folder that holds a run already, or can't be written.
    pub fn create(root: &Path, recipe: &Recipe, environment: &Value) -> Result<Self> {
        if root.join("config.toml").exists() {
            return Err(Error::user("holds a run already").at(root.display()).help(format!(
                "choose another --out, or continue it: cargo xtask resume {}",
                root.display()
            )));
        }
        let folder = Self { root: root.to_owned() };
        for sub in ["checkpoints", "samples", "tb"] {
            let path = root.join(sub);
            fs::create_dir_all(&path).map_err(|e| Error::io(&path, &e))?;
        }
        let config = format!("# Resolved recipe, hash {}\n{}", recipe.hash(), recipe.to_toml());
        folder.write("env.json", format!("{environment:#}\n").as_bytes())?;
        folder.write("config.toml", config.as_bytes())?;
        Ok(folder)
    }

    /// The folder of an existing run.
    ///
    /// # Errors
    /// No run there.
    pub fn open(root: &Path) -> Result<Self> {
        if root.join("config.toml").is_file() {
            return Ok(Self { root: root.to_owned() });
        }
        Err(Error::user("holds no run (there is no config.toml)")
            .at(root.display())
            .help("give the folder that `cargo xtask pretrain` wrote"))
    }

    /// The path of something in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The resolved recipe of the run.
    ///
    /// # Errors
    /// A file that was changed into something that is no recipe.
    pub fn recipe(&self, overrides: &[String]) -> Result<Recipe> {
        Recipe::load(&self.path("config.toml"), overrides)
    }

    /// Writes a file atomically.
    ///
    /// # Errors
    /// A full disk or a folder that can't be written.
    pub fn write(&self, name: &str, data: &[u8]) -> Result<()> {
        write_atomically(&self.path(name), data)
    }

    /// Appends a line to `metrics.jsonl`.
    ///
    /// # Errors
    /// A full disk.
    pub fn append_metrics(&self, line: &Value) -> Result<()> {
        self.append("metrics.jsonl", &line.to_string())
    }

    /// Appends a line to `train.log`.
    ///
    /// # Errors
    /// A full disk.
    pub fn log(&self, line: &str) -> Result<()> {
        self.append("train.log", line)
    }

    fn append(&self, name: &str, line: &str) -> Result<()> {
        let path = self.path(name);
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| writeln!(file, "{line}"))
            .map_err(|e| Error::io(&path, &e))
    }

    /// The lines of `metrics.jsonl`; a half-written last line is left out.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn metrics(&self) -> Result<Vec<Value>> {
        let path = self.path("metrics.jsonl");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
            Err(e) => return Err(Error::io(&path, &e)),
        };
        Ok(BufReader::new(file)
            .lines()
            .map_while(Result::ok)
            .filter_map(|l| serde_json::from_str(&l).ok())
            .collect())
    }

    /// Drops metrics of steps after `step`, which a resumed run does again.
    ///
    /// # Errors
    /// A file that can't be rewritten.
    pub fn rewind_metrics(&self, step: u64) -> Result<()> {
        let kept: String = self
            .metrics()?
            .into_iter()
            .filter(|line| line["step"].as_u64().is_none_or(|s| s <= step))
            .map(|line| format!("{line}\n"))
            .collect();
        self.write("metrics.jsonl", kept.as_bytes())
    }

    /// Writes a checkpoint and removes the oldest beyond `keep`.
    ///
    /// # Errors
    /// A full disk; the checkpoints before stay.
    pub fn save(&self, checkpoint: &Checkpoint, keep: usize) -> Result<PathBuf> {
        let folder = self.path("checkpoints");
        let path = folder.join(Checkpoint::file_name(checkpoint.state.step));
        checkpoint.write(&path)?;
        let all = Checkpoint::list(&folder)?;
        for old in &all[..all.len().saturating_sub(keep)] {
            fs::remove_file(old).map_err(|e| Error::io(old, &e))?;
        }
        Ok(path)
    }

    /// The newest checkpoint's path.
    ///
    /// # Errors
    /// None there.
    pub fn newest_checkpoint(&self) -> Result<PathBuf> {
        Checkpoint::list(&self.path("checkpoints"))?.pop().ok_or_else(|| {
            Error::user("the run has no checkpoint")
                .at(self.root.display())
                .help("start it again with pretrain")
        })
    }

    /// Saves what a failed step was fed, so that it can be done again: batch, plan and losses.
    ///
    /// # Errors
    /// A full disk.
    pub fn save_failure(
        &self,
        step: u64,
        batch: &Batch,
        plan: &CorruptionPlan,
        injection: Injection,
        losses: &[(String, f64)],
    ) -> Result<PathBuf> {
        let folder = self.path(&format!("failure/step-{step:09}"));
        fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, &e))?;
        let losses: serde_json::Map<String, Value> =
            losses.iter().map(|(name, value)| (name.clone(), json!(value.to_string()))).collect();
        let roles: Vec<u8> = plan.roles.iter().map(|&role| role as u8).collect();
        let report = json!({
            "step": step,
            "losses": losses,
            "batch": { "shape": batch.shape, "indices": batch.indices, "first_sample": batch.first_sample },
            "plan": {
                "roles": roles, "gain": plan.signal, "noise": plan.sigma, "level": plan.timestep,
                "injection": injection, "substitutive": plan.substitutive,
            },
        });
        write_atomically(&folder.join("report.json"), format!("{report:#}\n").as_bytes())?;
        let pixels: Vec<u8> = batch.pixels.iter().flat_map(|v| v.to_le_bytes()).collect();
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, batch.shape.to_vec(), &pixels)
                .map_err(|e| Error::failure(e.to_string()))?;
        let data =
            safetensors::serialize([("pixels", view)], None).map_err(|e| Error::failure(e.to_string()))?;
        write_atomically(&folder.join("batch.safetensors"), &data)?;
        Ok(folder)
    }

    /// The batch of the failure at `step`, or of the newest: the step (from 1) and what it was fed.
    ///
    /// # Errors
    /// No failure there, or files that were changed.
    pub fn failure(&self, step: Option<u64>) -> Result<(u64, Batch)> {
        let root = self.path("failure");
        let mut steps: Vec<u64> = fs::read_dir(&root)
            .map(|entries| entries.filter_map(|e| step_of(&e.ok()?.path())).collect())
            .unwrap_or_default();
        steps.sort_unstable();
        let known = || listed(&steps.iter().map(ToString::to_string).collect::<Vec<_>>());
        let found = match step {
            None => steps.last().copied(),
            Some(step) => steps.contains(&step).then_some(step),
        };
        let step = found.ok_or_else(|| match step {
            Some(step) if !steps.is_empty() => Error::user(format!("no failure of step {step} was saved"))
                .help(format!("choose among {}", known())),
            _ => Error::user("no failed step was saved").at(self.root.display()),
        })?;
        let folder = root.join(format!("step-{step:09}"));
        let path = folder.join("report.json");
        let damaged = |path: &Path| Error::user("does not hold what a failed step saves").at(path.display());
        let text = fs::read_to_string(&path).map_err(|e| Error::io(&path, &e))?;
        let saved: Saved = serde_json::from_str::<Value>(&text)
            .and_then(|report| serde_json::from_value(report["batch"].clone()))
            .map_err(|_| damaged(&path))?;
        let path = folder.join("batch.safetensors");
        let bytes = fs::read(&path).map_err(|e| Error::io(&path, &e))?;
        let tensors = safetensors::SafeTensors::deserialize(&bytes).map_err(|_| damaged(&path))?;
        let view = tensors.tensor("pixels").map_err(|_| damaged(&path))?;
        if view.shape() != saved.shape || saved.indices.len() != saved.shape[0] {
            return Err(damaged(&path));
        }
        let pixels =
            view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let labels = vec![-1; saved.indices.len()];
        let Saved { shape, indices, first_sample } = saved;
        Ok((step, Batch { pixels, shape, labels, indices, first_sample }))
    }
}

/// A failed step's batch, but its pixels.
#[derive(serde::Deserialize)]
struct Saved {
    shape: [usize; 4],
    indices: Vec<usize>,
    first_sample: u64,
}

/// The number in `step-000000012`.
fn step_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok()
}
