"""Reference figures of heads/src/analysis, from NumPy alone: writes analysis.json beside this script.

    python3 heads/tests/golden/make_analysis.py

The formulas are the definitions, written another way than the Rust code has them: np.fft.fft2 (Park & Kim 2022, with
the 1e-6 of their code), np.linalg.svd (RankMe, Garrido et al. 2023), and HSIC as the U-statistic over all quadruples
of different images (Song et al. 2012), which the closed form of minibatch CKA (Nguyen et al. 2021) must equal.
"""

import itertools
import json
from pathlib import Path

import numpy as np

rng = np.random.default_rng(7)


def rounded(array):
    return np.asarray(array, dtype=np.float32)


def spectrum(h, w):
    images, dim = 3, 4
    # Rough and smooth images, so that no frequency is like another.
    y, x = np.mgrid[:h, :w]
    waves = np.cos(2 * np.pi * y / h)[..., None] * rng.normal(size=dim) + 0.3 * np.cos(np.pi * x)[..., None]
    tokens = rounded(rng.normal(size=(images, h, w, dim)) + 2 * waves + 1)
    log = np.log(np.abs(np.fft.fft2(tokens.astype(np.float64), axes=(1, 2))) + 1e-6).mean((0, 3))
    radius = 2 * np.hypot(*np.meshgrid(np.fft.fftfreq(h), np.fft.fftfreq(w), indexing="ij"))
    half = min(h, w) / 2
    # Away from a tie, rounding is the same everywhere.
    ring = np.floor(radius * half + 0.5).astype(int)
    radial = [[float(r / half), float(log[ring == r].mean() - log[0, 0])] for r in np.unique(ring)]
    diagonal = [[2 * k / min(h, w), float(log[k, k] - log[0, 0])] for k in range(min(h, w) // 2 + 1)]
    return {"h": h, "w": w, "dim": dim, "tokens": tokens.ravel().tolist(), "log": log.ravel().tolist(),
            "radial": radial, "diagonal": diagonal}


def attention(h, w, patch, prefix):
    heads, images, n = 2, 2, prefix + h * w
    logits = 3 * rng.normal(size=(images, heads, n, n))
    p = np.exp(logits)
    p = rounded(p / p.sum(-1, keepdims=True))
    place = np.array([(i, j) for i in range(h) for j in range(w)], dtype=float)
    distance = patch * np.linalg.norm(place[:, None] - place[None], axis=-1)
    q = p[:, :, prefix:, prefix:].astype(np.float64)
    q /= q.sum(-1, keepdims=True)
    return {"h": h, "w": w, "patch": patch, "prefix": prefix, "heads": heads, "probabilities": p.ravel().tolist(),
            "means": (q * distance).sum(-1).mean((0, 2)).tolist(), "uniform": float(distance.mean())}


def rank(count, width, true_rank):
    z = rounded(rng.normal(size=(count, true_rank)) @ rng.normal(size=(true_rank, width)) + 0.5)
    s = np.linalg.svd(z.astype(np.float64), compute_uv=False)
    p = s / s.sum() + 1e-7
    return {"width": width, "features": z.ravel().tolist(), "rank": float(np.exp(-(p * np.log(p)).sum()))}


def hsic(k, l):
    n = len(k)
    total, count = 0.0, 0
    for i, j, q, r in itertools.permutations(range(n), 4):
        total += k[i, j] * (l[i, j] + l[q, r] - 2 * l[i, q])
        count += 1
    return total / count


def similarity():
    n, widths, batches = 6, [5, 3, 40], []
    sums = np.zeros((3, 3))
    for _ in range(3):
        base = rng.normal(size=(n, 4))
        features = [rounded(base @ rng.normal(size=(4, w)) + 0.5 * rng.normal(size=(n, w))) for w in widths]
        grams = [f.astype(np.float64) @ f.astype(np.float64).T for f in features]
        sums += [[hsic(a, b) for b in grams] for a in grams]
        batches.append([f.ravel().tolist() for f in features])
    root = np.sqrt(np.diag(sums))
    return {"images": n, "batches": batches, "cka": (sums / root[:, None] / root[None]).tolist()}


golden = {
    "spectrum": [spectrum(8, 8), spectrum(7, 7), spectrum(4, 6)],
    "attention": [attention(3, 4, 8, 1), attention(4, 4, 16, 0)],
    "rank": [rank(30, 8, 8), rank(8, 30, 8), rank(40, 10, 3)],
    "similarity": similarity(),
}
path = Path(__file__).resolve().parent / "analysis.json"
path.write_text(json.dumps(golden) + "\n")
