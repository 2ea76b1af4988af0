//! Weights to and from timm, Hugging Face and MAE: their features with our weights, ours with theirs.

use std::collections::HashMap;
use std::path::Path;

use palimpsest_core::DType;
use palimpsest_core::corruption::{CorruptionPlan, Role};
use palimpsest_core::data::Batch;
use palimpsest_core::encoder::patchify;
use palimpsest_core::encoder::resample_positions;
use palimpsest_core::interop::{Exported, Imported, Layout, Source, export, import};
use palimpsest_core::model::{Forward, Mode, Model};
use palimpsest_core::params::Params;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::tensor::HostTensor;
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

/// A recipe whose encoder has this size, of 16 patches.
fn sized(size: &str, overrides: &[&str]) -> Recipe {
    let size = format!("encoder.size={size}");
    let mut all =
        vec!["encoder.dim=0", "encoder.depth=0", "encoder.heads=0", "data.image_size=32", "encoder.patch=8"];
    all.push(&size);
    all.extend(overrides);
    micro::preset("mae", &all)
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
    assert!(error.contains("set init_positions = \"resample\""), "{error}");
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
        &["`cls_token` is [1, 1, 16] but must be [1, 1, 32]", "and ", " more", "set the encoder's sizes"],
    );
    refused(&timm, &[], &["`pos_embed` is no sine-cosine table", "set encoder.position = \"learned\""]);
    refused(
        &timm,
        &[learned, "encoder.layer_scale=0.1"],
        &["`blocks.0.ls1.gamma` is missing", "set encoder.layer_scale = 0"],
    );
    refused(
        &timm,
        &[learned, "encoder.class_token=false"],
        &["`cls_token` is not known", "set encoder.class_token = true"],
    );
    refused(
        &timm,
        &[learned, "encoder.depth=1"],
        &["`blocks.1.", "is not known", "set encoder.depth to the file's number of blocks"],
    );
    refused(
        &timm,
        &["encoder.position=none", "restoration.style=encoder", "encoder.relative_bias=true"],
        &["timm's vit_* has no place for a relative position bias", "set encoder.relative_bias=false"],
    );
    let mae = Source::read(&golden("mae")).unwrap();
    refused(
        &mae,
        &["restoration.decoder.depth=2"],
        &["the original MAE checkpoint", "`decoder_blocks.1.norm1.weight` is missing"],
    );
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
        Layout::Timm,
        &["timm's vit_* has no place for a relative position bias", "--format safetensors"],
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
