//! Our weights under the names of others, and what goes with them.

use std::collections::HashMap;
use std::path::Path;

use palimpsest_core::corruption::Role;
use palimpsest_core::data::Image;
use palimpsest_core::interop::{Exported, Layout, export};
use palimpsest_core::model::Model;
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::recipe::Recipe;
use palimpsest_core::tensor::HostTensor;
use palimpsest_datasets::DataSource;
use palimpsest_datasets::augment::Augment;
use palimpsest_datasets::transform::Scratch;
use palimpsest_tests::files::Named;
use palimpsest_tests::{batches, files, micro, python};

use super::{TOLERANCE, features, forward, restored};

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
    answers
        .insert("images".to_owned(), HostTensor::f32(batch.shape, batch.pixels.into_normalised()).unwrap());
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
        let cases: [(&str, Layout, &[&str]); 10] = [
            ("timm, sine-cosine positions", Layout::Timm, &[]),
            ("timm, learned positions", Layout::Timm, &["encoder.position=learned"]),
            ("timm, LayerScale", Layout::Timm, &["encoder.layer_scale=0.1"]),
            ("timm, no class token", Layout::Timm, &["encoder.class_token=false", "eval.features=mean"]),
            ("timm, registers", Layout::Timm, &["encoder.registers=4", "encoder.position=learned"]),
            ("timm, registers, sine-cosine positions", Layout::Timm, &["encoder.registers=2"]),
            (
                "timm, norms and biases elsewhere",
                Layout::Timm,
                &[
                    "encoder.qk_norm=true",
                    "encoder.qkv_bias=none",
                    "encoder.embed_norm=tokens",
                    "encoder.embed_bias=false",
                ],
            ),
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
    for (settings, what) in [
        ("encoder.rotary=dinov3", "rotary positions"),
        ("encoder.mlp=swiglu", "another MLP than the usual one"),
        ("encoder.norm=rms", "root mean square norms"),
        ("encoder.norm_eps=1e-5", "another epsilon of norms than 1e-6"),
        ("encoder.norm_placement=res-post", "norms after the branches"),
        ("encoder.class_norm=true", "a last norm of the class token's own"),
        ("encoder.embed_norm=patches", "a norm before the first block"),
    ] {
        for layout in [Layout::Timm, Layout::HfVit] {
            refused(
                "mae",
                &[settings],
                layout,
                &[&format!("has no place for {what}"), "--format safetensors"],
            );
        }
    }
    refused("mae", &["encoder.registers=4"], Layout::HfVit, &["has no place for register tokens"]);
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
