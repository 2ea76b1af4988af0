"""Reference figures of the metrics, from scikit-learn, torchmetrics and pycocotools.

    python3 heads/tests/golden/make.py            writes the golden files beside this script
    python3 heads/tests/golden/make.py SUBJECT SEED…  prints new cases of one subject as JSON

Subjects: classification (scikit-learn), segmentation (torchmetrics, scikit-learn), detection (pycocotools).
Nothing here is computed by the Rust code.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def classification(seed):
    import warnings

    from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, top_k_accuracy_score

    warnings.simplefilter("ignore")
    rng = np.random.default_rng(seed)
    cases = []
    for count, classes, ties in [(40, 5, False), (60, 7, True), (1, 3, False), (30, 12, True), (25, 3, True)]:
        labels = rng.integers(0, classes, count)
        scores = rng.standard_normal((count, classes)).astype(np.float32)
        if ties:
            scores = np.round(scores * 2) / 2
        predicted = scores.argmax(1)
        everything = np.arange(classes)
        top = {}
        for k in range(1, classes):
            top[str(k)] = float(top_k_accuracy_score(labels, scores, k=k, labels=everything))
        cases.append({
            "classes": classes,
            "labels": labels.tolist(),
            "scores": scores.ravel().tolist(),
            "predicted": predicted.tolist(),
            "top": top,
            "accuracy": float(accuracy_score(labels, predicted)),
            "mean_class_accuracy": float(balanced_accuracy_score(labels, predicted)),
            "confusion": confusion_matrix(labels, predicted, labels=everything).ravel().tolist(),
        })
    return cases


def segmentation(seed):
    import torch
    from sklearn.metrics import confusion_matrix, jaccard_score
    from torchmetrics.functional.classification import (multiclass_accuracy, multiclass_confusion_matrix,
                                                        multiclass_jaccard_index)

    rng = np.random.default_rng(seed)
    cases = []
    # (classes, classes that occur, share to ignore, size)
    for classes, occur, ignored, size in [(3, 3, 0.0, 7), (6, 4, 0.2, 9), (5, 2, 0.5, 6), (4, 4, 0.9, 5), (150, 9, 0.1, 12)]:
        truth = rng.integers(0, occur, (2, size, size))
        noise = rng.random(truth.shape) < 0.4
        predicted = np.where(noise, rng.integers(0, occur, truth.shape), truth)
        truth = np.where(rng.random(truth.shape) < ignored, 255, truth)
        t, p = torch.from_numpy(truth), torch.from_numpy(predicted)
        keep = truth != 255
        confusion = multiclass_confusion_matrix(p, t, classes, ignore_index=255).numpy()
        assert (confusion == confusion_matrix(truth[keep], predicted[keep], labels=np.arange(classes))).all()
        # torchmetrics leaves classes out of the mean that neither occur nor were predicted.
        mean_iou = multiclass_jaccard_index(p.long(), t.long(), classes, average="macro", ignore_index=255)
        # In float64, as torchmetrics gives the mean in float32.
        present = np.unique(np.concatenate([truth[keep], predicted[keep]]))
        iou = jaccard_score(truth[keep], predicted[keep], labels=present, average=None)
        assert abs(iou.mean() - float(mean_iou)) < 1e-6
        there = np.unique(truth[keep])
        recall = [float((predicted[keep] == truth[keep])[truth[keep] == c].mean()) for c in there]
        micro = float(multiclass_accuracy(p.long(), t.long(), classes, average="micro", ignore_index=255))
        share = [(truth[keep] == c).mean() for c in present]
        cases.append({
            "classes": classes,
            "truth": truth.reshape(2, -1).tolist(),
            "predicted": predicted.reshape(2, -1).tolist(),
            "pixels": int(keep.sum()),
            "mean_iou": float(iou.mean()),
            "class_iou": {str(c): float(v) for c, v in zip(present, iou)},
            "pixel_accuracy": float((predicted[keep] == truth[keep]).mean()),
            "pixel_accuracy_torchmetrics": micro,
            "mean_accuracy": float(np.mean(recall)),
            "frequency_weighted_iou": float(np.dot(share, iou)),
        })
    return cases


def draw_mask(rng, size, kind):
    """Boxes, ellipses, scattered pixels or nothing."""
    h, w = size
    mask = np.zeros((h, w), np.uint8)
    y0, x0 = rng.integers(0, h - 1), rng.integers(0, w - 1)
    y1, x1 = rng.integers(y0 + 1, h + 1), rng.integers(x0 + 1, w + 1)
    if kind == 0:
        mask[y0:y1, x0:x1] = 1
    elif kind == 1:
        y, x = np.mgrid[:h, :w]
        cy, cx, ry, rx = (y0 + y1) / 2, (x0 + x1) / 2, max((y1 - y0) / 2, 0.6), max((x1 - x0) / 2, 0.6)
        mask[((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1] = 1
    elif kind == 2:
        mask[y0:y1, x0:x1] = rng.random((y1 - y0, x1 - x0)) < 0.7
    return mask


def encode(mask):
    import pycocotools.mask as tools

    rle = tools.encode(np.asfortranarray(mask))
    return {"size": [int(v) for v in rle["size"]], "counts": rle["counts"].decode()}


def image_of(rng, size, classes, objects, found, style):
    """Random objects, and detections that are shifted objects or inventions."""
    import pycocotools.mask as tools

    truths, detections = [], []
    for _ in range(objects):
        mask = draw_mask(rng, size, rng.integers(0, 3))
        rle = encode(mask)
        area, box = float(tools.area(rle)), [float(v) for v in tools.toBbox(rle)]
        if "fine" in style:
            box = [round(v + float(rng.uniform(-0.4, 0.4)), 2) for v in box]
            box[2:] = [max(v, 0.5) for v in box[2:]]
        truths.append({
            "category_id": int(rng.integers(1, classes + 1)),
            "bbox": box,
            "segmentation": rle,
            # COCO's areas are of the polygons, a little off the masks'.
            "area": area if rng.random() < 0.5 else round(area * float(rng.uniform(0.9, 1.1)), 2),
            "iscrowd": int("crowd" in style and rng.random() < 0.3),
            "difficult": int("difficult" in style and rng.random() < 0.4),
        })
    for _ in range(found):
        if truths and rng.random() < 0.75:
            near = truths[rng.integers(0, len(truths))]
            mask = tools.decode(near["segmentation"])
            if rng.random() < 0.7:
                mask = np.roll(mask, tuple(rng.integers(-3, 4, 2)), (0, 1))
            category = near["category_id"] if rng.random() < 0.85 else int(rng.integers(1, classes + 1))
            box = list(near["bbox"])
            if rng.random() < 0.7:
                box = [round(v + float(rng.normal(0, 2)), 2) for v in box]
                box[2:] = [max(v, 0.25) for v in box[2:]]
        else:
            mask, category = draw_mask(rng, size, rng.integers(0, 4)), int(rng.integers(1, classes + 1))
            box = [float(v) for v in tools.toBbox(encode(mask))]
        score = float(rng.random())
        if "ties" in style:
            score = round(score * 4) / 4
        detections.append({"category_id": category, "bbox": box, "segmentation": encode(mask), "score": round(score, 4)})
    return {"size": list(size), "truths": truths, "detections": detections}


def coco_figures(images, classes, kind):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    class Evaluation(COCOeval):
        """Objects that are no crowd but to be ignored: COCOeval has them by area only."""

        def _prepare(self):
            super()._prepare()
            for truths in self._gts.values():
                for truth in truths:
                    truth["ignore"] = truth["ignore"] or truth["difficult"]

    key = {"bbox": "bbox", "segm": "segmentation"}[kind]
    data = {"images": [], "annotations": [], "info": {}, "categories": [{"id": c + 1, "name": str(c)} for c in range(classes)]}
    results = []
    for i, image in enumerate(images, 1):
        h, w = image["size"]
        data["images"].append({"id": i, "height": h, "width": w})
        for truth in image["truths"]:
            data["annotations"].append({**truth, "id": len(data["annotations"]) + 1, "image_id": i})
        for found in image["detections"]:
            results.append({"image_id": i, "category_id": found["category_id"], "score": found["score"], key: found[key]})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = data
        truth.createIndex()
        if results:
            found = truth.loadRes(results)
        else:
            found = COCO()
            found.dataset = {**data, "annotations": []}
            found.createIndex()
        evaluation = Evaluation(truth, found, kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    by_class = []
    for k in range(classes):
        p = evaluation.eval["precision"][:, :, k, 0, 2]
        by_class.append([float(v[v > -1].mean()) if (v > -1).any() else -1.0 for v in (p, p[0])])
    return {"figures": [float(v) for v in evaluation.stats], "classes": by_class}


def detection(seed):
    rng = np.random.default_rng(seed)
    cases = []
    # (name, images of (objects, detections), classes, size, style)
    table = [
        ("plain", [(4, 6), (3, 3), (5, 8)], 3, (40, 48), ""),
        ("fine boxes", [(5, 9), (6, 9), (2, 4)], 2, (40, 48), "fine"),
        ("ties", [(5, 12), (6, 12), (4, 9)], 2, (30, 34), "ties"),
        ("crowds", [(6, 12), (5, 10), (3, 9)], 2, (40, 48), "crowd"),
        ("crowds and ties", [(6, 12), (5, 10), (3, 9)], 2, (40, 48), "crowd ties"),
        ("difficult", [(6, 12), (5, 10), (3, 9)], 2, (40, 48), "difficult crowd"),
        ("all sizes", [(8, 14), (8, 14)], 2, (160, 150), "ties"),
        ("images without objects or detections", [(0, 5), (3, 0), (0, 0), (2, 4)], 2, (24, 24), ""),
        ("no detections", [(3, 0), (2, 0)], 2, (24, 24), ""),
        ("no objects", [(0, 3), (0, 2)], 2, (24, 24), ""),
        ("nothing", [(0, 0)], 2, (24, 24), ""),
        ("a class that never occurs", [(3, 5), (2, 4)], 9, (24, 24), ""),
        ("more than a hundred", [(6, 130)], 1, (28, 28), "ties"),
    ]
    for name, counts, classes, size, style in table:
        images = [image_of(rng, size, classes, o, d, style) for o, d in counts]
        cases.append({
            "name": name,
            "classes": classes,
            "images": images,
            "bbox": coco_figures(images, classes, "bbox"),
            "segm": coco_figures(images, classes, "segm"),
        })
    return cases


SUBJECTS = {"classification": classification, "segmentation": segmentation, "detection": detection}

if __name__ == "__main__":
    if len(sys.argv) > 2:
        make = SUBJECTS[sys.argv[1]]
        json.dump([case for seed in sys.argv[2:] for case in make(int(seed))], sys.stdout)
    else:
        for name, make in SUBJECTS.items():
            path = HERE / f"{name}.json"
            path.write_text(json.dumps(make(0), separators=(",", ":")) + "\n")
            print(path.name, path.stat().st_size)
