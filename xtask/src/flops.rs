//! The floating-point operations of a training step, as the field counts them for the share of a chip's peak (MFU;
//! Chowdhery et al. 2022, PaLM, appendix B): two for each multiplication and addition of the matrix products,
//! attention's and convolutions' among them, forward; as many again backward for each factor that a gradient is due
//! of, so twice forward within the model. Blocks that are run again to save memory count once, and everything that
//! is no product counts nothing. `torch.utils.flop_counter` counts the same.

use std::sync::Arc;

use palimpsest_core::data::BatchSource;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::tensor::{Op, Shape};
use palimpsest_core::train::Trainer;
use palimpsest_core::{Device, Place, Result};

use crate::shapes::Shapes;
use crate::synthetic::Synthetic;

/// Floating-point operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub(crate) struct Flops {
    /// Of forward passes.
    pub(crate) forward: u64,
    /// Of backward passes.
    pub(crate) backward: u64,
}

impl Flops {
    pub(crate) fn total(self) -> u64 {
        self.forward + self.backward
    }
}

/// A matrix product inside an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Product {
    /// Floating-point operations; a factor's gradient takes as many.
    pub(crate) flops: u64,
    /// For each factor the inputs that it is made of.
    pub(crate) factors: [&'static [usize]; 2],
}

/// The products of an operation on inputs of these shapes, which core has found to fit.
pub(crate) fn products(op: &Op, inputs: &[&Shape], out: &Shape) -> Vec<Product> {
    let product = |extents: &[usize], factors| Product {
        flops: 2 * extents.iter().map(|&extent| extent as u64).product::<u64>(),
        factors,
    };
    let last = |shape: &Shape| shape.last().copied().unwrap_or(1);
    match op {
        Op::Matmul => vec![product(&[out.count(), last(inputs[0])], [&[0], &[1]])],
        Op::Linear => vec![product(&[out.count(), last(inputs[0])], [&[0], &[1]])],
        Op::Conv2d { .. } => {
            let kernel = inputs[1].iter().skip(1).product();
            vec![product(&[out.count(), kernel], [&[0], &[1]])]
        }
        Op::Attention { .. } => {
            let extents = [inputs[0].count(), inputs[1][1]];
            vec![product(&extents, [&[0], &[1]]), product(&extents, [&[0, 1, 3], &[2]])]
        }
        Op::SelfAttention { .. } => {
            let extents = [out.count(), inputs[0][1]];
            vec![product(&extents, [&[0], &[0]]), product(&extents, [&[0, 1], &[0]])]
        }
        Op::AttentionProbs { .. } => {
            let [b, n, width] = [inputs[0][0], inputs[0][1], inputs[0][2] / 3];
            vec![product(&[b, n, n, width], [&[0], &[0]])]
        }
        Op::AttentionApply { .. } => vec![product(&[out.count(), inputs[1][1]], [&[0], &[1]])],
        _ => vec![],
    }
}

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
    let shapes = Arc::new(Shapes::new(fused));
    let place = Place { backend: shapes.clone(), device: Device::Cpu };
    let mut source = Synthetic::new(&recipe);
    let steps = source.steps_per_epoch();
    let batch = source.next_batch()?;
    let mut trainer = Trainer::new(recipe, place, steps)?;
    shapes.take();
    trainer.train_step(&batch, false)?;
    let part = shapes.take();
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
    fn operations_count_two_for_each_multiplication_and_addition() {
        let count = |op: &Op, inputs: &[&[usize]]| -> Vec<u64> {
            let shapes: Vec<Shape> = inputs.iter().map(|&dims| Shape::from(dims)).collect();
            let shapes: Vec<&Shape> = shapes.iter().collect();
            let signatures: Vec<_> = shapes.iter().map(|&s| (s, palimpsest_core::DType::F32)).collect();
            let out = op.infer(&signatures).expect("they fit").remove(0).0;
            products(op, &shapes, &out).iter().map(|product| product.flops).collect()
        };
        assert_eq!(count(&Op::Matmul, &[&[3, 5], &[5, 7]]), [2 * 3 * 5 * 7]);
        // The second factor is used for each of the first's two matrices.
        assert_eq!(count(&Op::Matmul, &[&[2, 3, 5], &[5, 7]]), [2 * 2 * 3 * 5 * 7]);
        assert_eq!(count(&Op::Linear, &[&[2, 3, 5], &[7, 5], &[7]]), [2 * 6 * 5 * 7]);
        let conv = Op::Conv2d { stride: 2, padding: 0 };
        assert_eq!(count(&conv, &[&[2, 3, 8, 6], &[5, 3, 2, 2]]), [2 * (2 * 5 * 4 * 3) * (3 * 2 * 2)]);
        let whole = 2 * 2 * 3 * 7 * 8;
        assert_eq!(count(&Op::Attention { heads: 4 }, &[&[2, 3, 8], &[2, 7, 8], &[2, 7, 8]]), [whole, whole]);
        let square = 2 * 2 * 5 * 5 * 8;
        assert_eq!(count(&Op::SelfAttention { heads: 4 }, &[&[2, 5, 24]]), [square, square]);
        assert_eq!(count(&Op::AttentionProbs { heads: 4 }, &[&[2, 5, 24]]), [square]);
        assert_eq!(count(&Op::AttentionApply { heads: 4 }, &[&[2, 4, 5, 5], &[2, 5, 24]]), [square]);
        assert!(count(&Op::Gelu, &[&[100]]).is_empty());
    }

    #[test]
    fn the_forward_pass_of_vit_b_is_the_published_one() {
        let recipe = recipe(VIT_B, &["train.batch=1", "train.accumulate=1"]);
        assert_eq!((recipe.data.image_size, recipe.data.channels), (224, 3));
        let model = Model::build(&recipe).expect("a model");
        let shapes = Arc::new(Shapes::new(true));
        let place = Place { backend: shapes.clone(), device: Device::Cpu };
        let batch = Synthetic::new(&recipe).next_batch().expect("a batch");
        let values = model.specs.initial(0).expect("weights");
        let dtype = palimpsest_core::DType::F32;
        let params = Params::upload(&place, values, dtype, dtype).expect("weights");
        shapes.take();
        let images = place.floats(batch.shape, batch.pixels, dtype).expect("images");
        let patches = patchify(&images, model.geometry()).expect("patches");
        model.encoder.features(&params, &patches, model.geometry().depth).expect("features");
        // torchvision's table of weights gives vit_b_16 17.56 GFLOPS, each a multiplication with its addition, the
        // classifier of 768 x 1000 among them; papers round it to 17.6.
        let macs = shapes.take().forward as f64 / 2.0 + 768.0 * 1000.0;
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
