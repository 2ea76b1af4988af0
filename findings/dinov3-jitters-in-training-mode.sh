#!/usr/bin/env bash
# transformers' DINOv3ViTModel draws a random scale of its rotary positions at each call in training mode (`pos_embed_rescale`, 2.0 by
# default), as DINOv3 was pre-trained. It goes by `model.training` alone: without drop path, with all parameters frozen, two passes over one
# image differ, so that a frozen backbone inside a module that is trained gives other features each time until `eval()` is called on
# it. timm's model of the same name has no such draw by default: its passes are equal. A comparison of the two has to say the mode.
# Seen with transformers 5.24.0 and timm 1.0.31: passes of DINOv3ViTModel differ in training mode and are equal in
# evaluation mode, and with pos_embed_rescale=None in both; timm's are equal in both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check numpy==2.4.6 torch==2.11.0 torchvision==0.26.0 timm==1.0.31 transformers==5.24.0
"$folder/venv/bin/python" - <<'PYTHON'
import timm
import torch
from transformers import DINOv3ViTConfig, DINOv3ViTModel

torch.manual_seed(0)
images = torch.randn(1, 3, 64, 64)
shape = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128, image_size=64, drop_path_rate=0.0)

def apart(forward):
    with torch.no_grad():
        return (forward(images) - forward(images)).abs().max().item()

def hugging_face(training, **more):
    model = DINOv3ViTModel(DINOv3ViTConfig(**shape, **more)).requires_grad_(False).train(training)
    return apart(lambda x: model(x).last_hidden_state)

model = timm.create_model("vit_small_patch16_dinov3", pretrained=False, img_size=64)
rows = {
    "transformers, training mode": hugging_face(True),
    "transformers, evaluation mode": hugging_face(False),
    "transformers, training mode, pos_embed_rescale=None": hugging_face(True, pos_embed_rescale=None),
    "timm, training mode": apart(model.train().forward_features),
}
for name, value in rows.items():
    print(f"{name}: two passes are {value:.1e} apart")
first, *others = rows.values()
assert first > 1e-4, "transformers no longer draws in training mode"
assert all(value == 0.0 for value in others), "another one draws"
PYTHON
