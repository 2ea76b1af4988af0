//! The gradient of the total loss by every parameter against central differences in f64, for every
//! preset and every part that a recipe can name.

use palimpsest_core::DType;
use palimpsest_core::model::{Mode, Model};
use palimpsest_core::params::Params;
use palimpsest_core::recipe::{Recipe, presets};
use palimpsest_core::tensor::HostTensor;
use palimpsest_core::train::gradients;
use palimpsest_tests::batches;
use palimpsest_tests::differences::{Worst, check};
use palimpsest_tests::micro::{self, DECODER_STYLE, ENCODER_STYLE, Parts, SHAPE};

/// Fourth-order differences in f64 agree to 1e-7 or better where the gradient is right; one wrong
/// term shows as 1e-2 or more.
const TOLERANCE: f64 = 1e-5;
/// |a - b| over the largest gradient of the parameter, for the same sums in another order.
const SAME: f64 = 1e-12;
/// Elements of a parameter that are compared, at most: presets and variants.
const MANY: usize = 30;
const SOME: usize = 6;

/// Biases of the heads that keep predictions away from kinks: 20 of a random sign for L1 (so that
/// no difference to a target changes its sign), 0 or 12 for smooth L1 with beta 6 (so that each
/// element stays on one of its branches).
fn away_from_kinks(recipe: &Recipe, model: &Model, values: &mut [HostTensor]) -> bool {
    let text = recipe.objective.table().to_string();
    let smooth = text.contains("smooth-l1");
    if !smooth && !text.contains("\"l1\"") {
        return false;
    }
    for (spec, value) in model.specs.specs().iter().zip(values) {
        if spec.name.starts_with("heads.") && spec.name.ends_with(".bias") {
            let shift = |i: usize| match (smooth, i * 7 % 5 < 2) {
                (true, true) => 12.0,
                (true, false) => 0.0,
                (false, true) => 20.0,
                (false, false) => -20.0,
            };
            let moved = value.clone().into_f32().into_iter().enumerate().map(|(i, v)| v + shift(i)).collect();
            *value = HostTensor::f32(spec.shape.clone(), moved).unwrap();
        }
    }
    true
}

/// Checks one recipe: differences, then the same gradients with blocks recomputed.
fn holds(name: &str, recipe: &Recipe, training: bool, most: usize) -> Worst {
    let (model, device) = (Model::build(recipe).unwrap(), micro::device());
    let mut values = micro::lively(&model, 3);
    let shifted = away_from_kinks(recipe, &model, &mut values);
    let batch = batches::noise(3, SHAPE, 21, 40);
    let plan = model.plan(&batch, 7, 0.5, None).unwrap();
    let prepared =
        model.prepare(&device, DType::F64, &batch, &plan, Mode { step: 7, training, observe: true }).unwrap();
    let prepared = micro::taught(&model, prepared);
    let params = Params::upload(&device, values.clone(), DType::F64, DType::F64).unwrap();
    if shifted {
        // The shifts are large enough: no prediction is near a kink. Targets are below 6 here, and
        // a step of 2e-3 moves predictions by far less than the rest.
        for prediction in model.forward(&params, &prepared).unwrap().predictions.values() {
            for p in prediction.download().unwrap().into_f64() {
                assert!(
                    p.abs() > 8.0 || recipe.objective.table().to_string().contains("smooth"),
                    "{name}: {p}"
                );
            }
        }
    }
    let worst = check(&model, &values, &device, &prepared, most);
    assert!(worst.error < TOLERANCE, "{name}: error {:e} at {}", worst.error, worst.at);
    let whole = gradients(&model, &params, &prepared, 0).unwrap();
    for blocks in [1, 2] {
        let parts = gradients(&model, &params, &prepared, blocks).unwrap();
        for ((spec, a), b) in model.specs.specs().iter().zip(&whole.gradients).zip(&parts.gradients) {
            let zeros = vec![0.0; spec.shape.count()];
            let [a, b] =
                [a, b].map(|g| g.as_ref().map_or(zeros.clone(), |g| g.download().unwrap().into_f64()));
            let scale = a.iter().fold(1e-9f64, |m, g| m.max(g.abs()));
            let error = a.iter().zip(&b).fold(0.0f64, |m, (a, b)| m.max((a - b).abs() / scale));
            assert!(error < SAME, "{name}: {} with {blocks} blocks recomputed: {error:e}", spec.name);
        }
    }
    report(name, &worst);
    worst
}

