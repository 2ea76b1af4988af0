"""timm's and Hugging Face's models against this project's interchange of weights.

    python3 interop.py make FOLDER       models with random weights as those libraries save them, and what they
                                         compute: the golden files of tests/golden/interop
    python3 interop.py newer FOLDER      those of newer encoders alone
    python3 interop.py towers FOLDER     those of vision towers alone
    python3 interop.py sizes FOLDER      what the models of FOLDER compute of images of other sizes
    python3 interop.py pixels FOLDER...  the largest difference between the pixels that an export's processor makes of
                                         FOLDER/images.safetensors and those in it
    python3 interop.py load FOLDER...    loads what `export` wrote into FOLDER (strictly) and prints the largest
                                         difference between its answers and those in FOLDER/answers.safetensors
"""

import contextlib
import json
import pathlib
import sys

import timm
import torch
import transformers
from safetensors.torch import load_file, save_file
import numpy
from PIL import Image
from functools import partial

from timm.layers import LayerNorm, RmsNorm, SwiGLU, SwiGLUPacked, resample_abs_pos_embed
from timm.models.beit import Beit
from timm.models.eva import Eva
from timm.models.vision_transformer import ResPostBlock, VisionTransformer
from transformers import (Aimv2VisionConfig, Aimv2VisionModel, AutoImageProcessor, BeitConfig, BeitModel, Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig,
                          Dinov2WithRegistersModel, DINOv3ViTConfig, DINOv3ViTModel, ViTConfig, ViTMAEConfig,
                          Siglip2VisionConfig, Siglip2VisionModel, SiglipVisionConfig, SiglipVisionModel, ViTMAEForPreTraining,
                          ViTModel)

import reference

try:
    import onnxruntime as onnx_runtime
    import onnxscript  # torch.onnx.export needs it
except ImportError:
    onnx_runtime = None

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
IMAGE, PATCH, DIM, DEPTH, HEADS = 16, 4, 16, 2, 2


def lively(model):
    """Weights far from where training starts; position tables that aren't learned stay."""
    for name, p in model.named_parameters():
        if p.requires_grad:
            p.data += torch.randn_like(p) * (0.7 / p.shape[-1] ** 0.5 if p.dim() == 2 else 0.2)
    return model.eval()


def contiguous(tensors):
    return {name: t.detach().clone().contiguous() for name, t in tensors.items()}


def mae(model, images, noise):
    """Restored patches of HF's MAE, given the noise whose order decides the mask, and its mask."""
    out = model(images, noise=noise)
    return out.logits, out.mask


