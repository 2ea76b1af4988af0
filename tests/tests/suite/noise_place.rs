//! Noise is where the plan says so, and nowhere else: tokens without noise are bit-identical with
//! and without the others' noise.

use palimpsest_core::corruption::noise::normal_values;
use palimpsest_core::corruption::{CorruptionPlan, Injection, Role};
use palimpsest_core::model::{Mode, Model};
use palimpsest_core::params::Params;
use palimpsest_core::tensor::HostTensor;
use palimpsest_core::{DType, DeviceHandle};
use palimpsest_tests::batches;
use palimpsest_tests::micro::{self, DECODER_STYLE, ENCODER_STYLE, Parts, SHAPE};

const STEP: u64 = 7;
const IMAGES: usize = 3;

/// A model whose blocks return their input bit by bit (LayerScale of 0), so that what leaves the
/// last block is what was injected.
struct Transparent {
    model: Model,
    params: Params,
    device: DeviceHandle,
}

impl Transparent {
    fn new(parts: &Parts<'_>) -> Self {
        let recipe = parts.recipe();
        let model = Model::build(&recipe).unwrap();
        let mut values = micro::lively(&model, 2);
        for (spec, value) in model.specs.specs().iter().zip(&mut values) {
            if spec.name.ends_with(".gamma") {
                *value = HostTensor::f32(spec.shape.clone(), vec![0.0; spec.shape.count()]).unwrap();
            }
        }
        let device = micro::device();
        let params = Params::upload(&device, values, DType::F32, DType::F32).unwrap();
        Self { model, params, device }
    }

    /// Tokens [B][N][D] after the last block.
    fn tokens(&self, plan: &CorruptionPlan) -> Vec<Vec<Vec<f32>>> {
        let batch = batches::noise(IMAGES, SHAPE, 5, 10);
        let mode = Mode::evaluation(STEP);
        let prepared = self.model.prepare(&self.device, DType::F32, &batch, plan, mode).unwrap();
        let entered = self.model.embed(&self.params, &prepared).unwrap();
        let (out, _) = self.model.run_blocks(&self.params, entered, 0..3, &prepared).unwrap();
        let n = out.shape()[1];
        let flat = out.download().unwrap().into_f32();
        flat.chunks(n * 16).map(|image| image.chunks(16).map(<[f32]>::to_vec).collect()).collect()
    }

    fn plan(&self) -> CorruptionPlan {
        self.model.plan(&batches::noise(IMAGES, SHAPE, 5, 10), STEP, 0.0, None).unwrap()
    }
}

/// The same roles without any noise.
fn quiet(plan: &CorruptionPlan) -> CorruptionPlan {
    let n = plan.roles.len();
    CorruptionPlan { signal: vec![1.0; n], sigma: vec![0.0; n], prefix: None, ..plan.clone() }
}

fn noise(at: &str, combination: &str, share: f64) -> String {
    format!(
        "at = \"{at}\"\ncombination = \"{combination}\"\nshare = {share:?}\nlaw = {{ kind = \"constant\", sigma = 0.5 }}"
    )
}

const OBJECTIVE: &str = "[objective.it]\nkind = \"reconstruction\"\non = \"all\"";

#[test]
fn only_the_plans_tokens_are_noised() {
    for at in ["pixels", "embedding", "block:0", "block:2"] {
        for combination in ["conjunctive", "substitutive", "everything"] {
            for share in [1.0, 0.5, 0.0] {
                let text = noise(at, combination, share);
                let parts = Parts { noise: &text, objectives: OBJECTIVE, ..ENCODER_STYLE };
                let it = Transparent::new(&parts);
                let plan = it.plan();
                let (noisy, clean) = (it.tokens(&plan), it.tokens(&quiet(&plan)));
                let at_block = at.starts_with("block");
                for image in 0..IMAGES {
                    // The class token is noised where everything is, at a block, unless the share
                    // leaves no patch noised.
                    let class = combination == "everything" && at_block && share > 0.0;
                    assert_eq!(noisy[image][0] != clean[image][0], class, "{at} {combination}: class token");
                    for token in 0..plan.tokens {
                        let i = image * plan.tokens + token;
                        let masked = plan.roles[i] == Role::Masked;
                        // Before the blocks, the mask token replaces whatever was noised.
                        let covered = masked && combination != "substitutive" && !at_block;
                        let want = plan.sigma[i] != 0.0 && !covered;
                        let differs = noisy[image][1 + token] != clean[image][1 + token];
                        assert_eq!(differs, want, "{at} {combination} {share}: image {image}, token {token}");
                        let meant = match combination {
                            "conjunctive" => !masked,
                            "substitutive" => masked,
                            _ => true,
                        };
                        assert!(
                            share != 1.0 || (plan.sigma[i] != 0.0) == meant,
                            "{at} {combination}: {token}"
                        );
                        assert!(share != 0.0 || plan.sigma[i] == 0.0);
                    }
                }
            }
        }
    }
}

