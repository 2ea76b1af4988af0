#!/usr/bin/env bash
# DINOv2's public weights hold a position table of 37 x 37 (518 px), and most people run them at 224 px, where it is resampled to 16 x 16.
# How depends on the class, not on the weights: transformers 5.24.0 resamples the table of Dinov2Model by a bicubic filter without
# anti-aliasing and that of Dinov2WithRegistersModel with it, and timm 1.0.31 with it for both. So one table gives two answers,
# and features of the models without registers differ between timm and transformers at every size but 518 px, more the
# smaller the image. The table here is smooth as learnt ones are (8 x 8 random values, enlarged) with a third as much of noise.
# Seen: relative distance of timm's table from Dinov2Model's 0.24 at 224 px, 0.16 at 336 px, 0.07 at 448 px; from
# Dinov2WithRegistersModel's 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check numpy==2.4.6 torch==2.11.0 torchvision==0.26.0 timm==1.0.31 transformers==5.24.0
"$folder/venv/bin/python" - <<'PYTHON'
import timm
import torch
from transformers import Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

torch.manual_seed(0)
smooth = torch.nn.functional.interpolate(torch.randn(1, 64, 8, 8), size=(37, 37), mode="bicubic", align_corners=True)
grid = smooth + 0.3 * torch.randn_like(smooth)
table = torch.cat([torch.randn(1, 1, 64), grid.permute(0, 2, 3, 1).reshape(1, -1, 64)], 1)
shape = dict(hidden_size=64, num_hidden_layers=1, num_attention_heads=2, image_size=518, patch_size=14)
plain = Dinov2Model(Dinov2Config(**shape))
registers = Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**shape, num_register_tokens=4))
for model in (plain, registers):
    model.embeddings.position_embeddings.data.copy_(table)

def distance(a, b):
    return ((a - b).norm() / b.norm()).item()

least = {224: 0.15, 336: 0.1, 448: 0.04, 518: 0.0}
for side, due in least.items():
    n = side // 14
    tokens = torch.zeros(1, 1 + n * n, 64)
    of = [m.embeddings.interpolate_pos_encoding(tokens, side, side) for m in (plain, registers)]
    mine = timm.layers.resample_abs_pos_embed(table, (n, n), old_size=(37, 37), num_prefix_tokens=1)
    apart, same = distance(mine, of[0]), distance(mine, of[1])
    print(f"{side} px: timm from Dinov2Model {apart:.3f}, from Dinov2WithRegistersModel {same:.3f}")
    assert same < 1e-5, "the model with registers has changed"
    assert apart >= due if due else apart == 0, "the plain model has changed"
PYTHON
