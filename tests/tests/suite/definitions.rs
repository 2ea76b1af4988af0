//! Losses, targets and tables against their definitions, computed in Python (golden/make.py).

use std::cell::RefCell;

use palimpsest_core::corruption::noise::schedule::ddpm::Ddpm;
use palimpsest_core::corruption::{CorruptionPlan, NoiseSite, Role};
use palimpsest_core::encoder::{Probabilities, patchify, relative_index, sincos_2d};
use palimpsest_core::objective::{ObjectiveEntry, StepOutput, TokenWeights};
use palimpsest_core::params::{ParamSpecs, Params};
use palimpsest_core::recipe::{OptimizerSettings, ScheduleKind, ScheduleSettings};
use palimpsest_core::registry;
use palimpsest_core::restoration::TimestepEmbedder;
use palimpsest_core::settings::Section;
use palimpsest_core::target::kind::hog::Hog;
use palimpsest_core::target::kind::low_pass::LowPass;
use palimpsest_core::target::{self, TargetInput};
use palimpsest_core::tensor::{HostData, HostTensor};
use palimpsest_core::train::Schedule;
use palimpsest_core::{DType, DeviceHandle, Tensor};
use palimpsest_tests::files::{Named, f64s, here, read};
use palimpsest_tests::{batches, micro};

use crate::plans::geometry;

fn golden() -> Named {
    read(&here("golden/definitions.safetensors"))
}

#[track_caller]
fn near(what: &str, found: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(found.len(), want.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(want).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{what}[{i}]: {a} here, {b} by definition");
    }
}

fn role(code: f64) -> Role {
    [Role::Visible, Role::Masked, Role::Noised][code as usize]
}

/// The golden step: 2 images of 16 tokens, 9 masked, 5 noised on the pixels, 2 visible.
fn plan(golden: &Named) -> CorruptionPlan {
    let mut plan = CorruptionPlan::identity(2, 16);
    plan.roles = f64s(golden, "roles").into_iter().map(role).collect();
    for i in 0..32 {
        if plan.roles[i] == Role::Noised {
            (plan.signal[i], plan.sigma[i]) = (0.8, 0.6);
        }
    }
    plan.check().unwrap();
    plan
}

fn upload(device: &DeviceHandle, golden: &Named, name: &str) -> Tensor {
    device.upload(golden[name].clone().to_float(DType::F64).unwrap()).unwrap()
}

/// One objective's loss on the golden step, with these attention probabilities.
fn loss(golden: &Named, kind: &str, settings: &str, attention: Vec<HostTensor>) -> f64 {
    let device = micro::device();
    let plan = plan(golden);
    let geometry = geometry(4, 4);
    let batch = batches::of(&golden["images"]);
    let patches = patchify(&upload(&device, golden, "images"), &geometry).unwrap();
    let eps = upload(&device, golden, "eps");
    let factor = |values: &[f32]| {
        let exact = values.iter().map(|&v| f64::from(v)).collect();
        device.upload(HostTensor::new([2, 16, 1], HostData::F64(exact)).unwrap()).unwrap()
    };
    let noised =
        patches.mul(&factor(&plan.signal)).unwrap().add(&eps.mul(&factor(&plan.sigma)).unwrap()).unwrap();
    let prediction = upload(&device, golden, "prediction");
    let attention = attention
        .into_iter()
        .enumerate()
        .map(|(block, values)| Probabilities {
            block,
            values: device.upload(values.to_float(DType::F64).unwrap()).unwrap(),
        })
        .collect();
    let entry = registry::find::<ObjectiveEntry>("objective", kind).unwrap();
    let objective = (entry.build)(&Section::parse("objective.it", settings).unwrap()).unwrap();
    let site = NoiseSite::Block(0);
    let heads = objective.needs(&geometry, site).heads.into_keys();
    let input = TargetInput {
        geometry: &geometry,
        batch: &batch,
        patches: &patches,
        noised: Some(&noised),
        eps: Some(&eps),
        teacher: None,
    };
    let step = StepOutput {
        input,
        plan: &plan,
        site,
        weights: &TokenWeights::new(&plan, &device, DType::F64).unwrap(),
        predictions: heads.map(|head| (head, prediction.clone())).collect(),
        attention,
        mask_tokens_encoded: true,
        shared: RefCell::default(),
    };
    objective.loss(&step).unwrap().unwrap().item().unwrap()
}

/// Factors of 1 / (number of tokens) and signal and sigma are kept in f32: 6e-8 of the value.
const F32_CONSTANTS: f64 = 2e-7;

