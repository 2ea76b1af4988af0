//! Weights to and from timm, Hugging Face and MAE: their features with our weights, ours with theirs.

use std::collections::HashMap;
use std::path::Path;

use palimpsest_core::DType;
use palimpsest_core::corruption::{CorruptionPlan, Role};
use palimpsest_core::data::{Batch, Image};
use palimpsest_core::encoder::patchify;
use palimpsest_core::encoder::resample_positions;
use palimpsest_core::interop::{Exported, Imported, Layout, Source, export, import};
use palimpsest_core::model::{Forward, Mode, Model};
use palimpsest_core::params::Params;
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::recipe::Recipe;
use palimpsest_core::tensor::HostTensor;
use palimpsest_datasets::DataSource;
use palimpsest_datasets::augment::Augment;
use palimpsest_datasets::transform::Scratch;
use palimpsest_tests::files::{self, Named, here, read};
use palimpsest_tests::{batches, micro, python};

/// f32 on both sides, sums in other orders: 2e-6 is seen in features of size 3, 1e-5 in restored patches.
const TOLERANCE: f64 = 1e-4;

/// What of a micro recipe makes each golden file's architecture.
const GOLDEN: [(&str, Layout, &[&str]); 6] = [
    ("timm", Layout::Timm, &["encoder.position=learned"]),
    ("timm-gains", Layout::Timm, &["encoder.position=learned", "encoder.layer_scale=0.1"]),
    ("timm-bare", Layout::Timm, &["encoder.position=learned", "encoder.class_token=false"]),
    ("hf", Layout::HfVit, &["encoder.position=learned"]),
    ("hf-mae", Layout::HfMae, &[]),
    ("mae", Layout::Mae, &[]),
];

fn golden(name: &str) -> std::path::PathBuf {
    here("golden/interop").join(format!("{name}.safetensors"))
}

/// The MAE preset at the golden files' size.
fn recipe(overrides: &[&str]) -> Recipe {
    let mut all = vec!["encoder.depth=2", "restoration.decoder.depth=1"];
    all.extend(overrides);
    micro::preset("mae", &all)
}

/// An encoder that restores by itself, at the golden files' size.
fn encoder_style(overrides: &[&str]) -> Recipe {
    let mut all = vec!["encoder.depth=2"];
    all.extend(overrides);
    micro::preset("simmim", &all)
}

fn imported(source: &Source, recipe: &Recipe) -> palimpsest_core::Result<(Model, Imported)> {
    let model = Model::build(recipe)?;
    let initial = model.specs.initial(7)?;
    let imported = import(source, recipe, &model, initial)?;
    Ok((model, imported))
}

fn batch(images: &HostTensor) -> Batch {
    let shape: [usize; 4] = images.shape().array().unwrap();
    let labels = vec![-1; shape[0]];
    let indices = (0..shape[0]).collect();
    Batch { pixels: images.clone().into_f32(), shape, labels, indices, first_sample: 0 }
}

fn features(model: &Model, values: &[HostTensor], batch: &Batch) -> Vec<f64> {
    let device = micro::device();
    let params = Params::upload(&device, values.to_vec(), DType::F32, DType::F32).unwrap();
    let images = device.floats(batch.shape, batch.pixels.clone(), DType::F32).unwrap();
    let patches = patchify(&images, model.geometry()).unwrap();
    let features = model.encoder.features(&params, &patches, model.geometry().depth).unwrap();
    features.download().unwrap().into_f64()
}

/// A step's forward pass with these tokens masked.
fn forward(model: &Model, values: &[HostTensor], batch: &Batch, roles: Vec<Role>) -> Forward {
    let device = micro::device();
    let params = Params::upload(&device, values.to_vec(), DType::F32, DType::F32).unwrap();
    let plan = CorruptionPlan { roles, ..CorruptionPlan::identity(batch.len(), model.geometry().tokens()) };
    let prepared = model.prepare(&device, DType::F32, batch, &plan, Mode::evaluation(0)).unwrap();
    model.forward(&params, &prepared).unwrap()
}

