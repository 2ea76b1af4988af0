#!/usr/bin/env bash
# torchvision 0.26.0's CenterCrop rounds the offset half to even (round((side - crop) / 2)); the center crop of
# transformers 5.24.0 rounds down ((side - crop) // 2). So their squares of one picture are a pixel apart where the
# longer side exceeds the crop by 3, 7, 11 ... pixels, and equal elsewhere: features of an exported encoder differ on
# one picture in four for no reason that shows.
# Seen: offsets for 0 to 11 pixels more than the crop, torchvision 0 0 1 2 2 2 3 4 4 4 5 6, transformers
# 0 0 1 1 2 2 3 3 4 4 5 5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    Pillow==13.0.0 numpy==2.2.6 torch==2.11.0 torchvision==0.26.0 transformers==5.24.0
"$folder/venv/bin/python" - <<'P'
import numpy as np
from PIL import Image
from torchvision.transforms import CenterCrop
from transformers import BitImageProcessor

CROP = 64
processor = BitImageProcessor(
    do_resize=False, do_center_crop=True, crop_size={"height": CROP, "width": CROP}, do_rescale=False, do_normalize=False
)
theirs, others = [], []
for more in range(12):
    # A picture whose red tells the column.
    pixels = np.zeros((CROP, CROP + more, 3), np.uint8)
    pixels[..., 0] = np.arange(CROP + more)
    picture = Image.fromarray(pixels)
    theirs.append(int(np.asarray(CenterCrop(CROP)(picture))[0, 0, 0]))
    others.append(int(np.asarray(processor(picture, return_tensors="np")["pixel_values"])[0, 0, 0, 0]))
print("torchvision: ", theirs)
print("transformers:", others)
assert theirs == [0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 5, 6], "torchvision has changed"
assert others == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5], "transformers has changed"
P
