"""timm's own modules against the Rust encoder and against reference.py; prints the largest differences.

    python3 against_timm.py ENCODER.safetensors
"""

import json
import sys
from functools import partial

import torch
from safetensors.torch import load_file
from timm.layers import build_sincos2d_pos_embed
from timm.models.beit import gen_relative_position_index
from timm.models.vision_transformer import Block, VisionTransformer

import reference

torch.set_default_dtype(torch.float64)


def worst(a, b):
    assert a.shape == b.shape, (a.shape, b.shape)
    return (a - b).abs().max().item()


def features(path):
    """timm's features with our weights; the names are timm's."""
    file = {name: t.double() for name, t in load_file(path).items()}
    model = VisionTransformer(img_size=16, patch_size=4, embed_dim=16, depth=3, num_heads=2, num_classes=0,
                              global_pool="", init_values=0.1)
    proj = "patch_embed.proj.weight"
    weights = {n.removeprefix("weight."): t for n, t in file.items()}
    weights[proj] = weights[proj].reshape(model.state_dict()[proj].shape)
    model.load_state_dict({name: weights[name] for name in model.state_dict()}, strict=True)
    return worst(model.eval().forward_features(file["images"]), file["features"])


def block():
    norm = partial(torch.nn.LayerNorm, eps=1e-6)
    ours, theirs = reference.Block(16, 2, 64, 0.1), Block(16, 2, qkv_bias=True, init_values=0.1, norm_layer=norm)
    torch.nn.init.normal_(ours.ls1.gamma), torch.nn.init.normal_(ours.ls2.gamma)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    x = torch.randn(2, 17, 16)
    return worst(ours(x)[0], theirs(x))


def relative():
    pairs = [(reference.relative_index(h, w), gen_relative_position_index((h, w))) for h, w in [(4, 4), (3, 5)]]
    return max(worst(a.double(), b.double()) for a, b in pairs)


def sincos():
    """timm orders rows of positions and columns of frequencies in its own way: every column of MAE's
    table must be one of timm's, each once."""
    ours = torch.from_numpy(reference.sincos_2d(16, 4, 4, 0))
    theirs = build_sincos2d_pos_embed([4, 4], dim=16, interleave_sin_cos=False, dtype=torch.float64)
    found = []
    for table in (theirs, theirs.reshape(4, 4, 16).transpose(0, 1).flatten(0, 1)):
        distances = (ours[:, :, None] - table[:, None, :]).abs().amax(0)
        best = distances.min(1)
        if len(set(best.indices.tolist())) == 16:
            found.append(best.values.max().item())
    return min(found)


torch.manual_seed(0)
with torch.no_grad():
    print(json.dumps({
        "Rust features, timm ViT": features(sys.argv[1]),
        "reference block, timm block": block(),
        "reference index, timm BEiT": relative(),
        "reference sincos, timm sincos": sincos(),
    }))
