//! Weights of encoders that came after 2021: their features at their own size and at others.

use palimpsest_core::interop::{Imported, Layout, Source};
use palimpsest_tests::files::{Named, read};
use palimpsest_tests::{batches, files};

use super::{TOLERANCE, encoder_style, features, golden, imported, worst};

/// Encoders with registers, rotary positions, gated MLPs, norms and biases elsewhere: their features here, and what an error
/// advises makes a recipe of the presets' encoder theirs, but for what weights don't tell.
#[test]
#[expect(clippy::print_stdout, reason = "figures")]
fn newer_encoders_here() {
    // What weights don't tell.
    let eps = "encoder.norm_eps=1e-5";
    for (name, layout, untold) in [
        ("timm-registers", Layout::Timm, &[][..]),
        ("timm-swiglu", Layout::Timm, &[]),
        ("timm-qk-norm", Layout::Timm, &[]),
        ("timm-post-norm", Layout::Timm, &["encoder.norm_placement=res-post"]),
        ("timm-gelu-tanh", Layout::Timm, &["encoder.mlp=gelu-tanh"]),
        ("timm-aimv2", Layout::Timm, &[eps]),
        ("timm-dinov3", Layout::Beit, &[]),
        ("timm-dinov3-bias", Layout::Beit, &[]),
        ("timm-dinov3-gated", Layout::Beit, &[]),
        ("timm-eva02", Layout::Beit, &["encoder.rotary_grid=8"]),
        ("timm-eva02-apart", Layout::Beit, &["encoder.rotary_grid=8"]),
        ("hf-swiglu", Layout::HfVit, &[]),
        ("hf-registers", Layout::HfVit, &[]),
        ("hf-dinov3", Layout::HfDinov3, &[]),
        ("hf-dinov3-gated", Layout::HfDinov3, &[]),
        ("hf-siglip", Layout::Timm, &["encoder.mlp=gelu-tanh"]),
        ("hf-siglip2", Layout::Timm, &["encoder.mlp=gelu-tanh"]),
        ("hf-aimv2", Layout::Timm, &[eps]),
    ] {
        let source = Source::read(&golden(name)).unwrap();
        assert_eq!(source.layout, layout, "{name}");
        let mut all = vec!["encoder.position=learned", "encoder.relative_bias=false", "encoder.heads=2"];
        all.extend(untold);
        let mut all: Vec<String> = all.into_iter().map(str::to_owned).collect();
        let recipe = |all: &[String]| encoder_style(&all.iter().map(String::as_str).collect::<Vec<_>>());
        let (model, Imported { values, notes }) = match imported(&source, &recipe(&all)) {
            Ok(found) => found,
            Err(error) => {
                let error = error.to_string();
                let (_, advice) = error.rsplit_once("; set ").unwrap_or_else(|| panic!("{name}: {error}"));
                all.extend(advice.split(' ').map(str::to_owned));
                imported(&source, &recipe(&all)).unwrap_or_else(|e| panic!("{name}, after `{advice}`: {e}"))
            }
        };
        let answers = read(&golden(&format!("{name}.answers")));
        let ours = features(&model, &values, &batches::of(&answers["images"]));
        let error = worst(&ours, &files::f64s(&answers, "features"));
        println!("{name:17} features differ by at most {error:.1e}; {notes:?}");
        assert!(error < TOLERANCE, "{name}: {error:e}");
    }
}

/// The same encoders on images of other sizes, their tables of positions resampled as their own library does it.
#[test]
#[expect(clippy::print_stdout, reason = "figures")]
fn features_at_other_sizes() {
    for (name, untold) in [
        ("timm", &[][..]),
        ("timm-registers", &["encoder.registers=4", "encoder.layer_scale=0.1"]),
        ("timm-dinov3", &["encoder.norm_eps=1e-5"]),
        ("timm-eva02", &["encoder.rotary_grid=8"]),
        ("timm-aimv2", &["encoder.norm_eps=1e-5"]),
        ("hf", &[]),
        ("hf-dinov2", &[]),
        ("hf-registers", &[]),
        ("hf-dinov3", &["encoder.norm_eps=1e-5"]),
        ("hf-siglip", &["encoder.mlp=gelu-tanh"]),
    ] {
        let source = Source::read(&golden(name)).unwrap();
        let answers = read(&golden(&format!("{name}.sizes")));
        for size in [24, 8] {
            let mut all = vec![
                "encoder.position=learned".to_owned(),
                "encoder.relative_bias=false".to_owned(),
                "encoder.heads=2".to_owned(),
                "init_from=x".to_owned(),
                "init_positions=resample".to_owned(),
                format!("data.image_size={size}"),
                "corruption.cell=4".to_owned(),
            ];
            all.extend(untold.iter().map(|&text| text.to_owned()));
            let recipe = |all: &[String]| encoder_style(&all.iter().map(String::as_str).collect::<Vec<_>>());
            let (model, found) = match imported(&source, &recipe(&all)) {
                Ok(found) => found,
                Err(error) => {
                    let error = error.to_string();
                    let (_, advice) =
                        error.rsplit_once("; set ").unwrap_or_else(|| panic!("{name}: {error}"));
                    all.extend(advice.split(' ').map(str::to_owned));
                    imported(&source, &recipe(&all)).unwrap_or_else(|e| panic!("{name}, `{advice}`: {e}"))
                }
            };
            let batch = batches::of(&answers[&format!("images-{size}")]);
            let error = worst(
                &features(&model, &found.values, &batch),
                &files::f64s(&answers, &format!("features-{size}")),
            );
            println!("{name:15} at {size} px: features differ by at most {error:.1e}");
            assert!(error < TOLERANCE, "{name} at {size} px: {error:e}");
        }
    }
}

/// DINOv2's own code calls registers and gated layers otherwise than timm does.
#[test]
fn dinov2s_own_names_are_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, renames) in [
        ("timm-registers", &[("reg_token", "register_tokens")][..]),
        ("timm-swiglu", &[(".mlp.fc1.", ".mlp.w12."), (".mlp.fc2.", ".mlp.w3.")]),
    ] {
        let own = |key: &String| renames.iter().fold(key.clone(), |key, (timm, own)| key.replace(timm, own));
        let theirs = read(&golden(name));
        let renamed: Named = theirs.iter().map(|(key, tensor)| (own(key), tensor.clone())).collect();
        assert!(renamed.keys().any(|key| !theirs.contains_key(key)), "{name}: nothing was renamed");
        let file = folder.path().join(format!("{name}.safetensors"));
        files::write(&file, &renamed, &[]);
        let [ours, timms] = [Source::read(&file).unwrap(), Source::read(&golden(name)).unwrap()];
        assert_eq!(ours.layout, timms.layout, "{name}");
        assert_eq!(ours.tensors, timms.tensors, "{name}");
    }
}
