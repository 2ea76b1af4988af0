#!/usr/bin/env bash
# Pillow 13.0.0 opens a 16-bit grey PNG (X-ray, depth, microscopy) as mode "I;16"; convert("RGB"), which every
# loader of image folders calls, cuts values off at 255 instead of scaling them: nearly all of the picture is white.
# torchvision 0.26.0 decodes the same file to 16 bits per value (uint16) although ImageReadMode.RGB was asked for.
# Seen: of a ramp from 0 to 65,520, 99.6 % of the values are 255 after convert("RGB"); torchvision: uint16, up to 65520.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check Pillow==13.0.0 numpy==2.2.6 torch==2.11.0 torchvision==0.26.0
"$folder/venv/bin/python" - <<'P'
import io
import numpy as np
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_image

ramp = (np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16)
file = io.BytesIO()
Image.fromarray(ramp).save(file, "PNG")
picture = Image.open(io.BytesIO(file.getvalue()))
white = float((np.asarray(picture.convert("RGB"))[..., 0] == 255).mean())
print(f"Pillow: mode {picture.mode}, {100 * white:.1f} % of the values are 255 after convert")
decoded = decode_image(torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8), mode=ImageReadMode.RGB)
print(f"torchvision: {decoded.dtype}, shape {tuple(decoded.shape)}, the largest {int(decoded.to(torch.int64).max())}")
assert picture.mode == "I;16" and white > 0.99, "Pillow has changed"
assert decoded.dtype == torch.uint16 and int(decoded.to(torch.int64).max()) == 65520, "torchvision has changed"
P