/// Restored patches in MAE's order of values: (row, column, channel).
fn restored(model: &Model, forward: &Forward) -> Vec<f64> {
    let geometry = model.geometry();
    let prediction = &forward.predictions["normalized-pixels"];
    let [b, l, _] = prediction.shape().array().unwrap();
    let pixels = geometry.patch * geometry.patch;
    let split = prediction.reshape([b, l, geometry.channels, pixels]).unwrap();
    split.permute(&[0, 1, 3, 2]).unwrap().download().unwrap().into_f64()
}

fn worst(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    assert!(theirs.iter().any(|v| v.abs() > 0.5), "nothing to compare");
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Their weights here give their features and restored patches; exported again they are the same file.
#[test]
#[expect(clippy::print_stdout, reason = "figures")]
fn their_weights_here() {
    for (name, layout, overrides) in GOLDEN {
        let source = Source::read(&golden(name)).unwrap();
        assert_eq!(source.layout, layout, "{name}");
        let recipe = recipe(overrides);
        let (model, Imported { values, notes }) = imported(&source, &recipe).unwrap();
        let answers = read(&golden(&format!("{name}.answers")));
        let batch = batch(&answers["images"]);
        let error = worst(&features(&model, &values, &batch), &files::f64s(&answers, "features"));
        println!("{name:11} features differ by at most {error:.1e}; {notes:?}");
        assert!(error < TOLERANCE, "{name}: {error:e}");
        if let Some(mask) = answers.get("mask") {
            assert_eq!(notes, Vec::<String>::new());
            let mask = mask.clone().into_f32();
            let roles = mask.iter().map(|&m| if m > 0.5 { Role::Masked } else { Role::Visible }).collect();
            let forward = forward(&model, &values, &batch, roles);
            let error = worst(&restored(&model, &forward), &files::f64s(&answers, "logits"));
            println!("{name:11} restored patches differ by at most {error:.1e}");
            assert!(error < TOLERANCE, "{name}: {error:e}");
        } else {
            assert!(notes[0].contains("decoder.") && notes[0].contains("the file has none"), "{notes:?}");
        }
        let again: Named = export(&recipe, &model, &values, layout).unwrap().tensors.into_iter().collect();
        let theirs = read(&golden(name));
        assert_eq!(again.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{name}");
        for (key, tensor) in &theirs {
            assert_eq!(again[key].shape(), tensor.shape(), "{name}: {key}");
            // Fixed tables are computed here; the rest is copied.
            let tolerance = if key.contains("pos") { 1e-6 } else { 0.0 };
            let (a, b) = (again[key].clone().into_f64(), tensor.clone().into_f64());
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= tolerance), "{name}: {key}");
        }
    }
}

