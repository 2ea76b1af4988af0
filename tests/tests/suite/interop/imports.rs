//! Weights of others, and our own, as where a run starts from.

use palimpsest_core::corruption::Role;
use palimpsest_core::encoder::{Resampling, resample_positions};
use palimpsest_core::interop::{Imported, Layout, Source, export};
use palimpsest_core::model::Model;
use palimpsest_core::tensor::HostTensor;
use palimpsest_tests::files::{Named, read};
use palimpsest_tests::{batches, files, micro};

use super::{
    GOLDEN, TOLERANCE, encoder_style, features, forward, golden, imported, recipe, restored, without_decoder,
    worst,
};

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
        let batch = batches::of(&answers["images"]);
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
        let ours = features(&model, &values, &batches::of(&answers["images"]));
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
        ("dist_token", "", "a distillation token"),
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
    // timm's `vit_*_rope_reg1_gap` has registers and rotary positions of another kind, but no class token.
    let mut source = Source::read(&golden("timm-dinov3")).unwrap();
    source.tensors.remove("cls_token");
    let error = imported(&source, &recipe(&[])).err().expect("refused").to_string();
    assert!(error.contains("computes them in a way that none here has"), "{error}");
    // timm's Perception Encoder has a table and rotary positions beside it, which its names don't tell.
    let mut source = Source::read(&golden("timm-qk-norm")).unwrap();
    source.tensors.insert("attn_pool.latent".to_owned(), token);
    let error = imported(&source, &recipe(&["encoder.position=learned"])).err().expect("refused").to_string();
    assert!(
        error.contains("rotary positions beside a table (Perception Encoder) (`norm_pre.weight`)"),
        "{error}"
    );
}

/// EVA-02's positions are counted in the grid of its pre-training, which matters once images have another size.
#[test]
fn eva02_at_another_size_is_told_of_its_grid() {
    let source = Source::read(&golden("timm-eva02")).unwrap();
    let larger = [
        "encoder.relative_bias=false",
        "encoder.layer_scale=0",
        "encoder.position=learned",
        "encoder.rotary=eva02",
        "encoder.mlp=swiglu",
        "encoder.mlp_ratio=2.625",
        "encoder.qkv_bias=query-value",
        "data.image_size=32",
        "init_from=x",
        "init_positions=resample",
    ];
    let notes =
        |more: &[&str]| imported(&source, &encoder_style(&[&larger[..], more].concat())).unwrap().1.notes;
    let told = |notes: &[String]| {
        notes.iter().any(|note| note.contains("encoder.rotary_grid") && note.contains("(4 by"))
    };
    assert!(told(&notes(&[])), "{:?}", notes(&[]));
    assert!(!told(&notes(&["encoder.rotary_grid=4"])));
}

/// A recipe whose encoder has other parts than the file's is told all keys, also where every name would fit.
#[test]
fn parts_that_a_recipe_has_not() {
    for (name, overrides, advice) in [
        (
            "timm-registers",
            &["encoder.position=learned", "encoder.layer_scale=0.1"][..],
            "; set encoder.registers=4",
        ),
        (
            "timm-eva02",
            &[
                "encoder.position=learned",
                "encoder.mlp=swiglu",
                "encoder.qkv_bias=query-value",
                "encoder.mlp_ratio=2.625",
            ],
            "; set encoder.rotary=eva02",
        ),
        (
            "timm-dinov3-bias",
            &[
                "encoder.position=none",
                "encoder.relative_bias=false",
                "encoder.registers=4",
                "encoder.layer_scale=0.1",
                "encoder.qkv_bias=query-value",
                "encoder.norm_eps=1e-5",
            ],
            "; set encoder.rotary=dinov3",
        ),
        ("timm", &["encoder.position=learned", "encoder.rotary=dinov3"], "; set encoder.rotary=none"),
    ] {
        let mut all = vec!["encoder.relative_bias=false", "encoder.layer_scale=0"];
        all.extend(overrides);
        let error = imported(&Source::read(&golden(name)).unwrap(), &encoder_style(&all)).err();
        let error = error.unwrap_or_else(|| panic!("{name}: taken")).to_string();
        assert!(error.ends_with(advice), "{name}: {error}");
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
        let ours = resample_positions(Resampling::Antialiased, &table, 4, 1, (6, 6), to);
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
    let expected = resample_positions(
        Resampling::Antialiased,
        &source.tensors["pos_embed"].clone().into_f32(),
        16,
        1,
        (4, 4),
        (8, 8),
    );
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
