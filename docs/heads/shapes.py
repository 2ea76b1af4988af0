#!/usr/bin/env python3
"""Draws images with several labels each, and numbers, and the list that says so: squares of three colours that are there or
not, on a ground of some brightness.

python3 docs/heads/shapes.py FOLDER COUNT

FOLDER/list.csv has `path`, a column of 1 and 0 for each colour (of which some are unknown: empty), `colours` (the names of
all that are there), `brightness` (of the ground) and `squares` (how many there are; missing of some). Every fifth image is
of the test part. It needs nothing but Python.
"""

import pathlib
import random
import struct
import sys
import zlib

SIDE = 48
COLOURS = {"red": (230, 50, 50), "green": (50, 200, 60), "blue": (60, 80, 230)}


def png(rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    body = b"".join(b"\0" + bytes(row) for row in rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
draw = random.Random(0)
drawn = set()
lines = ["path," + ",".join(COLOURS) + ",colours,brightness,squares,split"]
for number in range(count):
    while True:
        ground = draw.randrange(30, 220)
        rows = [bytearray([ground] * 3 * SIDE) for _ in range(SIDE)]
        there = [name for name in COLOURS if draw.random() < 0.4]
        for name in there:
            left, top = draw.randrange(SIDE - 16), draw.randrange(SIDE - 16)
            for row in rows[top : top + 16]:
                row[3 * left : 3 * (left + 16)] = bytes(COLOURS[name]) * 16
        image = png(rows)
        # Grounds without squares are few: no image may be in both parts.
        if image not in drawn:
            break
    drawn.add(image)
    (folder / f"{number:04}.png").write_bytes(image)
    flags = ["" if draw.random() < 0.05 else str(int(name in there)) for name in COLOURS]
    squares = "" if draw.random() < 0.05 else str(len(there))
    split = "test" if number % 5 == 0 else "train"
    lines.append(",".join([f"{number:04}.png", *flags, "|".join(there), str(ground), squares, split]))
(folder / "list.csv").write_text("\n".join(lines) + "\n")
print(f"{count} images in {folder}")