/// Encoders under other names than a [`Layout`] has on the way out, and timm's with a relative position bias: their
/// features here.
#[test]
#[expect(clippy::print_stdout, reason = "figures")]
fn other_encoders_here() {
    let relative = ["encoder.layer_scale=0.1", "encoder.position=none", "encoder.relative_bias=true"];
    let gains = ["encoder.layer_scale=0.1", "encoder.position=learned", "encoder.relative_bias=false"];
    let plain = ["encoder.layer_scale=0", gains[1], gains[2]];
    for (name, layout, overrides, note) in [
        ("timm-beit", Layout::Beit, relative, ""),
        (
            "hf-beit",
            Layout::HfVit,
            relative,
            "`encoder.layer.0.attention.attention.key.bias` and its like are zero",
        ),
        (
            "hf-dinov2",
            Layout::HfVit,
            gains,
            "passed over, as the recipe has no such part: `embeddings.mask_token`",
        ),
        ("timm-deit3", Layout::Timm, gains, ""),
        ("timm-no-bias", Layout::Timm, plain, "`blocks.0.attn.qkv.bias` and its like are zero"),
    ] {
        let source = Source::read(&golden(name)).unwrap();
        assert_eq!(source.layout, layout, "{name}");
        let recipe = encoder_style(&overrides);
        let (model, Imported { values, notes }) =
            imported(&source, &recipe).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(notes.iter().any(|text| text.contains(note)), "{name}: {notes:?}");
        let answers = read(&golden(&format!("{name}.answers")));
        let ours = features(&model, &values, &batch(&answers["images"]));
        let error = worst(&ours, &files::f64s(&answers, "features"));
        println!("{name:12} features differ by at most {error:.1e}; {notes:?}");
        assert!(error < TOLERANCE, "{name}: {error:e}");
    }
    // Exported again, timm's has the same tensors.
    let source = Source::read(&golden("timm-beit")).unwrap();
    let recipe = encoder_style(&relative);
    let (model, Imported { values, .. }) = imported(&source, &recipe).unwrap();
    let again: Named = export(&recipe, &model, &values, Layout::Timm).unwrap().tensors.into_iter().collect();
    let theirs = read(&golden("timm-beit"));
    assert_eq!(again.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (key, tensor) in &theirs {
        assert_eq!(again[key].clone().into_f64(), tensor.clone().into_f64(), "{key}");
    }
}

/// What an error advises to set is enough, whatever differs.
#[test]
fn advice_leads_to_the_end() {
    let start =
        ["encoder.dim=32", "encoder.heads=4", "encoder.depth=3", "encoder.patch=8", "encoder.mlp_ratio=2"];
    for name in
        ["timm", "timm-gains", "timm-bare", "timm-beit", "hf", "hf-beit", "hf-dinov2", "timm-deit3", "mae"]
    {
        let source = Source::read(&golden(name)).unwrap();
        for more in [
            &["encoder.position=learned", "encoder.relative_bias=false", "data.image_size=32"][..],
            &["encoder.position=none", "encoder.relative_bias=true", "encoder.class_token=false"],
            &[
                "encoder.position=sincos",
                "encoder.relative_bias=false",
                "data.channels=1",
                "data.mean=[0.5]",
                "data.std=[0.5]",
            ],
        ] {
            // A file that starts from nothing has no place for the kind of its positions.
            let mut all: Vec<String> = start.iter().chain(more).map(|&text| text.to_owned()).collect();
            all.push("init_from=x".to_owned());
            let recipe = |all: &[String]| encoder_style(&all.iter().map(String::as_str).collect::<Vec<_>>());
            let error = imported(&source, &recipe(&all)).err().expect("refused").to_string();
            let (_, advice) = error.rsplit_once("; set ").unwrap_or_else(|| panic!("{name}: {error}"));
            all.retain(|text| !text.starts_with("data.mean") && !text.starts_with("data.std"));
            all.extend(advice.split(' ').map(str::to_owned));
            // Weights alone don't tell the number of heads.
            all.push("encoder.heads=2".to_owned());
            if let Err(error) = imported(&source, &recipe(&all)) {
                panic!("{name}, {more:?}: after `{advice}`: {error}");
            }
        }
    }
}

/// Hugging Face's `config.json` beside the weights says what they don't.
#[test]
fn a_config_beside_the_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(golden("hf"), folder.path().join("model.safetensors")).unwrap();
    let config = |text: &str| std::fs::write(folder.path().join("config.json"), text).unwrap();
    let learned = recipe(&["encoder.position=learned"]);
    config(r#"{ "num_attention_heads": 4, "hidden_act": "gelu" }"#);
    let source = Source::read(folder.path()).unwrap();
    let error = imported(&source, &learned).err().expect("refused").to_string();
    assert!(error.contains("its config.json has 4 attention heads"), "{error}");
    assert!(error.ends_with("; set encoder.heads=4"), "{error}");
    config(r#"{ "num_attention_heads": 2, "hidden_act": "quick_gelu" }"#);
    let (_, Imported { notes, .. }) = imported(&Source::read(folder.path()).unwrap(), &learned).unwrap();
    assert!(notes.iter().any(|note| note.contains("the activation quick_gelu")), "{notes:?}");
}

/// A file that another decoder, or one with another position table, was trained with: the encoder is taken.
#[test]
fn another_decoder_is_passed_over() {
    for name in ["mae", "hf-mae"] {
        let source = Source::read(&golden(name)).unwrap();
        let mut drifted = source.clone();
        let table = if name == "mae" { "decoder_pos_embed" } else { "decoder.decoder_pos_embed" };
        shift(&mut drifted, table, 0.02);
        for (source, overrides, why) in [
            (&source, &["restoration.decoder.dim=8"][..], "must be [1, 1, 8]"),
            (&source, &["restoration.decoder.depth=2"], "is missing"),
            (&drifted, &[], "is no sine-cosine table"),
        ] {
            let recipe = recipe(overrides);
            let (model, Imported { values, notes }) = imported(source, &recipe).unwrap();
            assert_eq!(notes.len(), 2, "{notes:?}");
            assert!(
                notes[0].contains("a decoder of the file is another one") && notes[0].contains(why),
                "{notes:?}"
            );
            assert!(notes[1].contains("`decoder.") && notes[1].contains("start from the seed"), "{notes:?}");
            let initial = model.specs.initial(7).unwrap();
            for ((spec, value), start) in model.specs.specs().iter().zip(&values).zip(&initial) {
                let ours = spec.name.starts_with("decoder.") || spec.name.starts_with("heads.");
                // Gains and biases of norms may stand at their start in the file too.
                if ours || spec.name.ends_with("fc1.weight") {
                    assert_eq!(value == start, ours, "{name}, {overrides:?}: {}", spec.name);
                }
            }
        }
        // A deeper one in the file.
        let deeper = recipe(&["restoration.decoder.depth=2"]);
        let model = Model::build(&deeper).unwrap();
        let folder = tempfile::tempdir().unwrap();
        export(&deeper, &model, &micro::lively(&model, 5), source.layout)
            .unwrap()
            .write(folder.path())
            .unwrap();
        let (_, Imported { notes, .. }) =
            imported(&Source::read(folder.path()).unwrap(), &recipe(&[])).unwrap();
        assert!(notes[0].contains("has no place in it"), "{notes:?}");
    }
}

/// Adds a number to the values of a tensor.
fn shift(source: &mut Source, name: &str, by: f32) {
    let tensor = source.tensors.get_mut(name).unwrap_or_else(|| panic!("no {name}"));
    let values = tensor.clone().into_f32().into_iter().map(|v| v + by).collect();
    *tensor = HostTensor::f32(tensor.shape().clone(), values).unwrap();
}

/// The encoder's own table: rounding is none of its business, training is.
#[test]
fn a_position_table_that_was_trained() {
    let source = Source::read(&golden("mae")).unwrap();
    let mut rounded = source.clone();
    shift(&mut rounded, "pos_embed", 4e-4);
    imported(&rounded, &recipe(&[])).unwrap();
    let mut trained = source;
    shift(&mut trained, "pos_embed", 0.02);
    let error = imported(&trained, &recipe(&[])).err().expect("refused").to_string();
    assert!(error.contains("`pos_embed` is no sine-cosine table: it differs by 0.02"), "{error}");
    assert!(error.ends_with("; set encoder.position=learned"), "{error}");
    imported(&trained, &recipe(&["encoder.position=learned"])).unwrap();
}

#[test]
fn what_is_not_finite_is_named() {
    let mut source = Source::read(&golden("timm")).unwrap();
    shift(&mut source, "blocks.1.mlp.fc1.bias", f32::NAN);
    let error = imported(&source, &recipe(&["encoder.position=learned"])).err().expect("refused").to_string();
    assert!(error.contains("`blocks.1.mlp.fc1.bias` holds a value that is not finite"), "{error}");
}

/// Parts that no encoder here has are named, and nothing is advised that can't help.
#[test]
fn parts_that_encoders_here_have_not() {
    let token = HostTensor::f32([1, 4, 16], vec![0.0; 64]).unwrap();
    for (name, gone, what) in [
        ("reg_token", "", "register tokens (`reg_token`)"),
        ("dist_token", "", "a distillation token"),
        ("norm_pre.weight", "", "a norm before the first block"),
        ("blocks.0.attn.q_norm.weight", "", "normalised queries and keys"),
        (
            "blocks.0.attn.relative_position_bias_table",
            "",
            "a relative position bias of its own for each block",
        ),
        ("fc_norm.weight", "norm.weight", "a norm after mean pooling"),
        ("mask_token", "pos_embed", "holds no positions"),
    ] {
        let mut source = Source::read(&golden("timm")).unwrap();
        source.tensors.insert(name.to_owned(), token.clone());
        source.tensors.remove(gone);
        let error =
            imported(&source, &recipe(&["encoder.position=learned"])).err().expect("refused").to_string();
        assert!(error.contains(what) && error.contains("; start from an encoder with"), "{error}");
    }
}

/// The processor that goes with an export makes the pixels of our evaluation.
#[test]
#[expect(clippy::print_stdout, reason = "figures, and why a check was skipped")]
fn their_processor_makes_our_pixels() {
    if let Err(reason) = python::available("torch, torchvision, timm, transformers, safetensors, PIL") {
        println!("skipped their_processor_makes_our_pixels: {reason}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut paths = vec![];
    for (channels, filter) in [(3usize, "bilinear"), (3, "bicubic"), (1, "bilinear"), (1, "bicubic")] {
        let (channels_key, filter_key) =
            (format!("data.channels={channels}"), format!("data.filter={filter}"));
        let mut overrides = vec![&*channels_key, &*filter_key, "data.image_size=48"];
        if channels == 1 {
            overrides.extend(["data.mean=[0.3]", "data.std=[0.25]"]);
        }
        let recipe = sized("micro", &overrides);
        let path = folder.path().join(format!("{channels} channels, {filter}"));
        write_export(&path, &recipe, Layout::HfVit);
        let size = recipe.data.image_size;
        let augment = Augment { filter: recipe.data.filter, ..Augment::centre(size) };
        let transform = DataSource::from(&recipe).transform(size, augment).unwrap();
        let mut named = Named::new();
        // Where the longer side is 3, 7, 11, … pixels more than the square, transformers cuts one pixel beside.
        for (i, (width, height)) in
            [(48, 48), (88, 64), (64, 88), (31, 40), (298, 77), (200, 201)].into_iter().enumerate()
        {
            let mut random = Philox::new(i as u64, Stream::Augment, 0, 0);
            // Where a bicubic filter overshoots 0 or 255, the order of its passes shows: none does here.
            let pixel = |i: usize, random: &mut Philox| {
                let (x, y, c) = (i / channels % width, i / channels / width, i % channels);
                let wave = 60.0 * (x as f32 / 5.0 + c as f32).sin() + 40.0 * (y as f32 / 7.0).cos();
                (128.0 + wave + random.below(17) as f32 - 8.0) as u8
            };
            let count = width * height * channels;
            let pixels: Vec<u8> = (0..count).map(|i| pixel(i, &mut random)).collect();
            let floats = pixels.iter().map(|&v| f32::from(v)).collect();
            named.insert(format!("image{i}"), HostTensor::f32([height, width, channels], floats).unwrap());
            let mut out = vec![0.0; channels * size * size];
            let image = Image { width, height, channels, pixels };
            transform.apply(image, &mut random, &mut Scratch::default(), &mut out).unwrap();
            named.insert(format!("pixels{i}"), HostTensor::f32([channels, size, size], out).unwrap());
        }
        files::write(&path.join("images.safetensors"), &named, &[]);
        paths.push(path);
    }
    let mut arguments = vec![Path::new("pixels")];
    arguments.extend(paths.iter().map(|path| &**path));
    let answer = python::run("interop.py", &arguments);
    // One 8-bit step of a pixel, after division by the least deviation.
    let step = 1.0 / 255.0 / 0.224 + 1e-5;
    for (path, answer) in paths.iter().zip(answer.as_array().unwrap()) {
        let answer: HashMap<String, f64> = serde_json::from_value(answer.clone()).unwrap();
        println!("{}: {answer:?}", path.file_name().unwrap().display());
        assert!(
            answer.len() == 6 && answer.values().all(|&error| error < step),
            "{}: {answer:?}",
            path.display()
        );
    }
}

/// A recipe whose encoder has this size, of 16 patches.
fn sized(size: &str, overrides: &[&str]) -> Recipe {
    sized_preset("mae", size, overrides)
}

fn sized_preset(preset: &str, size: &str, overrides: &[&str]) -> Recipe {
    let size = format!("encoder.size={size}");
    let mut all =
        vec!["encoder.dim=0", "encoder.depth=0", "encoder.heads=0", "data.image_size=32", "encoder.patch=8"];
    all.push(&size);
    all.extend(overrides);
    micro::preset(preset, &all)
}

/// An encoder as MAE's, in a recipe without a decoder.
fn without_decoder() -> Recipe {
    let encoder = [
        "encoder.depth=2",
        "encoder.layer_scale=0.0",
        "encoder.class_token=true",
        "encoder.relative_bias=false",
        "encoder.position=sincos",
    ];
    micro::preset("simmim", &encoder)
}

/// Writes an export with images and our answers beside it.
fn write_export(folder: &Path, recipe: &Recipe, layout: Layout) {
    let model = Model::build(recipe).unwrap();
    let values = micro::lively(&model, 5);
    let exported: Exported = export(recipe, &model, &values, layout).unwrap();
    exported.write(folder).unwrap();
    let geometry = *model.geometry();
    let batch = batches::noise(2, [geometry.channels, geometry.height, geometry.width], 4, 0);
    let mut answers = Named::new();
    let tokens = geometry.tokens();
    let shape = [2, geometry.prefix + tokens, geometry.dim];
    let f32s = |values: Vec<f64>| values.into_iter().map(|v| v as f32).collect::<Vec<_>>();
    answers.insert(
        "features".to_owned(),
        HostTensor::f32(shape, f32s(features(&model, &values, &batch))).unwrap(),
    );
    if layout == Layout::HfMae {
        let plan = model.plan(&batch, 3, 0.0, None).unwrap();
        let masked: Vec<f32> = plan.roles.iter().map(|&role| f32::from(role == Role::Masked)).collect();
        // Hugging Face keeps the tokens of least noise.
        let noise = masked.iter().enumerate().map(|(i, m)| m + 0.5 * (i % tokens) as f32 / tokens as f32);
        answers.insert("noise".to_owned(), HostTensor::f32([2, tokens], noise.collect()).unwrap());
        answers.insert("mask".to_owned(), HostTensor::f32([2, tokens], masked).unwrap());
        let forward = forward(&model, &values, &batch, plan.roles);
        let logits = f32s(restored(&model, &forward));
        answers.insert(
            "logits".to_owned(),
            HostTensor::f32([2, tokens, geometry.patch_values()], logits).unwrap(),
        );
        let loss = forward.losses[0].value.item().unwrap() as f32;
        answers.insert("loss".to_owned(), HostTensor::f32([1], vec![loss]).unwrap());
    }
    answers.insert("images".to_owned(), HostTensor::f32(batch.shape, batch.pixels).unwrap());
    files::write(&folder.join("answers.safetensors"), &answers, &[]);
}

/// Our weights in timm and Hugging Face, loaded strictly, give our features, restored patches and loss.
#[test]
#[expect(clippy::print_stdout, reason = "figures, and why a check was skipped")]
fn our_weights_there() {
    if let Err(reason) = python::available("torch, timm, transformers, safetensors") {
        println!("skipped our_weights_there: {reason}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut paths = vec![];
    for size in ["micro", "tiny"] {
        let cases: [(&str, Layout, &[&str]); 7] = [
            ("timm, sine-cosine positions", Layout::Timm, &[]),
            ("timm, learned positions", Layout::Timm, &["encoder.position=learned"]),
            ("timm, LayerScale", Layout::Timm, &["encoder.layer_scale=0.1"]),
            ("timm, no class token", Layout::Timm, &["encoder.class_token=false", "eval.features=mean"]),
            ("Hugging Face ViT", Layout::HfVit, &[]),
            ("Hugging Face ViT, learned", Layout::HfVit, &["encoder.position=learned"]),
            ("Hugging Face MAE", Layout::HfMae, &[]),
        ];
        for (name, layout, overrides) in cases {
            let path = folder.path().join(format!("{size}, {name}"));
            write_export(&path, &sized(size, overrides), layout);
            paths.push(path);
        }
        for (name, overrides) in [
            ("timm, relative bias", &[][..]),
            ("timm, relative bias and positions", &["encoder.position=sincos", "encoder.layer_scale=0"]),
        ] {
            let path = folder.path().join(format!("{size}, {name}"));
            write_export(&path, &sized_preset("paper", size, overrides), Layout::Timm);
            paths.push(path);
        }
    }
    let mut arguments = vec![Path::new("load")];
    arguments.extend(paths.iter().map(|path| &**path));
    let answer = python::run("interop.py", &arguments);
    for (path, answer) in paths.iter().zip(answer.as_array().unwrap()) {
        let answer: HashMap<String, f64> = serde_json::from_value(answer.clone()).unwrap();
        assert!(!answer.is_empty());
        for (what, error) in answer {
            println!("{}: {what} differ by at most {error:.1e}", path.file_name().unwrap().display());
            assert!(error < TOLERANCE, "{}: {what} {error:e}", path.display());
        }
    }
}

/// As timm's `resample_abs_pos_embed`. f32 there, f64 sums here: 5e-7 was seen.
#[test]
fn positions_are_resampled_as_timm_does() {
    let golden = read(&golden("positions"));
    let table = golden["table"].clone().into_f32();
    for (name, theirs) in golden.iter().filter(|(name, _)| name.contains('x')) {
        let (h, w) = name.split_once('x').unwrap();
        let to = (h.parse().unwrap(), w.parse().unwrap());
        let ours = resample_positions(&table, 4, 1, (6, 6), to);
        let ours: Vec<f64> = ours.into_iter().map(f64::from).collect();
        let error = worst(&ours, &theirs.clone().into_f64());
        assert!(error < 3e-6, "{name}: {error:e}");
    }
}

/// Learned positions of 4 x 4 patches on an encoder for 8 x 8, on request alone.
#[test]
fn another_grid() {
    let source = Source::read(&golden("timm")).unwrap();
    let larger = ["encoder.position=learned", "data.image_size=32"];
    let error = imported(&source, &recipe(&larger)).err().expect("refused").to_string();
    assert!(error.contains("`pos_embed` is for 4 x 4 patches, and the model has 8 x 8"), "{error}");
    assert!(error.contains("set init_positions=resample"), "{error}");
    let asked = [larger[0], larger[1], "init_from=timm.safetensors", "init_positions=resample"];
    let (model, Imported { values, .. }) = imported(&source, &recipe(&asked)).unwrap();
    let index = model.specs.specs().iter().position(|spec| spec.name == "pos_embed").unwrap();
    assert_eq!(values[index].shape().to_vec(), [1, 65, 16]);
    let expected = resample_positions(&source.tensors["pos_embed"].clone().into_f32(), 16, 1, (4, 4), (8, 8));
    assert_eq!(values[index].clone().into_f32(), expected);
}

/// Each mistake names the tensor, the nearest valid name and what to set.
#[test]
fn strict_in_both_directions() {
    let learned = "encoder.position=learned";
    let timm = Source::read(&golden("timm")).unwrap();
    let refused = |source: &Source, overrides: &[&str], parts: &[&str]| {
        let error = imported(source, &recipe(overrides)).err().expect("refused");
        assert_eq!(error.exit_status(), 2);
        for part in parts {
            assert!(error.to_string().contains(part), "no `{part}` in: {error}");
        }
    };
    let mut renamed = timm.clone();
    let tensor = renamed.tensors.remove("blocks.0.attn.proj.weight").unwrap();
    renamed.tensors.insert("blocks.0.attn.porj.weight".to_owned(), tensor);
    refused(
        &renamed,
        &[learned],
        &[
            "timm.safetensors: ",
            "`blocks.0.attn.proj.weight` is missing (nearest: `blocks.0.attn.porj.weight`)",
            "`blocks.0.attn.porj.weight` is not known (nearest: `blocks.0.attn.proj.weight`)",
        ],
    );
    refused(
        &timm,
        &[learned, "encoder.dim=32", "encoder.heads=4"],
        &["`cls_token` is [1, 1, 16] but must be [1, 1, 32]", "and ", " more", "set encoder.dim=16"],
    );
    refused(&timm, &[], &["`pos_embed` is no sine-cosine table", "set encoder.position=learned"]);
    refused(
        &timm,
        &[learned, "encoder.layer_scale=0.1"],
        &["`blocks.0.ls1.gamma` is missing", "set encoder.layer_scale=0"],
    );
    refused(
        &timm,
        &[learned, "encoder.class_token=false"],
        &["`cls_token` is not known", "set encoder.class_token=true"],
    );
    refused(&timm, &[learned, "encoder.depth=1"], &["`blocks.1.", "is not known", "set encoder.depth=2"]);
    refused(
        &timm,
        &["encoder.position=none", "restoration.style=encoder", "encoder.relative_bias=true"],
        &[
            "`rel_pos_bias.relative_position_bias_table` is missing",
            "set encoder.relative_bias=false encoder.position=learned",
        ],
    );
    let mae = Source::read(&golden("mae")).unwrap();
    // Without a decoder here, MAE's is passed over, and told.
    let (_, Imported { notes, .. }) = imported(&mae, &without_decoder()).unwrap();
    assert!(notes.iter().any(|note| note.contains("`decoder_") && note.contains("passed over")), "{notes:?}");
}

/// What a layout can't hold is refused with what it is and what to do.
#[test]
fn what_a_layout_has_no_place_for() {
    let refused = |preset: &str, overrides: &[&str], layout: Layout, parts: &[&str]| {
        let recipe = micro::preset(preset, overrides);
        let model = Model::build(&recipe).unwrap();
        let values = model.specs.initial(0).unwrap();
        let error = export(&recipe, &model, &values, layout).expect_err("refused");
        assert_eq!(error.exit_status(), 2);
        for part in parts {
            assert!(error.to_string().contains(part), "no `{part}` in: {error}");
        }
    };
    refused(
        "paper",
        &[],
        Layout::HfVit,
        &["ViTModel has no place for a relative position bias", "--format safetensors"],
    );
    refused(
        "paper",
        &["encoder.class_token=false", "eval.features=mean"],
        Layout::Timm,
        &["timm's beit_* has no place for an encoder without a class token"],
    );
    refused(
        "mae",
        &["encoder.position=none"],
        Layout::Timm,
        &["without absolute positions", "encoder.position=sincos"],
    );
    refused("mae", &["encoder.layer_scale=0.1"], Layout::HfVit, &["ViTModel has no place for LayerScale"]);
    refused(
        "mae",
        &["encoder.class_token=false", "eval.features=mean"],
        Layout::HfMae,
        &["without a class token"],
    );
    refused(
        "diffmae",
        &["encoder.layer_scale=0", "encoder.relative_bias=false", "encoder.position=sincos"],
        Layout::HfMae,
        &["decoder: the decoder is no transformer", "--format timm or hf"],
    );
    let maskfeat = ["encoder.relative_bias=false", "encoder.position=sincos", "encoder.layer_scale=0"];
    refused("maskfeat", &maskfeat, Layout::Mae, &["has no place for this recipe's decoder"]);
}

/// A file of our own names: an export and a checkpoint start another run with the same weights.
#[test]
fn our_own_names() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = recipe(&[]);
    let model = Model::build(&recipe).unwrap();
    let values = micro::lively(&model, 5);
    export(&recipe, &model, &values, Layout::Own).unwrap().write(folder.path()).unwrap();
    let source = Source::read(&folder.path().join("model.safetensors")).unwrap();
    assert_eq!(source.layout, Layout::Own);
    let (_, same) = imported(&source, &recipe).unwrap();
    assert_eq!((same.values, same.notes), (values.clone(), vec![]));
    // With another objective's head and no decoder, the encoder's weights alone come over.
    let other = without_decoder();
    let (theirs, encoder) = imported(&source, &other).unwrap();
    assert_eq!(encoder.notes.len(), 2, "{:?}", encoder.notes);
    let at =
        |model: &Model| model.specs.specs().iter().position(|s| s.name == "blocks.1.mlp.fc2.weight").unwrap();
    assert_eq!(encoder.values[at(&theirs)], values[at(&model)]);
}

/// The hash covers what was in the file, not where it was; a recipe that starts from its seed has none
/// of these keys.
#[test]
fn the_hash_covers_the_file() {
    let plain = recipe(&[]);
    assert!(!plain.to_toml().contains("init_"), "{}", plain.to_toml());
    let from = |path: &str, sha256: &str| {
        let mut recipe = recipe(&[&format!("init_from={path}")]);
        recipe.pin_init(sha256).unwrap();
        recipe.hash()
    };
    assert_eq!(from("a.safetensors", "aa"), from("elsewhere/b.safetensors", "aa"));
    assert_ne!(from("a.safetensors", "aa"), from("a.safetensors", "bb"));
    assert_ne!(from("a.safetensors", "aa"), plain.hash());
    let mut pinned = recipe(&["init_from=a.safetensors", "init_sha256=aa"]);
    let error = pinned.pin_init("bb").expect_err("another file").to_string();
    assert!(error.contains("`init_sha256`: the file's SHA-256 is bb, not aa"), "{error}");
}