#[test]
fn reconstruction_losses() {
    let golden = golden();
    let mut cases: Vec<(String, String)> = [
        ("mae", "on = \"masked\"\ndistance = \"l2\""),
        ("mae-norm", "on = \"masked\"\ndistance = \"l2\"\ntarget = { kind = \"normalized-pixels\" }"),
        ("simmim", "on = \"masked\"\ndistance = \"l1\""),
        ("noised-pixels", "on = \"all\"\ndistance = \"l2\"\ntarget = { kind = \"noised-pixels\" }"),
        ("noise", "on = \"all\"\ndistance = \"l2\"\ntarget = { kind = \"noise\" }"),
    ]
    .map(|(name, settings)| (name.to_owned(), settings.to_owned()))
    .to_vec();
    for beta in ["0.5", "2.0"] {
        for on in ["masked", "visible", "all"] {
            let settings = format!("on = \"{on}\"\ndistance = \"smooth-l1\"\nbeta = {beta}");
            cases.push((format!("smooth-l1-{beta}-{on}"), settings));
        }
    }
    for (name, settings) in cases {
        near(
            &name,
            &[loss(&golden, "reconstruction", &settings, vec![])],
            &f64s(&golden, &name),
            F32_CONSTANTS,
        );
    }
}

/// The golden attention [blocks, images, heads, N, N], block by block.
fn attention(golden: &Named) -> Vec<HostTensor> {
    let values = golden["attention"].clone().into_f32();
    values
        .chunks(2 * 2 * 17 * 17)
        .map(|block| HostTensor::f32([2, 2, 17, 17], block.to_vec()).unwrap())
        .collect()
}

#[test]
fn disruption_losses() {
    let golden = golden();
    for form in ["row-entropy", "cross-mass", "one-way"] {
        let found = loss(&golden, "disruption", &format!("form = \"{form}\""), attention(&golden));
        near(form, &[found], &f64s(&golden, form), F32_CONSTANTS);
    }
}

/// Uniform rows have no entropy gap, and put |V| / N on the noised tokens and |M| / N on the masked.
#[test]
fn disruption_of_uniform_attention() {
    let golden = golden();
    let n = 17.0;
    let uniform = || vec![HostTensor::f32([2, 2, 17, 17], vec![1.0 / 17.0; 2 * 2 * 17 * 17]).unwrap(); 2];
    for (form, want) in [("row-entropy", 0.0), ("one-way", 9.0 / n), ("cross-mass", 0.5 * (5.0 + 9.0) / n)] {
        near(
            form,
            &[loss(&golden, "disruption", &format!("form = \"{form}\""), uniform())],
            &[want],
            F32_CONSTANTS,
        );
    }
    // All attention on one token: the gap is log N.
    let mut one_hot = vec![0.0; 2 * 2 * 17 * 17];
    one_hot.chunks_mut(17).for_each(|row| row[0] = 1.0);
    let one_hot = vec![HostTensor::f32([2, 2, 17, 17], one_hot).unwrap()];
    near("one-hot", &[loss(&golden, "disruption", "", one_hot)], &[n.ln()], F32_CONSTANTS);
}

#[test]
fn hog_targets() {
    let golden = golden();
    let (device, geometry) = (micro::device(), geometry(4, 4));
    let batch = batches::of(&golden["images"]);
    let patches = patchify(&upload(&device, &golden, "images"), &geometry).unwrap();
    let (_, hog) = target::build(&Section::parse("target", "kind = \"hog\"").unwrap()).unwrap();
    let input = TargetInput {
        geometry: &geometry,
        batch: &batch,
        patches: &patches,
        noised: None,
        eps: None,
        teacher: None,
    };
    let found = hog.generate(&input).unwrap().download().unwrap();
    assert_eq!(found.shape().dims(), &[2, 16, 3 * 4 * 9]);
    // Angles in f32: a vote moves between two bins by 1e-6 of a bin.
    near("hog", &found.into_f64(), &f64s(&golden, "hog"), 1e-5);
    let plane = golden["binary"].clone().into_f32();
    let found: Vec<f64> =
        Hog { bins: 8, cell: 8 }.histograms(&plane, 32, 32, 8).into_iter().map(f64::from).collect();
    // scikit-image adds 1e-5 to the norm.
    near("scikit-image", &found, &f64s(&golden, "binary-hog"), 1e-5);
}