def original_names(tensors):
    """HF's published names as MAE's repository has them (the way HF's conversion script goes back)."""
    out, thirds = {}, {}
    for name, t in tensors.items():
        for theirs, ours in [("vit.embeddings.position_embeddings", "pos_embed"), ("vit.embeddings.cls_token", "cls_token"),
                             ("vit.embeddings.patch_embeddings.projection", "patch_embed.proj"),
                             ("vit.encoder.layer", "blocks"), ("decoder.decoder_layers", "decoder_blocks"),
                             ("vit.layernorm", "norm"), ("decoder.", ""), ("attention.output.dense", "attn.proj"),
                             ("layernorm_before", "norm1"), ("layernorm_after", "norm2"),
                             ("intermediate.dense", "mlp.fc1"), ("output.dense", "mlp.fc2")]:
            name = name.replace(theirs, ours)
        part = next((p for p in ("query", "key", "value") if f".attention.attention.{p}." in name), None)
        if part:
            thirds.setdefault(name.replace(f"attention.attention.{part}", "attn.qkv"), {})[part] = t
        else:
            out[name] = t
    out |= {name: torch.cat([t["query"], t["key"], t["value"]]) for name, t in thirds.items()}
    return out


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    images = torch.randn(2, 3, IMAGE, IMAGE)
    sizes = dict(img_size=IMAGE, patch_size=PATCH, embed_dim=DIM, depth=DEPTH, num_heads=HEADS, num_classes=0)
    hf = dict(hidden_size=DIM, num_hidden_layers=DEPTH, num_attention_heads=HEADS, intermediate_size=4 * DIM,
              image_size=IMAGE, patch_size=PATCH, layer_norm_eps=1e-6)
    with torch.no_grad():
        for name, more in [("timm", {}), ("timm-gains", dict(init_values=0.1)),
                           ("timm-bare", dict(class_token=False, global_pool="avg", fc_norm=False))]:
            model = lively(VisionTransformer(**sizes, **more))
            answers = {"images": images, "features": model.forward_features(images)}
            save_file(contiguous(model.state_dict()), folder / f"{name}.safetensors", {"format": "pt"})
            save_file(contiguous(answers), folder / f"{name}.answers.safetensors")
        model = lively(ViTModel(ViTConfig(**hf), add_pooling_layer=False))
        model.save_pretrained(folder / "hf")
        (folder / "hf" / "model.safetensors").rename(folder / "hf.safetensors")
        save_file(contiguous({"images": images, "features": model(images).last_hidden_state}),
                  folder / "hf.answers.safetensors")
        model = lively(ViTMAEForPreTraining(ViTMAEConfig(
            **hf, decoder_hidden_size=DIM, decoder_num_hidden_layers=1, decoder_num_attention_heads=2,
            decoder_intermediate_size=4 * DIM, mask_ratio=0.75)))
        # Version 5 leaves these at zero; published checkpoints hold MAE's fixed table.
        table = torch.from_numpy(reference.sincos_2d(DIM, IMAGE // PATCH, IMAGE // PATCH, 1)).float()[None]
        model.vit.embeddings.position_embeddings.data.copy_(table)
        model.decoder.decoder_pos_embed.data.copy_(table)
        model.save_pretrained(folder / "hf-mae")
        noise = torch.rand(2, (IMAGE // PATCH) ** 2)
        logits, mask = mae(model, images, noise)
        # Without masks and in order, the encoder's features.
        model.vit.embeddings.config.mask_ratio = 0.0
        features = model.vit(images, noise=torch.arange(noise.shape[1]).repeat(2, 1).float()).last_hidden_state
        # The names that published checkpoints have; version 5 saves the decoder's blocks under others.
        named = {n.replace("decoder_encoder.layer", "decoder_layers"): t
                 for n, t in load_file(folder / "hf-mae" / "model.safetensors").items()}
        save_file(named, folder / "hf-mae.safetensors", {"format": "pt"})
        save_file(contiguous(original_names(named)), folder / "mae.safetensors", {"format": "pt"})
        answers = contiguous({"images": images, "features": features, "logits": logits, "mask": mask})
        save_file(answers, folder / "hf-mae.answers.safetensors")
        save_file(answers, folder / "mae.answers.safetensors")
        table = torch.randn(1, 1 + 36, 4)
        grids = {f"{h}x{w}": resample_abs_pos_embed(table, [h, w]) for h, w in [(6, 6), (9, 9), (4, 4), (3, 5), (14, 14)]}
        save_file(contiguous({"table": table, **grids}), folder / "positions.safetensors")
        make_others(folder, images, sizes, hf)
        make_newer(folder)
        make_towers(folder)
        make_sizes(folder)
    for extra in ("hf", "hf-mae"):
        for file in (folder / extra).iterdir():
            file.unlink()
        (folder / extra).rmdir()


def make_others(folder, images, sizes, hf):
    """Encoders under other names, with a bias of relative positions, or with fewer positions."""
    torch.manual_seed(1)
    gains = dict(layerscale_value=0.1)
    beit = dict(layer_scale_init_value=0.1, use_shared_relative_position_bias=True, use_absolute_position_embeddings=False,
                use_mean_pooling=False)
    for name, model in [
        ("timm-beit", Beit(**sizes, init_values=0.1, use_abs_pos_emb=False, use_shared_rel_pos_bias=True, use_fc_norm=False)),
        ("timm-deit3", VisionTransformer(**sizes, init_values=0.1, no_embed_class=True)),
        ("timm-no-bias", VisionTransformer(**sizes, qkv_bias=False)),
        ("hf-dinov2", Dinov2Model(Dinov2Config(**hf, **gains))),
        ("hf-beit", BeitModel(BeitConfig(**hf, **beit), add_pooling_layer=False)),
    ]:
        keep(folder, images, name, model)


def keep(folder, images, name, model):
    model = lively(model)
    if name.startswith("timm"):
        features, tensors = model.forward_features(images), model.state_dict()
    else:
        model.save_pretrained(folder / name)
        features, tensors = model(images).last_hidden_state, load_file(folder / name / "model.safetensors")
        for file in (folder / name).iterdir():
            file.unlink()
        (folder / name).rmdir()
    save_file(contiguous(tensors), folder / f"{name}.safetensors", {"format": "pt"})
    save_file(contiguous({"images": images, "features": features}), folder / f"{name}.answers.safetensors")


def make_newer(folder):
    """Encoders with registers, rotary positions, gated MLPs, norms and biases elsewhere."""
    torch.manual_seed(2)
    images = torch.randn(2, 3, IMAGE, IMAGE)
    sizes = dict(img_size=IMAGE, patch_size=PATCH, embed_dim=DIM, depth=DEPTH, num_heads=HEADS, num_classes=0)
    hf = dict(hidden_size=DIM, num_hidden_layers=DEPTH, num_attention_heads=HEADS, image_size=IMAGE, patch_size=PATCH)
    rms, eps = partial(RmsNorm, eps=1e-5), partial(LayerNorm, eps=1e-5)
    rotary = dict(sizes, use_rot_pos_emb=True, global_pool="token")
    dinov3 = dict(rotary, rope_type="dinov3", rope_temperature=100, rope_rotate_half=True, use_abs_pos_emb=False, num_reg_tokens=4,
                  qkv_bias=False, init_values=0.1, norm_layer=eps)
    eva02 = dict(rotary, mlp_ratio=4 * 2 / 3, swiglu_mlp=True, ref_feat_shape=(8, 8))
    for name, model in [
        ("timm-registers", VisionTransformer(**sizes, init_values=0.1, reg_tokens=4, no_embed_class=True)),
        ("timm-swiglu", VisionTransformer(**sizes, init_values=0.1, mlp_layer=SwiGLUPacked, act_layer=torch.nn.SiLU,
                                          mlp_ratio=5.0)),
        ("timm-qk-norm", VisionTransformer(**sizes, qk_norm=True, pre_norm=True)),
        ("timm-post-norm", VisionTransformer(**sizes, block_fn=ResPostBlock)),
        ("timm-gelu-tanh", VisionTransformer(**sizes, act_layer=partial(torch.nn.GELU, approximate="tanh"))),
        ("timm-aimv2", VisionTransformer(**sizes, class_token=False, fc_norm=False, global_pool="avg", mlp_ratio=2.75, qkv_bias=False,
                                         proj_bias=False, act_layer="silu", norm_layer=rms, embed_norm_layer=rms, mlp_layer=SwiGLU)),
        ("timm-dinov3", Eva(**dinov3)),
        ("timm-dinov3-bias", Eva(**dict(dinov3, qkv_bias=True))),
        ("timm-dinov3-gated", Eva(**dinov3, mlp_ratio=2, swiglu_mlp=True, swiglu_align_to=8)),
        ("timm-eva02", Eva(**eva02)),
        ("timm-eva02-apart", Eva(**eva02, qkv_fused=False, scale_mlp=True, scale_attn_inner=True)),
        ("hf-swiglu", Dinov2Model(Dinov2Config(**hf, mlp_ratio=4, use_swiglu_ffn=True, layerscale_value=0.1))),
        ("hf-registers", Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**hf, num_register_tokens=4, layerscale_value=0.1))),
        ("hf-dinov3", DINOv3ViTModel(DINOv3ViTConfig(**hf, intermediate_size=4 * DIM, num_register_tokens=4, layerscale_value=0.1))),
        ("hf-dinov3-gated", DINOv3ViTModel(DINOv3ViTConfig(**hf, intermediate_size=2 * DIM, num_register_tokens=4,
                                                           layerscale_value=0.1, use_gated_mlp=True, hidden_act="silu"))),
    ]:
        keep(folder, images, name, model)


def make_towers(folder):
    """The vision towers of SigLIP, SigLIP 2 and AIMv2, as Hugging Face has them."""
    torch.manual_seed(3)
    images = torch.randn(2, 3, IMAGE, IMAGE)
    hf = dict(hidden_size=DIM, num_hidden_layers=DEPTH, num_attention_heads=HEADS, patch_size=PATCH)
    side = IMAGE // PATCH
    # Rows of patches, each in (row, column, channel) order.
    patches = images.reshape(2, 3, side, PATCH, side, PATCH).permute(0, 2, 4, 3, 5, 1).reshape(2, side * side, -1)
    for name, model, seen in [
        ("hf-siglip", SiglipVisionModel(SiglipVisionConfig(**hf, image_size=IMAGE, intermediate_size=4 * DIM)), [images]),
        ("hf-siglip2", Siglip2VisionModel(Siglip2VisionConfig(**hf, num_patches=side * side, intermediate_size=4 * DIM)),
         [patches, torch.ones(2, side * side), torch.tensor([[side, side]] * 2)]),
        ("hf-aimv2", Aimv2VisionModel(Aimv2VisionConfig(**hf, image_size=IMAGE, intermediate_size=44)), [images]),
    ]:
        model = lively(model)
        model.save_pretrained(folder / name)
        tensors = load_file(folder / name / "model.safetensors")
        for file in (folder / name).iterdir():
            file.unlink()
        (folder / name).rmdir()
        save_file(contiguous(tensors), folder / f"{name}.safetensors", {"format": "pt"})
        answers = {"images": images, "features": model(*seen).last_hidden_state}
        save_file(contiguous(answers), folder / f"{name}.answers.safetensors")


def make_sizes(folder):
    """The same weights on larger and smaller images: positions resampled as their library does, or counted anew."""
    torch.manual_seed(4)
    hf = dict(hidden_size=DIM, num_hidden_layers=DEPTH, num_attention_heads=HEADS, image_size=IMAGE, patch_size=PATCH)
    eps = partial(LayerNorm, eps=1e-5)
    rms = partial(RmsNorm, eps=1e-5)

    def timms(kind, **more):
        return lambda size: kind(**(dict(img_size=size, patch_size=PATCH, embed_dim=DIM, depth=DEPTH, num_heads=HEADS, num_classes=0) | more))

    def theirs(kind, config, **more):
        return lambda size: kind(config, **more)

    rotary = dict(use_rot_pos_emb=True, global_pool="token")
    models = {
        "timm": timms(VisionTransformer),
        "timm-registers": timms(VisionTransformer, init_values=0.1, reg_tokens=4, no_embed_class=True),
        "timm-dinov3": timms(Eva, **rotary, rope_type="dinov3", rope_temperature=100, rope_rotate_half=True, use_abs_pos_emb=False,
                             num_reg_tokens=4, qkv_bias=False, init_values=0.1, norm_layer=eps),
        "timm-eva02": timms(Eva, **rotary, mlp_ratio=4 * 2 / 3, swiglu_mlp=True, ref_feat_shape=(8, 8)),
        "timm-aimv2": timms(VisionTransformer, class_token=False, fc_norm=False, global_pool="avg", mlp_ratio=2.75, qkv_bias=False,
                            proj_bias=False, act_layer="silu", norm_layer=rms, embed_norm_layer=rms, mlp_layer=SwiGLU),
        "hf": theirs(ViTModel, ViTConfig(**hf, intermediate_size=4 * DIM, layer_norm_eps=1e-6), add_pooling_layer=False),
        "hf-dinov2": theirs(Dinov2Model, Dinov2Config(**hf, layer_norm_eps=1e-6, layerscale_value=0.1)),
        "hf-registers": theirs(Dinov2WithRegistersModel, Dinov2WithRegistersConfig(**hf, num_register_tokens=4, layerscale_value=0.1)),
        "hf-dinov3": theirs(DINOv3ViTModel, DINOv3ViTConfig(**hf, intermediate_size=4 * DIM, num_register_tokens=4, layerscale_value=0.1)),
        "hf-siglip": theirs(SiglipVisionModel, SiglipVisionConfig(**hf, intermediate_size=4 * DIM)),
    }
    for name, build in models.items():
        tensors = load_file(folder / f"{name}.safetensors")
        answers = {}
        for size in (24, 8):
            images = torch.randn(2, 3, size, size)
            model = build(size).eval()
            if name.startswith("timm"):
                weights, prefix = dict(tensors), 0 if getattr(model, "no_embed_class", False) else int(model.cls_token is not None)
                if "pos_embed" in weights:
                    weights["pos_embed"] = resample_abs_pos_embed(weights["pos_embed"], [size // PATCH] * 2, num_prefix_tokens=prefix)
                model.load_state_dict(weights, strict=True)
                features = model.forward_features(images)
            else:
                with contextlib.ExitStack() as stack:
                    path = folder / "loaded"
                    path.mkdir()
                    stack.callback(path.rmdir)
                    for file, write in [("config.json", lambda to: to.write_text(model.config.to_json_string())),
                                        ("model.safetensors", lambda to: save_file(tensors, to, {"format": "pt"}))]:
                        write(path / file)
                        stack.callback((path / file).unlink)
                    model = strict(type(model), path)
                told = {"interpolate_pos_encoding": True} if name in ("hf", "hf-siglip") else {}
                features = model(images, **told).last_hidden_state
            answers |= {f"images-{size}": images, f"features-{size}": features}
        save_file(contiguous(answers), folder / f"{name}.sizes.safetensors")


def pixels(folder):
    processor = AutoImageProcessor.from_pretrained(folder)
    data = load_file(folder / "images.safetensors")
    out = {}
    for name in sorted(n for n in data if n.startswith("image")):
        image = data[name].numpy().astype(numpy.uint8)
        image = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
        theirs = processor(image, return_tensors="pt").pixel_values[0]
        out[name] = worst(theirs, data[name.replace("image", "pixels")])
    return out


def strict(kind, folder):
    """A model from a folder; nothing missing, nothing unexpected, nothing of another shape."""
    model, info = kind.from_pretrained(folder, output_loading_info=True,
                                       **({"add_pooling_layer": False} if kind is ViTModel else {}))
    wrong = {k: v for k, v in info.items() if v and k != "error_msgs" or (k == "error_msgs" and v)}
    assert not wrong, wrong
    return model.eval()


def worst(a, b):
    assert a.shape == b.shape, (a.shape, b.shape)
    return (a - b).abs().max().item()


def through_onnx(model, images, path):
    """What docs/interop.md tells to do for ONNX."""
    with contextlib.redirect_stdout(sys.stderr):
        torch.onnx.export(model, (images,), path, input_names=["images"], output_names=["features"], dynamo=True,
                          dynamic_shapes=({0: "batch"},), verbose=False)
    answer = onnx_runtime.InferenceSession(path).run(None, {"images": images.numpy()})[0]
    return torch.from_numpy(answer)


def load(folder):
    answers = load_file(folder / "answers.safetensors")
    config = json.loads((folder / "config.json").read_text())
    images = answers["images"]
    out = {}
    if "model_type" not in config:
        model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
        model.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
        out["features"] = worst(model.forward_features(images), answers["features"])
        pooled = model(images)
        mean = answers["features"][:, model.num_prefix_tokens:].mean(1)
        out["pooled"] = worst(pooled, mean)
        if onnx_runtime and "micro" in folder.name and "class token" not in folder.name:
            out["pooled by ONNX Runtime"] = worst(through_onnx(model, images, folder / "encoder.onnx"), mean)
    elif config["model_type"] == "vit":
        model = strict(ViTModel, folder)
        out["features"] = worst(model(images).last_hidden_state, answers["features"])
    else:
        model = strict(ViTMAEForPreTraining, folder)
        logits, mask = mae(model, images, answers["noise"])
        assert torch.equal(mask, answers["mask"]), "another mask"
        out["reconstruction"] = worst(logits, answers["logits"])
        out["loss"] = abs(model(images, noise=answers["noise"]).loss.item() - answers["loss"].item())
    return out


with torch.no_grad():
    if sys.argv[1] == "make":
        make(pathlib.Path(sys.argv[2]))
    elif sys.argv[1] == "newer":
        make_newer(pathlib.Path(sys.argv[2]))
    elif sys.argv[1] == "towers":
        make_towers(pathlib.Path(sys.argv[2]))
    elif sys.argv[1] == "sizes":
        make_sizes(pathlib.Path(sys.argv[2]))
    elif sys.argv[1] == "pixels":
        print(json.dumps([pixels(pathlib.Path(folder)) for folder in sys.argv[2:]]))
    else:
        print(json.dumps([load(pathlib.Path(folder)) for folder in sys.argv[2:]]))
