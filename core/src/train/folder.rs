//! A run's folder: what it holds, and how it is written so that nothing is lost.

mod lock;
mod metrics;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

pub use lock::Use;

use super::checkpoint::Checkpoint;
use crate::corruption::{CorruptionPlan, Injection};
use crate::data::Batch;
use crate::error::listed;
use crate::recipe::Recipe;
use crate::sealed::Rest;
use crate::stored::{check_regular, read, write_atomically};
use crate::{Error, Result};

/// A run's folder.
#[derive(Debug, Clone)]
pub struct RunFolder {
    root: PathBuf,
    /// Held by the one process that trains the run; the system gives it back when the process ends, however it does.
    lock: Option<Arc<File>>,
    /// Whether this process writes: of several that train a run, rank 0 alone does.
    writes: bool,
    /// The last line of metrics that this process left to rank 0.
    left: Arc<Mutex<Option<Value>>>,
}

/// The newest checkpoint that is whole, and newer ones that are not.
#[derive(Debug)]
pub struct Newest {
    /// Its file.
    pub path: PathBuf,
    /// What it holds.
    pub checkpoint: Checkpoint,
    /// Newer files, and what each has wrong.
    pub damaged: Vec<(PathBuf, Error)>,
}

impl RunFolder {
    /// Makes the folder of a new run, and locks it.
    ///
    /// # Errors
    /// A folder that holds a run already, that another process trains in, or that can't be written.
    pub fn create(root: &Path, recipe: &Recipe, environment: &Value) -> Result<Self> {
        let free = || match root.join("config.toml").exists() {
            false => Ok(()),
            true => Err(Error::user("holds a run already").at(root.display()).help(format!(
                "choose another --out, or continue it: cargo xtask resume {}",
                root.display()
            ))),
        };
        free()?;
        fs::create_dir_all(root).map_err(|e| Error::io(root, &e))?;
        let folder =
            Self { root: root.to_owned(), lock: None, writes: true, left: Arc::default() }.locked()?;
        // Another process may have been here between the first look and the lock.
        free()?;
        for sub in ["checkpoints", "samples", "tb"] {
            let path = root.join(sub);
            fs::create_dir_all(&path).map_err(|e| Error::io(&path, &e))?;
        }
        folder.write("env.json", format!("{environment:#}\n").as_bytes())?;
        // Last: with it, the folder holds a run.
        folder.write_recipe(recipe)?;
        Ok(folder)
    }

    /// The folder of a run that another process writes: what is written here goes nowhere, but for [`RunFolder::rescue`].
    pub fn followed(root: &Path) -> Self {
        Self { root: root.to_owned(), lock: None, writes: false, left: Arc::default() }
    }

    /// Whether this process writes.
    pub fn writes(&self) -> bool {
        self.writes
    }

    /// Writes the resolved recipe.
    ///
    /// # Errors
    /// A full disk or a folder that can't be written.
    pub fn write_recipe(&self, recipe: &Recipe) -> Result<()> {
        let config = format!("# Resolved recipe, hash {}\n{}", recipe.hash(), recipe.to_toml());
        self.write("config.toml", config.as_bytes())
    }

    /// The folder of an existing run.
    ///
    /// # Errors
    /// No run there.
    pub fn open(root: &Path) -> Result<Self> {
        if root.join("config.toml").is_file() {
            return Ok(Self { root: root.to_owned(), lock: None, writes: true, left: Arc::default() });
        }
        let beside = Path::new("runs").join(root);
        let help = match beside.join("config.toml").is_file() {
            true => format!("did you mean {}?", beside.display()),
            false => "give the folder that `cargo xtask pretrain` wrote".to_owned(),
        };
        Err(Error::user("holds no run (there is no config.toml)").at(root.display()).help(help))
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
        if !self.writes {
            return Ok(());
        }
        write_atomically(&self.path(name), data)
    }

