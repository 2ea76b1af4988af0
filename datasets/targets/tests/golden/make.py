"""Reference masks from pycocotools.

    python3 datasets/targets/tests/golden/make.py         writes masks.json beside this script
    python3 datasets/targets/tests/golden/make.py SEED    prints new cases as JSON

Nothing here is computed by the Rust code.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pycocotools.mask as tools

HERE = Path(__file__).resolve().parent


def runs(mask):
    """The runs of a mask down its columns, zeros first, by hand."""
    out, last, run = [], 0, 0
    for value in np.asarray(mask).ravel(order="F"):
        if value != last:
            out.append(run)
            last, run = value, 0
        run += 1
    return [*out, run]


def masks(rng):
    out = []
    for h, w, share in [(1, 1, 0.5), (1, 1, 1.0), (5, 7, 0.5), (7, 5, 0.0), (6, 6, 1.0), (13, 9, 0.1), (20, 31, 0.8), (40, 3, 0.5)]:
        mask = (rng.random((h, w)) < share).astype(np.uint8)
        if h > 12:
            mask[: h // 2, : w // 2] = 1
        rle = tools.encode(np.asfortranarray(mask))
        out.append({"size": [h, w], "rows": mask.ravel().tolist(), "counts": runs(mask), "text": rle["counts"].decode(),
                    "area": int(tools.area(rle)), "box": tools.toBbox(rle).tolist()})
    return out


def pairs(rng):
    out = []
    for h, w in [(6, 5), (12, 17), (30, 22), (9, 9)]:
        kinds = [(rng.random((h, w)) < p).astype(np.uint8) for p in (0.05, 0.4, 0.8, 0.0, 1.0)]
        rles = [tools.encode(np.asfortranarray(m)) for m in kinds]
        crowd = [int(v) for v in rng.integers(0, 2, len(rles))]
        out.append({"size": [h, w], "texts": [r["counts"].decode() for r in rles], "crowd": crowd,
                    "iou": tools.iou(rles, rles, crowd).ravel().tolist(),
                    "union": tools.merge(rles[:2])["counts"].decode(),
                    "intersection": tools.merge(rles[1:3], intersect=True)["counts"].decode()})
    return out


def boxes(rng):
    a, b = ([[round(float(v), 3) for v in (*rng.uniform(-3, 20, 2), *rng.uniform(0, 15, 2))] for _ in range(6)] for _ in range(2))
    a[0], b[1] = [2.0, 3.0, 4.0, 5.0], [2.0, 3.0, 4.0, 5.0]
    a[1], b[2] = [0.0, 0.0, 4.0, 4.0], [4.0, 0.0, 4.0, 4.0]  # they touch
    a[2] = [1.0, 1.0, 0.0, 5.0]  # no width
    crowd = [0, 1, 0, 1, 0, 0]
    return {"a": a, "b": b, "crowd": crowd, "iou": tools.iou(np.array(a), np.array(b), crowd).ravel().tolist()}


def polygons(rng):
    out = []

    def add(h, w, pieces):
        rles = tools.frPyObjects(pieces, h, w)
        out.append({"size": [h, w], "pieces": pieces, "text": tools.merge(rles)["counts"].decode()})

    add(10, 12, [[2, 2, 8, 2, 8, 7, 2, 7]])  # whole pixels
    add(10, 12, [[2.5, 2.5, 8.5, 2.5, 8.5, 7.5, 2.5, 7.5]])  # halves
    add(10, 12, [[2, 2, 8, 7, 8, 2, 2, 7]])  # it crosses itself
    add(10, 12, [[-3, -2, 15, -2, 15, 12, -3, 12]])  # larger than the image
    add(10, 12, [[20, 20, 25, 20, 25, 25]])  # outside
    add(10, 12, [[3, 3, 3, 3, 3, 3]])  # a point
    add(10, 12, [[3, 3, 9, 3, 6, 3]])  # a line
    add(10, 12, [[1, 1, 1, 1, 6, 1, 6, 1, 6, 6, 1, 6, 1, 6]])  # corners given twice
    add(10, 12, [[0, 0, 0, 10, 12, 10, 12, 0]])  # everything
    add(16, 16, [[1, 1, 6, 1, 6, 6], [8.2, 9, 14.7, 8.1, 11, 15.3]])  # two pieces
    for _ in range(40):
        h, w = (int(v) for v in rng.integers(1, 40, 2))
        pieces = []
        for _ in range(rng.integers(1, 3)):
            corners = int(rng.integers(3, 9))
            points = rng.uniform(-0.2, 1.2, (corners, 2)) * [w, h]
            pieces.append([round(float(v), int(rng.integers(0, 4))) for v in points.ravel()])
        add(h, w, pieces)
    return out


def cases(seed):
    rng = np.random.default_rng(seed)
    return {"masks": masks(rng), "pairs": pairs(rng), "boxes": boxes(rng), "polygons": polygons(rng)}


if __name__ == "__main__":
    if len(sys.argv) == 2:
        json.dump(cases(int(sys.argv[1])), sys.stdout)
    else:
        path = HERE / "masks.json"
        path.write_text(json.dumps(cases(0), separators=(",", ":")) + "\n")
        print(path.name, path.stat().st_size)