/// Without substitution masked tokens are the mask token, all the same; with it they are not.
#[test]
fn mask_tokens_stand_where_nothing_is_substituted() {
    for (combination, same) in [("conjunctive", true), ("substitutive", false)] {
        let text = noise("block:1", combination, 1.0);
        let it = Transparent::new(&Parts { noise: &text, objectives: OBJECTIVE, ..ENCODER_STYLE });
        let plan = it.plan();
        let tokens = it.tokens(&quiet(&plan));
        let masked: Vec<&Vec<f32>> = (0..plan.roles.len())
            .filter(|&i| plan.roles[i] == Role::Masked)
            .map(|i| &tokens[i / plan.tokens][1 + i % plan.tokens])
            .collect();
        assert_eq!(masked.windows(2).all(|pair| pair[0] == pair[1]), same, "{combination}");
    }
}

/// What is injected is signal * z + sigma * eps, with eps of the documented stream.
#[test]
fn the_values_are_those_of_the_stream() {
    let text = "at = \"block:1\"\ncombination = \"everything\"\nlaw = { kind = \"ddpm\" }";
    let it = Transparent::new(&Parts { noise: text, objectives: OBJECTIVE, ..ENCODER_STYLE });
    let plan = it.plan();
    let (noisy, clean) = (it.tokens(&plan), it.tokens(&quiet(&plan)));
    let n = 1 + plan.tokens;
    let eps = normal_values(0, STEP, 10, IMAGES, n * 16, 2);
    for image in 0..IMAGES {
        let prefix = plan.prefix.as_ref().unwrap()[image];
        for token in 0..n {
            let i = image * plan.tokens + token.max(1) - 1;
            let (gain, noise) = if token == 0 { prefix } else { (plan.signal[i], plan.sigma[i]) };
            for d in 0..16 {
                let want = gain * clean[image][token][d] + noise * eps[(image * n + token) * 16 + d];
                assert!((noisy[image][token][d] - want).abs() < 1e-5, "image {image}, token {token}");
            }
        }
    }
}

/// In decoder style the encoder sees the kept tokens, each with its own noise; the class token none.
#[test]
fn a_dropping_encoder_noises_what_it_keeps() {
    for at in ["pixels", "embedding", "block:1"] {
        let text = noise(at, "conjunctive", 0.5);
        let parts = Parts {
            noise: &text,
            objectives: OBJECTIVE,
            encoder: "relative_bias = false\nposition = \"sincos\"\nlayer_scale = 0.1",
            ..DECODER_STYLE
        };
        let it = Transparent::new(&parts);
        let plan = it.plan();
        assert_eq!(String::from(Injection::from(it.model.site())), at);
        let (noisy, clean) = (it.tokens(&plan), it.tokens(&quiet(&plan)));
        for (image, kept) in plan.kept().unwrap().into_iter().enumerate() {
            assert_eq!(noisy[image].len(), 1 + kept.len());
            assert_eq!(noisy[image][0], clean[image][0], "{at}: class token");
            for (place, token) in kept.into_iter().enumerate() {
                let want = plan.sigma[image * plan.tokens + token] != 0.0;
                assert_eq!(noisy[image][1 + place] != clean[image][1 + place], want, "{at}: token {token}");
            }
        }
    }
}

/// Substitutive pixel noise in decoder style is for the decoder: the encoder sees clean tokens.
#[test]
fn the_encoder_of_diffmae_sees_clean_tokens() {
    let text = noise("pixels", "substitutive", 1.0);
    let parts = Parts {
        noise: &text,
        objectives: "[objective.it]\nkind = \"reconstruction\"\non = \"masked\"",
        restoration: "style = \"decoder\"\ndecoder = { kind = \"cross-attention\", dim = 16, depth = 1, heads = 2 }",
        ..DECODER_STYLE
    };
    let it = Transparent::new(&parts);
    let plan = it.plan();
    assert!(plan.has_noise());
    assert_eq!(it.tokens(&plan), it.tokens(&quiet(&plan)));
}

/// The embedded timestep is told to every token at a block, and to mask tokens too before the blocks.
#[test]
fn the_level_shifts_all_tokens_of_an_image_alike() {
    let text = "at = \"block:1\"\nembedding = \"time\"\nlaw = { kind = \"ddpm\" }";
    let it = Transparent::new(&Parts { noise: text, objectives: OBJECTIVE, ..ENCODER_STYLE });
    let plan = quiet(&it.plan());
    let other =
        CorruptionPlan { timestep: plan.timestep.iter().map(|t| t + 100.0).collect(), ..plan.clone() };
    let (a, b) = (it.tokens(&plan), it.tokens(&other));
    for image in 0..IMAGES {
        let shift = |token: usize| -> Vec<f32> {
            a[image][token].iter().zip(&b[image][token]).map(|(a, b)| b - a).collect()
        };
        assert!(shift(0).iter().any(|s| s.abs() > 1e-3));
        for token in 1..17 {
            assert!(shift(token).iter().zip(shift(0)).all(|(s, first)| (s - first).abs() < 1e-5));
        }
    }
}
