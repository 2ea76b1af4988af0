"""The scores of heads on label sets and numbers by scikit-learn, of the predictions that an evaluation wrote.

    python3 predictions_sklearn.py FOLDER/…/predictions.safetensors    {figure: value} as JSON
"""

import json
import sys

import numpy
from safetensors import safe_open
from sklearn.metrics import (average_precision_score, f1_score, mean_absolute_error, r2_score,
                             root_mean_squared_error)


def label_sets(labels, logits):
    known = labels >= 0
    scored = [i for i in range(labels.shape[1]) if (labels[:, i] == 1).any()]

    def each(score, of):
        return float(numpy.mean([score(labels[known[:, i], i], of[known[:, i], i]) for i in scored]))

    predicted = (logits >= 0).astype(int)
    return {
        "map": each(average_precision_score, logits),
        "map_micro": float(average_precision_score(labels[known], logits[known])),
        "f1_macro": each(lambda a, b: f1_score(a, b, zero_division=0), predicted),
        "f1_micro": float(f1_score(labels[known], predicted[known], zero_division=0)),
        "classes_scored": len(scored),
    }


def numbers(names, values, predictions):
    scores, all_of = {}, []
    for name, of, found in zip(names, values.T.astype("f8"), predictions.T.astype("f8")):
        there = ~numpy.isnan(of)
        pair = of[there], found[there]
        all_of.append([float(score(*pair)) for score in (r2_score, mean_absolute_error, root_mean_squared_error)])
        if len(names) > 1:
            scores |= {f"{figure}/{name}": value for figure, value in zip(("r2", "mae", "rmse"), all_of[-1])}
    return scores | dict(zip(("r2", "mae", "rmse"), numpy.mean(all_of, axis=0).tolist()))


with safe_open(sys.argv[1], "numpy") as file:
    tensors = {name: file.get_tensor(name) for name in file.keys()}
    metadata = file.metadata()
if "labels" in tensors:
    print(json.dumps(label_sets(tensors["labels"], tensors["logits"])))
else:
    print(json.dumps(numbers(json.loads(metadata["values"]), tensors["values"], tensors["predictions"])))
