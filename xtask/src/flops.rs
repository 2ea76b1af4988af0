//! The floating-point operations of a training step, as the field counts them for the share of a chip's peak (MFU;
//! Chowdhery et al. 2022, PaLM, appendix B): two for each multiplication and addition of the matrix products,
//! attention's and convolutions' among them, forward; as many again backward for each factor that a gradient is due
//! of, so twice forward within the model. Blocks that are run again to save memory count once, and everything that
//! is no product counts nothing. `torch.utils.flop_counter` counts the same.

use std::sync::Arc;

use palimpsest_core::data::BatchSource;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::train::Trainer;
use palimpsest_core::{Device, DeviceHandle, Result};

use crate::meta_backend::{Flops, MetaBackend};
use crate::synthetic::Synthetic;

/// What a step of a recipe takes, whatever runs it.
///
/// # Errors
/// A recipe that can't be built.
pub(crate) fn of_step(recipe: &Recipe) -> Result<Flops> {
    count(recipe, true)
}

/// `fused`: whether the backend takes fused operations whole, or core takes them apart.
fn count(recipe: &Recipe, fused: bool) -> Result<Flops> {
    let mut recipe = recipe.clone();
    let parts = recipe.train.accumulate.max(1);
    // One part of the batch stands for all, and nothing is computed twice.
    recipe.train.batch /= parts;
    recipe.train.accumulate = 1;
    recipe.train.checkpoint_blocks = 0;
    let meta = Arc::new(MetaBackend::new(fused));
    let device = DeviceHandle { backend: meta.clone(), id: Device::Cpu };
    let mut source = Synthetic::new(&recipe);
    let steps = source.steps_per_epoch();
    let batch = source.next_batch()?;
    let mut trainer = Trainer::new(recipe, device, steps)?;
    meta.take();
    trainer.train_step(&batch, false)?;
    let part = meta.take();
    Ok(Flops { forward: part.forward * parts as u64, backward: part.backward * parts as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use palimpsest_core::encoder::patchify;
    use palimpsest_core::model::Model;
    use palimpsest_core::params::Params;

    const VIT_B: &str = "preset = \"mae\"\nname = \"count\"\n[encoder]\nsize = \"base\"\n";

    fn recipe(text: &str, overrides: &[&str]) -> Recipe {
        let overrides: Vec<String> = overrides.iter().map(|&o| o.to_owned()).collect();
        Recipe::parse("count.toml", text, &overrides).expect("a recipe")
    }

    #[test]
    fn the_forward_pass_of_vit_b_is_the_published_one() {
        let recipe = recipe(VIT_B, &["train.batch=1", "train.accumulate=1"]);
        assert_eq!((recipe.data.image_size, recipe.data.channels), (224, 3));
        let model = Model::build(&recipe).expect("a model");
        let meta = Arc::new(MetaBackend::new(true));
        let device = DeviceHandle { backend: meta.clone(), id: Device::Cpu };
        let batch = Synthetic::new(&recipe).next_batch().expect("a batch");
        let values = model.specs.initial(0).expect("weights");
        let dtype = palimpsest_core::DType::F32;
        let params = Params::upload(&device, values, dtype, dtype).expect("weights");
        meta.take();
        let images = batch.images(&device, dtype).expect("images");
        let patches = patchify(&images, model.geometry()).expect("patches");
        model.encoder.features(&params, &patches, model.geometry().depth).expect("features");
        // torchvision's table of weights gives vit_b_16 17.56 GFLOPS, each a multiplication with its addition, the
        // classifier of 768 x 1000 among them; papers round it to 17.6.
        let macs = meta.take().forward as f64 / 2.0 + 768.0 * 1000.0;
        assert!((macs / 17.56e9 - 1.0).abs() < 2e-3, "{macs:e}");
    }

    #[test]
    fn a_step_counts_backward_twice_and_nothing_again() {
        let tiny = "preset = \"mae\"\nname = \"count\"\n[data]\nimage_size = 32\n[encoder]\ndim = 64\ndepth = 4\nheads = 4\npatch = 8\n";
        let count = |overrides: &[&str]| of_step(&recipe(tiny, overrides)).expect("a count");
        let plain = count(&["train.batch=8", "train.accumulate=1"]);
        assert!(plain.forward > 0, "{plain:?}");
        // Pixels need no gradient, so that cutting patches counts but once backward.
        let patches = 2 * 8 * 16 * (8 * 8 * 3) * 64;
        assert_eq!(plain.backward, 2 * plain.forward - patches);
        assert_eq!(count(&["train.batch=8", "train.accumulate=1", "train.checkpoint_blocks=2"]), plain);
        assert_eq!(count(&["train.batch=8", "train.accumulate=2"]), plain);
        let twice = count(&["train.batch=16", "train.accumulate=1"]);
        assert_eq!(twice.total(), 2 * plain.total());
        let whole = recipe(tiny, &["train.batch=8", "train.accumulate=1"]);
        assert_eq!(super::count(&whole, false).expect("a count"), plain, "taken apart by core");
    }

    #[test]
    fn a_step_counts_as_in_pytorch() {
        if let Err(reason) = crate::commands::compare::inputs::check_python() {
            crate::output::note(&format!("skipped: {reason}"));
            return;
        }
        for preset in ["paper", "diffmae"] {
            let text = format!(
                "preset = \"{preset}\"\nname = \"count\"\n[data]\nname = \"fashion-mnist\"\nimage_size = 32\nchannels = 1\n\
                 mean = [0.286]\nstd = [0.353]\n[encoder]\n\
                 dim = 64\ndepth = 3\nheads = 4\npatch = 8\n[eval]\nheads = []\n"
            );
            let recipe = recipe(&text, &["train.batch=4", "train.accumulate=1", "precision=f32"]);
            let data = palimpsest_datasets::RecipeData::open(&recipe).expect("the sample");
            let folder = tempfile::tempdir().expect("a folder");
            let file =
                crate::commands::compare::inputs::write(&recipe, &data, 1, folder.path()).expect("inputs");
            let output = std::process::Command::new("python3")
                .arg(folder.path().join("pytorch.py"))
                .arg(file)
                .args(["count", "cpu", "1"])
                .output()
                .expect("python3 starts");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let theirs: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
            let ours = of_step(&recipe).expect("a count");
            assert_eq!(theirs["forward"].as_u64(), Some(ours.forward), "{preset}, forward");
            assert_eq!(theirs["backward"].as_u64(), Some(ours.backward), "{preset}, backward");
        }
    }
}
