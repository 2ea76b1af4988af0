#!/usr/bin/env bash
# pycocotools 2.0.11: COCOeval keeps the id of the matched object for each detection, and reads 0 as "not matched".
# An object whose annotation has the id 0 (tools that count from 0 write it) is therefore never found: of two
# objects that are both detected exactly, one counts as missed and its detection as false.
# Seen: AP 1.000 with the ids 1 and 2, AP 0.252 and AR 0.500 with the ids 0 and 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pycocotools==2.0.11 numpy==2.2.6
"$folder/venv/bin/python" - "$folder" <<'P'
import contextlib, io, json, pathlib, sys
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

def score(ids):
    box = [10, 10, 40, 40]
    truth = {
        "images": [{"id": i, "width": 100, "height": 100, "file_name": f"{i}.jpg"} for i in (1, 2)],
        "annotations": [
            {"id": id, "image_id": image, "category_id": 1, "bbox": box, "area": 1600, "iscrowd": 0}
            for id, image in zip(ids, (1, 2))
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

counted_from_one, counted_from_zero = score((1, 2)), score((0, 1))
print("AP and AR with the ids 1, 2:", counted_from_one)
print("AP and AR with the ids 0, 1:", counted_from_zero)
assert counted_from_one == [1.0, 1.0] and counted_from_zero == [0.252, 0.5], "this has changed"
P
