//! Whose names a file's tensors have, and what stands before them.

use std::collections::{BTreeMap, BTreeSet};

use super::Layout;
use super::import::listed;
use super::vision_towers::tower;
use crate::encoder::Resampling;
use crate::tensor::HostTensor;
use crate::{Error, Result};

/// Tensors by name.
pub(super) type Tensors = BTreeMap<String, HostTensor>;

/// A file's tensors under the names of a layout.
pub(super) struct Recognised {
    pub(super) layout: Layout,
    pub(super) tensors: Tensors,
    pub(super) notes: Vec<String>,
    pub(super) resampling: Resampling,
}

impl Recognised {
    /// Tensors under this program's names.
    pub(super) fn own(tensors: Tensors) -> Self {
        Self { layout: Layout::Own, tensors, notes: vec![], resampling: Resampling::Antialiased }
    }
}

/// The embedding of patches: what every encoder has, under a name that tells whose it is.
const HUGGING_FACE: &str = "embeddings.patch_embeddings.projection.weight";
const DINOV3: &str = "embeddings.patch_embeddings.weight";
const TIMM: &str = "patch_embed.proj.weight";

/// The layout of a file without a mark of this program, and its tensors under the layout's published names.
pub(super) fn recognise(tensors: Tensors) -> Result<Recognised> {
    if tensors.is_empty() {
        return Err(Error::user("holds no tensor").help("give a file of weights"));
    }
    if let Some(prefix) = prefix(&tensors, HUGGING_FACE)? {
        return Ok(hugging_face(tensors, &prefix));
    }
    if let Some(prefix) = prefix(&tensors, DINOV3)? {
        let (tensors, notes) = without_prefix(tensors, &prefix);
        // In memory, version 5 of transformers has its blocks in a part of their own.
        let published = |name: String| {
            name.strip_prefix("model.layer.").map_or(name.clone(), |rest| format!("layer.{rest}"))
        };
        let tensors = tensors.into_iter().map(|(name, tensor)| (published(name), tensor)).collect();
        let resampling = Resampling::Plain;
        return Ok(Recognised { layout: Layout::HfDinov3, tensors, notes, resampling });
    }
    if let Some((tensors, notes)) = tower(&tensors)? {
        let resampling = Resampling::Plain;
        return Ok(Recognised { layout: Layout::Timm, tensors: packed(tensors)?, notes, resampling });
    }
    let Some(prefix) = prefix(&tensors, TIMM)? else { return Err(unknown(&tensors)) };
    let has =
        |part: &str| tensors.keys().any(|name| name.strip_prefix(&*prefix).is_some_and(|n| n.contains(part)));
    let kernel = tensors.get(&format!("{prefix}{TIMM}"));
    let layout = if kernel.is_some_and(|kernel| kernel.shape().rank() == 2) {
        // This program keeps it as a matrix.
        Layout::Own
    } else if has("decoder_embed.") || has("decoder_blocks.") {
        Layout::Mae
    } else if [".attn.q_bias", ".attn.q_proj.", ".gamma_1", "rel_pos_bias.relative_position_bias_table"]
        .iter()
        .any(|part| has(part))
    {
        Layout::Beit
    } else {
        Layout::Timm
    };
    let (mut tensors, notes) = without_prefix(tensors, &prefix);
    if matches!(layout, Layout::Timm | Layout::Beit) {
        tensors = packed(of_dinov2(tensors))?;
    }
    Ok(Recognised { layout, tensors, notes, resampling: Resampling::Antialiased })
}

/// Names that DINOv2's own code has, as timm has them: registers and gated MLPs.
fn of_dinov2(tensors: Tensors) -> Tensors {
    let named = |name: String| match name.as_str() {
        "register_tokens" => "reg_token".to_owned(),
        _ => name.replace(".mlp.w12.", ".mlp.fc1.").replace(".mlp.w3.", ".mlp.fc2."),
    };
    tensors.into_iter().map(|(name, tensor)| (named(name), tensor)).collect()
}

