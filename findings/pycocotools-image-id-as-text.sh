#!/usr/bin/env bash
# pycocotools 2.0.11: ids are compared as Python compares them, and nothing checks that an annotation's image exists.
# Where a tool wrote an `image_id` as text ("1" for 1), the object belongs to no image: it is left out of the
# evaluation without a word, and a detection of it counts as false.
# Seen: two objects, both detected exactly: AP 1.000; with one `image_id` as text AP 0.500, AR 1.000.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pycocotools==2.0.11 numpy==2.2.6
"$folder/venv/bin/python" - "$folder" <<'P'
import contextlib, io, json, pathlib, sys
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

def score(image_ids):
    box = [10, 10, 40, 40]
    truth = {
        "images": [{"id": i, "width": 100, "height": 100, "file_name": f"{i}.jpg"} for i in (1, 2)],
        "annotations": [
            {"id": id, "image_id": image, "category_id": 1, "bbox": box, "area": 1600, "iscrowd": 0}
            for id, image in zip((1, 2), image_ids)
        ],
        "categories": [{"id": 1, "name": "a"}],
    }
    file = pathlib.Path(sys.argv[1]) / "truth.json"
    file.write_text(json.dumps(truth))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(file))
        found = coco.loadRes([{"image_id": i, "category_id": 1, "bbox": box, "score": 0.9} for i in (1, 2)])
        evaluation = COCOeval(coco, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [round(float(evaluation.stats[k]), 3) for k in (0, 8)]

numbers, text = score((1, 2)), score(("1", 2))
print("AP and AR with numbers:", numbers)
print("AP and AR with one as text:", text)
assert numbers == [1.0, 1.0] and text == [0.5, 1.0], "this has changed"
P
