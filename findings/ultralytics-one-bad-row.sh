#!/usr/bin/env bash
# ultralytics 8.4.190: a label file in which one row can't be right takes its whole image out of the set, with every
# sound object in it: in training and, the AP being over fewer images, in validation. What counts as wrong is not what
# one would guess: a centre beyond the edge, a class of too high a number, and outlines beside boxes do; a box that
# reaches over the edge, one without area, and a centre at -0.01 don't.
# Seen, of two rows, the second sound: centre 1.2 -> no object left ("ignoring corrupt image/label"); a class out of
# range -> none; an outline as the first row -> none; a box over the edge -> two; a box of width 0 -> two; -0.01 -> two.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    ultralytics==8.4.190 torch==2.11.0 torchvision==0.26.0 opencv-python-headless==5.0.0.93
export YOLO_CONFIG_DIR="$folder" YOLO_VERBOSE=false
"$folder/venv/bin/python" - "$folder" <<'P'
import pathlib, sys
from PIL import Image
from ultralytics.data.utils import verify_image_label

folder = pathlib.Path(sys.argv[1])
Image.new("RGB", (64, 64), (120, 120, 120)).save(folder / "a.jpg")
SOUND = "1 0.5 0.5 0.1 0.1"

def objects(row):
    (folder / "a.txt").write_text(f"{row}\n{SOUND}\n")
    # image, labels, prefix, key points, classes, key points of an object, their dimensions, single class
    result = verify_image_label((str(folder / "a.jpg"), str(folder / "a.txt"), "", False, 3, 0, 0, False))
    return (0 if result[1] is None else len(result[1])), result[9].split(": ", 1)[-1]

seen = {}
for name, row in {
    "centre beyond the edge": "0 1.2 0.5 0.2 0.2",
    "class out of range": "7 0.5 0.5 0.2 0.2",
    "outline beside a box": "0 0.1 0.1 0.4 0.1 0.4 0.4",
    "box over the edge": "0 0.95 0.5 0.2 0.2",
    "box without area": "0 0.3 0.5 0.0 0.2",
    "centre at -0.01": "0 -0.01 0.5 0.2 0.2",
}.items():
    seen[name], message = objects(row)
    print(f"{name}: {seen[name]} of 2 objects left {message}")
assert list(seen.values()) == [0, 0, 0, 2, 2, 2], "this has changed"
P
