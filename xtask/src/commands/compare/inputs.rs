//! What PyTorch needs to do the same steps: weights, batches, plans and noise, as a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use palimpsest_conformance::recording::Recording;
use palimpsest_core::data::BatchSource;
use palimpsest_core::model::Model;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::{Error, Result};
use palimpsest_datasets::RecipeData;

use crate::output;

const SCRIPT: &str = include_str!("pytorch.py");
const REFERENCE: &str = include_str!("../../../../tests/python/reference.py");

/// At most so many bytes are written; PyTorch then does the same steps again.
const MOST: usize = 2 << 30;

/// Whether Python has what the control imports.
pub(crate) fn check_python() -> Result<()> {
    let modules = "import torch, numpy, safetensors";
    output::note("looking for PyTorch: python3 imports torch, numpy and safetensors");
    let output = Command::new("python3")
        .args(["-c", modules])
        .output()
        .map_err(|e| Error::user(format!("python3 can't be started: {e}")).at("--pytorch"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(Error::user(text.lines().last().unwrap_or("python3 failed").to_owned())
        .at("--pytorch")
        .help("python3 -m pip install torch numpy safetensors"))
}

/// Writes the file and the scripts.
pub(crate) fn write(recipe: &Recipe, data: &RecipeData, steps: u64, folder: &Path) -> Result<PathBuf> {
    let model = Model::build(recipe)?;
    if let Some(plugin) = model.corruption.plugin()
        && model.corruption.works_on_tensors()?
    {
        return Err(Error::user(format!("PyTorch can't replay the operations of {plugin}"))
            .at("--pytorch")
            .help("leave --pytorch out"));
    }
    output::note(&format!("recording {steps} steps for PyTorch: weights, batches, plans and noise"));
    let mut source = data.loader(recipe)?;
    let mut recording = Recording::new(&model, &model.specs.initial(recipe.run.seed)?);
    for step in 0..steps {
        let batch = source.next_batch()?;
        let plan = model.plan(&batch, step, step as f32 / steps as f32, None)?;
        recording.add_step(&model, recipe, step, &batch, &plan)?;
        source.recycle(batch);
        if recording.bytes() > MOST && step + 1 < steps {
            output::note(&format!(
                "note: PyTorch goes round {} of {steps} steps, as more would not fit: its losses agree up to there",
                step + 1
            ));
            break;
        }
    }
    let file = folder.join("inputs.safetensors");
    // A size's name stands for these in the recipe.
    let geometry = model.geometry();
    let encoder =
        serde_json::json!({ "dim": geometry.dim, "depth": geometry.depth, "heads": geometry.heads });
    let metadata = [
        ("encoder", encoder.to_string()),
        ("recipe", recipe.to_toml()),
        ("dtype", "f32".to_owned()),
        ("total_steps", steps.to_string()),
        ("steps_per_epoch", source.steps_per_epoch().to_string()),
    ];
    recording.write(&file, &metadata)?;
    for (name, text) in [("pytorch.py", SCRIPT), ("reference.py", REFERENCE)] {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|e| Error::io(&path, &e))?;
    }
    Ok(file)
}
