"""The linear probe against scikit-learn's logistic regression on standardised features.

    python3 linear_sklearn.py make FILE   seeded features of which each is mixed of others, as an encoder's are, and what
                                          scikit-learn makes of them: tests/golden/linear_probe.safetensors
    python3 linear_sklearn.py FILE        the accuracy on features that `eval --head linear --out` saved, as JSON
"""

import json
import sys

import numpy
from safetensors.numpy import load_file, save_file
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler


def accuracy(data):
    scaler = StandardScaler().fit(data["train.features"])
    train, test = (scaler.transform(data[f"{part}.features"].astype("f8")) for part in ("train", "test"))
    model = LogisticRegression(max_iter=5000).fit(train, data["train.labels"])
    return float(model.score(test, data["test.labels"]))


def make(path):
    rng = numpy.random.default_rng(0)
    width, classes, count = 24, 10, {"train": 1500, "test": 1500}
    # Deviations of very different size, mixed by a rotation, far from 0.
    rotation, _ = numpy.linalg.qr(rng.standard_normal((width, width)))
    mixing = numpy.geomspace(1, 0.3, width)[:, None] * rotation
    true = rng.standard_normal((width, classes)) * 2
    offset = rng.standard_normal(width)
    data = {}
    for part, n in count.items():
        hidden = rng.standard_normal((n, width))
        scores = hidden @ true + rng.gumbel(size=(n, classes)) * 2
        data[f"{part}.features"] = (hidden @ mixing + offset).astype("f4")
        data[f"{part}.labels"] = scores.argmax(1).astype("i8")
    data["accuracy"] = numpy.array([accuracy(data)])
    save_file(data, path)


if sys.argv[1] == "make":
    make(sys.argv[2])
else:
    print(json.dumps({"accuracy": accuracy(load_file(sys.argv[1]))}))
