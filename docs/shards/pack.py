#!/usr/bin/env python3
"""Packs a folder of images, with a sub-folder per class, into shards of WebDataset. It needs Python alone.

    python3 docs/shards/pack.py FOLDER SHARDS_FOLDER [IMAGES_PER_SHARD]
"""

import io
import pathlib
import sys
import tarfile

ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}


def add(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def main():
    source, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
    out.mkdir(parents=True, exist_ok=True)
    images = sorted(path for path in source.rglob("*") if path.suffix.lower() in ENDINGS)
    for shard, first in enumerate(range(0, len(images), count)):
        with tarfile.open(out / f"{shard:06d}.tar", "w", format=tarfile.PAX_FORMAT) as tar:
            for path in images[first : first + count]:
                name = path.relative_to(source)
                if "." in name.stem:
                    sys.exit(f"{path}: a key ends at the first dot; rename the file")
                add(tar, name.as_posix(), path.read_bytes())
                add(tar, name.with_suffix(".cls").as_posix(), name.parts[0].encode())


main()
