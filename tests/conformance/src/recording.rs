//! Steps as another implementation needs them to do the same: weights, batches, plans, and every value that was
//! drawn.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use palimpsest_core::corruption::CorruptionPlan;
use palimpsest_core::corruption::noise::normal_values;
use palimpsest_core::data::Batch;
use palimpsest_core::model::Model;
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::recipe::Recipe;
use palimpsest_core::tensor::HostTensor;
use palimpsest_core::{Error, Result};
use safetensors::tensor::{Dtype, TensorView};

/// The streams of noise values: on pixels and on tokens.
const DRAWS: [(&str, u64); 2] = [("pixels", 1), ("tokens", 2)];

/// Named tensors: `weight.NAME`, and of each step `batch.STEP` [B, C, H, W], `roles.STEP`, `gain.STEP` and
/// `noise.STEP` [B, N], `level.STEP` [B], `prefix.STEP` [B, 2] (gain and noise of the class token),
/// `eps-pixels.STEP`, `eps-tokens.STEP`, and `drop.STEP` [depth, 2, B] (the factors of drop path).
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// The tensors, all f32.
    pub tensors: BTreeMap<String, HostTensor>,
}

impl Recording {
    /// A recording of initial weights, in the order of the model's parameters.
    pub fn new(model: &Model, weights: &[HostTensor]) -> Self {
        let names = model.specs.specs().iter().map(|spec| format!("weight.{}", spec.name));
        Self { tensors: names.zip(weights.iter().cloned()).collect() }
    }

    /// Adds a step, counted from 0.
    ///
    /// # Errors
    /// A plan that keeps an unequal number of tokens where the encoder drops them.
    pub fn add_step(
        &mut self,
        model: &Model,
        recipe: &Recipe,
        step: u64,
        batch: &Batch,
        plan: &CorruptionPlan,
    ) -> Result<()> {
        let (b, l) = (plan.batch, plan.tokens);
        let geometry = *model.geometry();
        let mut put = |name: &str, shape: &[usize], values: Vec<f32>| -> Result<()> {
            self.tensors.insert(format!("{name}.{step}"), HostTensor::f32(shape.to_vec(), values)?);
            Ok(())
        };
        put("batch", &batch.shape, batch.pixels.normalised().into_owned())?;
        put("roles", &[b, l], plan.roles.iter().map(|&role| f32::from(role as u8)).collect())?;
        put("gain", &[b, l], plan.signal.clone())?;
        put("noise", &[b, l], plan.sigma.clone())?;
        put("level", &[b], plan.timestep.clone())?;
        let prefix = plan.prefix.clone().unwrap_or_else(|| vec![(1.0, 0.0); b]);
        put("prefix", &[b, 2], prefix.into_iter().flat_map(|(gain, noise)| [gain, noise]).collect())?;
        let seed = recipe.run.seed;
        if model.noise.is_some() {
            let dropped = recipe.restoration.table()["style"].as_str() == Some("decoder");
            let kept = if dropped { plan.kept()?.first().map_or(0, Vec::len) } else { l };
            for (what, draw) in DRAWS {
                let [rows, width] = match what {
                    "pixels" => [l, geometry.patch_values()],
                    _ => [geometry.prefix + kept, geometry.dim],
                };
                let values = normal_values(seed, step, batch.first_sample, b, rows * width, draw);
                put(&format!("eps-{what}"), &[b, rows, width], values)?;
            }
        }
        let rate = model.encoder.drop_path();
        put("drop", &[geometry.depth, 2, b], drop_path(rate, geometry.depth, seed, step, batch))
    }

    /// Bytes of all tensors.
    pub fn bytes(&self) -> usize {
        self.tensors.values().map(|tensor| tensor.shape().count() * tensor.dtype().size()).sum()
    }

    /// Writes a safetensors file with text beside the tensors.
    ///
    /// # Errors
    /// A full disk.
    pub fn write(&self, path: &Path, metadata: &[(&str, String)]) -> Result<()> {
        let bytes: Vec<(&String, &HostTensor, Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, t)| (name, t, t.clone().into_f32().iter().flat_map(|v| v.to_le_bytes()).collect()))
            .collect();
        let views = bytes
            .iter()
            .map(|(name, tensor, bytes)| {
                let view = TensorView::new(Dtype::F32, tensor.shape().dims().to_vec(), bytes);
                view.map(|view| (name.as_str(), view)).map_err(|e| Error::failure(format!("{name}: {e}")))
            })
            .collect::<Result<Vec<_>>>()?;
        let metadata: HashMap<String, String> =
            metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let data =
            safetensors::serialize(views, Some(metadata)).map_err(|e| Error::failure(e.to_string()))?;
        std::fs::write(path, data).map_err(|e| Error::io(path, &e))
    }
}

/// The factors of drop path [depth, 2, batch], from its definition: branch j of block i of an image
/// is dropped with probability rate * i / (depth - 1), drawn in order from the image's own stream,
/// and what is kept is scaled up.
fn drop_path(rate: f64, depth: usize, seed: u64, step: u64, batch: &Batch) -> Vec<f32> {
    let b = batch.len();
    let mut factors = vec![1.0; depth * 2 * b];
    for image in 0..b {
        let mut random = Philox::new(seed, Stream::DropPath, step, batch.first_sample + image as u64);
        for block in 0..depth {
            let rate = rate * block as f64 / (depth - 1).max(1) as f64;
            for branch in 0..2 {
                let kept = random.uniform_f64() >= rate;
                factors[(block * 2 + branch) * b + image] =
                    if kept { (1.0 / (1.0 - rate)) as f32 } else { 0.0 };
            }
        }
    }
    factors
}