    /// Appends a line to `train.log`.
    ///
    /// # Errors
    /// A full disk.
    pub fn log(&self, line: &str) -> Result<()> {
        self.append("train.log", line)
    }

    fn append(&self, name: &str, line: &str) -> Result<()> {
        if !self.writes {
            return Ok(());
        }
        let path = self.path(name);
        check_regular(&path)?;
        let file = File::options().create(true).append(true).open(&path);
        // In one write, so that a killed process leaves a line or none.
        file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
            .map_err(|e| Error::io(&path, &e))
    }

    /// Writes a checkpoint and removes the oldest beyond `keep`.
    ///
    /// # Errors
    /// A full disk, or weights that are not finite; the checkpoints before stay.
    pub fn save(&self, checkpoint: &Checkpoint, keep: usize) -> Result<PathBuf> {
        self.save_resting(checkpoint, keep, None)
    }

    /// [`RunFolder::save`], which calls `rest` after each piece of 4 MiB.
    ///
    /// # Errors
    /// As above.
    pub(super) fn save_resting(
        &self,
        checkpoint: &Checkpoint,
        keep: usize,
        rest: Option<&Rest<'_>>,
    ) -> Result<PathBuf> {
        let step = checkpoint.state.step;
        if let Some(name) = checkpoint.not_finite() {
            return Err(Error::failure(format!("`{name}` is not finite after step {step}"))
                .at(self.root.display())
                .help(format!(
                    "the checkpoints before are kept; go on from them with a lower rate: \
                     cargo xtask resume {} optimizer.lr=RATE",
                    self.root.display()
                )));
        }
        let folder = self.path("checkpoints");
        let path = folder.join(Checkpoint::file_name(step));
        if !self.writes {
            return Ok(path);
        }
        checkpoint.write_resting(&path, rest)?;
        let all = Checkpoint::list(&folder)?;
        for old in &all[..all.len().saturating_sub(keep)] {
            fs::remove_file(old).map_err(|e| Error::io(old, &e))?;
        }
        Ok(path)
    }

    /// Writes what a rank holds after another one is lost, beside the checkpoints: survivors may stand a step apart, and
    /// none knows what rank 0 has done. Nothing is written where that step, or a later one, is there already. Where rank 0
    /// was lost between a step and its line of metrics, the line is written too.
    ///
    /// # Errors
    /// A full disk, or a folder that this machine doesn't see.
    pub fn rescue(&self, checkpoint: &Checkpoint) -> Result<Option<PathBuf>> {
        let folder = self.path("checkpoints");
        let step = checkpoint.state.step;
        if Checkpoint::list(&folder)?.iter().any(|path| Checkpoint::step_of(path) >= Some(step)) {
            self.append_left(step)?;
            return Ok(None);
        }
        if let Some(name) = checkpoint.not_finite() {
            return Err(Error::failure(format!("`{name}` is not finite after step {step}")));
        }
        let path = folder.join(Checkpoint::rescue_name(step));
        checkpoint.write(&path)?;
        self.append_left(step)?;
        Ok(Some(path))
    }

    /// The newest checkpoint that is whole; `None` where there is no checkpoint at all.
    ///
    /// # Errors
    /// All of them are damaged: what the newest has wrong.
    pub fn newest(&self) -> Result<Option<Newest>> {
        let folder = self.path("checkpoints");
        if !folder.exists() {
            return Ok(None);
        }
        let mut paths = Checkpoint::list(&folder)?;
        let mut damaged = vec![];
        while let Some(path) = paths.pop() {
            let read = Checkpoint::read(&path).and_then(|checkpoint| match checkpoint.not_finite() {
                None => Ok(checkpoint),
                Some(name) => Err(Error::failure(format!("`{name}` is not finite")).at(path.display())),
            });
            match read {
                Ok(checkpoint) => return Ok(Some(Newest { path, checkpoint, damaged })),
                // A training process has removed it, for newer ones.
                Err(_) if !path.exists() => paths = Checkpoint::list(&folder)?,
                Err(error) => damaged.push((path, error)),
            }
        }
        damaged.into_iter().next().map_or(Ok(None), |(_, error)| Err(error))
    }

