#!/usr/bin/env bash
# pycocotools 2.0.11: two kinds of ids in a COCO file lower the AP of a perfect detector without a word.
# - COCOeval keeps the id of the matched object for each detection, and reads 0 as "not matched". An object whose
#   annotation has the id 0 (tools that count from 0 write it) is never found: one of two counts as missed, and its
#   detection as false.
# - ids are compared as Python compares them, and nothing checks that an annotation's image exists. Where a tool wrote
#   an `image_id` as text ("1" for 1), the object belongs to no image and is not asked for; its detection is false.
# Seen: two objects, both detected exactly: AP 1.000, AR 1.000; with the annotation ids 0 and 1 AP 0.252, AR 0.500;
# with one `image_id` as text AP 0.500, AR 1.000.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pycocotools==2.0.11 numpy==2.2.6
"$folder/venv/bin/python" - "$folder" <<'P'
import contextlib, io, json, pathlib, sys
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

def score(ids=(1, 2), image_ids=(1, 2)):
    box = [10, 10, 40, 40]
    truth = {
        "images": [{"id": i, "width": 100, "height": 100, "file_name": f"{i}.jpg"} for i in (1, 2)],
        "annotations": [
            {"id": id, "image_id": image, "category_id": 1, "bbox": box, "area": 1600, "iscrowd": 0}
            for id, image in zip(ids, image_ids)
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

plain, zero, text = score(), score(ids=(0, 1)), score(image_ids=("1", 2))
print("AP and AR:", plain)
print("AP and AR with the annotation ids 0, 1:", zero)
print("AP and AR with one image_id as text:", text)
assert (plain, zero, text) == ([1.0, 1.0], [0.252, 0.5], [0.5, 1.0]), "this has changed"
P