/// Weights of timm's whose queries, keys and values, or whose gates, are layers of their own, as others have them in one.
fn packed(mut tensors: Tensors) -> Result<Tensors> {
    let of = |ending: &str| -> Vec<String> {
        tensors.keys().filter_map(|name| name.strip_suffix(ending)).map(str::to_owned).collect()
    };
    let (attention, gated) = (of("attn.q_proj.weight"), of("mlp.fc1_g.weight"));
    let mut join = |parts: &[String], whole: String| -> Result<()> {
        if !parts.iter().all(|part| tensors.contains_key(part)) {
            return Ok(());
        }
        let parts: Vec<HostTensor> = parts.iter().filter_map(|part| tensors.remove(part)).collect();
        let mut shape = parts[0].shape().to_vec();
        shape[0] = parts.iter().map(|part| part.shape().first().copied().unwrap_or(0)).sum();
        let values = parts.into_iter().flat_map(HostTensor::into_f32).collect();
        tensors.insert(whole, HostTensor::f32(shape, values)?);
        Ok(())
    };
    for block in attention {
        let parts = ["q", "k", "v"].map(|what| format!("{block}attn.{what}_proj.weight"));
        join(&parts, format!("{block}attn.qkv.weight"))?;
        for what in ["q", "v"] {
            join(&[format!("{block}attn.{what}_proj.bias")], format!("{block}attn.{what}_bias"))?;
        }
    }
    for block in gated {
        for what in ["weight", "bias"] {
            let parts = ["fc1_g", "fc1_x"].map(|name| format!("{block}mlp.{name}.{what}"));
            join(&parts, format!("{block}mlp.fc1.{what}"))?;
        }
    }
    Ok(tensors)
}

fn hugging_face(tensors: Tensors, prefix: &str) -> Recognised {
    let outer = prefix.strip_suffix("vit.").unwrap_or(prefix);
    let with_decoder =
        outer != prefix && tensors.contains_key(&format!("{outer}decoder.decoder_embed.weight"));
    let (layout, prefix) = if with_decoder { (Layout::HfMae, outer) } else { (Layout::HfVit, prefix) };
    // The last norm of BeitForMaskedImageModeling lies outside of its encoder.
    let mut tensors = tensors;
    for what in ["weight", "bias"] {
        let (outside, inside) = (format!("layernorm.{what}"), format!("{prefix}layernorm.{what}"));
        if !tensors.contains_key(&inside)
            && let Some(tensor) = tensors.remove(&outside)
        {
            tensors.insert(inside, tensor);
        }
    }
    let (tensors, notes) = without_prefix(tensors, prefix);
    let tensors: Tensors = tensors.into_iter().map(|(name, tensor)| (published(&name), tensor)).collect();
    let registers = tensors.contains_key("embeddings.register_tokens");
    let resampling = if registers { Resampling::Antialiased } else { Resampling::Plain };
    Recognised { layout, tensors, notes, resampling }
}

/// What stands before this name in the file; `None` where it doesn't occur.
pub(super) fn prefix(tensors: &Tensors, name: &str) -> Result<Option<String>> {
    let mut prefixes: BTreeSet<&str> = tensors
        .keys()
        .filter_map(|key| key.strip_suffix(name))
        .filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
        .collect();
    let first = prefixes.pop_first();
    let (Some(first), Some(second)) = (first, prefixes.first()) else { return Ok(first.map(str::to_owned)) };
    let shown = |prefix: &str| format!("`{prefix}{name}`");
    Err(Error::user(format!("holds {} encoders ({}, {})", prefixes.len() + 1, shown(first), shown(second)))
        .help(format!(
            "save one of them alone, in Python: {{k: v for k, v in weights.items() if k.startswith('{second}')}}"
        )))
}

/// Tensors without a prefix; those outside of it are passed over.
pub(super) fn without_prefix(tensors: Tensors, prefix: &str) -> (Tensors, Vec<String>) {
    if prefix.is_empty() {
        return (tensors, vec![]);
    }
    let outside: Vec<String> = tensors.keys().filter(|name| !name.starts_with(prefix)).cloned().collect();
    let rest = match outside.as_slice() {
        [] => String::new(),
        names => format!("; passed over, as outside of it: {}", listed(names)),
    };
    let note = format!("its names are read without the prefix `{prefix}`{rest}");
    (stripped(tensors, prefix), vec![note])
}

/// Tensors under a prefix, without it.
pub(super) fn stripped(tensors: Tensors, prefix: &str) -> Tensors {
    tensors.into_iter().filter_map(|(name, t)| Some((name.strip_prefix(prefix)?.to_owned(), t))).collect()
}

/// A name of Hugging Face's as the published files of ViT and ViTMAE have it. Version 5 names modules anew in memory,
/// and where a file was written from a `state_dict()` its names are those; DINOv2 and BEiT have some of their own.
fn published(name: &str) -> String {
    const RENAMED: [(&str, &str); 14] = [
        ("decoder.decoder_encoder.layer.", "decoder.decoder_layers."),
        (".attention.q_proj.", ".attention.attention.query."),
        (".attention.k_proj.", ".attention.attention.key."),
        (".attention.v_proj.", ".attention.attention.value."),
        (".attention.o_proj.", ".attention.output.dense."),
        (".mlp.fc1.", ".intermediate.dense."),
        (".mlp.fc2.", ".output.dense."),
        (".norm1.", ".layernorm_before."),
        (".norm2.", ".layernorm_after."),
        (".lambda_1", ".layer_scale1.lambda1"),
        (".lambda_2", ".layer_scale2.lambda1"),
        ("vit.layers.", "vit.encoder.layer."),
        ("decoder.layers.", "decoder.decoder_layers."),
        ("encoder.layers.", "encoder.layer."),
    ];
    let mut name = name.to_owned();
    for (new, old) in RENAMED {
        name = name.replace(new, old);
    }
    match name.strip_prefix("layers.") {
        Some(rest) => format!("encoder.layer.{rest}"),
        None => name,
    }
}