    /// The newest checkpoint that is whole.
    ///
    /// # Errors
    /// None there, or all of them are damaged.
    pub fn newest_checkpoint(&self) -> Result<Newest> {
        self.newest()?.ok_or_else(|| {
            Error::user("the run has no checkpoint yet")
                .at(self.root.display())
                .help(format!("go on with it first: cargo xtask resume {}", self.root.display()))
        })
    }

    /// Renames damaged checkpoints, so that they count for none and can still be looked at, gives what survivors rescued its
    /// name in the row, and removes what killed processes left half-written.
    ///
    /// # Errors
    /// A folder that can't be written.
    pub fn tidy(&self, damaged: &[(PathBuf, Error)]) -> Result<()> {
        if !self.writes {
            return Ok(());
        }
        for (path, _) in damaged {
            let aside = path.with_extension("safetensors.damaged");
            fs::rename(path, &aside).map_err(|e| Error::io(&aside, &e))?;
        }
        let checkpoints = self.path("checkpoints");
        if checkpoints.exists() {
            // What a survivor rescued is a checkpoint like others, once the run goes on from it.
            for rescued in Checkpoint::list(&checkpoints)? {
                let Some(step) = Checkpoint::step_of(&rescued) else { continue };
                let place = checkpoints.join(Checkpoint::file_name(step));
                if rescued != place && !place.exists() {
                    fs::rename(&rescued, &place).map_err(|e| Error::io(&place, &e))?;
                }
            }
        }
        fs::create_dir_all(&checkpoints).map_err(|e| Error::io(&checkpoints, &e))?;
        for folder in [&self.root, &checkpoints] {
            for entry in fs::read_dir(folder).map_err(|e| Error::io(folder, &e))?.flatten() {
                let path = entry.path();
                if path.extension().is_some_and(|extension| extension == "tmp") && path.is_file() {
                    fs::remove_file(&path).map_err(|e| Error::io(&path, &e))?;
                }
            }
        }
        Ok(())
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
        if !self.writes {
            return Ok(folder);
        }
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
        let pixels: Vec<u8> = batch.pixels.normalised().iter().flat_map(|v| v.to_le_bytes()).collect();
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, batch.shape.to_vec(), &pixels)
                .map_err(|e| Error::failure(e.to_string()))?;
        let data =
            safetensors::serialize([("pixels", view)], None).map_err(|e| Error::failure(e.to_string()))?;
        write_atomically(&folder.join("batch.safetensors"), &data)?;
        Ok(folder)
    }

    /// The weights before a failed step: beside its batch, or as a checkpoint, as they were kept before.
    pub fn weights_before(&self, step: u64) -> PathBuf {
        let beside = self.path(&format!("failure/step-{step:09}/weights.safetensors"));
        let checkpoint = self.path("checkpoints").join(Checkpoint::file_name(step - 1));
        if beside.exists() { beside } else { checkpoint }
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
        let saved: Saved = serde_json::from_slice::<Value>(&read(&path)?)
            .and_then(|report| serde_json::from_value(report["batch"].clone()))
            .map_err(|_| damaged(&path))?;
        let path = folder.join("batch.safetensors");
        let bytes = read(&path)?;
        let tensors = safetensors::SafeTensors::deserialize(&bytes).map_err(|_| damaged(&path))?;
        let view = tensors.tensor("pixels").map_err(|_| damaged(&path))?;
        if view.shape() != saved.shape || saved.indices.len() != saved.shape[0] {
            return Err(damaged(&path));
        }
        let pixels: Vec<f32> =
            view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let labels = vec![-1; saved.indices.len()];
        let Saved { shape, indices, first_sample } = saved;
        Ok((step, Batch { pixels: pixels.into(), shape, labels, indices, first_sample }))
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
