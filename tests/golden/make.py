"""Writes the golden files of this folder; see README.md.

    python3 tests/golden/make.py

Independent of the Rust code: the losses, targets and tables are computed here, the runs by
python/reference.py from inputs that the Rust side writes.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from skimage.feature import hog as skimage_hog
from timm.models.beit import gen_relative_position_index

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))
import reference  # noqa: E402

RUNS = ["paper", "simmim", "mae", "diffmae"]


def low_pass(plane, radius):
    h, w = plane.shape
    y, x = np.fft.fftfreq(h) * h, np.fft.fftfreq(w) * w
    keep = y[:, None] ** 2 + x[None] ** 2 <= radius**2
    return np.fft.ifft2(np.fft.fft2(plane) * keep).real


def abar(exponent, steps=1000):
    beta = np.linspace(1e-4, 0.02, steps)
    return np.cumprod(1 - beta**exponent)


def disruption(form, attention, roles):
    """By brute force: one row at a time, in the words of METHOD.md."""
    gaps, there, back = [], [], []
    for a in attention:
        for image, role in zip(a, roles):
            m = [1 + i for i, r in enumerate(role) if r == 1]
            v = [1 + i for i, r in enumerate(role) if r == 2]
            for head in image:
                n = len(head)
                for i in m:
                    gaps.append(math.log(n) + sum(p * math.log(p) for p in head[i] if p > 0))
                    there.append(sum(head[i][j] for j in v))
                for i in v:
                    back.append(sum(head[i][j] for j in m))
    values = {"row-entropy": np.mean(gaps), "cross-mass": 0.5 * np.mean(there) + 0.5 * np.mean(back), "one-way": np.mean(back)}
    return values[form]


def definitions():
    rng = np.random.default_rng(0)
    f32 = lambda *shape: rng.standard_normal(shape).astype(np.float32)
    out = {"images": f32(2, 3, 16, 16), "prediction": f32(2, 16, 48), "eps": f32(2, 16, 48)}
    roles = np.zeros((2, 16), np.float32)
    for row in roles:
        order = rng.permutation(16)
        row[order[:9]], row[order[9:14]] = 1, 2  # 9 masked, 5 noised, 2 visible
    out["roles"] = roles
    logits = rng.standard_normal((2, 2, 2, 17, 17)) * 2
    attention = (np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)).astype(np.float32)
    out["attention"] = attention

    t = lambda name: torch.from_numpy(out[name]).double()
    mask = (t("roles") == 1).double()
    out["mae"] = reference.mae_loss(t("prediction"), t("images"), mask, 4, False).numpy()
    out["mae-norm"] = reference.mae_loss(t("prediction"), t("images"), mask, 4, True).numpy()
    out["simmim"] = reference.simmim_loss(t("prediction"), t("images"), mask, 4).numpy()
    patches = reference.patchify(t("images"), 4)
    for beta in (0.5, 2.0):
        d = (t("prediction") - patches).abs()
        loss = torch.where(d < beta, 0.5 * d * d / beta, d - 0.5 * beta).mean(-1)
        for on, keep in [("masked", mask), ("visible", 1 - mask), ("all", torch.ones_like(mask))]:
            out[f"smooth-l1-{beta}-{on}"] = ((loss * keep).sum() / keep.sum()).numpy()
    gain, sigma = 0.8, 0.6
    noisy = torch.where(t("roles")[..., None] == 2, gain * patches + sigma * t("eps"), patches)
    for name, goal in [("noised-pixels", noisy), ("noise", t("eps"))]:
        out[name] = (t("prediction") - goal).pow(2).mean(-1).mean().numpy()
    for form in ("row-entropy", "cross-mass", "one-way"):
        out[form] = np.array(disruption(form, attention.astype(np.float64), roles))
    out["hog"] = reference.hog(torch.from_numpy(out["images"]), 4).numpy()

    # Gradients of 0, 45, 90 or 135 degrees only: there hard bins (skimage) and split votes agree.
    plane = rng.integers(0, 2, (32, 32)).astype(np.float32)
    out["binary"] = plane
    out["binary-hog"] = skimage_hog(plane, orientations=8, pixels_per_cell=(8, 8), cells_per_block=(1, 1), block_norm="L2", feature_vector=False).reshape(4, 4, 8)

    for name, shape, radius in [("even", (32, 24), 5.0), ("odd", (15, 21), 3.7), ("all", (8, 8), 100.0), ("mean", (8, 9), 0.0)]:
        out[f"low-pass-{name}"] = f32(*shape)
        out[f"low-pass-{name}-radius"] = np.array([radius])
        out[f"low-pass-{name}-want"] = low_pass(out[f"low-pass-{name}"].astype(np.float64), radius)

    times = np.array([0.0, 1.0, 17.0, 250.0, 999.0, 43.21])
    out["times"], out["timestep-embedding"] = times, reference.timestep_embedding(torch.from_numpy(np.asarray(times, dtype=np.float64))).numpy()
    for exponent in (0.8, 1.0, 1.2):
        out[f"abar-{exponent}"] = abar(exponent)[[0, 100, 250, 500, 750, 999]]
    out["sincos-16-3x5"] = reference.sincos_2d(16, 3, 5, 1)
    out["relative-3x5"] = gen_relative_position_index((3, 5)).numpy()
    return {name: np.ascontiguousarray(value) for name, value in out.items()}


def checksums(inputs):
    """Sums that change where a weight, pixel, plan or noise value does."""
    sums = {}
    for name, value in inputs.items():
        kind = name.split(".")[0]
        weights = np.arange(1, value.size + 1) % 97
        sums[kind] = sums.get(kind, 0.0) + float((value.astype(np.float64).ravel() * weights).sum())
    return sums


def runs():
    out = {}
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, PALIMPSEST_EXPORT=folder)
        command = ["cargo", "test", "--release", "-p", "palimpsest-tests", "--test", "suite", "--", "--ignored", "export_runs"]
        subprocess.run(command, check=True, env=environment, cwd=HERE.parent.parent)
        torch.set_num_threads(1)
        for name in RUNS:
            path = f"{folder}/{name}.safetensors"
            answer = reference.run(path)
            out[f"{name}/losses"] = np.array(answer["losses"])
            for parameter, values in answer["weights"].items():
                values = np.array(values)
                out[f"{name}/weights/{parameter}"] = np.array([np.abs(values).sum(), *values[:3]])
            for kind, total in checksums(load_file(path)).items():
                out[f"{name}/inputs/{kind}"] = np.array([total])
    return out


if __name__ == "__main__":
    save_file(definitions(), HERE / "definitions.safetensors")
    save_file(runs(), HERE / "runs.safetensors")
    print(json.dumps({p.name: p.stat().st_size for p in sorted(HERE.glob("*.safetensors"))}))
