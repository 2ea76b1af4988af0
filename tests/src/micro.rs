//! Presets and recipes at a size where every derivative can be taken twice.

use std::sync::Arc;

use palimpsest_burn::Burn;
use palimpsest_core::model::{Model, StepInputs};
use palimpsest_core::params::{ParamSpec, Params};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::recipe::{Recipe, presets};
use palimpsest_core::tensor::HostTensor;
use palimpsest_core::{Device, DeviceHandle};

/// The shape of a micro model's images: 4 x 4 patches of 4 px.
pub const SHAPE: [usize; 3] = [3, 16, 16];

/// The burn backend on the processor.
pub fn device() -> DeviceHandle {
    DeviceHandle { backend: Arc::new(Burn::new()), id: Device::Cpu }
}

/// The overrides that make any preset a micro model: 16 px, patches of 4, 3 blocks of width 16.
///
/// # Panics
/// If there is no such preset.
pub fn shrink(preset: &str) -> Vec<String> {
    let text = presets().iter().find(|p| p.name == preset).expect("a preset").text;
    let mut overrides = vec![
        "data.image_size=16",
        "encoder.patch=4",
        "encoder.dim=16",
        "encoder.depth=3",
        "encoder.heads=2",
        "encoder.drop_path=0.0",
        "train.batch=4",
        "train.accumulate=1",
    ];
    if !text.contains("kind = \"linear\"") {
        overrides.extend([
            "restoration.decoder.dim=16",
            "restoration.decoder.depth=2",
            "restoration.decoder.heads=2",
        ]);
    }
    if text.contains("kind = \"cell\"") {
        overrides.push("corruption.cell=8");
    }
    if text.contains("kind = \"block\"") {
        overrides.push("corruption.min_patches=4");
    }
    // The teacher is the average of the weights, where a preset wants a file.
    if text.contains("kind = \"features\"") {
        overrides.push("train.ema=0.9");
        if text.contains("blocks = [") {
            overrides.push("objective.masked.target.blocks=[-2, -1]");
        }
        if text.contains("teacher = \"\"") {
            overrides.push(match text.contains("[objective.features]") {
                true => "objective.features.target.teacher=ema",
                false => "objective.masked.target.teacher=ema",
            });
        }
    }
    overrides.into_iter().map(str::to_owned).collect()
}

/// A preset as a micro model, with further overrides.
///
/// # Panics
/// If they make no recipe.
pub fn preset(name: &str, overrides: &[&str]) -> Recipe {
    let mut all = shrink(name);
    all.extend(overrides.iter().map(|&o| o.to_owned()));
    Recipe::parse("test", &format!("preset = \"{name}\""), &all).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// What varies in a micro recipe that is written from scratch.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// `[restoration]`: its style and decoder.
    pub restoration: &'a str,
    /// `[corruption]`
    pub corruption: &'a str,
    /// `[noise]`, or nothing.
    pub noise: &'a str,
    /// `[objective.*]`
    pub objectives: &'a str,
    /// More of `[encoder]`.
    pub encoder: &'a str,
    /// More of `[train]`.
    pub train: &'a str,
}

/// Encoder style, cell masks, feature noise before block 1.
pub const ENCODER_STYLE: Parts<'static> = Parts {
    restoration: "style = \"encoder\"\ndecoder = { kind = \"linear\" }",
    corruption: "kind = \"random\"\nratio = 0.5",
    noise: "at = \"block:1\"\nlaw = { kind = \"ddpm\", exponent = 1.2 }",
    objectives: "",
    encoder: "relative_bias = true\nposition = \"none\"\nlayer_scale = 0.1",
    train: "",
};

/// Decoder style with a transformer.
pub const DECODER_STYLE: Parts<'static> = Parts {
    restoration: "style = \"decoder\"\ndecoder = { kind = \"transformer\", dim = 16, depth = 2, heads = 2 }",
    encoder: "relative_bias = false\nposition = \"sincos\"\nlayer_scale = 0.0",
    ..ENCODER_STYLE
};

impl Parts<'_> {
    /// The recipe's text.
    pub fn text(&self) -> String {
        let Self { restoration, corruption, noise, objectives, encoder, train } = self;
        let noise = if noise.is_empty() { String::new() } else { format!("[noise]\n{noise}\n") };
        format!(
            "[encoder]\nkind = \"vit\"\npatch = 4\ndim = 16\ndepth = 3\nheads = 2\ndrop_path = 0.0\n{encoder}\n\
             [data]\nimage_size = 16\n[train]\nbatch = 4\n{train}\n\
             [restoration]\n{restoration}\n[corruption]\n{corruption}\n{noise}{objectives}\n"
        )
    }

    /// The recipe.
    ///
    /// # Panics
    /// If it is none.
    pub fn recipe(&self) -> Recipe {
        Recipe::parse("test", &self.text(), &[]).unwrap_or_else(|e| panic!("{e}\n{}", self.text()))
    }
}

/// A prepared step with what its targets ask of a teacher: the same encoder under other weights, in the place of their average.
///
/// # Panics
/// If the model has no initial values, or the backend fails.
pub fn taught<'a>(model: &Model, prepared: StepInputs<'a>) -> StepInputs<'a> {
    if !model.needs().target.average() {
        return prepared;
    }
    let (device, dtype) = (prepared.patches.device(), prepared.patches.dtype());
    let teacher = Params::upload(&device, lively(model, 5), dtype, dtype).expect("memory");
    model.with_teacher(prepared, &teacher).expect("a teacher")
}

/// Weights far from where training starts, so that no derivative is small by construction: each
/// initial value plus noise, of deviation 0.7 / sqrt(inputs) for matrices and 0.2 for the rest.
///
/// # Panics
/// If the model has no initial values.
pub fn lively(model: &Model, seed: u64) -> Vec<HostTensor> {
    let initial = model.specs.initial(seed).expect("initial values");
    let spread = |spec: &ParamSpec, (i, value): (usize, HostTensor)| {
        let deviation = if spec.decay {
            0.7 / (spec.shape.dims().last().copied().unwrap_or(1) as f32).sqrt()
        } else {
            0.2
        };
        let mut values = value.into_f32();
        let mut noise = vec![0.0; values.len()];
        Philox::new(seed, Stream::Test, 1, i as u64).fill_normal(&mut noise);
        values.iter_mut().zip(noise).for_each(|(v, n)| *v += deviation * n);
        HostTensor::f32(spec.shape.clone(), values).expect("its own shape")
    };
    model.specs.specs().iter().zip(initial.into_iter().enumerate()).map(|(s, v)| spread(s, v)).collect()
}