#[expect(clippy::print_stdout, reason = "figures for whoever runs with --nocapture")]
fn report(name: &str, worst: &Worst) {
    println!("{name:44} {:9.2e} over {:5} elements; {}", worst.error, worst.compared, worst.at);
    if !worst.independent.is_empty() {
        println!("{:44} no gradient: {}", "", worst.independent.join(" "));
    }
}

/// The beta of smooth L1 that [`away_from_kinks`] is made for.
fn beta_of(preset: &str) -> Vec<&'static str> {
    match (preset.contains("smooth-l1"), preset.contains("[objective.features]")) {
        (false, _) => vec![],
        (true, false) => vec!["objective.masked.beta=6.0"],
        (true, true) => vec!["objective.features.beta=6.0"],
    }
}

#[test]
fn presets_without_drop_path() {
    for preset in presets() {
        holds(preset.name, &micro::preset(preset.name, &beta_of(preset.text)), true, MANY);
    }
}

#[test]
fn presets_with_drop_path() {
    for preset in presets() {
        let overrides = [vec!["encoder.drop_path=0.4"], beta_of(preset.text)].concat();
        let recipe = micro::preset(preset.name, &overrides);
        holds(&format!("{}, drop path", preset.name), &recipe, true, SOME);
    }
}

fn reconstruction(name: &str, on: &str, distance: &str, target: &str) -> String {
    format!(
        "[objective.{name}]\nkind = \"reconstruction\"\non = \"{on}\"\ndistance = \"{distance}\"\nbeta = 6.0\ntarget = {{ {target} }}\n"
    )
}

fn pixels() -> String {
    reconstruction("all", "all", "l2", "kind = \"pixels\"")
}

#[test]
fn distances_and_roles() {
    for on in ["masked", "visible", "all"] {
        for distance in ["l1", "l2", "smooth-l1", "cosine"] {
            let objectives = reconstruction("it", on, distance, "kind = \"pixels\"");
            let parts = Parts { objectives: &objectives, ..ENCODER_STYLE };
            holds(&format!("{distance} on {on}"), &parts.recipe(), true, SOME);
        }
    }
}

#[test]
fn targets() {
    for target in [
        "kind = \"pixels\"",
        "kind = \"normalized-pixels\"",
        "kind = \"noised-pixels\"",
        "kind = \"noise\"",
        "kind = \"low-pass\", radius = 3.0",
        "kind = \"hog\"",
    ] {
        let objectives = reconstruction("it", "all", "l2", target);
        let parts = Parts { objectives: &objectives, ..ENCODER_STYLE };
        holds(target, &parts.recipe(), true, SOME);
    }
}

#[test]
fn disruption_forms() {
    for form in ["row-entropy", "cross-mass", "one-way", "hard-mask"] {
        for first in [-1, 0, 2] {
            let objectives = format!(
                "{}[objective.apart]\nkind = \"disruption\"\nform = \"{form}\"\nweight = 1.0\nfirst_block = {first}\n",
                pixels()
            );
            let parts = Parts { objectives: &objectives, ..ENCODER_STYLE };
            holds(&format!("{form} from block {first}"), &parts.recipe(), true, SOME);
        }
    }
}

/// Every place x combination x schedule, in both styles where the style has it.
#[test]
fn noise_places_combinations_and_laws() {
    let laws = [
        ("ddpm", "time", "kind = \"ddpm\", exponent = 1.0"),
        ("uniform", "sigma", "kind = \"uniform\", min = 0.2, max = 0.9"),
        ("constant", "none", "kind = \"constant\", sigma = 0.5"),
    ];
    let mut law = laws.iter().cycle();
    for at in ["pixels", "embedding", "block:0", "block:1", "block:2"] {
        for combination in ["conjunctive", "substitutive", "everything"] {
            let (law_name, embedding, law) = law.next().unwrap();
            let noise = format!(
                "at = \"{at}\"\ncombination = \"{combination}\"\nshare = 0.7\nembedding = \"{embedding}\"\nlaw = {{ {law} }}"
            );
            let objectives = pixels();
            for (style, parts) in [("encoder", ENCODER_STYLE), ("decoder", DECODER_STYLE)] {
                if style == "decoder" && combination == "substitutive" && at != "pixels" {
                    continue; // refused: a dropped token can't be noised in the encoder
                }
                let parts = Parts { noise: &noise, objectives: &objectives, ..parts };
                holds(&format!("{style} {at} {combination} {law_name}"), &parts.recipe(), true, SOME);
            }
        }
        law.next();
    }
}

