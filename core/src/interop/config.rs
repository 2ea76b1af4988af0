//! The files in which timm and Hugging Face keep sizes and normalisation.

use serde_json::{Value, json};

use super::{Architecture, Layout};
use crate::encoder::{EmbedNorm, PositionKind, QkvBias};
use crate::geometry::Geometry;
use crate::recipe::{Filter, Recipe};

/// The files beside the weights.
pub(super) fn files(
    recipe: &Recipe,
    architecture: &Architecture,
    layout: Layout,
) -> Vec<(&'static str, Value)> {
    match layout {
        Layout::Own | Layout::Mae | Layout::HfDinov3 => vec![],
        Layout::Timm | Layout::Beit => vec![("config.json", timm(recipe, architecture, layout))],
        Layout::HfVit | Layout::HfMae => {
            let config = ("config.json", hugging_face(recipe, architecture, layout));
            let data = &recipe.data;
            // Their processors know 8-bit images of grey or RGB alone.
            let scaled = !(data.range.is_empty() && data.percentiles.is_empty());
            if scaled || !matches!(data.channels, 1 | 3) {
                return vec![config];
            }
            vec![config, ("preprocessor_config.json", preprocessor(recipe))]
        }
    }
}

/// timm's `config.json`; `timm.create_model("local-dir:FOLDER")` reads it.
fn timm(recipe: &Recipe, architecture: &Architecture, layout: Layout) -> Value {
    let Geometry { channels, height, width, patch, dim, depth, heads, .. } = architecture.geometry;
    // `model_args` has every size; the name only has to be one that timm knows.
    let name = match (layout, dim, depth, heads) {
        (Layout::Beit, 1024, 24, 16) => "beit_large_patch16_224",
        (Layout::Beit, ..) => "beit_base_patch16_224",
        (_, 192, 12, 3) => "vit_tiny_patch16_224",
        (_, 384, 12, 6) => "vit_small_patch16_224",
        (_, 1024, 24, 16) => "vit_large_patch16_224",
        (_, 1280, 32, 16) => "vit_huge_patch14_224",
        _ => "vit_base_patch16_224",
    };
    let [mean, std] = normalisation(recipe);
    let pool = if recipe.eval.features == "class" && architecture.geometry.has_class_token() {
        "token"
    } else {
        "avg"
    };
    let gains = architecture.layer_scale.then_some(1.0);
    let mut arguments = json!({
        "img_size": [height, width],
        "patch_size": patch,
        "in_chans": channels,
        "embed_dim": dim,
        "depth": depth,
        "num_heads": heads,
        "mlp_ratio": mlp_ratio(dim, architecture.hidden),
        "global_pool": pool,
        "init_values": gains,
    });
    // The final norm comes before pooling, as here.
    if layout == Layout::Beit {
        arguments["use_fc_norm"] = json!(false);
        arguments["use_abs_pos_emb"] = json!(architecture.position != PositionKind::None);
        arguments["use_rel_pos_bias"] = json!(false);
        arguments["use_shared_rel_pos_bias"] = json!(true);
    } else {
        arguments["class_token"] = json!(architecture.geometry.has_class_token());
        arguments["fc_norm"] = json!(false);
        let encoder = &architecture.settings;
        if encoder.registers > 0 {
            arguments["reg_tokens"] = json!(encoder.registers);
            arguments["no_embed_class"] = json!(true);
        }
        if encoder.qk_norm {
            arguments["qk_norm"] = json!(true);
        }
        if encoder.qkv_bias == QkvBias::None {
            arguments["qkv_bias"] = json!(false);
        }
        if encoder.embed_norm == EmbedNorm::Tokens {
            arguments["pre_norm"] = json!(true);
        }
    }
    json!({
        "architecture": name,
        "num_classes": 0,
        "num_features": dim,
        "global_pool": pool,
        "model_args": arguments,
        "pretrained_cfg": {
            "input_size": [channels, height, width],
            "fixed_input_size": true,
            "interpolation": if recipe.data.filter == Filter::Bicubic { "bicubic" } else { "bilinear" },
            "crop_pct": 1.0,
            "mean": mean,
            "std": std,
            "num_classes": 0,
            "pool_size": null,
            "first_conv": "patch_embed.proj",
            "classifier": "head",
        },
    })
}

/// A ratio that timm's `int(dim * ratio)` makes `hidden` of.
fn mlp_ratio(dim: usize, hidden: usize) -> f64 {
    let ratio = hidden as f64 / dim as f64;
    if (dim as f64 * ratio) as usize == hidden { ratio } else { (hidden as f64 + 0.5) / dim as f64 }
}

fn hugging_face(recipe: &Recipe, architecture: &Architecture, layout: Layout) -> Value {
    let Geometry { channels, height, patch, dim, depth, heads, .. } = architecture.geometry;
    let mut config = json!({
        "architectures": ["ViTModel"],
        "model_type": "vit",
        "hidden_size": dim,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "intermediate_size": architecture.hidden,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "initializer_range": 0.02,
        "layer_norm_eps": 1e-6,
        "image_size": height,
        "patch_size": patch,
        "num_channels": channels,
        "qkv_bias": true,
        "torch_dtype": "float32",
    });
    if let (Layout::HfMae, Some(decoder)) = (layout, &architecture.decoder) {
        let ratio = recipe.corruption.table().get("ratio").and_then(toml::Value::as_float).unwrap_or(0.75);
        config["architectures"] = json!(["ViTMAEForPreTraining"]);
        config["model_type"] = json!("vit_mae");
        config["decoder_hidden_size"] = json!(decoder.dim);
        config["decoder_num_hidden_layers"] = json!(decoder.depth);
        config["decoder_num_attention_heads"] = json!(decoder.heads);
        config["decoder_intermediate_size"] = json!(4 * decoder.dim);
        config["mask_ratio"] = json!(ratio);
        config["norm_pix_loss"] = json!(decoder.normalized);
    }
    config
}

/// The squares that our evaluation takes: the shorter side resized, the middle cut out. Of the classes that read such
/// settings in all versions of transformers, this is the one that DINOv2 has.
fn preprocessor(recipe: &Recipe) -> Value {
    let side = recipe.data.image_size;
    let [mean, std] = normalisation(recipe);
    json!({
        "image_processor_type": "BitImageProcessor",
        "do_convert_rgb": recipe.data.channels == 3,
        "do_resize": true,
        "size": { "shortest_edge": side },
        // Pillow's numbers of the filters.
        "resample": if recipe.data.filter == Filter::Bicubic { 3 } else { 2 },
        "do_center_crop": true,
        "crop_size": { "height": side, "width": side },
        "do_rescale": true,
        "rescale_factor": 1.0 / 255.0,
        "do_normalize": true,
        "image_mean": mean,
        "image_std": std,
    })
}

/// Mean and deviation of each channel.
fn normalisation(recipe: &Recipe) -> [Vec<f64>; 2] {
    let data = &recipe.data;
    [&data.mean, &data.std]
        .map(|values| (0..data.channels).map(|c| values[c.min(values.len() - 1)]).collect())
}
