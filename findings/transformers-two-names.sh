#!/usr/bin/env bash
# transformers 5 renames the parameters of its vision transformers in memory and writes files under the names of version 4 all the same:
# `state_dict()` of a ViTModel has `layers.0.attention.q_proj.weight`, and the file that its `save_pretrained` writes has
# `encoder.layer.0.attention.attention.query.weight`. So a model's own file doesn't load by `load_state_dict`, a state dict that
# was saved by hand (`safetensors.torch.save_file(model.state_dict(), ...)`) has names that neither version 4 nor another library
# knows, and only `from_pretrained` takes both. Of five classes none has all its names in common with its file.
# Seen with transformers 5.24.0: ViT, DINOv2, DINOv3, BEiT and MAE, each as above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check numpy==2.4.6 torch==2.11.0 safetensors==0.8.0 transformers==5.24.0
"$folder/venv/bin/python" - "$folder" <<'PYTHON' 2>/dev/null
import sys

import transformers
from safetensors.torch import load_file, save_file

folder = sys.argv[1]
shape = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=16)
for name, more in {"ViT": {}, "Dinov2": {}, "DINOv3ViT": {}, "Beit": {}, "ViTMAE": {}}.items():
    config = getattr(transformers, f"{name}Config")(**shape, **more)
    of = getattr(transformers, f"{name}Model")
    model = of(config)
    model.save_pretrained(f"{folder}/{name}")
    path = f"{folder}/{name}/model.safetensors"
    written, named = set(load_file(path)), set(model.state_dict())
    try:
        model.load_state_dict(load_file(path))
        direct = "loads"
    except RuntimeError:
        direct = "raises"
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, path)
    _, found = of.from_pretrained(f"{folder}/{name}", output_loading_info=True)
    unknown = len(found["missing_keys"]) + len(found["unexpected_keys"])
    print(f"{name}: {len(named - written)} of {len(named)} names aren't in its file; load_state_dict of the file {direct}; "
          f"from_pretrained of a state dict misses {unknown}")
    assert named - written and direct == "raises" and unknown == 0, "the names have changed"
PYTHON