#[test]
fn decoders_and_positions() {
    let masked = reconstruction("it", "masked", "l2", "kind = \"pixels\"");
    let all = pixels();
    let cases = [
        (
            "transformer in encoder style",
            Parts {
                restoration: "style = \"encoder\"\ndecoder = { kind = \"transformer\", dim = 16, depth = 1, heads = 2 }",
                objectives: &all,
                ..ENCODER_STYLE
            },
        ),
        (
            "cross-attention with mask tokens",
            Parts {
                restoration: "style = \"decoder\"\ndecoder = { kind = \"cross-attention\", dim = 16, depth = 2, heads = 2 }",
                objectives: &masked,
                ..DECODER_STYLE
            },
        ),
        (
            "no class token, learned positions",
            Parts {
                encoder: "class_token = false\nrelative_bias = true\nposition = \"learned\"\nlayer_scale = 0.5",
                objectives: &all,
                ..ENCODER_STYLE
            },
        ),
        (
            "level told to the decoder",
            Parts {
                noise: "at = \"block:1\"\nembedding = \"time\"\nembedded_in = \"decoder\"\nlaw = { kind = \"ddpm\" }",
                objectives: &all,
                ..DECODER_STYLE
            },
        ),
        ("no noise", Parts { noise: "", objectives: &all, ..ENCODER_STYLE }),
    ];
    for (name, parts) in cases {
        holds(name, &parts.recipe(), true, SOME);
    }
}

/// `[encoder]` with every part that came after 2021, in three encoders: DINOv3's kind, EVA-02's kind, and norms elsewhere.
pub(crate) const NEWER: [(&str, &str); 3] = [
    (
        "dinov3",
        "class_token = true\nregisters = 2\nposition = \"none\"\nrelative_bias = false\nrotary = \"dinov3\"\n\
        rotary_rescale = 2.0\nrotary_jitter = 1.5\nrotary_shift = 0.2\nmlp = \"swiglu\"\nqkv_bias = \"query-value\"\n\
        norm_eps = 1e-5\nclass_norm = true\nqk_norm = true\nlayer_scale = 0.5",
    ),
    (
        "eva02",
        "class_token = true\nposition = \"learned\"\nrelative_bias = false\nrotary = \"eva02\"\nrotary_grid = 7\n\
        mlp = \"swiglu\"\nmlp_norm = true\nattention_norm = true\nqkv_bias = \"query-value\"\nlayer_scale = 0.0",
    ),
    (
        "norms elsewhere",
        "class_token = false\nregisters = 3\nposition = \"sincos\"\nrelative_bias = false\nmlp = \"gelu-tanh\"\n\
        mlp_bias = false\nproj_bias = false\nqkv_bias = \"none\"\nnorm = \"rms\"\nnorm_placement = \"res-post\"\n\
        embed_norm = \"tokens\"\nlayer_scale = 0.3",
    ),
];

#[test]
fn newer_encoders() {
    let (all, masked) = (pixels(), reconstruction("it", "masked", "l2", "kind = \"pixels\""));
    for (name, encoder) in NEWER {
        holds(name, &Parts { encoder, objectives: &all, ..ENCODER_STYLE }.recipe(), true, SOME);
        let dropped = Parts { encoder, objectives: &masked, ..DECODER_STYLE };
        holds(&format!("{name}, tokens dropped"), &dropped.recipe(), true, SOME);
    }
    let patches =
        "class_token = true\nregisters = 1\nrelative_bias = true\nembed_norm = \"patches\"\nnorm = \"rms\"";
    holds(
        "a norm of patches",
        &Parts { encoder: patches, objectives: &all, ..ENCODER_STYLE }.recipe(),
        true,
        SOME,
    );
}
