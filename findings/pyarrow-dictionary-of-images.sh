#!/usr/bin/env bash
# pyarrow 26.0.1 writes all images of a row group into one dictionary page, of any size, though its dictionary_pagesize_limit is
# 1 MB: the limit is looked at once in write_batch_size values, 1,024 by default. So a Parquet set of images, written with the defaults, has
# to decompress all images of a row group to give one; use_dictionary=False leaves the dictionary out.
# Seen: 1,000 images of 60 kB in one dictionary page of 60 MB.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pyarrow==26.0.1
FOLDER="$folder" "$folder/venv/bin/python" - <<'P'
import os
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

root = pathlib.Path(os.environ["FOLDER"])
images = [os.urandom(60_000) for _ in range(1000)]
table = pa.table({"bytes": pa.array(images, pa.binary())})
pq.write_table(table, root / "default.parquet")
column = pq.read_metadata(root / "default.parquet").row_group(0).column(0)
size = column.data_page_offset - column.dictionary_page_offset
print(f"defaults: {column.num_values} images, a dictionary page of {size / 1e6:.1f} MB")
assert size > 50e6, "pyarrow has changed"
pq.write_table(table, root / "plain.parquet", use_dictionary=False)
column = pq.read_metadata(root / "plain.parquet").row_group(0).column(0)
assert not column.has_dictionary_page
print("use_dictionary=False: no dictionary page")
P
