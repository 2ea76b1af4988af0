"""k-NN by scikit-learn on the features that `eval --head knn --out` saved.

Prints the share of the test images whose class it tells, and the classes of the training images: {"accuracy": …,
"classes": {class: count}}. Votes are exp(similarity / 0.07) of the 20 nearest by cosine, in f64.
"""

import json
import sys

import numpy
from safetensors.numpy import load_file
from sklearn.neighbors import KNeighborsClassifier

data = load_file(sys.argv[1])
train, test = data["train.features"].astype("f8"), data["test.features"].astype("f8")
knn = KNeighborsClassifier(
    n_neighbors=20,
    metric="cosine",
    algorithm="brute",
    weights=lambda distances: numpy.exp((1.0 - distances) / 0.07),
)
knn.fit(train, data["train.labels"])
classes, counts = numpy.unique(data["train.labels"], return_counts=True)
print(
    json.dumps(
        {
            "accuracy": float(knn.score(test, data["test.labels"])),
            "classes": dict(zip(map(str, classes), map(int, counts))),
        }
    )
)
