"""Reference figures of the metrics, from scikit-learn, torchmetrics and pycocotools.

    python3 heads/tests/golden/make.py            writes the golden files beside this script
    python3 heads/tests/golden/make.py SUBJECT    writes that of one subject
    python3 heads/tests/golden/make.py SUBJECT SEED…  prints new cases of one subject as JSON

Subjects: classification, multi_label, regression (scikit-learn), segmentation (torchmetrics, scikit-learn), detection (pycocotools).
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


def multi_label(seed):
    import warnings

    from sklearn.metrics import average_precision_score, f1_score

    warnings.simplefilter("ignore")
    rng = np.random.default_rng(seed)
    cases = []
    # (name, images, labels, share that is there, share that is unknown, ties)
    table = [
        ("random", 40, 5, 0.4, 0.0, False),
        ("ties", 60, 6, 0.3, 0.0, True),
        ("all scores equal", 12, 3, 0.5, 0.0, None),
        ("unknown", 50, 7, 0.4, 0.3, False),
        ("unknown and ties", 50, 4, 0.2, 0.5, True),
        ("rare", 30, 9, 0.04, 0.1, False),
        ("every label", 9, 3, 1.0, 0.0, True),
        ("one image", 1, 4, 0.5, 0.0, False),
    ]
    for name, images, labels, there, unknown, ties in table:
        truth = (rng.random((images, labels)) < there).astype(int)
        truth[0, 0] = 1
        logits = (rng.standard_normal((images, labels)) + 0.7 * truth).astype(np.float32)
        if ties:
            logits = np.round(logits * 2) / 2
        elif ties is None:
            logits = np.zeros_like(logits)
        known = rng.random((images, labels)) >= unknown
        known[0, 0] = True
        predicted = (logits >= 0).astype(int)
        ap, f1 = [], []
        for label in range(labels):
            own = known[:, label]
            has = truth[own, label]
            ap.append(float(average_precision_score(has, logits[own, label])) if has.any() else None)
            f1.append(float(f1_score(has, predicted[own, label], zero_division=0)) if has.any() else None)
        scored = [label for label in range(labels) if ap[label] is not None]
        figures = {
            "map": float(np.mean([ap[label] for label in scored])),
            "map_micro": float(average_precision_score(truth[known], logits[known])),
            "f1_macro": float(np.mean([f1[label] for label in scored])),
            "f1_micro": float(f1_score(truth[known], predicted[known], zero_division=0)),
        }
        if unknown == 0:
            # The library's own means, where it can make them.
            for average in ("macro", "micro"):
                kind = {"macro": "map", "micro": "map_micro"}[average]
                of = scored if average == "macro" else list(range(labels))
                theirs = average_precision_score(truth[:, of], logits[:, of], average=average) if len(of) > 1 else figures[kind]
                assert abs(theirs - figures[kind]) < 1e-12, name
            theirs = f1_score(truth, predicted, labels=scored, average="macro", zero_division=0)
            assert abs(theirs - figures["f1_macro"]) < 1e-12, name
            assert abs(f1_score(truth, predicted, average="micro", zero_division=0) - figures["f1_micro"]) < 1e-12, name
        cases.append({
            "name": name,
            "labels": labels,
            "truths": np.where(known, truth, -1).ravel().tolist(),
            "logits": logits.ravel().tolist(),
            "ap": ap,
            "f1": f1,
            **figures,
        })
    return cases


def regression(seed):
    import warnings

    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    warnings.simplefilter("ignore")
    rng = np.random.default_rng(seed)
    cases = []
    # (name, images, values, share that is missing, what the numbers are)
    table = [
        ("random", 40, 3, 0.0, "random"),
        ("one value", 25, 1, 0.0, "random"),
        ("far from 0", 30, 2, 0.0, "far"),
        ("missing", 50, 4, 0.4, "random"),
        ("constant", 20, 3, 0.0, "constant"),
        ("constant and exact", 20, 2, 0.0, "exact"),
        ("ties", 20, 2, 0.0, "ties"),
        ("one image", 1, 2, 0.0, "random"),
    ]
    for name, images, values, missing, kind in table:
        truth = rng.standard_normal((images, values)) * 3
        if kind == "far":
            truth = truth * 0.5 + 2000
        elif kind == "ties":
            truth = np.round(truth)
        elif kind in ("constant", "exact"):
            truth[:, 0] = 4.25
        predicted = truth + rng.standard_normal((images, values))
        if kind == "exact":
            predicted[:, 0] = truth[:, 0]
        # As single numbers are stored, and read in f64: scikit-learn would sum float32 in float32.
        truth, predicted = (a.astype(np.float32).astype(np.float64) for a in (truth, predicted))
        there = rng.random((images, values)) >= missing
        scores = []
        for value in range(values):
            t, p = truth[there[:, value], value], predicted[there[:, value], value]
            if len(t) == 0:
                scores.append(None)
                continue
            r2 = float(r2_score(t, p)) if len(t) > 1 else None
            scores.append([r2, float(mean_absolute_error(t, p)), float(root_mean_squared_error(t, p))])
        have = [s for s in scores if s is not None]
        r2s = [s[0] for s in have if s[0] is not None]
        figures = [float(np.mean(r2s)) if r2s else None, *(float(np.mean([s[i] for s in have])) for i in (1, 2))]
        if missing == 0:
            if images > 1:
                assert abs(r2_score(truth, predicted) - figures[0]) < 1e-12, name
            assert abs(mean_absolute_error(truth, predicted) - figures[1]) < 1e-12, name
            assert abs(root_mean_squared_error(truth, predicted) - figures[2]) < 1e-12, name
        cases.append({
            "name": name,
            "values": values,
            "truths": [None if not k else t for k, t in zip(there.ravel().tolist(), truth.ravel().tolist())],
            "predictions": predicted.ravel().tolist(),
            "scores": scores,
            "figures": figures,
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


SUBJECTS = {
    "classification": classification,
    "multi_label": multi_label,
    "regression": regression,
    "segmentation": segmentation,
    "detection": detection,
}

if __name__ == "__main__":
    if len(sys.argv) == 2:
        (HERE / f"{sys.argv[1]}.json").write_text(json.dumps(SUBJECTS[sys.argv[1]](0), separators=(",", ":")) + "\n")
    elif len(sys.argv) > 2:
        make = SUBJECTS[sys.argv[1]]
        json.dump([case for seed in sys.argv[2:] for case in make(int(seed))], sys.stdout)
    else:
        for name, make in SUBJECTS.items():
            path = HERE / f"{name}.json"
            path.write_text(json.dumps(make(0), separators=(",", ":")) + "\n")
            print(path.name, path.stat().st_size)