/// What a file is that no layout fits.
fn unknown(tensors: &Tensors) -> Error {
    const OTHERS: [(&str, &str); 5] = [
        ("embeddings.class_embedding", "weights of CLIP, as Hugging Face names them"),
        (
            "encoder.blocks.0.residual1.norm.weight",
            "weights of CAPI, whose registers lie at the image's edge",
        ),
        ("visual.conv1.weight", "weights of CLIP, as OpenAI names them"),
        ("layer1.0.conv1.weight", "weights of a ResNet"),
        ("stem.0.weight", "weights of a convolutional network"),
    ];
    let help = "give weights of a vision transformer as timm, Hugging Face or MAE name them";
    let what = OTHERS.iter().find(|(name, _)| tensors.keys().any(|key| key.ends_with(name)));
    if let Some((name, what)) = what {
        return Error::user(format!("holds {what} (`{name}`)")).help(help);
    }
    let first: Vec<String> = tensors.keys().take(3).map(|name| format!("`{name}`")).collect();
    Error::user(format!("has names of no layout that is known ({})", first.join(", "))).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(names: &[&str]) -> Tensors {
        let tensor = HostTensor::f32([1, 1, 1, 1], vec![0.0]).expect("it fits");
        names.iter().map(|&name| (name.to_owned(), tensor.clone())).collect()
    }

    #[test]
    fn a_prefix_is_what_stands_before_the_patches() {
        for (names, layout, first, notes) in [
            (&["patch_embed.proj.weight"][..], Layout::Timm, "patch_embed.proj.weight", 0),
            (&["module.patch_embed.proj.weight", "module.norm.bias"], Layout::Timm, "norm.bias", 1),
            (&["state_dict.model.patch_embed.proj.weight"], Layout::Timm, "patch_embed.proj.weight", 1),
            (
                &["encoder.patch_embed.proj.weight", "encoder.blocks.0.attn.q_bias"],
                Layout::Beit,
                "blocks.0.attn.q_bias",
                1,
            ),
            (
                &["module.patch_embed.proj.weight", "module.decoder_embed.bias"],
                Layout::Mae,
                "decoder_embed.bias",
                1,
            ),
            (
                &["vit.embeddings.patch_embeddings.projection.weight", "classifier.bias"],
                Layout::HfVit,
                "embeddings.patch_embeddings.projection.weight",
                1,
            ),
            (
                &["vit.embeddings.patch_embeddings.projection.weight", "decoder.decoder_embed.weight"],
                Layout::HfMae,
                "decoder.decoder_embed.weight",
                0,
            ),
            (
                &[
                    "model.vit.embeddings.patch_embeddings.projection.weight",
                    "model.decoder.decoder_embed.weight",
                ],
                Layout::HfMae,
                "decoder.decoder_embed.weight",
                1,
            ),
        ] {
            let found = recognise(file(names)).unwrap_or_else(|e| panic!("{names:?}: {e}"));
            assert_eq!(found.layout, layout, "{names:?}");
            assert_eq!(found.tensors.keys().next().map(String::as_str), Some(first), "{names:?}");
            assert_eq!(found.notes.len(), notes, "{names:?}: {:?}", found.notes);
        }
    }

    #[test]
    fn what_is_no_encoder_or_several_is_said() {
        for (names, parts) in [
            (
                &["student.backbone.patch_embed.proj.weight", "teacher.backbone.patch_embed.proj.weight"][..],
                &["holds 2 encoders", "k.startswith('teacher.backbone.')"][..],
            ),
            (&["layer1.0.conv1.weight", "fc.bias"], &["a ResNet"]),
            (
                &[
                    "vision_model.embeddings.patch_embedding.weight",
                    "vision_model.embeddings.class_embedding",
                ],
                &["weights of CLIP, as Hugging Face names them"],
            ),
            (&["encoder.blocks.0.residual1.norm.weight", "registers"], &["weights of CAPI"]),
            (&["a", "b"], &["no layout that is known (`a`, `b`)"]),
            (&[], &["holds no tensor"]),
        ] {
            let error = recognise(file(names)).err().expect("refused").to_string();
            for part in parts {
                assert!(error.contains(part), "no `{part}` in: {error}");
            }
        }
    }
}
