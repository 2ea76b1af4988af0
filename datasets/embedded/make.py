#!/usr/bin/env python3
"""Makes the embedded sample: the first 800 training and 200 test images of each class.

Reads the four IDX files of Fashion-MNIST (Debian: `apt-get install dataset-fashion-mnist`) and
writes their class-balanced beginnings beside this script, in file order. The output is the same
byte for byte on every run with one zlib: gzip headers carry no time and no name.

    python3 make.py [FOLDER WITH THE IDX FILES]
"""

import gzip
import pathlib
import struct
import sys

SOURCE = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/datasets/fashion-mnist")
TARGET = pathlib.Path(__file__).resolve().parent
CLASSES = 10


def read(name):
    return gzip.decompress((SOURCE / name).read_bytes())


def write(name, data):
    path = TARGET / name
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
        packed.write(data)
    print(f"{path}: {path.stat().st_size} bytes")


def balanced(source, target, per_class):
    images, labels = read(f"{source}-images-idx3-ubyte.gz"), read(f"{source}-labels-idx1-ubyte.gz")
    magic, count, height, width = struct.unpack(">IIII", images[:16])
    assert (magic, height, width) == (0x803, 28, 28), (magic, height, width)
    assert struct.unpack(">II", labels[:8]) == (0x801, count)
    size, left, chosen = height * width, [per_class] * CLASSES, []
    for index in range(count):
        label = labels[8 + index]
        if left[label]:
            left[label] -= 1
            chosen.append(index)
    assert not any(left), left
    pixels = b"".join(images[16 + i * size : 16 + (i + 1) * size] for i in chosen)
    write(f"{target}-images-idx3-ubyte.gz", struct.pack(">IIII", 0x803, len(chosen), height, width) + pixels)
    write(f"{target}-labels-idx1-ubyte.gz", struct.pack(">II", 0x801, len(chosen)) + bytes(labels[8 + i] for i in chosen))


balanced("train", "train", 800)
balanced("t10k", "test", 200)