#[test]
fn low_pass_targets() {
    let golden = golden();
    for name in ["even", "odd", "all", "mean"] {
        let plane = &golden[&format!("low-pass-{name}")];
        let [h, w] = plane.shape().array().unwrap();
        let radius = f64s(&golden, &format!("low-pass-{name}-radius"))[0];
        let mut found = plane.clone().into_f32();
        LowPass { radius }.filter(&mut found, h, w);
        let found: Vec<f64> = found.into_iter().map(f64::from).collect();
        near(name, &found, &f64s(&golden, &format!("low-pass-{name}-want")), 1e-6);
    }
}

/// With unit matrices the embedder is silu of its sinusoid, which is DiT's timestep embedding.
#[test]
fn level_embedding() {
    let (golden, device) = (golden(), micro::device());
    let mut specs = ParamSpecs::default();
    let embedder = TimestepEmbedder::new(&mut specs, 256);
    let unit: Vec<f32> = (0..256 * 256).map(|i| f32::from(u8::from(i / 256 == i % 256))).collect();
    let values = specs
        .specs()
        .iter()
        .map(|spec| {
            let values = if spec.decay { unit.clone() } else { vec![0.0; 256] };
            HostTensor::f32(spec.shape.clone(), values).unwrap()
        })
        .collect();
    let params = Params::upload(&device, values, DType::F64, DType::F64).unwrap();
    let times: Vec<f32> = f64s(&golden, "times").into_iter().map(|t| t as f32).collect();
    let found = embedder.forward(&params, &times).unwrap().download().unwrap().into_f64();
    let want: Vec<f64> =
        f64s(&golden, "timestep-embedding").into_iter().map(|x| x / (1.0 + (-x).exp())).collect();
    // The sinusoid is kept in f32, and 43.21 is not an f32.
    near("timestep embedding", &found, &want, 5e-6);
}

#[test]
fn tables() {
    let golden = golden();
    for exponent in [0.8, 1.0, 1.2] {
        let signal = Ddpm { exponent, ..Ddpm::default() }.signal();
        let found = [0, 100, 250, 500, 750, 999].map(|t| signal[t]);
        near("abar", &found, &f64s(&golden, &format!("abar-{exponent:?}")), 1e-12);
    }
    let sincos: Vec<f64> = sincos_2d(16, (3, 5), 1).into_iter().map(f64::from).collect();
    near("sincos", &sincos, &f64s(&golden, "sincos-16-3x5"), 1e-7);
    let index = relative_index((3, 5), 1);
    assert_eq!(index, golden["relative-3x5"].clone().into_i64(), "timm's index of a 3 x 5 grid");
}

/// METHOD.md: 1e-4 x batch / 512 with batch 4096, warm-up over 10 epochs from 5e-7 x batch / 512,
/// x 0.1 at 300 of 400 epochs; MAE: 1.5e-4 x 4096 / 256, 40 epochs, half a cosine to 0.
#[test]
fn schedules_as_published() {
    let steps_per_epoch = 312;
    let total = 400 * steps_per_epoch;
    let schedule = |preset: &str| {
        let recipe =
            palimpsest_core::recipe::Recipe::parse("test", &format!("preset = \"{preset}\""), &[]).unwrap();
        Schedule::new(&recipe.schedule, &recipe.optimizer, recipe.train.batch, steps_per_epoch, total)
    };
    let at = |schedule: &Schedule, epoch: f64| schedule.lr((epoch * steps_per_epoch as f64) as u64);
    let paper = schedule("paper");
    for (epoch, want) in
        [(0.0, 4e-6), (5.0, 0.5 * (4e-6 + 8e-4)), (10.0, 8e-4), (299.9, 8e-4), (300.0, 8e-5), (399.9, 8e-5)]
    {
        near("paper", &[at(&paper, epoch) * 1e4], &[want * 1e4], 1e-12);
    }
    let mae = schedule("mae");
    let peak = 1.5e-4 * 4096.0 / 256.0;
    for epoch in [0.0, 20.0, 40.0, 130.0, 220.0, 310.0, 400.0] {
        let want = if epoch < 40.0 {
            peak * epoch / 40.0
        } else {
            peak * 0.5 * (1.0 + ((epoch - 40.0) / 360.0 * std::f64::consts::PI).cos())
        };
        near("mae", &[at(&mae, epoch) * 1e3], &[want * 1e3], 1e-12);
    }
    let constant =
        ScheduleSettings { shape: ScheduleKind::Constant, warmup_epochs: 0.0, ..ScheduleSettings::default() };
    let plain = OptimizerSettings { lr: 0.5, lr_batch: 0, ..OptimizerSettings::default() };
    let constant = Schedule::new(&constant, &plain, 4096, 1, 10);
    assert!((0..10).all(|step| constant.lr(step) == 0.5));
}
