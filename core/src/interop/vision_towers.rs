//! Vision towers that timm has under names of its own: SigLIP's, SigLIP 2's and AIMv2's as Hugging Face's
//! `modeling_siglip.py`, `modeling_siglip2.py` and `modeling_aimv2.py` name them.

use super::recognise::{Tensors, prefix, without_prefix};
use crate::Result;
use crate::tensor::HostTensor;

/// The embedding of patches, which tells whose a tower is.
const SIGLIP: &str = "embeddings.patch_embedding.weight";
const AIMV2: &str = "embeddings.patch_embed.weight";
/// What CLIP's tower has beside it; its activation is one that no encoder here has.
const CLIP: &str = "embeddings.class_embedding";

/// A tower's tensors under timm's names, and what is to be told of them; `None` where the file is no such tower.
pub(super) fn tower(tensors: &Tensors) -> Result<Option<(Tensors, Vec<String>)>> {
    let found = match prefix(tensors, SIGLIP)? {
        Some(prefix) if !tensors.contains_key(&format!("{prefix}{CLIP}")) => Some(prefix),
        Some(_) => None,
        None => prefix(tensors, AIMV2)?,
    };
    let Some(prefix) = found else { return Ok(None) };
    let (tensors, notes) = without_prefix(tensors.clone(), &prefix);
    let mut renamed = Tensors::new();
    for (name, tensor) in tensors {
        let name = timm_name(&name);
        let tensor = match name.as_str() {
            "pos_embed" => positions(tensor)?,
            "patch_embed.proj.weight" => kernel(tensor)?,
            _ => tensor,
        };
        renamed.insert(name, tensor);
    }
    Ok(Some((joined(renamed)?, notes)))
}

/// A name as timm has it.
fn timm_name(name: &str) -> String {
    const RENAMED: [(&str, &str); 14] = [
        ("embeddings.patch_embedding.", "patch_embed.proj."),
        ("embeddings.patch_embed.", "patch_embed.proj."),
        ("embeddings.rms_norm.", "patch_embed.norm."),
        ("encoder.layers.", "blocks."),
        (".layer_norm1.", ".norm1."),
        (".layer_norm2.", ".norm2."),
        (".rms_norm1.", ".norm1."),
        (".rms_norm2.", ".norm2."),
        (".self_attn.", ".attn."),
        (".attention.", ".attn."),
        (".attn.out_proj.", ".attn.proj."),
        (".ffn.gate_proj.", ".mlp.fc1_g."),
        (".ffn.up_proj.", ".mlp.fc1_x."),
        (".ffn.down_proj.", ".mlp.fc2."),
    ];
    if name == "embeddings.position_embedding.weight" {
        return "pos_embed".to_owned();
    }
    // A pooling of the tokens, which the encoder's features come before.
    if let Some(rest) = name.strip_prefix("head.") {
        return format!("attn_pool.{rest}");
    }
    let last = name.strip_prefix("post_layernorm.").or_else(|| name.strip_prefix("rms_norm."));
    if let Some(what) = last {
        return format!("norm.{what}");
    }
    RENAMED.iter().fold(name.to_owned(), |name, (theirs, timms)| name.replace(theirs, timms))
}

/// Queries, keys and values, weights and biases, as one layer.
fn joined(mut tensors: Tensors) -> Result<Tensors> {
    let layers: Vec<(String, String)> = tensors
        .keys()
        .filter(|name| name.starts_with("blocks."))
        .filter_map(|name| name.split_once(".attn.q_proj."))
        .map(|(block, what)| (block.to_owned(), what.to_owned()))
        .collect();
    for (block, what) in layers {
        let names = ["q", "k", "v"].map(|which| format!("{block}.attn.{which}_proj.{what}"));
        if !names.iter().all(|name| tensors.contains_key(name)) {
            continue;
        }
        let parts: Vec<HostTensor> = names.iter().filter_map(|name| tensors.remove(name)).collect();
        let mut shape = parts[0].shape().to_vec();
        shape[0] = parts.iter().map(|part| part.shape().first().copied().unwrap_or(0)).sum();
        let values = parts.into_iter().flat_map(HostTensor::into_f32).collect();
        tensors.insert(format!("{block}.attn.qkv.{what}"), HostTensor::f32(shape, values)?);
    }
    Ok(tensors)
}

/// A table [L, D] as [1, L, D].
fn positions(table: HostTensor) -> Result<HostTensor> {
    let mut shape = vec![1];
    shape.extend(table.shape().iter());
    HostTensor::f32(shape, table.into_f32())
}

/// SigLIP 2's layer [D, p p C] over pixels in (row, column, channel) order as a convolution's kernel [D, C, p, p].
fn kernel(layer: HostTensor) -> Result<HostTensor> {
    const CHANNELS: usize = 3;
    let [width, values] = match layer.shape()[..] {
        [width, values] => [width, values],
        _ => return Ok(layer),
    };
    let side = (values / CHANNELS).isqrt();
    if side * side * CHANNELS != values {
        return Ok(layer);
    }
    let rows = layer.into_f32();
    let mut kernel = Vec::with_capacity(rows.len());
    for row in rows.chunks(values) {
        for channel in 0..CHANNELS {
            kernel.extend((0..side * side).map(|pixel| row[pixel * CHANNELS + channel]));
        }
    }
    HostTensor::f32([width, CHANNELS, side, side], kernel)
}
