#!/usr/bin/env bash
# Hugging Face's datasets 5.2.0 writes images that it opened from files to Parquet as their absolute paths alone: the
# file holds no image, and nothing says so. It opens on the machine that wrote it, where the paths still lead somewhere.
# Seen: bytes None and path /tmp/…/a.png in each row of `load_dataset("imagefolder").to_parquet(…)`; after the images' folder
# has moved, reading the row fails with FileNotFoundError. `map(embed_table_storage)` before puts the bytes in.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check datasets==5.2.0 Pillow==13.0.0
HF_HOME="$folder/home" FOLDER="$folder" "$folder/venv/bin/python" - <<'P'
import os
import pathlib

import datasets
import pyarrow.parquet as pq
from datasets.table import embed_table_storage
from PIL import Image

datasets.disable_progress_bars()
root = pathlib.Path(os.environ["FOLDER"])
images = root / "images"
images.mkdir()
Image.new("RGB", (8, 8)).save(images / "a.png")
whole = datasets.load_dataset("imagefolder", data_dir=str(images), split="train")
whole.to_parquet(root / "paths.parquet")
row = pq.read_table(root / "paths.parquet").to_pylist()[0]["image"]
print(f"to_parquet: bytes {row['bytes']}, path {row['path']}")
assert row["bytes"] is None and pathlib.Path(row["path"]).is_absolute(), "datasets has changed"
embedded = whole.with_format("arrow").map(embed_table_storage, batched=True).with_format(None)
embedded.to_parquet(root / "embedded.parquet")
row = pq.read_table(root / "embedded.parquet").to_pylist()[0]["image"]
print(f"after embed_table_storage: {len(row['bytes'])} bytes, path {row['path']}")
assert row["bytes"].startswith(b"\x89PNG"), "datasets has changed"
images.rename(root / "moved")
moved = datasets.Dataset.from_parquet(str(root / "paths.parquet"), cache_dir=str(root / "cache"))
try:
    moved[0]["image"].load()
    raise AssertionError("datasets has changed: the row was read")
except FileNotFoundError as error:
    print(f"when the folder has moved: {type(error).__name__}")
P
